/** Projects: make, change, deactivate, erase. */

import { ask } from "../api.js";
import { confirmDialog, openDialog } from "../dialog.js";
import { formatDay, h, replace } from "../dom.js";
import { badge, cardTable, headButton, readText, readWhole, rowButton, showSecret, textInput } from "../forms.js";
import { checkInput, selectInput, suggestInput } from "../inputs.js";
import { panel } from "../panel.js";
import { canAdminister, canMakeProjects, isRoot } from "../rights.js";
import { session } from "../session.js";
import { state } from "../state.js";
import { stateLink } from "./report_panel.js";

const IP_POLICIES = [
  ["store", "Store them"],
  ["anonymize", "Store without the last part"],
  ["drop", "Do not store them"],
];
const NO_ORGANISATION = ["", "None"];

/** Fill the container. */
export function show(container) {
  const actions = canMakeProjects() ? [headButton("New project", () => openNew(section))] : [];
  const section = panel({
    title: "Projects",
    wide: true,
    actions,
    watch: ["project"],
    load: async () => {
      await session.reloadProjects();
      return session.projects;
    },
    isEmpty: (projects) => !projects.length,
    emptyText: canMakeProjects()
      ? "There is no project yet. Create the first one: it takes a name, and you are sending events a minute later."
      : "No project is shared with you yet. Ask who invited you.",
    render: (projects) => buildList(projects, section),
  });
  replace(container, section);
}

function buildList(projects, section) {
  const columns = [
    {
      key: "name",
      label: "Project",
      render: ({ name, projectKey }) => stateLink({ project: projectKey, view: "overview", filters: null }, name),
    },
    { key: "projectKey", label: "projectKey", render: ({ projectKey }) => h("code", null, projectKey) },
    {
      key: "isActive",
      label: "State",
      render: ({ isActive }) => (isActive ? badge("active", "good") : badge("inactive")),
    },
    { key: "role", label: "Your role", format: (role) => role ?? "–" },
    { key: "timezone", label: "Zone" },
    {
      key: "retentionDays",
      label: "Events kept",
      isNumber: false,
      format: (days) => (days === null ? "for ever" : `${days} days`),
    },
    { key: "createdAt", label: "Created", format: (time) => formatDay(time) },
    { key: "actions", label: "", render: (project) => buildActions(project, section) },
  ];
  return cardTable({ columns, rows: projects }, "Projects");
}

function buildActions(project, section) {
  const { name, projectKey } = project;
  const send = stateLink({ project: projectKey, view: "start" }, "Send events");
  if (!canAdminister(project)) return h("span", { class: "row-actions" }, send);
  const toggle = project.isActive
    ? rowButton("Deactivate", `Deactivate ${name}`, () => openDeactivate(project, section))
    : rowButton("Activate", `Activate ${name}`, () => change(project, { isActive: true }, section));
  return h(
    "span",
    { class: "row-actions" },
    send,
    rowButton("Settings", `Settings of ${name}`, () => openSettings(project, section)),
    toggle,
    rowButton("Erase", `Erase ${name}`, () => openErase(project, section), { isDanger: true }),
  );
}

async function change({ projectKey }, body, section) {
  await ask("PATCH", `/v1/projects/${projectKey}`, { body });
  return section.reload();
}

function buildZoneInput(value) {
  return suggestInput({
    label: "Time zone",
    value,
    fetchChoices: async () => ["UTC", ...Intl.supportedValuesOf("timeZone")],
  });
}

function listHomes() {
  const own = session.organisations
    .filter(({ role }) => isRoot() || ["owner", "admin"].includes(role))
    .map(({ id, name }) => [id, name]);
  return isRoot() ? [NO_ORGANISATION, ...own] : own;
}

function openNew(section) {
  const homes = listHomes();
  const name = textInput({ label: "Name", required: true, maxlength: 200, placeholder: "Web shop" });
  const domain = textInput({
    label: "Site (optional)",
    placeholder: "shop.example.com",
    hint: "Visits that come from it do not count as referrals.",
  });
  const zone = buildZoneInput(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  const home = selectInput({ label: "Organisation", choices: homes, value: homes.at(-1)?.[0] ?? "" });
  openDialog({
    title: "New project",
    content: [name, domain, zone, homes.length > 1 ? home : null],
    confirm: "Create",
    onConfirm: async () => {
      const organisation = homes.length && home.input.value ? { organisationId: home.input.value } : {};
      const body = {
        name: name.input.value,
        domain: readText(domain),
        timezone: readText(zone) ?? "UTC",
        ...organisation,
      };
      const created = await ask("POST", "/v1/projects", { body });
      await session.reloadProjects();
      showFirstKey(created, section);
    },
  });
}

function showFirstKey({ name, projectKey, apiKey }) {
  showSecret({
    title: `${name} is ready`,
    label: "API key",
    secret: apiKey,
    note: "This API key may do everything in the project. Websites do not need it: they send with the public projectKey.",
    onClose: () => state.set({ project: projectKey, view: "start", filters: null }),
  });
}

function openSettings(project, section) {
  const name = textInput({ label: "Name", value: project.name, required: true, maxlength: 200 });
  const domain = textInput({ label: "Site", value: project.domain ?? "", placeholder: "shop.example.com" });
  const zone = buildZoneInput(project.timezone);
  const days = textInput({
    label: "Days to keep events",
    type: "number",
    min: 1,
    max: 36_500,
    value: project.retentionDays ?? "",
    placeholder: "for ever",
    hint: "Older events are deleted for good, within the hour.",
  });
  const policy = selectInput({ label: "Addresses (IP) of visitors", choices: IP_POLICIES, value: project.ipPolicy });
  let isPublic = project.allowPublicIngest;
  const ingest = checkInput({
    label: "Pages may send events with the projectKey alone",
    checked: isPublic,
    onChange: (isOn) => {
      isPublic = isOn;
    },
  });
  openDialog({
    title: `Settings of ${project.name}`,
    content: [name, domain, zone, days, policy, ingest],
    confirm: "Save",
    onConfirm: () =>
      change(
        project,
        {
          name: name.input.value,
          domain: readText(domain),
          timezone: readText(zone) ?? "UTC",
          retentionDays: readWhole(days),
          ipPolicy: policy.input.value,
          allowPublicIngest: isPublic,
        },
        section,
      ),
  });
}

function openDeactivate(project, section) {
  confirmDialog({
    title: `Deactivate ${project.name}?`,
    text: "It takes no more events and answers no reports until somebody activates it again. Everything is kept.",
    confirm: "Deactivate",
    onConfirm: () => change(project, { isActive: false }, section),
  });
}

function openErase(project, section) {
  const name = textInput({ label: `Write "${project.name}" to confirm` });
  openDialog({
    title: `Erase ${project.name}?`,
    content: [
      h("p", null, "All of its events, keys, saved reports and people are removed for good. There is no way back."),
      name,
    ],
    confirm: "Erase for good",
    isDanger: true,
    onConfirm: async () => {
      if (name.input.value.trim() !== project.name) throw new Error("That is not the name of the project.");
      await ask("DELETE", `/v1/projects/${project.projectKey}`, { query: { erase: true } });
      if (state.get("project") === project.projectKey) state.set({ project: null }, { replace: true });
      return section.reload();
    },
  });
}
