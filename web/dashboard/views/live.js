/** Live: who is here, how much happens, and the events as they are stored. */

import { formatNumber, formatTime, h, replace } from "../dom.js";
import { followLive, live } from "../live.js";
import { buildEmpty } from "../panel.js";
import { currentZone } from "../range.js";
import { sparkline } from "../sparkline.js";
import { stateLink } from "./report_panel.js";

const SHOWN_EVENTS = 60;
const FIGURES = [
  ["currentVisitors", "Visitors now", "with an event in the last five minutes"],
  ["pageViewsLastMinute", "Page views", "in the last minute"],
  ["eventsLastMinute", "Events", "in the last minute"],
  ["activeSessions", "Sessions", "with an event in the last 30 minutes"],
  ["totalEvents", "Events of all time", ""],
];
const STATES = {
  connecting: "Connecting …",
  open: "Connected: events appear as they are stored.",
  retrying: "The connection was lost. Trying again …",
  off: "Not connected.",
};

/** Fill the container; the result ends it. */
export function show(container) {
  const parts = {
    status: h("p", { class: "live-status", role: "status" }),
    figures: h("dl", { class: "live-figures" }),
    list: h("div"),
    frozen: null,
  };
  const pause = h(
    "button",
    { type: "button", class: "button small", "aria-pressed": "false", onClick: () => togglePause(parts, pause) },
    "Pause",
  );
  replace(
    container,
    h(
      "div",
      { class: "stack" },
      parts.status,
      parts.figures,
      h(
        "section",
        { class: "panel wide", "aria-labelledby": "live-events" },
        h(
          "header",
          { class: "panel-head" },
          h("div", { class: "panel-title" }, h("h2", { id: "live-events" }, "Events as they come")),
          h("div", { class: "panel-actions" }, pause),
        ),
        h("div", { class: "panel-body" }, parts.list),
      ),
    ),
  );
  const draw = { state: () => drawStatus(parts), figures: () => drawFigures(parts), events: () => drawEvents(parts) };
  const stop = followLive((what) => draw[what]());
  for (const each of Object.values(draw)) each();
  return stop;
}

function togglePause(parts, button) {
  parts.frozen = parts.frozen ? null : live.events;
  button.setAttribute("aria-pressed", String(Boolean(parts.frozen)));
  button.textContent = parts.frozen ? "Go on" : "Pause";
  drawEvents(parts);
}

function drawStatus({ status }) {
  status.dataset.state = live.state;
  replace(
    status,
    h("span", { class: "live-dot", "aria-hidden": "true" }),
    live.state === "refused" ? live.problem : STATES[live.state],
  );
}

function drawFigures({ figures }) {
  replace(
    figures,
    FIGURES.map(([key, label, meaning]) =>
      h(
        "div",
        { class: "panel live-figure", dataset: { figure: key } },
        h("dt", null, label),
        h("dd", { class: "live-value" }, live.figures ? formatNumber(live.figures[key]) : "–"),
        h("dd", { class: "hint" }, meaning),
        live.readings.length > 1 && key !== "totalEvents" && live.readings.some((reading) => reading[key] > 0)
          ? h(
              "dd",
              { class: "live-line" },
              sparkline(
                live.readings.map((reading) => reading[key]),
                { width: 160, height: 32 },
              ),
            )
          : null,
      ),
    ),
  );
}

function drawEvents({ list, frozen }) {
  const events = (frozen ?? live.events).slice(0, SHOWN_EVENTS);
  if (!events.length) {
    replace(list, buildEmpty("No event has arrived yet.", stateLink({ view: "start" }, "How to send events")));
    return;
  }
  replace(
    list,
    live.isSkipped ? h("p", { class: "hint" }, "More arrive than can be shown: these are some of the newest.") : null,
    h(
      "div",
      { class: "table-frame live-events", tabindex: "0", role: "region", "aria-label": "Events, the newest first" },
      h(
        "table",
        { class: "table" },
        h("caption", { class: "visually-hidden" }, "Events, the newest first"),
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            ["Time", "Event", "Page", "Person", "From", "With"].map((label) => h("th", { scope: "col" }, label)),
          ),
        ),
        h("tbody", null, events.map(buildRow)),
      ),
    ),
  );
}

function buildRow(event) {
  const {
    eventId,
    eventName,
    receivedAt,
    timestamp,
    url,
    userId,
    anonymousId,
    country,
    city,
    browser,
    deviceType,
    isBot,
  } = event;
  const person = userId ?? anonymousId ?? null;
  return h(
    "tr",
    { dataset: { eventId } },
    h(
      "td",
      { class: "nowrap" },
      formatTime(timestamp ?? receivedAt, currentZone())
        .split(", ")
        .at(-1),
    ),
    h(
      "td",
      null,
      h("span", { class: "event-name" }, eventName),
      isBot ? h("span", { class: "badge plain" }, "bot") : null,
    ),
    h("td", null, showPage(url)),
    h("td", null, person === null ? "–" : stateLink({ view: "users", "users.id": person }, person)),
    h("td", null, [city, country].filter(Boolean).join(", ") || "–"),
    h("td", null, [browser, deviceType].filter(Boolean).join(", ") || "–"),
  );
}

/** Path and query of an address; the text itself where it is none. */
export function showPage(url) {
  if (!url) return "–";
  try {
    const { pathname, search } = new URL(url);
    return pathname + search;
  } catch {
    return url;
  }
}
