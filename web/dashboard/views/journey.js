/** A person's events, the newest first, by day; earlier ones are asked for page by page. */

import { announce, formatDay, h, replace } from "../dom.js";
import { buildEmpty, buildError } from "../panel.js";

const SESSION_PAUSE_MS = 30 * 60_000;

/** The journey of which `person`, a report's answer, has the newest part; `askEarlier(cursor)` gives those before it. */
export function buildJourney(person, askEarlier) {
  if (!person.events.length) return buildEmpty("No event with a time is known of this person.");
  const days = h("div", { class: "journey" });
  const more = h("div", { class: "journey-more" });
  let earliest = null;
  const add = (page) => {
    earliest = addEvents(days, page.events, person.tz, earliest);
    replace(
      more,
      page.nextCursor === null ? h("p", { class: "hint" }, "The journey begins here.") : button(page.nextCursor),
    );
  };
  const button = (cursor) =>
    h("button", { type: "button", class: "button", onClick: () => load(cursor) }, "Earlier events");
  const load = async (cursor) => {
    more.firstChild.disabled = true;
    try {
      const page = await askEarlier(cursor);
      add(page);
      announce(`${page.events.length} earlier events`);
    } catch (error) {
      const retry = () => load(cursor);
      if (error.name !== "AbortError") replace(more, buildError(error, retry));
    }
  };
  add(person);
  return h("section", { "aria-label": "Journey" }, h("h3", null, "Journey"), days, more);
}

function addEvents(days, events, tz, previous) {
  let later = previous;
  for (const event of events) {
    const day = formatDay(event.timestamp, tz);
    if (days.lastElementChild?.dataset.day !== day)
      days.append(h("section", { dataset: { day }, "aria-label": day }, h("h4", null, day), h("ol")));
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
  const details = [["url", url], ["referrer", referrer], ["sessionId", sessionId], ...Object.entries(metadata)].filter(
    ([, value]) => value !== null,
  );
  return h(
    "li",
    { class: isInSession ? "journey-event" : "journey-event journey-session" },
    h("time", { datetime: timestamp }, time),
    h("span", { class: "journey-name" }, eventName),
    page ? h("span", { class: "journey-page hint" }, page) : null,
    details.length ? buildDetails(details) : null,
  );
}

function buildDetails(details) {
  return h(
    "details",
    null,
    h("summary", null, "Details"),
    h(
      "dl",
      null,
      details.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, formatDetail(value)))),
    ),
  );
}

function formatDetail(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
