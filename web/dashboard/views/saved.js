/** Saved reports: the list, and with `saved.id` in the address one of them with its answer as it is now. */

import { ask } from "../api.js";
import { confirmDialog, openDialog } from "../dialog.js";
import { formatDay, formatTime, h, replace } from "../dom.js";
import { areaInput, badge, cardTable, findEndOfDay, readText, rowButton, showSecret, textInput } from "../forms.js";
import { panel } from "../panel.js";
import { currentZone } from "../range.js";
import { renderAnswer } from "../report_answer.js";
import { describeParameters, nameReport } from "../report_names.js";
import { session } from "../session.js";
import { state } from "../state.js";
import { findHome } from "./report_homes.js";
import { stateLink } from "./report_panel.js";

const ID = "saved.id";
const ADDRESS = "/v1/saved-reports";

/** Fill the container; the result ends it. */
export function show(container) {
  const draw = () => (state.get(ID) ? showOne(container, state.get(ID)) : showList(container));
  draw();
  return state.subscribe(ID, draw);
}

function nameProject() {
  return { projectKey: session.project.projectKey };
}

function showList(container) {
  const section = panel({
    title: "Saved reports",
    subtitle: "Questions to ask again. Every panel of the other views has a Save button.",
    wide: true,
    load: async (signal) => (await ask("GET", ADDRESS, { query: nameProject(), signal })).savedReports,
    isEmpty: (reports) => !reports.length,
    emptyText: session.can("edit")
      ? "Nothing is saved yet. Press Save in a panel of another view."
      : "Nothing is saved yet.",
    render: (reports) => buildList(reports, () => section.reload()),
  });
  replace(container, section);
}

function buildList(reports, reload) {
  const columns = [
    {
      key: "name",
      label: "Name",
      render: ({ id, name, description }) =>
        h(
          "span",
          null,
          stateLink({ [ID]: id }, name),
          description ? h("span", { class: "hint block" }, description) : null,
        ),
    },
    { key: "report", label: "Report", format: nameReport },
    { key: "parameters", label: "Range", format: describeParameters },
    { key: "share", label: "Link", render: describeShare },
    { key: "updatedAt", label: "Changed", format: (time) => formatDay(time, currentZone()) },
    ...(session.can("edit") ? [{ key: "actions", label: "", render: (report) => buildActions(report, reload) }] : []),
  ];
  return cardTable({ columns, rows: reports }, "Saved reports");
}

function describeShare({ share }) {
  if (!share) return "–";
  const isOver = share.expiresAt && Date.parse(share.expiresAt) <= Date.now();
  return isOver ? badge("link ended") : badge("has a link", "good");
}

function buildActions(report, reload) {
  const { name, share } = report;
  return h(
    "span",
    { class: "row-actions" },
    rowButton("Share", `Share ${name}`, () => openShare(report, reload)),
    share ? rowButton("Take link back", `Take the link to ${name} back`, () => openUnshare(report, reload)) : null,
    rowButton("Rename", `Rename ${name}`, () => openRename(report, reload)),
    rowButton("Delete", `Delete ${name}`, () => openDelete(report, reload), { isDanger: true }),
  );
}

function showOne(container, id) {
  const back = stateLink({ [ID]: null }, "All saved reports");
  const place = h("div", { class: "stack" });
  replace(container, h("div", { class: "stack" }, h("p", null, back), place));
  ask("GET", `${ADDRESS}/${encodeURIComponent(id)}`, { query: nameProject() }).then(
    (report) => place.isConnected && replace(place, buildOne(report, container)),
    (error) => replace(place, h("p", { class: "problem", role: "alert" }, error.message)),
  );
}

function buildOne(report, container) {
  const reload = () => showOne(container, report.id);
  return [
    panel({
      title: report.name,
      subtitle: `${nameReport(report.report)}, ${describeParameters(report.parameters)}`,
      wide: true,
      load: (signal) => ask("GET", `${ADDRESS}/${report.id}/result`, { query: nameProject(), signal }),
      render: (answer) => renderOne(report, answer),
    }),
    session.can("edit") ? h("div", { class: "row-actions spread" }, buildActions(report, reload)) : null,
  ];
}

function renderOne(report, answer) {
  const home = h("p", { class: "links" });
  findHome(report).then(
    (changes) =>
      changes &&
      home.append(stateLink({ ...changes, [ID]: null }, `Open as ${nameReport(report.report)}, to change it`)),
  );
  return h(
    "div",
    { class: "stack" },
    report.description ? h("p", null, report.description) : null,
    renderAnswer(report.report, { ...answer, interval: report.parameters.interval }),
    home,
    h("p", { class: "hint" }, `As of ${formatTime(answer.generatedAt, answer.tz)}, times in ${answer.tz}.`),
  );
}

function openShare(report, reload) {
  const ends = textInput({ label: "Ends on (optional)", type: "date", hint: "At the end of that day, UTC." });
  openDialog({
    title: `Share ${report.name}`,
    content: [
      h("p", null, "Whoever has the link sees this report as it is at the time, and nothing else of the project."),
      report.share
        ? h("p", { class: "problem" }, "There is a link already. It stops working when you make a new one.")
        : null,
      ends,
    ],
    confirm: "Make a link",
    onConfirm: async () => {
      const expiry = ends.input.value ? { expiresAt: findEndOfDay(ends.input.value) } : {};
      const { url } = await ask("POST", `${ADDRESS}/${report.id}/share`, { body: { ...nameProject(), ...expiry } });
      reload();
      showSecret({
        title: "The link",
        label: "link",
        secret: url.replace("/v1/shared/", "/shared/"),
        note: "Anybody who has it sees the report, without logging in.",
      });
    },
  });
}

function openUnshare(report, reload) {
  confirmDialog({
    title: `Take the link to ${report.name} back?`,
    text: "It shows nothing from this moment on, on every host.",
    confirm: "Take it back",
    onConfirm: async () => {
      await ask("DELETE", `${ADDRESS}/${report.id}/share`, { query: nameProject() });
      return reload();
    },
  });
}

function openRename(report, reload) {
  const name = textInput({ label: "Name", value: report.name, required: true, maxlength: 200 });
  const description = areaInput({
    label: "What it is for (optional)",
    value: report.description ?? "",
    maxlength: 2000,
  });
  openDialog({
    title: `Rename ${report.name}`,
    content: [name, description],
    confirm: "Save",
    onConfirm: async () => {
      await ask("PATCH", `${ADDRESS}/${report.id}`, {
        body: { ...nameProject(), name: name.input.value, description: readText(description) },
      });
      return reload();
    },
  });
}

function openDelete(report, reload) {
  confirmDialog({
    title: `Delete ${report.name}?`,
    text: "A link to it stops working too.",
    confirm: "Delete",
    onConfirm: async () => {
      await ask("DELETE", `${ADDRESS}/${report.id}`, { query: nameProject() });
      if (state.get(ID)) state.set({ [ID]: null });
      else await reload();
    },
  });
}
