/** Sessions: how many, how long and how deep, over time and one by one. */
import { lineChart } from "../charts.js";
import { formatBucket, formatNumber, formatRatio, formatSeconds, formatTime, h, replace } from "../dom.js";
import { buildTable } from "../panel.js";
import { currentInterval } from "../range.js";
import { isPartial } from "./overview_figures.js";
import { buildPager, followRange, MAX_ROWS, personLink, readOffset, reportPanel, seriesPanel } from "./report_panel.js";

const OFFSET = "sessions.offset";
const PAGE_ROWS = 50;
const FIGURES = [
  ["sessions", "Sessions", formatNumber],
  ["bounceRate", "Bounce rate", formatRatio],
  ["averageDurationSeconds", "Mean duration", formatSeconds],
  ["medianDurationSeconds", "Median duration", formatSeconds],
  ["pagesPerSession", "Pages per session", formatNumber],
  ["eventsPerSession", "Events per session", formatNumber],
];

/** What shows a saved report here. */
export function toState(parameters) {
  return { view: "sessions", interval: parameters.interval ?? null, [OFFSET]: parameters.offset || null };
}

/** Fill the container; the answer ends it. */
export function show(container) {
  replace(container, h("div", { class: "grid" }, buildGlance(), buildList()));
  return followRange(OFFSET);
}

function buildGlance() {
  return seriesPanel({
    title: "Sessions at a glance",
    report: "sessions",
    wide: true,
    csv: null,
    parameters: () => ({ limit: 0, interval: currentInterval() }),
    render: (answer) =>
      h(
        "div",
        { class: "stack" },
        h(
          "dl",
          { class: "figures" },
          FIGURES.map((figure) => buildFigure(figure, answer)),
        ),
        drawSeries(answer, currentInterval()),
      ),
    table: ({ series, tz }) => ({
      columns: [
        { key: "bucket", label: "From", format: (bucket) => formatBucket(bucket, tz, currentInterval()) },
        { key: "sessions", label: "Sessions", format: formatNumber },
        { key: "bounces", label: "Bounces", format: formatNumber },
        { key: "averageDurationSeconds", label: "Mean duration", format: formatSeconds },
      ],
      rows: series,
    }),
  });
}

function buildFigure([key, label, format], answer) {
  const before = answer.previous ? h("dd", { class: "hint" }, `before: ${format(answer.previous[key])}`) : null;
  return h(
    "div",
    { class: "figure", dataset: { figure: key } },
    h("dt", null, label),
    h("dd", { class: "figure-value" }, format(answer[key])),
    before,
  );
}

function drawSeries({ series, previous, tz, sessions, marks }, interval) {
  const earlier = previous
    ? [{ label: "Sessions before", values: previous.series.map((each) => each.sessions), dashed: true }]
    : [];
  return lineChart({
    labels: series.map(({ bucket }) => formatBucket(bucket, tz, interval)),
    series: [
      { label: "Sessions", values: series.map((each) => each.sessions) },
      { label: "Bounces", values: series.map((each) => each.bounces) },
      ...earlier,
    ],
    annotations: marks,
    isLastPartial: isPartial(series),
    describe: `${sessions} sessions and their bounces, by ${interval}.`,
  });
}

function buildList() {
  const parameters = () => ({ limit: PAGE_ROWS, offset: readOffset(OFFSET), compare: null });
  return reportPanel({
    title: "One by one",
    report: "sessions",
    wide: true,
    watch: [OFFSET],
    parameters,
    csv: { report: "sessions", parameters: () => ({ ...parameters(), limit: MAX_ROWS }), fileName: "sessions.csv" },
    isEmpty: (answer) => answer.sessions === 0,
    render: (answer) => h("div", { class: "stack rows" }, buildRows(answer), buildPages(answer)),
  });
}

function buildPages({ sessions, items }) {
  return buildPager({
    key: OFFSET,
    offset: readOffset(OFFSET),
    limit: PAGE_ROWS,
    shown: items.length,
    total: sessions,
    one: "session",
    many: "sessions",
  });
}

function buildRows({ items, tz }) {
  const columns = [
    { key: "startedAt", label: "Began", format: (time) => formatTime(time, tz) },
    { key: "userId", label: "Person", render: ({ userId }) => personLink(userId) },
    { key: "durationSeconds", label: "Duration", format: formatSeconds },
    { key: "events", label: "Events", format: formatNumber },
    { key: "pageViews", label: "Pages", format: formatNumber },
    { key: "entryPage", label: "First page" },
    { key: "exitPage", label: "Last page" },
    { key: "channel", label: "Channel" },
    { key: "country", label: "Country" },
    { key: "isBounce", label: "Bounce", format: (isBounce) => (isBounce ? "yes" : "no") },
  ];
  return buildTable({ columns, rows: items }, "Sessions, the latest first");
}
