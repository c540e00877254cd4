/** The conditions of a cohort: "did purchase_success at least 2 times within 90 days, where country is DE". */

import { h, replace } from "../dom.js";
import { filterChips } from "../filters.js";
import { readText, readWhole, rowButton, textInput } from "../forms.js";
import { eventNameInput, selectInput } from "../inputs.js";

const SIGNS = [
  ["", "did"],
  ["negate", "did not do"],
];
const MOST_CONDITIONS = 20;

/** `{element, read()}`: a list of conditions to be changed; `read` gives them as the service takes them. */
export function conditionsEditor(conditions) {
  const list = h("ol", { class: "conditions" });
  const rows = [];
  const add = (condition) => {
    const row = buildRow(condition, () => {
      rows.splice(rows.indexOf(row), 1);
      row.element.remove();
    });
    rows.push(row);
    list.append(row.element);
    return row;
  };
  conditions.forEach(add);
  const more = rowButton(
    "Add a condition",
    "Add a condition",
    () => rows.length < MOST_CONDITIONS && add({ eventName: "", atLeast: 1 }).focus(),
  );
  return {
    element: h("div", { class: "stack" }, list, h("div", null, more)),
    read: () => rows.map((row) => row.read()),
  };
}

function buildRow(condition, remove) {
  let filters = condition.filters ?? [];
  const sign = selectInput({ label: "They", choices: SIGNS, value: condition.negate ? "negate" : "" });
  const event = eventNameInput({
    label: "Event",
    value: condition.eventName ?? "",
    placeholder: "anything",
    onChange: () => {},
  });
  const atLeast = numberInput("At least, times", condition.atLeast ?? (condition.atMost === 0 ? null : 1), {
    min: 0,
    max: 1_000_000,
  });
  const atMost = numberInput("At most, times", condition.atMost, { min: 0, max: 1_000_000, placeholder: "no limit" });
  const days = numberInput("Within days", condition.withinDays, { min: 1, max: 3660, placeholder: "ever" });
  const chips = h("div");
  const drawChips = () =>
    replace(
      chips,
      filterChips({
        filters,
        addText: "Where",
        onChange: (changed) => {
          filters = changed;
          drawChips();
        },
      }),
    );
  drawChips();
  const fields = h("div", { class: "condition-fields" }, sign, event, atLeast, atMost, days);
  const element = h(
    "li",
    { class: "condition" },
    fields,
    h(
      "div",
      { class: "row-actions spread" },
      chips,
      rowButton("Remove", "Remove this condition", remove, { isDanger: true }),
    ),
  );
  return {
    element,
    focus: () => event.input.focus(),
    read: () => readRow({ sign, event, atLeast, atMost, days }, filters),
  };
}

function numberInput(label, value, limits) {
  return textInput({ label, type: "number", value: value ?? "", ...limits });
}

/** What is left empty is left out; without a name any event counts that passes the filters. */
function readRow({ sign, event, atLeast, atMost, days }, filters) {
  const eventName = readText(event);
  const given = {
    eventName,
    atLeast: readWhole(atLeast),
    atMost: readWhole(atMost),
    withinDays: readWhole(days),
    negate: sign.input.value ? true : null,
  };
  const condition = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  return filters.length || !eventName ? { ...condition, filters } : condition;
}
