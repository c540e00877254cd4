/** One person: who it is, as far as that is known, and everything that was done, the newest first. */

import { ask, downloadFile } from "../api.js";
import { openDialog } from "../dialog.js";
import { announce, formatNumber, formatTime, h, replace } from "../dom.js";
import { panel } from "../panel.js";
import { currentZone } from "../range.js";
import { session } from "../session.js";
import { state } from "../state.js";
import { buildJourney } from "./journey.js";
import { MAX_ROWS } from "./report_panel.js";

const PAGE_EVENTS = 50;
const EVERYTHING = { from: null, to: null, last: null, filters: null, compare: null };
const PROPERTIES = [
  ["Country", "country"],
  ["Region", "region"],
  ["City", "city"],
  ["Device", "deviceType"],
  ["Browser", "browser", "browserVersion"],
  ["System", "os", "osVersion"],
  ["Screen", "screen"],
];

/** Fill the container with the person whose id is `id`; `leave` goes back to the list. */
export function showPerson(container, id, leave) {
  const controller = new AbortController();
  const back = h("button", { type: "button", class: "button quiet small", onClick: leave }, "← All people");
  const actions = session.can("admin") ? buildAdminActions(id, leave) : [];
  const profile = panel({
    title: id,
    wide: true,
    actions,
    load: (signal) => askPerson(id, { signal }),
    subtitle: "All time, whatever range and filters are set",
    csv: {
      report: `users/${encodeURIComponent(id)}`,
      parameters: () => ({ ...EVERYTHING, limit: MAX_ROWS }),
      fileName: "journey.csv",
    },
    render: (person) =>
      h(
        "div",
        { class: "stack" },
        buildProfile(person),
        buildJourney(person, (cursor) => askPerson(id, { cursor, signal: controller.signal })),
      ),
  });
  profile.classList.add("person");
  replace(container, h("p", { class: "person-back" }, back), h("div", { class: "grid" }, profile));
  return () => controller.abort();
}

function askPerson(id, { cursor = null, signal }) {
  const includeBots = state.get("includeBots") === "true" ? true : null;
  const query = { projectKey: session.project?.projectKey, tz: currentZone(), limit: PAGE_EVENTS, includeBots, cursor };
  return ask("GET", `/v1/reports/users/${encodeURIComponent(id)}`, { query, signal });
}

function buildProfile(person) {
  const { tz, properties, anonymousIds, eventCounts } = person;
  const known = PROPERTIES.filter(([, key]) => properties[key] !== undefined);
  const describe = ([label, ...keys]) => [
    label,
    keys
      .map((key) => properties[key] ?? "")
      .join(" ")
      .trim(),
  ];
  return h(
    "div",
    { class: "person-profile" },
    buildList("Person", [
      ["Is", person.isIdentified ? "a known user" : "anonymous"],
      ["First seen", formatTime(person.firstSeen, tz)],
      ["Last seen", formatTime(person.lastSeen, tz)],
      ["Events", formatNumber(person.totalEvents)],
      ["Sessions", formatNumber(person.sessions)],
    ]),
    known.length ? buildList("Latest known", known.map(describe)) : null,
    eventCounts.length
      ? buildList(
          "Events",
          eventCounts.map(({ eventName, count }) => [eventName, formatNumber(count)]),
        )
      : null,
    anonymousIds.length ? buildIds(anonymousIds) : null,
  );
}

function buildList(title, pairs) {
  return h(
    "section",
    { class: "person-facts", "aria-label": title },
    h("h3", null, title),
    h(
      "dl",
      null,
      pairs.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))),
    ),
  );
}

function buildIds(ids) {
  return h(
    "section",
    { class: "person-facts" },
    h("h3", null, "Anonymous ids"),
    h(
      "ul",
      null,
      ids.map((each) => h("li", null, each)),
    ),
  );
}

function buildAdminActions(id, leave) {
  const path = `/v1/users/${encodeURIComponent(id)}/data`;
  const query = { projectKey: session.project?.projectKey };
  const download = async (event) => {
    const { currentTarget } = event;
    currentTarget.disabled = true;
    await downloadFile(path, query, "person.ndjson").then(
      () => announce("The download has begun."),
      (error) => announce(error.message),
    );
    currentTarget.disabled = false;
  };
  return [
    h("button", { type: "button", class: "button small", onClick: download }, "Download all data"),
    h(
      "button",
      {
        type: "button",
        class: "button small danger",
        onClick: () => openErasure(id, () => ask("DELETE", path, { query }), leave),
      },
      "Erase …",
    ),
  ];
}

function openErasure(id, erase, leave) {
  const input = h("input", {
    id: "erase-id",
    class: "input",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
  });
  openDialog({
    title: "Erase this person?",
    content: [
      h(
        "p",
        null,
        "All events of this person are removed for good, from storage and from every report. Nothing brings them back.",
      ),
      h("div", { class: "field" }, h("label", { for: "erase-id" }, `Write ${id} to go on`), input),
    ],
    confirm: "Erase for good",
    isDanger: true,
    onConfirm: async () => {
      if (input.value.trim() !== id) throw new Error("That is another id.");
      const { erasedEvents } = await erase();
      leave();
      announce(`${formatNumber(erasedEvents)} events were erased.`);
    },
  });
}
