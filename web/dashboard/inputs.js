/** Fields with suggestions. */

import { fetchEventNames, fetchPropertyNames, fetchValues } from "./catalogue.js";
import { h, replace } from "./dom.js";

let count = 0;

/**
 * A labelled field that suggests what `fetchChoices(text)` gives: values, or `{value, label}` where a value does not speak for
 * itself. `onChange` gets the text when it was finished.
 * @param {{label: string, value?: string, placeholder?: string, onChange?: (text: string) => void, isLabelHidden?: boolean,
 *   fetchChoices: (text: string) => Promise<any[]>, asksWhileTyping?: boolean, required?: boolean}} options
 * @returns {HTMLElement} with `input`
 */
export function suggestInput({
  label,
  value = "",
  placeholder,
  onChange = () => {},
  fetchChoices,
  isLabelHidden = false,
  asksWhileTyping = false,
  required = false,
}) {
  const id = `field-${(count += 1)}`;
  const list = h("datalist", { id: `${id}-list` });
  const fill = async () => {
    const choices = await fetchChoices(input.value).catch(() => []);
    replace(
      list,
      choices.map((choice) => h("option", choice?.label ? choice : { value: String(choice) })),
    );
  };
  const input = h("input", {
    id,
    class: "input",
    list: list.id,
    value,
    placeholder,
    required,
    autocomplete: "off",
    spellcheck: "false",
    onFocus: fill,
    onInput: asksWhileTyping ? fill : null,
    onChange: () => onChange(input.value.trim()),
  });
  const field = h(
    "div",
    { class: "field" },
    h("label", { for: id, class: isLabelHidden ? "visually-hidden" : null }, label),
    input,
    list,
  );
  return Object.assign(field, { input });
}

/** A field for the name of an event. */
export function eventNameInput({ label = "Event", ...options }) {
  return suggestInput({ label, fetchChoices: fetchEventNames, ...options });
}

/** A field for the name of a property. */
export function propertyInput({ label = "Property", ...options }) {
  return suggestInput({ label, fetchChoices: fetchPropertyNames, ...options });
}

/** A field for a value of the property that `readProperty` names at the moment. */
export function valueInput({ label = "Value", readProperty, ...options }) {
  const fetchChoices = async (text) => (readProperty() ? fetchValues(readProperty(), text) : []);
  return suggestInput({ label, fetchChoices, asksWhileTyping: true, ...options });
}

/**
 * A labelled choice. `choices` are `[value, text]`.
 * @param {{label: string, choices: [string, string][], value: string, onChange: (value: string) => void, isLabelHidden?: boolean}} options
 * @returns {HTMLElement} with `input`
 */
export function selectInput({ label, choices, value, onChange = () => {}, isLabelHidden = false }) {
  const id = `field-${(count += 1)}`;
  const input = h(
    "select",
    { id, class: "input", onChange: () => onChange(input.value) },
    choices.map(([each, text]) => h("option", { value: each, selected: each === value }, text)),
  );
  const field = h(
    "div",
    { class: "field" },
    h("label", { for: id, class: isLabelHidden ? "visually-hidden" : null }, label),
    input,
  );
  return Object.assign(field, { input });
}

/** A labelled switch that is on or off. */
export function checkInput({ label, checked, onChange }) {
  const input = h("input", { type: "checkbox", checked, onChange: () => onChange(input.checked) });
  return Object.assign(h("label", { class: "check" }, input, h("span", null, label)), { input });
}
