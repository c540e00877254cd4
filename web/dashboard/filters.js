/** Filters: the conditions as chips, and the dialog that adds or changes one. */

import { fetchCohorts } from "./catalogue.js";
import { openDialog } from "./dialog.js";
import { h, replace } from "./dom.js";
import { propertyInput, selectInput, valueInput } from "./inputs.js";

export const OPERATORS = [
  ["eq", "is"],
  ["neq", "is not"],
  ["in", "is one of"],
  ["not_in", "is none of"],
  ["contains", "contains"],
  ["not_contains", "does not contain"],
  ["starts_with", "starts with"],
  ["gt", "is more than"],
  ["gte", "is at least"],
  ["lt", "is less than"],
  ["lte", "is at most"],
  ["exists", "is there"],
  ["not_exists", "is not there"],
];
const ALONE = ["exists", "not_exists"];
const LISTS = ["in", "not_in"];
const WORDS = Object.fromEntries(OPERATORS);

/** "country is DE". */
export function describeFilter({ property, operator, value }) {
  const shown = Array.isArray(value) ? value.join(", ") : value;
  return [property, WORDS[operator] ?? operator, ALONE.includes(operator) ? "" : String(shown)].join(" ").trim();
}

/**
 * Chips of `filters` with a button to add one. `onChange` gets the new list.
 * @param {{filters: Object[], onChange: (filters: Object[]) => void, addText?: string}} options
 */
export function filterChips({ filters, onChange, addText = "Filter" }) {
  const chips = filters.map((filter, index) =>
    buildChip(
      filter,
      (changed) => onChange(filters.with(index, changed)),
      () => onChange(filters.toSpliced(index, 1)),
    ),
  );
  const add = h(
    "button",
    {
      type: "button",
      class: "button quiet",
      onClick: () => openFilterDialog(null, (filter) => onChange([...filters, filter])),
    },
    `+ ${addText}`,
  );
  return h("div", { class: "chips" }, chips, add);
}

function buildChip(filter, onPut, onRemove) {
  const text = h("button", {
    type: "button",
    class: "chip-text",
    title: "Change this filter",
    onClick: () => openFilterDialog(filter, onPut),
  });
  const close = h("button", { type: "button", class: "chip-close", onClick: onRemove }, "×");
  const describe = (shown) => {
    replace(text, describeFilter(shown));
    close.setAttribute("aria-label", `Remove filter: ${describeFilter(shown)}`);
  };
  describe(filter);
  if (filter.property === "cohort") nameCohorts(filter).then(describe, () => {});
  return h("span", { class: "chip" }, text, close);
}

/** The filter with the names of its cohorts in place of their ids; an id that no cohort has stays. */
async function nameCohorts(filter) {
  const names = new Map((await fetchCohorts()).map(({ id, name }) => [id, name]));
  const nameOne = (id) => names.get(id) ?? id;
  return { ...filter, value: Array.isArray(filter.value) ? filter.value.map(nameOne) : nameOne(filter.value) };
}

/** Ask for a condition in a dialog; `onDone` gets it. */
export function openFilterDialog(filter, onDone) {
  const property = propertyInput({ value: filter?.property ?? "", required: true, placeholder: "country" });
  const value = valueInput({ value: formatValue(filter?.value), readProperty: () => property.input.value.trim() });
  const hint = h("p", { class: "hint" });
  const showHint = () => {
    value.hidden = ALONE.includes(operator.input.value);
    hint.textContent = LISTS.includes(operator.input.value)
      ? "Several values with commas between them."
      : 'Numbers compare as numbers; write "12" for the text.';
  };
  const operator = selectInput({
    label: "Condition",
    choices: OPERATORS,
    value: filter?.operator ?? "eq",
    onChange: showHint,
  });
  showHint();
  openDialog({
    title: filter ? "Change filter" : "Add filter",
    content: [property, operator, value, hint],
    confirm: "Apply",
    onConfirm: () => onDone(buildFilter(property.input.value.trim(), operator.input.value, value.input.value)),
  });
}

function formatValue(value) {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(formatValue).join(", ");
  return typeof value === "string" && parseValue(value) !== value ? JSON.stringify(value) : String(value);
}

/** A condition of what was typed. */
export function buildFilter(property, operator, text) {
  if (ALONE.includes(operator)) return { property, operator };
  const value = LISTS.includes(operator) ? text.split(",").map((part) => parseValue(part)) : parseValue(text);
  return { property, operator, value };
}

/** A number, true or false where the text is one; a text in quotes as what is between them; else the text. */
export function parseValue(text) {
  const trimmed = text.trim();
  if (!/^(-?\d+(\.\d+)?([eE][+-]?\d+)?|true|false|".*")$/s.test(trimmed)) return trimmed;
  try {
    return JSON.parse(trimmed);
  } catch {
    return trimmed;
  }
}
