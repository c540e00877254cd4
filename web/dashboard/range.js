/** The range, zone, interval and filters that the page is set to, as reports take them. */

import { session } from "./session.js";
import { state } from "./state.js";

export const DEFAULT_LAST = "30d";
export const RANGE_KEYS = ["project", "last", "from", "to", "tz", "filters", "compare", "includeBots"];
export const PRESETS = [
  ["24h", "Last 24 hours"],
  ["1d", "Today"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
  ["90d", "Last 90 days"],
  ["12m", "Last 12 months"],
  ["all", "All time"],
];
const HOURS = { h: 1, d: 24, w: 168, m: 730 };
export const INTERVALS = ["hour", "day", "week", "month"];

/** `{last}`, `{from, to}`, or for all time `{}`. */
export function readRange() {
  const [from, to] = [state.get("from"), state.get("to")];
  if (from && to) return { from, to };
  const last = state.get("last") ?? DEFAULT_LAST;
  return last === "all" ? {} : { last };
}

/** The zone of all times in the page. */
export function currentZone() {
  return state.get("tz") ?? session.project?.timezone ?? "UTC";
}

/** The conditions set in the filter bar. */
export function readFilters() {
  const filters = state.getJson("filters", []);
  return Array.isArray(filters) ? filters.filter((each) => each instanceof Object) : [];
}

/** Have the page show only events that also meet `filter`. */
export function addFilter(filter) {
  const others = readFilters().filter((each) => JSON.stringify(each) !== JSON.stringify(filter));
  state.set({ filters: [...others, filter] });
}

/** The condition that `property` has this value, or where it is null, none. */
export function buildValueFilter(property, value) {
  return value === null ? { property, operator: "not_exists" } : { property, operator: "eq", value };
}

/** Whether there is a window before this one, to compare with. */
export function isComparable() {
  return Object.keys(readRange()).length > 0;
}

/** The chosen interval, else one that makes a readable series of the range. */
export function currentInterval() {
  const chosen = state.get("interval");
  if (INTERVALS.includes(chosen)) return chosen;
  const hours = measureHours(readRange());
  if (hours <= 49) return "hour";
  if (hours <= 24 * 125) return "day";
  return hours <= 24 * 750 ? "week" : "month";
}

/** About how long a range is, in hours; 100 days for all time. */
export function measureHours({ last, from, to }) {
  if (last) return Number.parseInt(last, 10) * (HOURS[last.at(-1)] ?? 24);
  if (from && to) return (new Date(to) - new Date(from)) / 3_600_000 + (to.length === 10 ? 24 : 0);
  return 24 * 100;
}

/** The common parameters of a report, as the page is set. */
export function readCommonParameters() {
  const filters = readFilters();
  return {
    projectKey: session.project?.projectKey,
    ...readRange(),
    ...(state.get("tz") ? { tz: state.get("tz") } : {}),
    ...(filters.length ? { filters } : {}),
    ...(state.get("compare") === "previous" && isComparable() ? { compare: "previous" } : {}),
    ...(state.get("includeBots") === "true" ? { includeBots: true } : {}),
  };
}

/** "Last 30 days", "6 Jan – 12 Jan 2025", "All time". */
export function describeRange() {
  const { last, from, to } = readRange();
  if (from) return from === to ? from : `${from} – ${to}`;
  const known = PRESETS.find(([value]) => value === (last ?? "all"));
  return known ? known[1] : `Last ${last}`;
}
