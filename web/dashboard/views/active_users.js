/** How many people come by day, week and month, how regularly, and who is new, stays, returns or leaves. */
import { barChart, lineChart } from "../charts.js";
import { formatBucket, formatNumber, formatRatio, h, replace } from "../dom.js";
import { buildForm, keysOf, readFields, toState as fieldsToState } from "./fields.js";
import { isPartial } from "./overview_figures.js";
import { reportPanel, seriesPanel } from "./report_panel.js";

const FIELDS = {
  interval: {
    key: "lifecycle.interval",
    label: "Lifecycle by",
    fallback: "week",
    standard: "day",
    choices: [
      ["day", "Day"],
      ["week", "Week"],
      ["month", "Month"],
    ],
  },
};

/** What shows a saved report here; the reports of this view differ in nothing else. */
export function toState(parameters) {
  return { view: "active-users", ...fieldsToState(FIELDS, parameters) };
}

/** Fill the container. */
export function show(container) {
  const form = buildForm(() => FIELDS, "Lifecycle");
  replace(
    container,
    h("div", { class: "grid" }, buildActive(), buildStickiness(), buildRegularity(), buildLifecycle(form)),
  );
}

function buildActive() {
  return seriesPanel({
    title: "Active people",
    report: "active-users",
    wide: true,
    parameters: () => ({}),
    render: (answer) =>
      lineChart({
        labels: dayLabels(answer),
        series: [
          { label: "Day", values: values(answer, "dau") },
          { label: "7 days", values: values(answer, "wau") },
          { label: "30 days", values: values(answer, "mau") },
          ...(answer.previous ? [{ label: "Day, before", values: values(answer.previous, "dau"), dashed: true }] : []),
        ],
        annotations: answer.marks,
        isLastPartial: isPartial(answer.series),
        describe: describeActive(answer),
      }),
    table: (answer) => ({
      columns: [
        dayColumn(answer),
        { key: "dau", label: "Day", format: formatNumber },
        { key: "wau", label: "7 days", format: formatNumber },
        { key: "mau", label: "30 days", format: formatNumber },
      ],
      rows: answer.series,
    }),
  });
}

function describeActive({ series }) {
  const last = series.at(-1);
  if (!last) return "Active people: no days in this range.";
  const { dau, wau, mau } = last;
  return `Active people over ${series.length} days; on the last ${dau}, in its 7 days ${wau}, in its 30 days ${mau}.`;
}

function buildStickiness() {
  return seriesPanel({
    title: "Stickiness (day / 30 days)",
    report: "stickiness",
    parameters: () => ({}),
    render: (answer) =>
      lineChart({
        labels: dayLabels(answer),
        series: [
          { label: "Stickiness", values: values(answer, "stickiness") },
          ...(answer.previous
            ? [{ label: "Before", values: values(answer.previous, "stickiness"), dashed: true }]
            : []),
        ],
        annotations: answer.marks,
        isLastPartial: isPartial(answer.series),
        format: formatRatio,
        describe: `Share of the month's people who came on a day, over ${answer.series.length} days.`,
      }),
    table: (answer) => ({
      columns: [
        dayColumn(answer),
        { key: "dau", label: "Day", format: formatNumber },
        { key: "mau", label: "30 days", format: formatNumber },
        { key: "stickiness", label: "Stickiness", format: formatRatio },
      ],
      rows: answer.series,
    }),
  });
}

function buildRegularity() {
  return reportPanel({
    title: "Days on which people came",
    report: "stickiness",
    csv: null,
    parameters: () => ({}),
    isEmpty: ({ histogram }) => !histogram.length,
    render: ({ histogram, previous }) =>
      barChart({
        labels: longest(histogram, previous?.histogram ?? []).map(({ days }) => String(days)),
        series: [
          { label: "People", values: histogram.map(({ users }) => users) },
          ...(previous ? [{ label: "Before", values: previous.histogram.map(({ users }) => users) }] : []),
        ],
        describe: `People by the number of days on which they came, from 1 to ${histogram.length}.`,
      }),
    table: ({ histogram }) => ({
      columns: [
        { key: "days", label: "Days", format: formatNumber },
        { key: "users", label: "People", format: formatNumber },
      ],
      rows: histogram,
    }),
  });
}

function longest(one, other) {
  return one.length < other.length ? other : one;
}

const STAGES = [
  ["new", "New"],
  ["returning", "Returning"],
  ["resurrecting", "Back again"],
  ["dormant", "Gone"],
];

function buildLifecycle(form) {
  return seriesPanel({
    title: "New, returning, back again, gone",
    actions: [form],
    report: "lifecycle",
    wide: true,
    watch: keysOf(FIELDS),
    parameters: () => ({ ...readFields(FIELDS), compare: null }),
    render: (answer) =>
      barChart({
        labels: dayLabels(answer),
        series: STAGES.map(([key, label]) => ({
          label,
          values: values(answer, key).map((count) => (key === "dormant" ? -count : count)),
        })),
        stacked: true,
        format: (count) => formatNumber(Math.abs(count)),
        describe: `People by stage over ${answer.series.length} intervals; those who stayed away point down.`,
      }),
    table: (answer) => ({
      columns: [dayColumn(answer), ...STAGES.map(([key, label]) => ({ key, label, format: formatNumber }))],
      rows: answer.series,
    }),
  });
}

function dayLabels({ series, tz }) {
  return series.map(({ bucket }) => formatBucket(bucket, tz, "day"));
}

function dayColumn({ tz }) {
  return { key: "bucket", label: "From", format: (bucket) => formatBucket(bucket, tz, "day") };
}

function values({ series }, key) {
  return series.map((entry) => entry[key]);
}
