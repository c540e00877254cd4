/** The steps of a funnel, to be clicked together: add one of the project's events, move it, filter it, take it out. */

import { fetchEventNames } from "../catalogue.js";
import { eventNameInput } from "../controls.js";
import { h, replace } from "../dom.js";
import { filterChips } from "../filters.js";

const MAX_STEPS = 20;
const OFFERED = 12;

/**
 * The editor. `onChange` gets the new steps, each `{eventName, filters}`; `draw(steps)` shows others.
 * @param {(steps: Object[]) => void} onChange
 * @returns {HTMLElement} with a method `draw(steps)`
 */
export function stepsEditor(onChange) {
  const list = h("ol", { class: "funnel-steps", "aria-label": "Steps" });
  const adding = h("div", { class: "funnel-add" });
  const editor = h("section", { class: "funnel-editor", "aria-label": "Steps of the funnel" }, list, adding);
  let shown = null;
  editor.draw = (steps) => {
    if (JSON.stringify(steps) === shown) return;
    shown = JSON.stringify(steps);
    const focused = editor.contains(document.activeElement) ? document.activeElement.dataset.control : null;
    replace(
      list,
      steps.map((step, index) => buildStep(steps, index, change)),
    );
    drawAdding(adding, steps, change);
    if (focused) focusOn(editor, focused);
  };
  const change = (steps, focus) => {
    onChange(steps);
    if (focus) focusOn(editor, focus);
  };
  return editor;
}

function focusOn(editor, control) {
  const wanted = editor.querySelector(`[data-control="${control}"]`);
  (wanted && !wanted.disabled ? wanted : editor.querySelector(".funnel-add input"))?.focus();
}

function buildStep(steps, index, change) {
  const { eventName, filters } = steps[index];
  const number = index + 1;
  const put = (changed) => change(steps.with(index, { ...steps[index], ...changed }));
  const rename = (name) => {
    if (name) put({ eventName: name });
    else field.input.value = eventName;
  };
  const field = eventNameInput({
    label: `Event of step ${number}`,
    isLabelHidden: true,
    value: eventName,
    onChange: rename,
  });
  field.input.dataset.control = `name-${number}`;
  return h(
    "li",
    { class: "funnel-edit" },
    h("span", { class: "funnel-number", "aria-hidden": "true" }, number),
    field,
    h("div", { class: "funnel-buttons" }, buildButtons(steps, index, change)),
    h(
      "div",
      { role: "group", "aria-label": `Filters of step ${number}` },
      filterChips({ filters, onChange: (changed) => put({ filters: changed }) }),
    ),
  );
}

function buildButtons(steps, index, change) {
  const number = index + 1;
  const move = (to, control) => () => {
    const others = steps.toSpliced(index, 1);
    change(others.toSpliced(to, 0, steps[index]), `${control}-${to + 1}`);
  };
  return [
    iconButton("↑", `Move step ${number} up`, `up-${number}`, index === 0, move(index - 1, "up")),
    iconButton("↓", `Move step ${number} down`, `down-${number}`, index === steps.length - 1, move(index + 1, "down")),
    iconButton("×", `Remove step ${number}`, `remove-${number}`, false, () =>
      change(steps.toSpliced(index, 1), `remove-${Math.min(number, steps.length - 1)}`),
    ),
  ];
}

function iconButton(text, label, control, disabled, onClick) {
  return h(
    "button",
    {
      type: "button",
      class: "button quiet small",
      "aria-label": label,
      title: label,
      dataset: { control },
      disabled,
      onClick,
    },
    text,
  );
}

function drawAdding(adding, steps, change) {
  if (steps.length >= MAX_STEPS) {
    replace(adding, h("p", { class: "hint" }, `A funnel has at most ${MAX_STEPS} steps.`));
    return;
  }
  const add = (eventName, control) => change([...steps, { eventName, filters: [] }], control);
  const field = eventNameInput({
    label: steps.length ? "Add a step" : "Add the first step",
    placeholder: "name of an event",
    onChange: (name) => name && add(name, "add"),
  });
  field.input.dataset.control = "add";
  const offers = h("div", { class: "chips", role: "group", "aria-label": "Add one of the most frequent events" });
  replace(adding, field, offers);
  fetchEventNames().then(
    (names) =>
      replace(
        offers,
        names.slice(0, OFFERED).map((name) => buildOffer(name, add)),
      ),
    () => {},
  );
}

function buildOffer(name, add) {
  const control = `offer-${name.replaceAll(/["\\]/g, "")}`;
  return h(
    "button",
    { type: "button", class: "button quiet small", dataset: { control }, onClick: () => add(name, control) },
    `+ ${name}`,
  );
}
