/** The breakdown of the explore view: a measure for each value of one property, or each pair of two. */

import { askReport } from "../api.js";
import { barList } from "../bars.js";
import { formatNumber, formatRatio, h } from "../dom.js";
import { panel } from "../panel.js";
import { addFilter, buildValueFilter } from "../range.js";
import { state } from "../state.js";
import { describeMeasure, joinFilters, KEYS, NUMERIC, readBy, readMeasure } from "./explore_state.js";

const LIMIT = 25;
const COUNTING = ["events", "sum"];

/** The panel of groups. */
export function buildBreakdown() {
  const source = () => ({ report: "breakdown", parameters: buildParameters() });
  return panel({
    title: "By value",
    watch: KEYS.filter((key) => key !== "explore.by"),
    load: async (signal) => (isComplete() ? askReport("breakdown", buildParameters(), { signal }) : null),
    emptyText: "Choose the property whose numbers are to be used.",
    isEmpty: ({ groups }) => groups.length === 0,
    render: buildBars,
    table: buildRows,
    csv: source,
    save: source,
  });
}

function isComplete() {
  return !NUMERIC.includes(readMeasure()) || Boolean(state.get("explore.property"));
}

function buildParameters() {
  const measure = readMeasure();
  const property = NUMERIC.includes(measure) ? { property: state.get("explore.property") } : {};
  return { by: readBy(), measure, limit: LIMIT, filters: joinFilters(), ...property };
}

function buildBars({ groups, other, previous }) {
  const before = previous && new Map(previous.groups.map((group) => [JSON.stringify(group.values), group.value]));
  const rows = groups.map(({ values, value }) => ({
    label: values.map((each) => String(each ?? "None")).join(" · "),
    value,
    previous: before?.get(JSON.stringify(values)),
    hint: "Show only this",
    onClick: () => narrow(values),
  }));
  return h(
    "div",
    null,
    barList({ rows, label: `${describeMeasure()} by ${readBy().join(" and ")}`, hasChanges: Boolean(previous) }),
    other
      ? h("p", { class: "hint" }, `And ${formatNumber(other.groups)} more with ${formatNumber(other.events)} events.`)
      : null,
  );
}

function narrow(values) {
  readBy().forEach((property, index) => {
    if (["string", "number", "boolean"].includes(typeof values[index]) || values[index] === null)
      addFilter(buildValueFilter(property, values[index]));
  });
}

function buildRows({ by, groups, total }) {
  const isShare = COUNTING.includes(readMeasure()) && total.value > 0;
  return {
    columns: [
      ...by.map((property, index) => ({
        key: `by${index}`,
        label: property,
        format: (value) => String(value ?? "None"),
      })),
      { key: "value", label: describeMeasure(), format: formatNumber, isNumber: true },
      ...(isShare ? [{ key: "share", label: "Share", format: formatRatio, isNumber: true }] : []),
      ...(readMeasure() === "events" ? [] : [{ key: "events", label: "Events" }]),
    ],
    rows: groups.map(({ values, value, events }) => ({
      value,
      events,
      share: value / total.value,
      ...Object.fromEntries(values.map((each, index) => [`by${index}`, each])),
    })),
  };
}
