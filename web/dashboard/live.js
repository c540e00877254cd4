/** What happens now, in the chosen project: one stream for the whole page, however many parts of it look. */

import { stream } from "./api.js";
import { session } from "./session.js";

const LIVE_ADDRESS = "/v1/live/stream";
const KEPT_EVENTS = 200;
const KEPT_READINGS = 120;

/** What is known now. `state` is "off", "connecting", "open", "retrying" or "refused". */
export const live = {
  projectKey: null,
  figures: null,
  readings: [],
  events: [],
  state: "off",
  problem: null,
  isSkipped: false,
};

const listeners = new Set();
let controller = null;

/**
 * Follow what happens; `listener(what)` is called with "figures", "events" or "state". The result ends it: without a
 * follower, and while the page is hidden, there is no stream.
 */
export function followLive(listener) {
  listeners.add(listener);
  connect();
  return () => {
    listeners.delete(listener);
    if (!listeners.size) disconnect();
  };
}

function connect() {
  const projectKey = session.project?.isActive ? session.project.projectKey : null;
  if (live.projectKey !== projectKey) reset(projectKey);
  if (controller || !projectKey || document.hidden || !listeners.size) return;
  controller = new AbortController();
  follow(controller.signal);
}

async function follow(signal) {
  setState("connecting");
  try {
    await stream(LIVE_ADDRESS, {
      query: { projectKey: live.projectKey },
      signal,
      onEvent: (event, data) => !signal.aborted && take(event, data),
      onState: (state) => !signal.aborted && setState(state),
    });
  } catch (error) {
    if (signal.aborted) return;
    live.problem = error.message;
    setState("refused");
  }
}

function disconnect() {
  controller?.abort();
  controller = null;
  live.state = "off";
}

function reset(projectKey) {
  disconnect();
  Object.assign(live, { projectKey, figures: null, readings: [], events: [], problem: null, isSkipped: false });
}

function setState(state) {
  live.state = state;
  tell("state");
}

function take(event, data) {
  if (event === "figures") takeFigures(data);
  if (event === "events") takeEvents(data);
  if (event === "missed") {
    live.isSkipped = true;
    tell("events");
  }
}

function takeFigures(figures) {
  live.figures = figures;
  live.readings = [...live.readings, figures].slice(-KEPT_READINGS);
  tell("figures");
}

/** Events come the oldest first, and are kept the newest first. */
function takeEvents({ events, replace, skipped }) {
  const before = replace ? [] : live.events;
  const known = new Set(before.map(({ eventId }) => eventId));
  const fresh = events.filter(({ eventId }) => !known.has(eventId)).reverse();
  live.events = [...fresh, ...before].slice(0, KEPT_EVENTS);
  live.isSkipped = skipped;
  tell("events");
}

function tell(what) {
  for (const listener of [...listeners]) listener(what);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) disconnect();
  else connect();
});
