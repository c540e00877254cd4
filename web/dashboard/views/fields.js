/**
 * Fields of a view that live in the address: choices, numbers, names of events and properties.
 *
 * A view describes its fields once, by the names of the report's parameters, as
 * `{interval: {key: "retention.interval", label: "Interval", choices: [["day", "Days"], ...], fallback: "week"}}`.
 * Kinds are "choice" (what has `choices`), "number" (with `min`, `max`), "duration" (seconds), "event", "property",
 * "value" (of `property`) and "text". `standard` is what a report takes that does not say, where that is not the
 * fallback. What `clears` names is taken out of the address when the field changes.
 */

import { eventNameInput, propertyInput, selectInput, valueInput } from "../controls.js";
import { h, onDispose, replace } from "../dom.js";
import { state } from "../state.js";

const TYPING_MS = 300;
const DURATIONS = [
  [600, "10 minutes"],
  [1800, "30 minutes"],
  [3600, "1 hour"],
  [21600, "6 hours"],
  [86400, "1 day"],
  [259200, "3 days"],
  [604800, "7 days"],
  [1209600, "14 days"],
  [2592000, "30 days"],
  [7776000, "90 days"],
];
let count = 0;

/** The values of the fields: what the address says where it is valid, else the fallback; null for nothing. */
export function readFields(fields) {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, readField(field)]));
}

/** What `state.set` takes so that the fields show a saved report's parameters. */
export function toState(fields, parameters) {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [field.key, write(field, parameters[name] ?? field.standard)]),
  );
}

/** The keys of the address that the fields use. */
export function keysOf(fields) {
  return Object.values(fields).map((field) => field.key);
}

/**
 * A form of the fields that follows the address. `describe()` gives the fields; they may depend on one another.
 * @param {() => Object} describe
 * @param {string} label
 * @param {...Node} more what else stands in the form
 */
export function buildForm(describe, label, ...more) {
  const element = h("form", { class: "fields", "aria-label": label, onSubmit: (event) => event.preventDefault() });
  let shape = null;
  const follow = () => {
    const fields = describe();
    const present = JSON.stringify(Object.values(fields));
    if (present === shape && showValues(element, fields)) return;
    shape = present;
    draw(element, fields, more);
  };
  follow();
  return onDispose(element, state.subscribe(keysOf(describe()), follow));
}

function draw(element, fields, more) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.control : null;
  replace(element, Object.values(fields).map(buildField), more);
  if (focused) findInput(element, focused)?.focus();
}

function findInput(element, key) {
  return element.querySelector(`[data-control="${key}"]`);
}

/** Whether the inputs could take the values of the address as they are. */
function showValues(element, fields) {
  return Object.values(fields).every((field) => {
    const [input, text] = [findInput(element, field.key), String(readField(field) ?? "")];
    if (input !== document.activeElement || input.type !== "search") input.value = text;
    return input.tagName !== "SELECT" || input.value === text;
  });
}

function readField(field) {
  const text = state.get(field.key);
  if (text === null) return field.fallback ?? null;
  if (field.choices) return field.choices.some(([value]) => value === text) ? text : field.fallback;
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

function set(field, value, options) {
  const cleared = Object.fromEntries((field.clears ?? []).map((key) => [key, null]));
  state.set({ ...cleared, [field.key]: write(field, value) }, options);
}

const BUILDERS = {
  choice: (field) => buildSelect(field, field.choices, (value) => value),
  duration: (field) => buildSelect(field, listDurations(readField(field)), Number),
  event: (field) => eventNameInput(describeSuggestions(field)),
  property: (field) => propertyInput(describeSuggestions(field)),
  value: (field) => valueInput({ ...describeSuggestions(field), readProperty: () => field.property }),
  number: buildNumber,
  text: buildText,
};

function buildField(field) {
  const built = BUILDERS[field.kind ?? "choice"](field);
  built.input.dataset.control = field.key;
  return built;
}

function describeSuggestions(field) {
  return {
    label: field.label,
    value: readField(field) ?? "",
    placeholder: field.empty,
    onChange: (text) => set(field, text),
  };
}

function buildSelect(field, choices, parse) {
  const value = String(readField(field));
  return selectInput({ label: field.label, choices, value, onChange: (chosen) => set(field, parse(chosen)) });
}

function buildNumber(field) {
  const { min, max } = field;
  const change = () => input.reportValidity() && set(field, Number(input.value));
  const input = h("input", {
    ...inputProps(),
    type: "number",
    min,
    max,
    step: 1,
    required: true,
    value: readField(field),
    onChange: change,
  });
  return buildLabelled(field.label, input);
}

function buildText(field) {
  let timer = null;
  const take = () => set(field, input.value.trim(), { replace: true });
  const type = () => {
    clearTimeout(timer);
    timer = setTimeout(() => input.isConnected && take(), TYPING_MS);
  };
  const input = h("input", {
    ...inputProps(),
    type: "search",
    value: readField(field) ?? "",
    placeholder: field.empty,
    onInput: type,
    onChange: take,
  });
  return buildLabelled(field.label, input);
}

function inputProps() {
  return { id: `view-field-${(count += 1)}`, class: "input", autocomplete: "off", spellcheck: "false" };
}

function buildLabelled(label, input) {
  return Object.assign(h("div", { class: "field" }, h("label", { for: input.id }, label), input), { input });
}

function listDurations(present) {
  const isKnown = DURATIONS.some(([seconds]) => seconds === present);
  const all = isKnown ? DURATIONS : [...DURATIONS, [present, `${present} seconds`]].sort((a, b) => a[0] - b[0]);
  return all.map(([seconds, text]) => [String(seconds), text]);
}
