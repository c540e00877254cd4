/** One person: who it is, as far as that is known, and everything that was done, the newest first. */

import { ask, downloadFile } from "../api.js";
import { openDialog } from "../dialog.js";
import { announce, formatDay, formatNumber, formatTime, h, replace } from "../dom.js";
import { buildEmpty, buildError, panel } from "../panel.js";
import { currentZone } from "../range.js";
import { session } from "../session.js";
import { state } from "../state.js";
import { MAX_ROWS } from "./report_panel.js";

const PAGE_EVENTS = 50;
const SESSION_PAUSE_MS = 30 * 60_000;
const EVERYTHING = { from: null, to: null, last: null, filters: null, compare: null };
const PROPERTIES = [
  ["Country", "country"], ["Region", "region"], ["City", "city"], ["Device", "deviceType"], ["Browser", "browser", "browserVersion"],
  ["System", "os", "osVersion"], ["Screen", "screen"],
];

/** Fill the container with the person whose id is `id`; `leave` goes back to the list. */
export function showPerson(container, id, leave) {
  const controller = new AbortController();
  const back = h("button", { type: "button", class: "button quiet small", onClick: leave }, "← All people");
  const actions = session.can("admin") ? buildAdminActions(id, leave) : [];
  const profile = panel({
    title: id, wide: true, actions, load: (signal) => askPerson(id, { signal }),
    subtitle: "All time, whatever range and filters are set",
    csv: { report: `users/${encodeURIComponent(id)}`, parameters: () => ({ ...EVERYTHING, limit: MAX_ROWS }), fileName: "journey.csv" },
    render: (person) => h("div", { class: "stack" }, buildProfile(person), buildJourney(id, person, controller.signal)),
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
  const describe = ([label, ...keys]) => [label, keys.map((key) => properties[key] ?? "").join(" ").trim()];
  return h("div", { class: "person-profile" },
    buildList("Person", [
      ["Is", person.isIdentified ? "a known user" : "anonymous"],
      ["First seen", formatTime(person.firstSeen, tz)],
      ["Last seen", formatTime(person.lastSeen, tz)],
      ["Events", formatNumber(person.totalEvents)],
      ["Sessions", formatNumber(person.sessions)],
    ]),
    known.length ? buildList("Latest known", known.map(describe)) : null,
    eventCounts.length ? buildList("Events", eventCounts.map(({ eventName, count }) => [eventName, formatNumber(count)])) : null,
    anonymousIds.length ? buildIds(anonymousIds) : null);
}

function buildList(title, pairs) {
  return h("section", { class: "person-facts", "aria-label": title },
    h("h3", null, title),
    h("dl", null, pairs.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))));
}

function buildIds(ids) {
  return h("section", { class: "person-facts" }, h("h3", null, "Anonymous ids"), h("ul", null, ids.map((each) => h("li", null, each))));
}

function buildJourney(id, person, signal) {
  if (!person.events.length) return buildEmpty("No event with a time is known of this person.");
  const days = h("div", { class: "journey" });
  const more = h("div", { class: "journey-more" });
  let earliest = null;
  const add = (page) => {
    earliest = addEvents(days, page.events, person.tz, earliest);
    replace(more, page.nextCursor === null ? h("p", { class: "hint" }, "The journey begins here.") : button(page.nextCursor));
  };
  const button = (cursor) => h("button", { type: "button", class: "button", onClick: () => load(cursor) }, "Earlier events");
  const load = async (cursor) => {
    more.firstChild.disabled = true;
    try {
      const page = await askPerson(id, { cursor, signal });
      add(page);
      announce(`${page.events.length} earlier events`);
    } catch (error) {
      if (!signal.aborted) replace(more, buildError(error, () => load(cursor)));
    }
  };
  add(person);
  return h("section", { "aria-label": "Journey" }, h("h3", null, "Journey"), days, more);
}

function addEvents(days, events, tz, previous) {
  let later = previous;
  for (const event of events) {
    const day = formatDay(event.timestamp, tz);
    if (days.lastElementChild?.dataset.day !== day) days.append(h("section", { dataset: { day }, "aria-label": day }, h("h4", null, day), h("ol")));
    days.lastElementChild.querySelector("ol").append(buildEvent(event, tz, isSameSession(event, later)));
    later = event;
  }
  return later;
}

function isSameSession(event, later) {
  if (!later || event.sessionId !== later.sessionId) return false;
  return event.sessionId !== null || Date.parse(later.timestamp) - Date.parse(event.timestamp) <= SESSION_PAUSE_MS;
}

function buildEvent({ eventName, timestamp, page, url, referrer, sessionId, metadata }, tz, isInSession) {
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: tz }).format(new Date(timestamp));
  const details = [["url", url], ["referrer", referrer], ["sessionId", sessionId], ...Object.entries(metadata)].filter(([, value]) => value !== null);
  return h("li", { class: isInSession ? "journey-event" : "journey-event journey-session" },
    h("time", { datetime: timestamp }, time),
    h("span", { class: "journey-name" }, eventName),
    page ? h("span", { class: "journey-page hint" }, page) : null,
    details.length ? buildDetails(details) : null);
}

function buildDetails(details) {
  return h("details", null,
    h("summary", null, "Details"),
    h("dl", null, details.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, formatDetail(value))))));
}

function formatDetail(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function buildAdminActions(id, leave) {
  const path = `/v1/users/${encodeURIComponent(id)}/data`;
  const query = { projectKey: session.project?.projectKey };
  const download = async (event) => {
    const { currentTarget } = event;
    currentTarget.disabled = true;
    await downloadFile(path, query, "person.ndjson").then(() => announce("The download has begun."), (error) => announce(error.message));
    currentTarget.disabled = false;
  };
  return [
    h("button", { type: "button", class: "button small", onClick: download }, "Download all data"),
    h("button", { type: "button", class: "button small danger", onClick: () => openErasure(id, () => ask("DELETE", path, { query }), leave) }, "Erase …"),
  ];
}

function openErasure(id, erase, leave) {
  const input = h("input", { id: "erase-id", class: "input", required: true, autocomplete: "off", spellcheck: "false" });
  openDialog({
    title: "Erase this person?",
    content: [
      h("p", null, "All events of this person are removed for good, from this database and from every report. Nothing brings them back."),
      h("div", { class: "field" }, h("label", { for: "erase-id" }, `Write ${id} to go on`), input),
    ],
    confirm: "Erase for good", isDanger: true,
    onConfirm: async () => {
      if (input.value.trim() !== id) throw new Error("That is another id.");
      const { erasedEvents } = await erase();
      leave();
      announce(`${formatNumber(erasedEvents)} events were erased.`);
    },
  });
}
