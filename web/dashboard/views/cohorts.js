/** Cohorts: the list, and with `cohorts.id` in the address one of them (`new` for one to be made). */

import { ask } from "../api.js";
import { forgetCohorts } from "../catalogue.js";
import { confirmDialog } from "../dialog.js";
import { formatDay, formatNumber, h, replace } from "../dom.js";
import { cardTable, headButton, rowButton } from "../forms.js";
import { buildError, panel } from "../panel.js";
import { currentZone, readFilters } from "../range.js";
import { session } from "../session.js";
import { state } from "../state.js";
import { showEditor } from "./cohort_editor.js";
import { stateLink } from "./report_panel.js";

const ID = "cohorts.id";
const ADDRESS = "/v1/cohorts";

/** Fill the container; the result ends it. */
export function show(container) {
  const draw = () => {
    const id = state.get(ID);
    if (id && session.can("edit"))
      showEditor(container, id, () => state.set({ [ID]: null })).catch((error) =>
        replace(container, buildError(error, draw)),
      );
    else showList(container);
  };
  draw();
  return state.subscribe(ID, draw);
}

function showList(container) {
  const section = panel({
    title: "Cohorts",
    subtitle: "Groups of people, told by what they did. Every report takes one as a filter.",
    wide: true,
    actions: session.can("edit") ? [headButton("New cohort", () => state.set({ [ID]: "new" }))] : [],
    load: async (signal) =>
      (await ask("GET", ADDRESS, { query: { projectKey: session.project.projectKey }, signal })).cohorts,
    isEmpty: (cohorts) => !cohorts.length,
    emptyText: "There is no cohort yet.",
    render: (cohorts) => buildList(cohorts, section),
  });
  replace(container, section);
}

function buildList(cohorts, section) {
  const canEdit = session.can("edit");
  const columns = [
    {
      key: "name",
      label: "Cohort",
      render: ({ id, name, description }) =>
        h(
          "span",
          null,
          canEdit ? stateLink({ [ID]: id }, name) : name,
          description ? h("span", { class: "hint block" }, description) : null,
        ),
    },
    { key: "persons", label: "People now", render: ({ id }) => countPeople(id), isNumber: true },
    { key: "updatedAt", label: "Changed", format: (time) => formatDay(time, currentZone()) },
    { key: "actions", label: "", render: (cohort) => buildActions(cohort, section, canEdit) },
  ];
  return cardTable({ columns, rows: cohorts }, "Cohorts");
}

function countPeople(id) {
  const shown = h("span", null, "…");
  ask("GET", `${ADDRESS}/${id}/count`, { query: { projectKey: session.project.projectKey } }).then(
    ({ persons }) => replace(shown, formatNumber(persons)),
    (error) => replace(shown, h("span", { title: error.message }, "–")),
  );
  return shown;
}

function buildActions({ id, name }, section, canEdit) {
  const filters = [
    ...readFilters().filter(({ property }) => property !== "cohort"),
    { property: "cohort", operator: "eq", value: id },
  ];
  return h(
    "span",
    { class: "row-actions" },
    stateLink({ view: "overview", filters }, "Filter by it"),
    canEdit ? rowButton("Delete", `Delete ${name}`, () => openDelete({ id, name }, section), { isDanger: true }) : null,
  );
}

function openDelete({ id, name }, section) {
  confirmDialog({
    title: `Delete ${name}?`,
    text: "Reports that name it are refused from then on, saved ones too.",
    confirm: "Delete",
    onConfirm: async () => {
      await ask("DELETE", `${ADDRESS}/${id}`, { query: { projectKey: session.project.projectKey } });
      forgetCohorts();
      return section.reload();
    },
  });
}
