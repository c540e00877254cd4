/** Any report's answer as figures, a chart and tables: for saved reports, and for who has a link to one. */

import { barChart, lineChart } from "./charts.js";
import { formatBucket, formatNumber, formatRatio, formatSeconds, formatTime, h } from "./dom.js";
import { buildEmpty, buildTable } from "./panel.js";
import { nameField } from "./report_names.js";
import { flattenRow, SHAPES } from "./report_shapes.js";

const MOST_BARS = 12;
const IS_TIME = /(At|Seen|bucket)$/;

/** The answer of the report `name`, to be put into the page. */
export function renderAnswer(name, answer) {
  const shape = SHAPES[name] ?? {};
  const figures = (shape.figures ?? []).filter((key) => key in answer);
  const tables = (shape.lists ?? [])
    .filter((list) => Array.isArray(answer[list]))
    .map((list) => ({ list, rows: answer[list].map((row) => flattenRow(row, answer)) }));
  const isEmpty = !figures.length && tables.every(({ rows }) => !rows.length);
  if (isEmpty) return buildEmpty();
  return h(
    "div",
    { class: "stack" },
    figures.length ? buildFigures(figures, answer) : null,
    buildChart(shape, tables, answer),
    tables
      .filter(({ rows }) => rows.length)
      .map(({ list, rows }, _, all) => buildList(list, rows, answer, all.length > 1)),
  );
}

function buildFigures(keys, answer) {
  return h(
    "dl",
    { class: "figures" },
    keys.map((key) =>
      h(
        "div",
        { class: "figure", dataset: { figure: key } },
        h("dt", null, nameField(key)),
        h("dd", { class: "figure-value" }, formatField(key, answer[key], answer)),
        answer.previous && key in answer.previous
          ? h("dd", { class: "hint" }, `before: ${formatField(key, answer.previous[key], answer)}`)
          : null,
      ),
    ),
  );
}

/** A value as its name says that it is meant. */
export function formatField(key, value, { tz, interval } = {}) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (key === "bucket") return formatBucket(value, tz, interval ?? "day");
  if (IS_TIME.test(key)) return formatTime(value, tz);
  if (/Seconds/.test(key)) return formatSeconds(value);
  if (/Rate|Ratio|[cC]onversion|stickiness|^after/.test(key)) return formatRatio(value);
  if (typeof value === "object") return JSON.stringify(value);
  return typeof value === "number" ? formatNumber(value) : String(value);
}

function buildList(list, rows, answer, isNamed) {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = keys.map((key) => ({
    key,
    label: nameColumn(key),
    isNumber: rows.some((row) => typeof row[key] === "number"),
    render: (row) => buildCell(key, row[key], answer),
  }));
  const table = buildTable({ columns, rows }, nameField(list));
  return isNamed ? h("div", { class: "stack" }, h("h3", null, nameField(list)), table) : table;
}

function buildCell(key, value, answer) {
  return h("span", { class: IS_TIME.test(key) ? "nowrap" : null }, formatField(key, value, answer));
}

function nameColumn(key) {
  return /^after \d+$/.test(key) ? `+${key.slice(6)}` : nameField(key);
}

function buildChart({ chart }, tables, answer) {
  const rows = chart ? (tables.find(({ list }) => list === chart.list)?.rows ?? []) : [];
  if (!rows.length) return null;
  const shown = chart.kind === "line" ? rows : rows.slice(0, MOST_BARS);
  const options = {
    labels: shown.map((row) => formatField(chart.label, row[chart.label], answer)),
    series: chart.values.map((key) => ({ label: nameField(key), values: shown.map((row) => row[key]) })),
    describe: `${chart.values.map(nameField).join(", ")}: the table below has the numbers.`,
    format: (value) => formatField(chart.values[0], value),
  };
  if (chart.kind === "line") return lineChart(options);
  return barChart({ ...options, horizontal: chart.kind !== "stacked", stacked: chart.kind === "stacked" });
}
