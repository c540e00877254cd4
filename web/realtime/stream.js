/** What is on the page: the figures, and the latest events, the newest first. */

import { formatNumber, h } from "/web/dashboard/dom.js";

const SHOWN_EVENTS = 100;
const FIGURES = [
  ["current_visitors", "Visitors now"],
  ["page_views_per_minute", "Page views a minute"],
  ["events_per_minute", "Events a minute"],
  ["active_sessions", "Active sessions"],
  ["total_events", "Events of all time"],
];
const time = new Intl.DateTimeFormat([], { timeStyle: "medium" });

/** Show the figures of a message of type `stats`. */
export function showFigures(list, stats) {
  list.replaceChildren(
    ...FIGURES.map(([name, title]) =>
      h("div", { dataset: { figure: name } }, h("dt", null, title), h("dd", null, formatNumber(stats[name]))),
    ),
  );
}

/** Show a message of type `events` in the body of the table; the ids that are there are not shown again. */
export function showEvents(body, { events, replace }) {
  if (replace) body.replaceChildren();
  const known = new Set(Array.from(body.rows, (row) => row.dataset.id));
  const rows = events.filter((event) => !known.has(event.id)).map((event) => buildRow(event, !replace));
  body.prepend(...rows.reverse());
  while (body.rows.length > SHOWN_EVENTS) body.lastElementChild.remove();
}

function buildRow(event, isNew) {
  const from = [event.browser, event.operating_system, event.country, event.is_bot ? "crawler" : null];
  return h(
    "tr",
    { dataset: { id: event.id }, class: isNew ? "is-new" : null },
    h(
      "td",
      null,
      h("time", { datetime: event.received_at, title: event.received_at }, time.format(new Date(event.received_at))),
    ),
    h("td", null, event.event_name),
    h("td", null, event.page ?? "–"),
    h("td", null, event.user_id ?? event.anonymous_id ?? "–"),
    h("td", null, from.filter(Boolean).join(", ") || "–"),
  );
}
