/** The dialog that adds or changes an annotation. */

import { ask } from "./api.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { areaInput, textInput } from "./forms.js";
import { session } from "./session.js";

const ADDRESS = "/v1/annotations";

/**
 * Ask what happened when; `onDone` is called after it was kept.
 * @param {{annotation?: {id: string, date: string|null, timestamp: string|null, text: string}, date?: string, onDone?: () => void}} options
 */
export function openNote({ annotation, date, onDone = reloadPanels }) {
  const when = textInput({
    label: "Day",
    type: "date",
    required: true,
    value: annotation?.date ?? annotation?.timestamp?.slice(0, 10) ?? date ?? today(),
  });
  const time = textInput({
    label: "Time (optional), UTC",
    type: "time",
    value: annotation?.timestamp?.slice(11, 16) ?? "",
  });
  const text = areaInput({
    label: "What happened",
    required: true,
    maxlength: 2000,
    rows: 2,
    value: annotation?.text ?? "",
  });
  openDialog({
    title: annotation ? "Change annotation" : "New annotation",
    content: [when, time, text],
    confirm: annotation ? "Save" : "Add",
    onConfirm: async () => {
      const moment = time.input.value
        ? { timestamp: `${when.input.value}T${time.input.value}:00Z` }
        : { date: when.input.value };
      const body = { projectKey: session.project.projectKey, ...moment, text: text.input.value };
      await ask(annotation ? "PATCH" : "POST", annotation ? `${ADDRESS}/${annotation.id}` : ADDRESS, { body });
      onDone();
    },
  });
}

/** A button for the head of a panel with a series over time; null for who may only look. */
export function buildNoteButton() {
  if (!session.can("edit")) return null;
  return h(
    "button",
    {
      type: "button",
      class: "button quiet small",
      "aria-label": "Add an annotation",
      title: "Add an annotation",
      onClick: () => openNote({}),
    },
    "Note",
  );
}

function reloadPanels() {
  for (const section of document.querySelectorAll("section.panel")) section.reload?.();
}

function today() {
  return new Date().toISOString().slice(0, 10);
}
