/** API keys of the chosen project. */

import { ask } from "../api.js";
import { confirmDialog, openDialog } from "../dialog.js";
import { formatDay, formatTime, h, replace } from "../dom.js";
import { badge, cardTable, findEndOfDay, headButton, readWhole, rowButton, showSecret, textInput } from "../forms.js";
import { checkInput, selectInput } from "../inputs.js";
import { panel } from "../panel.js";
import { currentZone } from "../range.js";
import { session } from "../session.js";

const SCOPES = [
  ["ingest", "Send events", "ingest"],
  ["read", "Ask for reports", "read"],
  ["admin", "Everything in the project", "admin"],
];
const GRACES = [
  ["86400", "for another day"],
  ["3600", "for another hour"],
  ["604800", "for another week"],
  ["0", "no more"],
];

/** Fill the container. */
export function show(container) {
  const address = `/v1/projects/${session.project.projectKey}/keys`;
  const section = panel({
    title: "API keys",
    subtitle: "For programs. A website needs none: it sends with the projectKey.",
    wide: true,
    actions: [headButton("New key", () => openNew(address, section))],
    load: async (signal) => (await ask("GET", address, { signal })).keys,
    isEmpty: (keys) => !keys.length,
    emptyText: "The project has no key.",
    render: (keys) =>
      buildList(
        keys.toSorted((a, b) => b.isActive - a.isActive),
        address,
        section,
      ),
  });
  replace(container, section);
}

function buildList(keys, address, section) {
  const time = (value) => formatTime(value, currentZone());
  const columns = [
    { key: "name", label: "Key" },
    { key: "prefix", label: "Begins with", render: ({ prefix }) => h("code", null, `${prefix}…`) },
    { key: "scopes", label: "May", format: (scopes) => scopes.join(", ") },
    { key: "isActive", label: "State", render: describeState },
    { key: "createdAt", label: "Made", format: (value) => formatDay(value, currentZone()) },
    { key: "lastUsedAt", label: "Last used", format: (value) => (value ? time(value) : "never") },
    { key: "expiresAt", label: "Ends", format: (value) => (value ? time(value) : "never") },
    { key: "actions", label: "", render: (key) => buildActions(key, address, section) },
  ];
  return cardTable({ columns, rows: keys }, "API keys");
}

function describeState({ isActive, revokedAt, graceEndsAt, expiresAt }) {
  if (isActive) return graceEndsAt ? badge("rotated, ends soon") : badge("works", "good");
  if (revokedAt) return badge("revoked", "bad");
  return badge(expiresAt && Date.parse(expiresAt) < Date.now() ? "expired" : "rotated", "bad");
}

function buildActions(key, address, section) {
  if (!key.isActive) return "";
  const rotate = key.rotatedAt
    ? null
    : rowButton("Rotate", `Rotate ${key.name}`, () => openRotate(key, address, section));
  return h(
    "span",
    { class: "row-actions" },
    rotate,
    rowButton("Revoke", `Revoke ${key.name}`, () => openRevoke(key, address, section), { isDanger: true }),
  );
}

function openNew(address, section) {
  const name = textInput({ label: "Name", required: true, maxlength: 200, placeholder: "checkout server" });
  const boxes = SCOPES.map(([scope, label]) =>
    checkInput({ label: `${label} (${scope})`, checked: scope === "ingest", onChange: () => {} }),
  );
  const ends = textInput({ label: "Ends on (optional)", type: "date", hint: "At the end of that day, UTC." });
  const limit = textInput({
    label: "Requests a window (optional)",
    type: "number",
    min: 0,
    placeholder: "as everybody",
  });
  openDialog({
    title: "New key",
    content: [name, h("fieldset", { class: "checks" }, h("legend", null, "It may"), boxes), ends, limit],
    confirm: "Make the key",
    onConfirm: async () => {
      const scopes = SCOPES.filter((_, index) => boxes[index].input.checked).map(([scope]) => scope);
      if (!scopes.length) throw new Error("Choose what the key may do.");
      const expiry = ends.input.value ? { expiresAt: findEndOfDay(ends.input.value) } : {};
      const rate = readWhole(limit) === null ? {} : { rateLimit: readWhole(limit) };
      reveal(await ask("POST", address, { body: { name: name.input.value, scopes, ...expiry, ...rate } }), section);
    },
  });
}

function reveal({ name, apiKey }, section) {
  section.reload();
  showSecret({
    title: `Key "${name}"`,
    label: "API key",
    secret: apiKey,
    note: "Send it as X-API-Key, or as Authorization: Bearer.",
  });
}

function openRotate(key, address, section) {
  const grace = selectInput({ label: "The old secret works", choices: GRACES, value: GRACES[0][0] });
  openDialog({
    title: `Rotate "${key.name}"`,
    content: [h("p", null, "A new secret takes the place of the old one, with the same name and rights."), grace],
    confirm: "Rotate",
    onConfirm: async () =>
      reveal(
        await ask("POST", `${address}/${key.id}/rotate`, { body: { graceSeconds: Number(grace.input.value) } }),
        section,
      ),
  });
}

function openRevoke(key, address, section) {
  confirmDialog({
    title: `Revoke "${key.name}"?`,
    text: "Programs that use it are refused from this moment on, on every host.",
    confirm: "Revoke",
    onConfirm: async () => {
      await ask("DELETE", `${address}/${key.id}`);
      return section.reload();
    },
  });
}
