/** Fields of forms, and secrets that are shown once. */

import { openDialog } from "./dialog.js";
import { announce, h } from "./dom.js";
import { buildTable } from "./panel.js";

const DAY_MS = 86_400_000;
let count = 0;

/**
 * A labelled text field. Further options are attributes of the input.
 * @param {{label: string, value?: string, type?: string, hint?: string}} options
 * @returns {HTMLElement} with `input`
 */
export function textInput({ label, value = "", type = "text", hint, ...attributes }) {
  const id = `text-${(count += 1)}`;
  const described = hint ? `${id}-hint` : null;
  const input = h("input", {
    id,
    class: "input",
    type,
    value,
    autocomplete: "off",
    "aria-describedby": described,
    ...attributes,
  });
  return wrap(id, label, input, hint);
}

/** A labelled text of several lines. */
export function areaInput({ label, value = "", hint, ...attributes }) {
  const id = `text-${(count += 1)}`;
  const input = h("textarea", {
    id,
    class: "input",
    rows: 4,
    value,
    "aria-describedby": hint ? `${id}-hint` : null,
    ...attributes,
  });
  return wrap(id, label, input, hint);
}

function wrap(id, label, input, hint) {
  const note = hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null;
  return Object.assign(h("div", { class: "field" }, h("label", { for: id }, label), input, note), { input });
}

/** What was typed without blanks around it; null for nothing. */
export function readText(field) {
  return field.input.value.trim() || null;
}

/** The whole number that was typed; null for nothing. */
export function readWhole(field) {
  const text = field.input.value.trim();
  return text === "" ? null : Number(text);
}

/** The end of a day of UTC, written as 2025-01-06: the moment when the next one begins. Null for no day. */
export function findEndOfDay(day) {
  return day ? new Date(Date.parse(day) + DAY_MS).toISOString() : null;
}

/** A text to be copied, with a button that does it. */
export function copyBox(text, label) {
  const shown = h("code", { class: "copy-text", tabindex: "0", "aria-label": label }, text);
  const button = h(
    "button",
    { type: "button", class: "button small", "aria-label": `Copy ${label}`, onClick: () => copy(text, shown, button) },
    "Copy",
  );
  return h("div", { class: "copy-box" }, shown, button);
}

async function copy(text, shown, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    announce("Copied");
  } catch {
    // pages that came over plain http may not use the clipboard: what is selected can be copied by hand
    getSelection().selectAllChildren(shown);
    button.textContent = "Selected";
  }
}

/** Show a secret in the only moment that it can be shown. `note` says what it is for. */
export function showSecret({ title, label, secret, note, onClose }) {
  return openDialog({
    title,
    content: [
      h("p", null, note),
      copyBox(secret, label),
      h("p", { class: "hint" }, "It is shown this one time: keep it now."),
    ],
    onClose,
  });
}

/** A table of things with buttons; on a phone each row is a card. */
export function cardTable(table, caption) {
  const frame = buildTable(table, `${caption}, one a row`);
  frame.classList.add("cards");
  for (const heading of frame.querySelectorAll("th:empty"))
    heading.append(h("span", { class: "visually-hidden" }, "Actions"));
  return frame;
}

/** A small button in a row of a table; `label` says in full what it does, and to what. */
export function rowButton(text, label, onClick, { isDanger = false } = {}) {
  const attempt = () => tryOut(label, onClick);
  return h(
    "button",
    { type: "button", class: isDanger ? "button small danger" : "button small", "aria-label": label, onClick: attempt },
    text,
  );
}

async function tryOut(label, action) {
  try {
    await action();
  } catch (error) {
    openDialog({
      title: `${label}: that did not work`,
      content: [h("p", { class: "problem", role: "alert" }, error.message)],
    });
  }
}

/** A button that stands in the head of a panel. */
export function headButton(text, onClick) {
  return h("button", { type: "button", class: "button small primary", onClick }, text);
}

/** A word that says in which state something is: "good", "bad" or neither. */
export function badge(text, kind = "plain") {
  return h("span", { class: `badge ${kind}` }, text);
}
