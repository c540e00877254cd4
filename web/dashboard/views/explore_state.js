/** What the explore view is set to. */

import { readFilters } from "../range.js";
import { state } from "../state.js";

export const KEYS = ["explore.events", "explore.measure", "explore.property", "explore.by"];
export const MEASURES = [
  ["events", "Events"],
  ["users", "Users"],
  ["sessions", "Sessions"],
  ["sum", "Sum"],
  ["average", "Average"],
  ["min", "Smallest"],
  ["max", "Largest"],
  ["median", "Median"],
];
export const NUMERIC = ["sum", "average", "min", "max", "median"];
const MOST_PROPERTIES = 2;

/** Names of the chosen events; none means all. */
export function listEvents() {
  return readTexts("explore.events");
}

/** The properties to split by, two at most. */
export function readBy() {
  return readTexts("explore.by").slice(0, MOST_PROPERTIES);
}

function readTexts(key) {
  const found = state.getJson(key, []);
  return Array.isArray(found) ? found.filter((each) => typeof each === "string" && each) : [];
}

/** What is counted. */
export function readMeasure() {
  const found = state.get("explore.measure");
  return MEASURES.some(([value]) => value === found) ? found : "events";
}

/** The name of what is counted, for people. */
export function describeMeasure() {
  const [, text] = MEASURES.find(([value]) => value === readMeasure());
  return NUMERIC.includes(readMeasure()) ? `${text} of ${state.get("explore.property") ?? "…"}` : text;
}

/** The page's filters, and those of the chosen events. */
export function joinFilters(...more) {
  const events = listEvents();
  const chosen = events.length ? [{ property: "eventName", operator: "in", value: events }] : [];
  const filters = [...readFilters(), ...chosen, ...more];
  return filters.length ? filters : null;
}
