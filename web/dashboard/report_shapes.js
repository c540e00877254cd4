/** Where the numbers are in each report's answer, and which of them make a chart. */

/** By report: the keys of its figures, its lists, and the list that is drawn. */
export const SHAPES = {
  overview: { figures: ["totalEvents", "uniqueUsers", "sessions", "uniqueEventNames"] },
  "top-events": { lists: ["events"], chart: { kind: "bar", list: "events", label: "eventName", values: ["count"] } },
  "events-timeseries": {
    lists: ["series"],
    chart: { kind: "line", list: "series", label: "bucket", values: ["count", "uniqueUsers"] },
  },
  funnel: {
    figures: ["overallConversion"],
    lists: ["steps", "breakdown"],
    chart: { kind: "bar", list: "steps", label: "eventName", values: ["users"] },
  },
  conversion: { figures: ["eventName", "convertedUsers", "totalUsers", "conversionRate"] },
  sessions: {
    figures: [
      "sessions",
      "bounceRate",
      "averageDurationSeconds",
      "medianDurationSeconds",
      "pagesPerSession",
      "eventsPerSession",
    ],
    lists: ["series", "items"],
    chart: { kind: "line", list: "series", label: "bucket", values: ["sessions", "bounces"] },
  },
  pages: { lists: ["pages"], chart: { kind: "bar", list: "pages", label: "page", values: ["views"] } },
  sources: { lists: ["sources"], chart: { kind: "bar", list: "sources", label: "source", values: ["sessions"] } },
  devices: {
    lists: ["deviceTypes", "browsers", "operatingSystems", "screens"],
    chart: { kind: "bar", list: "deviceTypes", label: "value", values: ["uniqueUsers"] },
  },
  locations: {
    lists: ["countries", "regions", "cities"],
    chart: { kind: "bar", list: "countries", label: "country", values: ["uniqueUsers"] },
  },
  paths: { figures: ["sessions"], lists: ["links"] },
  retention: { lists: ["rows"] },
  "active-users": {
    lists: ["series"],
    chart: { kind: "line", list: "series", label: "bucket", values: ["dau", "wau", "mau"] },
  },
  stickiness: {
    lists: ["series", "histogram"],
    chart: { kind: "line", list: "series", label: "bucket", values: ["stickiness"] },
  },
  lifecycle: {
    lists: ["series"],
    chart: {
      kind: "stacked",
      list: "series",
      label: "bucket",
      values: ["new", "returning", "resurrecting", "dormant"],
    },
  },
  breakdown: { lists: ["groups"], chart: { kind: "bar", list: "groups", label: "group", values: ["value"] } },
  users: { figures: ["total"], lists: ["users"] },
};

/** A row of a list with nothing nested in it: the rates of retention become columns, values of a group one text. */
export function flattenRow(row, { nodes } = {}) {
  if (Array.isArray(row.rates)) return flattenRates(row);
  if (Array.isArray(row.values)) return flattenGroup(row);
  if (Array.isArray(row.steps)) return flattenFunnel(row);
  if ("source" in row && "target" in row && nodes)
    return { step: row.step, from: row.source ?? "–", to: row.target ?? "–", sessions: row.sessions };
  return row;
}

function flattenRates({ bucket, size, rates }) {
  return { bucket, size, ...Object.fromEntries(rates.map((rate, index) => [`after ${index}`, rate])) };
}

function flattenGroup({ values, value, events }) {
  return { group: values.map((each) => each ?? "–").join(" / "), value, events };
}

function flattenFunnel({ value, steps, overallConversion }) {
  return { value, ...Object.fromEntries(steps.map(({ step, users }) => [`step ${step}`, users])), overallConversion };
}
