/** Panels that ask one report with the parameters of their view, and what such views have in common. */
import { askReport } from "../api.js";
import { formatNumber, h } from "../dom.js";
import { fetchMarks } from "../marks.js";
import { panel } from "../panel.js";
import { RANGE_KEYS } from "../range.js";
import { state } from "../state.js";

/** How many rows of a list a file has, from the first that is shown on. */
export const MAX_ROWS = 1000;

/**
 * A panel of one report. `parameters()` gives the report's own parameters, null while there is nothing to ask; the rest
 * goes to `panel`.
 */
export function reportPanel({ report, parameters, ...rest }) {
  const asked = () => parameters() ?? {};
  return panel({
    csv: { report, parameters: asked, fileName: `${report}.csv` },
    save: { report, parameters: asked },
    load: async (signal) => (parameters() ? askReport(report, parameters(), { signal }) : null),
    ...rest,
  });
}

/** A panel of a report with a `series`, whose answer gets the notes of its time as `marks`. */
export function seriesPanel({ report, parameters, ...rest }) {
  const load = async (signal) => {
    const answer = await askReport(report, parameters(), { signal });
    return {
      ...answer,
      marks: await fetchMarks(
        answer.series.map(({ bucket }) => bucket),
        signal,
      ),
    };
  };
  return reportPanel({ report, parameters, load, isEmpty: ({ series }) => !series.length, ...rest });
}

/** A link to this page with other values in its address. */
export function stateLink(changes, ...children) {
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    state.set(changes);
  };
  return h("a", { href: state.buildAddress(changes), onclick: follow }, ...children);
}

/** The link to a person's journey; a dash for nobody. */
export function personLink(userId) {
  return userId === null ? "–" : stateLink({ view: "users", "users.id": userId, "users.offset": null }, userId);
}

/** "1–50 of 1,234" with buttons to go on and back; they set `key` of the address. */
export function buildPager({ key, offset, limit, shown, total, one, many }) {
  const go = (to) => state.set({ [key]: to > 0 ? String(to) : null });
  const text = shown
    ? `${formatNumber(offset + 1)}–${formatNumber(offset + shown)} of ${formatNumber(total)} ${total === 1 ? one : many}`
    : `No ${many} here`;
  return h(
    "nav",
    { class: "pager", "aria-label": `Pages of ${many}` },
    h("span", { role: "status" }, text),
    button("Previous", offset > 0, () => go(Math.max(0, offset - limit))),
    button("Next", offset + shown < total, () => go(offset + limit)),
  );
}

/** The number of rows to leave out that the address says; 0 for nonsense. */
export function readOffset(key) {
  const offset = Number(state.get(key) ?? 0);
  return Number.isInteger(offset) && offset >= 0 && offset <= 1e9 ? offset : 0;
}

/** Go back to the first page whenever the range or the filters become others. The answer ends that. */
export function followRange(key) {
  return state.subscribe(RANGE_KEYS, (changed) => {
    if (!changed.includes(key)) state.set({ [key]: null }, { replace: true });
  });
}

function button(text, isEnabled, onclick) {
  return h("button", { type: "button", class: "button", disabled: !isEnabled, onclick }, text);
}
