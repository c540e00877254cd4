/** The view in which a saved report can be looked at closely, and changed. */

const HOMES = {
  overview: () => import("./overview.js"),
  "top-events": () => import("./overview.js"),
  pages: () => import("./overview.js"),
  sources: () => import("./overview.js"),
  devices: () => import("./overview.js"),
  locations: () => import("./overview.js"),
  "events-timeseries": () => import("./explore.js"),
  breakdown: () => import("./explore.js"),
  conversion: () => import("./explore.js"),
  funnel: () => import("./funnel.js"),
  retention: () => import("./retention.js"),
  paths: () => import("./paths.js"),
  sessions: () => import("./sessions.js"),
  users: () => import("./users.js"),
  "active-users": () => import("./active_users.js"),
  stickiness: () => import("./active_users.js"),
  lifecycle: () => import("./active_users.js"),
};
const COMMON = ["last", "from", "to", "tz", "filters", "compare", "includeBots"];

/** What `state.set` takes to show the saved report in its view; null where there is no view that shows it. */
export async function findHome({ report, parameters }) {
  const view = await HOMES[report]?.();
  if (!view?.toState) return null;
  return { ...readCommon(parameters), ...view.toState(parameters, report) };
}

function readCommon(parameters) {
  const common = Object.fromEntries(COMMON.map((name) => [name, parameters[name] ?? null]));
  const hasRange = common.last || common.from;
  return hasRange ? common : { ...common, last: "all" };
}
