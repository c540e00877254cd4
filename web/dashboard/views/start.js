/** The first five minutes of a project: how to send an event, and the moment when it arrives. */

import { ask } from "../api.js";
import { announce, formatNumber, h, replace } from "../dom.js";
import { copyBox, rowButton } from "../forms.js";
import { followLive, live } from "../live.js";
import { buildEmpty } from "../panel.js";
import { session } from "../session.js";
import { state } from "../state.js";
import { buildTabs, readTab } from "../tabs.js";
import { buildSnippets } from "./snippets.js";
import { stateLink } from "./report_panel.js";

const TAB = "start.with";

/** Fill the container; the result ends it. */
export function show(container) {
  const project = session.project;
  if (!project) {
    replace(container, buildEmpty("There is no project yet.", stateLink({ view: "projects" }, "Create one")));
    return () => {};
  }
  const parts = {
    status: h("div", { class: "first-event", role: "status" }),
    snippet: h("div", { class: "stack" }),
    apiKey: null,
    total: null,
    isClosed: false,
  };
  const choices = buildSnippets(describe(project, parts)).map(({ id, title }) => [id, title]);
  replace(
    container,
    h(
      "div",
      { class: "stack narrow" },
      parts.status,
      h(
        "section",
        { class: "panel wide", "aria-label": "How to send events" },
        h("div", { class: "panel-body stack" }, buildTabs({ key: TAB, label: "Send with", choices }), parts.snippet),
      ),
    ),
  );
  const drawTab = () => drawSnippet(parts, project, readTab({ key: TAB, choices }));
  const stops = [state.subscribe(TAB, drawTab), followLive((what) => what !== "state" && drawStatus(parts, project))];
  drawTab();
  drawStatus(parts, project);
  countEvents(parts, project);
  return () => {
    parts.isClosed = true;
    stops.forEach((stop) => stop());
  };
}

function describe({ projectKey }, { apiKey }) {
  return { address: location.origin, projectKey, apiKey };
}

/** Events of all time, so that a project that has some does not wait for its first. */
async function countEvents(parts, project) {
  const query = { projectKey: project.projectKey, includeBots: true };
  const totals = await ask("GET", "/v1/reports/overview", { query }).catch(() => null);
  if (parts.isClosed || !totals) return;
  parts.total = totals.totalEvents;
  drawStatus(parts, project);
}

function drawStatus(parts, project) {
  const isOwn = live.projectKey === project.projectKey;
  const [latest] = isOwn ? live.events : [];
  const total = Math.max(parts.total ?? 0, (isOwn && live.figures?.totalEvents) || 0, latest ? 1 : 0);
  const wasWaiting = parts.status.dataset.state === "waiting";
  parts.status.dataset.state = total ? "arrived" : "waiting";
  if (total && wasWaiting) announce("The first event has arrived.");
  replace(
    parts.status,
    h("span", { class: "live-dot", "aria-hidden": "true" }),
    total ? buildArrived(total, latest) : buildWaiting(project),
  );
}

function buildWaiting({ name }) {
  return h(
    "div",
    null,
    h("h2", null, `Waiting for the first event of ${name}`),
    h("p", { class: "hint" }, "Send one in any of the ways below. It shows up here as soon as it is stored."),
  );
}

function buildArrived(total, latest) {
  const what = latest ? ["; the latest is ", h("span", { class: "event-name" }, latest.eventName), "."] : ".";
  return h(
    "div",
    null,
    h("h2", null, total === 1 ? "The first event has arrived" : "Events arrive"),
    h("p", null, `${formatNumber(total)} ${total === 1 ? "event is" : "events are"} stored`, what),
    h(
      "p",
      { class: "links" },
      stateLink({ view: "live" }, "Watch them live"),
      stateLink({ view: "overview" }, "See the overview"),
    ),
  );
}

function drawSnippet(parts, project, id) {
  const { title, text, note } = buildSnippets(describe(project, parts)).find((each) => each.id === id);
  replace(
    parts.snippet,
    project.allowPublicIngest ? null : buildKeyNote(parts, project, id),
    h("p", null, note),
    copyBox(text, title),
    h(
      "p",
      { class: "hint" },
      "Every field of an event, limits and other ways: ",
      h("a", { href: "/swagger" }, "API reference"),
      ".",
    ),
  );
}

function buildKeyNote(parts, project, id) {
  if (id === "script")
    return h(
      "p",
      { class: "problem" },
      "This project takes events with an API key only, and a page cannot keep one secret. Allow public events in the project's settings to use the script.",
    );
  if (parts.apiKey) return h("p", null, "The key below is shown this one time.");
  const make = async () => {
    const body = { name: "First steps", scopes: ["ingest"] };
    parts.apiKey = (await ask("POST", `/v1/projects/${project.projectKey}/keys`, { body })).apiKey;
    drawSnippet(parts, project, id);
  };
  return h(
    "p",
    null,
    "This project takes events with an API key only. ",
    session.can("admin")
      ? rowButton("Make a key that may send", "Make a key that may send", make)
      : "Ask an admin for a key with the scope ingest.",
  );
}
