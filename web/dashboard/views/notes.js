/** Annotations: what happened when, shown on the series of the other views. */

import { ask } from "../api.js";
import { confirmDialog } from "../dialog.js";
import { formatDay, formatTime, h, replace } from "../dom.js";
import { cardTable, headButton, rowButton } from "../forms.js";
import { openNote } from "../note_dialog.js";
import { panel } from "../panel.js";
import { currentZone } from "../range.js";
import { session } from "../session.js";

const ADDRESS = "/v1/annotations";

/** Fill the container. */
export function show(container) {
  const section = panel({
    title: "Annotations",
    subtitle: "Releases, campaigns, outages: they stand on every series over time.",
    wide: true,
    actions: session.can("edit")
      ? [headButton("New annotation", () => openNote({ onDone: () => section.reload() }))]
      : [],
    load: async (signal) =>
      (await ask("GET", ADDRESS, { query: { projectKey: session.project.projectKey }, signal })).annotations,
    isEmpty: (annotations) => !annotations.length,
    emptyText: "Nothing is noted yet.",
    render: (annotations) => buildList(annotations.toReversed(), section),
  });
  replace(container, section);
}

function buildList(annotations, section) {
  const columns = [
    {
      key: "date",
      label: "When",
      render: ({ date, timestamp }) =>
        h("span", { class: "nowrap" }, date ? formatDay(date) : formatTime(timestamp, currentZone())),
    },
    { key: "text", label: "What" },
    ...(session.can("edit")
      ? [{ key: "actions", label: "", render: (annotation) => buildActions(annotation, section) }]
      : []),
  ];
  return cardTable({ columns, rows: annotations }, "Annotations, the latest first");
}

function buildActions(annotation, section) {
  return h(
    "span",
    { class: "row-actions" },
    rowButton("Change", `Change ${annotation.text}`, () => openNote({ annotation, onDone: () => section.reload() })),
    rowButton("Delete", `Delete ${annotation.text}`, () => openDelete(annotation, section), { isDanger: true }),
  );
}

function openDelete({ id, text }, section) {
  confirmDialog({
    title: "Delete this annotation?",
    text,
    confirm: "Delete",
    onConfirm: async () => {
      await ask("DELETE", `${ADDRESS}/${id}`, { query: { projectKey: session.project.projectKey } });
      return section.reload();
    },
  });
}
