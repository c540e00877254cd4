/** Annotations as marks on a series. */

import { ask } from "./api.js";
import { currentZone } from "./range.js";
import { session } from "./session.js";

/** `[{index, text}]`: the notes that fall into the intervals beginning at `starts` (ISO, ascending). */
export async function fetchMarks(starts, signal) {
  const query = { projectKey: session.project?.projectKey };
  const { annotations } = await ask("GET", "/v1/annotations", { query, signal }).catch(() => ({ annotations: [] }));
  return placeMarks(starts, annotations, currentZone());
}

/** A note of a date stands at the interval of that day in `zone`; one of a moment at the interval that has it. */
export function placeMarks(starts, annotations, zone) {
  if (!starts.length) return [];
  const days = starts.map((start) => findDay(start, zone));
  const after = starts.length > 1 ? findDay(2 * Date.parse(starts.at(-1)) - Date.parse(starts.at(-2)), zone) : null;
  return annotations
    .map(({ date, timestamp, text }) => ({
      text,
      index: timestamp ? findMoment(starts, timestamp) : days.findLastIndex((day) => day <= date),
      day: date ?? findDay(timestamp, zone),
    }))
    .filter(({ index, day }) => index >= 0 && (after === null ? day === days[0] : day < after || day === days[index]))
    .map(({ index, text }) => ({ index, text }));
}

function findMoment(starts, timestamp) {
  return starts.findLastIndex((start) => Date.parse(start) <= Date.parse(timestamp));
}

function findDay(moment, zone) {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" }).format(new Date(moment));
}
