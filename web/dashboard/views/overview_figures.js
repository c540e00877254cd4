/** The figures at the top of the overview, each with its change, and over time the one that is chosen. */

import { askReport } from "../api.js";
import { buildChange } from "../bars.js";
import { lineChart } from "../charts.js";
import { formatBucket, formatNumber, formatRatio, formatSeconds, h } from "../dom.js";
import { fetchMarks } from "../marks.js";
import { buildNoteButton } from "../note_dialog.js";
import { panel } from "../panel.js";
import { currentInterval, currentZone, describeRange, isComparable } from "../range.js";
import { state } from "../state.js";

const KEY = "overview.figure";
const NAME = "events-timeseries";

/** `value` of the whole range, `at` of one interval; without `at` it is not drawn over time. */
const FIGURES = [
  {
    id: "users",
    title: "Users",
    value: ({ overview }) => overview.uniqueUsers,
    at: ({ uniqueUsers }) => uniqueUsers,
    report: NAME,
  },
  {
    id: "sessions",
    title: "Sessions",
    value: ({ overview }) => overview.sessions,
    at: ({ sessions }) => sessions,
    report: "sessions",
  },
  {
    id: "events",
    title: "Events",
    value: ({ overview }) => overview.totalEvents,
    at: ({ count }) => count,
    report: NAME,
  },
  {
    id: "bounces",
    title: "Bounce rate",
    value: ({ sessions }) => sessions?.bounceRate,
    format: formatRatio,
    isLessBetter: true,
    at: ({ sessions, bounces }) => (sessions ? bounces / sessions : null),
    report: "sessions",
  },
  {
    id: "duration",
    title: "Session duration",
    value: ({ sessions }) => sessions?.averageDurationSeconds,
    format: formatSeconds,
    at: ({ averageDurationSeconds }) => averageDurationSeconds,
    report: "sessions",
  },
  { id: "pages", title: "Pages per session", value: ({ sessions }) => sessions?.pagesPerSession },
];

/** The panel of figures. */
export function buildFigures() {
  return panel({
    title: "At a glance",
    wide: true,
    actions: [buildNoteButton()],
    redrawOn: [KEY],
    load: fetchFigures,
    render: (data) => h("div", null, buildCards(data), buildSeries(data)),
    table: buildRows,
    csv: findSource,
    save: findSource,
  });
}

function findFigure() {
  return FIGURES.find(({ id, at }) => at && id === state.get(KEY)) ?? FIGURES[0];
}

function findSource() {
  const { report } = findFigure();
  return { report, parameters: { interval: currentInterval(), ...(report === "sessions" ? { limit: 0 } : {}) } };
}

/** Sessions take longest to form: what does not need them is shown before. */
async function fetchFigures(signal, showPart) {
  const interval = currentInterval();
  const compare = isComparable() ? "previous" : null;
  const asked = [
    askReport("overview", { compare }, { signal }),
    askReport(NAME, { compare, interval }, { signal }),
    askReport("sessions", { compare, interval, limit: 0 }, { signal }),
  ];
  asked[2].catch(() => {});
  const [overview, events] = await Promise.all(asked.slice(0, 2));
  const marks = await fetchMarks(
    events.series.map(({ bucket }) => bucket),
    signal,
  );
  const join = (sessions) => joinAnswers({ overview, events, sessions, interval, marks });
  showPart(join(null));
  return join(await asked[2]);
}

function joinAnswers({ overview, events, sessions, ...others }) {
  const join = (part) => ({
    overview: part(overview),
    sessions: part(sessions),
    buckets: joinBuckets(part(events).series, part(sessions)?.series ?? []),
  });
  const previous = overview.previous ? join((answer) => answer?.previous) : null;
  return { ...join((answer) => answer), previous, ...others };
}

function joinBuckets(events, sessions) {
  const found = new Map(sessions.map((each) => [each.bucket, each]));
  const none = { sessions: 0, bounces: 0, averageDurationSeconds: null };
  return events.map((each) => ({ ...none, ...found.get(each.bucket), ...each }));
}

function buildCards(data) {
  return h(
    "div",
    { class: "cards", role: "group", "aria-label": "Figures" },
    FIGURES.map((figure) => buildCard(figure, data)),
  );
}

function buildCard({ id, title, value, at, format = formatNumber, isLessBetter }, data) {
  const content = [
    h("span", { class: "card-title" }, title),
    h("span", { class: "card-value", dataset: { figure: id } }, value(data) === undefined ? "…" : format(value(data))),
    data.previous ? buildChange(value(data), value(data.previous), { isLessBetter }) : h("span", { class: "change" }),
  ];
  if (!at) return h("div", { class: "card" }, content);
  const pressed = String(findFigure().id === id);
  return h(
    "button",
    {
      type: "button",
      class: "card",
      dataset: { control: id },
      "aria-pressed": pressed,
      onClick: () => state.set({ [KEY]: id }, { replace: true }),
    },
    content,
  );
}

function buildSeries({ buckets, previous, interval, marks }) {
  const figure = findFigure();
  const isCompared = previous && state.get("compare") === "previous";
  const series = [{ label: figure.title, values: buckets.map(figure.at) }];
  if (isCompared)
    series.push({ label: "Before", values: fit(previous.buckets.map(figure.at), buckets.length), dashed: true });
  return lineChart({
    labels: buckets.map(({ bucket }) => formatBucket(bucket, currentZone(), interval)),
    series,
    annotations: marks,
    format: figure.format,
    isLastPartial: isPartial(buckets),
    describe: `${figure.title} by ${interval}, ${describeRange()}`,
  });
}

function fit(values, length) {
  return Array.from({ length }, (_, index) => values[index] ?? null);
}

/** Whether the last interval is not over yet. */
export function isPartial(buckets) {
  if (buckets.length < 2) return false;
  const [before, last] = buckets.slice(-2).map(({ bucket }) => Date.parse(bucket));
  return 2 * last - before > Date.now();
}

function buildRows({ buckets, interval }) {
  return {
    columns: [
      {
        key: "bucket",
        label: interval[0].toUpperCase() + interval.slice(1),
        format: (bucket) => formatBucket(bucket, currentZone(), interval),
      },
      { key: "uniqueUsers", label: "Users" },
      { key: "sessions", label: "Sessions" },
      { key: "count", label: "Events" },
      {
        key: "bounces",
        label: "Bounce rate",
        format: (bounces, { sessions }) => formatRatio(sessions ? bounces / sessions : null),
        isNumber: true,
      },
      { key: "averageDurationSeconds", label: "Session duration", format: formatSeconds, isNumber: true },
    ],
    rows: buckets,
  };
}
