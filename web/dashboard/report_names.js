/** Reports, properties and figures as people call them. */

const REPORTS = {
  overview: "Overview",
  "top-events": "Top events",
  "events-timeseries": "Events over time",
  funnel: "Funnel",
  conversion: "Conversion",
  sessions: "Sessions",
  pages: "Pages",
  sources: "Sources",
  devices: "Devices",
  locations: "Locations",
  paths: "Paths",
  retention: "Retention",
  "active-users": "Active people",
  stickiness: "Stickiness",
  lifecycle: "Lifecycle",
  breakdown: "Breakdown",
  users: "People",
};
const WORDS = {
  dau: "A day",
  wau: "A week",
  mau: "A month",
  uniqueUsers: "People",
  userId: "Person",
  uniqueEventNames: "Event names",
  totalUsers: "People",
  users: "People",
  totalEvents: "Events",
  count: "Events",
  value: "Value",
  size: "People",
  isIdentified: "Known",
  bucket: "From",
  os: "System",
};

/** "Events over time" for `events-timeseries`. */
export function nameReport(report) {
  return REPORTS[report] ?? report;
}

/** "Bounce rate" for `bounceRate`. */
export function nameField(key) {
  if (WORDS[key]) return WORDS[key];
  const words = key
    .replace(/Seconds$|At$/, "")
    .replace(/([A-Z])/g, " $1")
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** "last 30 days", "2025-01-06 to 2025-01-12", "all time", of a report's parameters. */
export function describeParameters({ last, from, to } = {}) {
  if (last) {
    const unit = { h: "hour", d: "day", w: "week", m: "month" }[last.at(-1)];
    const count = Number.parseInt(last, 10);
    return count === 1 ? `this ${unit}` : `last ${count} ${unit}s`;
  }
  if (from && to) return `${from.slice(0, 10)} to ${to.slice(0, 10)}`;
  if (from) return `since ${from.slice(0, 10)}`;
  return to ? `until ${to.slice(0, 10)}` : "all time";
}
