/** Who comes back: the mean of all cohorts as a line, and each cohort as a row of a heat map. */
import { lineChart } from "../charts.js";
import { formatDay, formatNumber, formatRatio, h, replace } from "../dom.js";
import { buildForm, keysOf, readFields, toState as fieldsToState } from "./fields.js";
import { reportPanel } from "./report_panel.js";

const FIELDS = {
  interval: {
    key: "retention.interval",
    label: "Cohorts by",
    fallback: "week",
    standard: "day",
    choices: [
      ["day", "Day"],
      ["week", "Week"],
      ["month", "Month"],
    ],
  },
  intervals: {
    key: "retention.intervals",
    label: "Look ahead",
    kind: "number",
    min: 1,
    max: 366,
    fallback: 8,
    standard: 12,
  },
  startEvent: { key: "retention.start", label: "Begins with", kind: "event", empty: "any event" },
  returnEvent: { key: "retention.return", label: "Comes back with", kind: "event", empty: "any event" },
  cohort: {
    key: "retention.cohort",
    label: "A person counts in",
    fallback: "first",
    choices: [
      ["first", "the first interval ever"],
      ["recurring", "every interval"],
    ],
  },
  mode: {
    key: "retention.mode",
    label: "Returned",
    fallback: "on",
    choices: [
      ["on", "in that interval"],
      ["on_or_after", "then or later"],
    ],
  },
};
// more of it would make the text on it hard to read, in one theme or the other
const MAX_STRENGTH = 0.55;
const UNITS = { day: "Day", week: "Week", month: "Month" };

/** What shows a saved report here. */
export function toState(parameters) {
  return { view: "retention", ...fieldsToState(FIELDS, parameters) };
}

/** Fill the container. */
export function show(container) {
  const cohorts = reportPanel({
    title: "Retention",
    report: "retention",
    wide: true,
    watch: keysOf(FIELDS),
    render,
    table,
    isEmpty: ({ rows }) => !rows.some(({ size }) => size),
    parameters: () => ({ ...readFields(FIELDS), compare: null }),
  });
  replace(
    container,
    buildForm(() => FIELDS, "Retention"),
    h("div", { class: "grid" }, cohorts),
  );
}

function render(answer) {
  return h("div", { class: "stack" }, buildMean(answer), buildHeatMap(answer));
}

function buildMean({ mean, interval }) {
  const labels = mean.map((_, index) => `${UNITS[interval]} ${index}`);
  const known = mean.filter((ratio) => ratio !== null);
  const last = known.length ? `${formatRatio(known.at(-1))} at the end` : "nothing yet";
  return lineChart({
    labels,
    series: [{ label: "Mean of all cohorts", values: mean }],
    format: formatRatio,
    describe: `Mean retention over ${mean.length} intervals, ${last}. The table has the numbers.`,
  });
}

function buildHeatMap({ rows, mean, interval, tz }) {
  const unit = UNITS[interval];
  const ahead = mean.map((_, index) => h("th", { scope: "col", class: "number" }, `${unit} ${index}`));
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, "Cohort"),
    h("th", { scope: "col", class: "number" }, "People"),
    ahead,
  );
  const table = h(
    "table",
    { class: "table heat-map" },
    h("caption", { class: "visually-hidden" }, "Retention by cohort: share of the cohort that came back"),
    h("thead", {}, head),
    h(
      "tbody",
      {},
      dropEmptyStart(rows).map((row) => buildCohort(row, tz)),
      buildMeanRow(rows, mean),
    ),
  );
  return h(
    "div",
    { class: "table-frame heat-frame", role: "region", "aria-label": "Retention by cohort", tabindex: 0 },
    table,
  );
}

function dropEmptyStart(rows) {
  const first = rows.findIndex(({ size }) => size > 0);
  return first < 0 ? rows : rows.slice(first);
}

function buildCohort({ bucket, size, counts, rates }, tz) {
  const name = h("th", { scope: "row" }, formatDay(bucket, tz));
  const cells = rates.map((ratio, index) => buildHeatCell(ratio, counts[index], size));
  return h("tr", {}, name, h("td", { class: "number" }, formatNumber(size)), cells);
}

function buildMeanRow(rows, mean) {
  const size = rows.reduce((sum, row) => sum + row.size, 0);
  const cells = mean.map((ratio) => buildHeatCell(ratio, null));
  const name = h("th", { scope: "row" }, "All");
  return h("tr", { class: "heat-total" }, name, h("td", { class: "number" }, formatNumber(size)), cells);
}

/** A cell with a shade by its ratio; empty where the interval is not over, or nobody is in the cohort. */
function buildHeatCell(ratio, count, size) {
  if (ratio === null)
    return h("td", { class: "number heat-none" }, h("span", { class: "visually-hidden" }, "not known"));
  const title = count === null ? null : `${formatNumber(count)} of ${formatNumber(size)}`;
  const cell = h("td", { class: "number heat-cell", ...(title && { title }) }, formatRatio(ratio));
  cell.style.setProperty("--strength", (ratio * MAX_STRENGTH).toFixed(3));
  return cell;
}

function table({ rows, mean, interval, tz }) {
  const ahead = mean.map((_, index) => ({
    key: `n${index}`,
    label: `${UNITS[interval]} ${index}`,
    format: formatCount,
  }));
  return {
    columns: [
      { key: "bucket", label: "Cohort", format: (bucket) => formatDay(bucket, tz) },
      { key: "size", label: "People", format: formatNumber },
      ...ahead,
    ],
    rows: rows.map(({ bucket, size, counts }) => ({
      bucket,
      size,
      ...Object.fromEntries(counts.map((count, index) => [`n${index}`, count])),
    })),
  };
}

function formatCount(count) {
  return count === null ? "" : formatNumber(count);
}
