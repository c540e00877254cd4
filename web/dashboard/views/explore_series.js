/** The series of the explore view: a line for each chosen event, or for each of the most frequent values. */

import { askReport } from "../api.js";
import { lineChart } from "../charts.js";
import { formatBucket, formatNumber } from "../dom.js";
import { fetchMarks } from "../marks.js";
import { buildNoteButton } from "../note_dialog.js";
import { panel } from "../panel.js";
import { buildValueFilter, currentInterval, currentZone, describeRange, readFilters } from "../range.js";
import { joinFilters, KEYS, listEvents, readBy, readMeasure } from "./explore_state.js";
import { isPartial } from "./overview_figures.js";

const NAME = "events-timeseries";
const MOST_LINES = 6;

/** The panel of lines; it counts users where users are chosen, else events. */
export function buildSeries() {
  const source = () => ({ report: NAME, parameters: { interval: currentInterval(), filters: joinFilters() } });
  return panel({
    title: "Over time",
    actions: [buildNoteButton()],
    watch: KEYS,
    load: fetchLines,
    isEmpty: ({ lines }) => lines.length === 0,
    render: buildChart,
    table: buildRows,
    csv: source,
    save: source,
  });
}

async function fetchLines(signal) {
  const interval = currentInterval();
  const wanted = readBy().length ? await listValues(signal) : listNames();
  const isAlone = wanted.length === 1;
  const answers = await Promise.all(
    wanted.map(({ filters }) =>
      askReport(NAME, { interval, filters, ...(isAlone ? {} : { compare: null }) }, { signal }),
    ),
  );
  const starts = answers[0]?.series.map(({ bucket }) => bucket) ?? [];
  const lines = answers.map((answer, index) => ({
    label: wanted[index].label,
    series: answer.series,
    previous: answer.previous?.series,
  }));
  return {
    starts,
    lines,
    interval,
    unit: readMeasure() === "users" ? "uniqueUsers" : "count",
    marks: await fetchMarks(starts, signal),
  };
}

function listNames() {
  const events = listEvents().slice(0, MOST_LINES);
  if (!events.length) return [{ label: "All events", filters: joinFilters() }];
  return events.map((name) => ({
    label: name,
    filters: [...readFilters(), { property: "eventName", operator: "eq", value: name }],
  }));
}

async function listValues(signal) {
  const [property] = readBy();
  const measure = readMeasure() === "users" ? "users" : "events";
  const { groups } = await askReport(
    "breakdown",
    { by: [property], measure, limit: MOST_LINES, filters: joinFilters(), compare: null },
    { signal },
  );
  return groups.map(({ values: [value] }) => ({
    label: String(value ?? "None"),
    filters: joinFilters(buildValueFilter(property, value)),
  }));
}

function buildChart({ starts, lines, interval, unit, marks }) {
  const series = lines.map(({ label, series: found }) => ({ label, values: alignValues(starts, found, unit) }));
  const [{ previous }] = lines;
  if (previous && lines.length === 1)
    series.push({ label: "Before", values: starts.map((_, index) => previous[index]?.[unit] ?? null), dashed: true });
  const what = unit === "count" ? "Events" : "Users";
  return lineChart({
    labels: starts.map((start) => formatBucket(start, currentZone(), interval)),
    series,
    annotations: marks,
    height: 300,
    isLastPartial: isPartial(starts.map((bucket) => ({ bucket }))),
    describe: `${what} by ${interval}, ${describeRange()}: ${lines.map(({ label }) => label).join(", ")}`,
  });
}

function alignValues(starts, series, unit) {
  const found = new Map(series.map((each) => [each.bucket, each[unit]]));
  return starts.map((start) => found.get(start) ?? 0);
}

function buildRows({ starts, lines, interval, unit }) {
  const columns = lines.map(({ label }, index) => ({
    key: `line${index}`,
    label,
    format: formatNumber,
    isNumber: true,
  }));
  const values = lines.map(({ series }) => alignValues(starts, series, unit));
  return {
    columns: [
      { key: "start", label: "Beginning", format: (start) => formatBucket(start, currentZone(), interval) },
      ...columns,
    ],
    rows: starts.map((start, row) => ({
      start,
      ...Object.fromEntries(values.map((each, index) => [`line${index}`, each[row]])),
    })),
  };
}
