/**
 * Fields of a view that live in the address: choices, numbers, names of events and properties.
 *
 * A view describes its fields once, by the names of the report's parameters:
 * `{interval: {key: "retention.interval", label: "Interval", options: [["day", "Days"], ...], fallback: "week"}}`.
 */
import { eventNameInput, propertyInput } from "../controls.js";
import { h, replace } from "../dom.js";
import { state } from "../state.js";

/** The values of the fields: what the address says where it is valid, else the fallback; null for nothing. */
export function readFields(fields) {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, readField(field)]));
}

/** What `state.set` takes so that the fields show a saved report's parameters. */
export function toState(fields, parameters) {
  const entries = Object.entries(fields).map(([name, field]) => [field.key, write(field, parameters[name])]);
  return Object.fromEntries(entries);
}

/** The keys of the address that the fields use. */
export function keysOf(fields) {
  return Object.values(fields).map((field) => field.key);
}

/** A form of all the fields, which follows the address until `stop` is called: `{element, stop}`. */
export function buildForm(fields, label) {
  const element = h("form", { class: "fields", "aria-label": label, onsubmit: (event) => event.preventDefault() });
  const draw = () => replace(element, ...Object.values(fields).map(buildField));
  let shown = null;
  const follow = () => {
    const values = JSON.stringify(readFields(fields));
    if (values !== shown && !element.contains(document.activeElement)) draw();
    shown = values;
  };
  follow();
  return { element, stop: state.subscribe(keysOf(fields), follow) };
}

function readField(field) {
  const text = state.get(field.key);
  if (text === null || text === undefined || text === "") return field.fallback ?? null;
  if (field.options) return field.options.some(([value]) => value === text) ? text : field.fallback;
  if (field.kind === "number" || field.kind === "duration") return readNumber(text, field);
  return text;
}

function readNumber(text, { min, max, fallback }) {
  const number = Number(text);
  return Number.isInteger(number) && number >= min && number <= max ? number : fallback;
}

function write(field, value) {
  return value === undefined || value === null || value === "" || value === field.fallback ? null : String(value);
}

function set(field, value) {
  const cleared = Object.fromEntries((field.clears ?? []).map((key) => [key, null]));
  state.set({ ...cleared, [field.key]: write(field, value) });
}

function buildField(field) {
  if (field.kind === "event" || field.kind === "property") {
    const build = field.kind === "event" ? eventNameInput : propertyInput;
    const value = readField(field) ?? "";
    return build({ label: field.label, value, placeholder: field.empty, onChange: (name) => set(field, name) });
  }
  return h("label", { class: "field" }, h("span", {}, field.label), buildInput(field));
}

function buildInput(field) {
  if (field.options) return buildSelect(field, field.options);
  if (field.kind === "duration") return buildSelect(field, durationOptions(field));
  if (field.kind === "number") return buildNumber(field);
  return buildText(field);
}

function buildSelect(field, options) {
  const chosen = String(readField(field));
  const select = h(
    "select",
    { onchange: () => set(field, field.options ? select.value : Number(select.value)) },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
  return select;
}

function buildNumber(field) {
  const { min, max } = field;
  const input = h("input", {
    type: "number", min, max, step: 1, required: true, value: String(readField(field)), inputmode: "numeric",
    onchange: () => input.reportValidity() && set(field, Number(input.value)),
  });
  return input;
}

function buildText(field) {
  const input = h("input", {
    type: "search", value: readField(field) ?? "", placeholder: field.empty ?? "", autocomplete: "off",
    onchange: () => set(field, input.value.trim()),
  });
  return input;
}

const DURATIONS = [
  [600, "10 minutes"], [1800, "30 minutes"], [3600, "1 hour"], [21600, "6 hours"], [86400, "1 day"], [259200, "3 days"],
  [604800, "7 days"], [1209600, "14 days"], [2592000, "30 days"], [7776000, "90 days"],
];

function durationOptions(field) {
  const value = readField(field);
  const known = DURATIONS.some(([seconds]) => seconds === value);
  const all = known ? DURATIONS : [...DURATIONS, [value, `${value} seconds`]].sort((a, b) => a[0] - b[0]);
  return all.map(([seconds, text]) => [String(seconds), text]);
}
