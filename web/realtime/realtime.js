/** The live view: who looks at which project, and what is shown of it. */

import { h } from "/web/dashboard/dom.js";
import { buildHeaders, connect } from "./connection.js";
import { showEvents, showFigures } from "./stream.js";

const SECRET_KEY = "apptracker.secret";
const USER_KEY = "apptracker.user";
const KEPT_MESSAGES = 50;
const STATES = { open: "Connected", retrying: "Connection lost, trying again …", off: "Not connected" };
const ZEROS = {
  current_visitors: 0,
  page_views_per_minute: 0,
  events_per_minute: 0,
  active_sessions: 0,
  total_events: 0,
};
const find = (id) => document.getElementById(id);

let disconnect = () => {};
let isPaused = false;
let waiting = [];

/** The secret that the dashboard keeps as well: of a user who logged in, else a key; null for none. */
function readSecret() {
  return readStored(() => localStorage, USER_KEY)?.token ?? readStored(() => sessionStorage, SECRET_KEY);
}

function readStored(storage, key) {
  try {
    return JSON.parse(storage().getItem(key));
  } catch {
    return null;
  }
}

function keepSecret(secret) {
  try {
    if (secret) sessionStorage.setItem(SECRET_KEY, JSON.stringify(secret));
    else sessionStorage.removeItem(SECRET_KEY);
  } catch {
    // without storage it is asked for with each load
  }
}

function start(secret) {
  disconnect();
  find("credentials").hidden = true;
  find("forget").hidden = readStored(() => sessionStorage, SECRET_KEY) === null;
  const projectKey = new URLSearchParams(location.search).get("projectKey");
  disconnect = connect({ secret, projectKey }, { onMessage: take, onState: showState, onRefusal: askForSecret });
  listProjects(secret, projectKey);
}

function showState(state) {
  find("connection").dataset.state = state;
  find("connection").textContent = STATES[state];
  find("pause").hidden = state !== "open";
}

function askForSecret(message) {
  showState("off");
  find("problem").textContent = message;
  find("credentials").hidden = false;
  find("forget").hidden = true;
  find("secret").focus();
}

function take(message) {
  if (message.type === "stats") showFigures(find("figures"), message);
  else if (message.type === "events" && isPaused && !message.replace)
    waiting = [...waiting, message].slice(-KEPT_MESSAGES);
  else if (message.type === "events") show(message);
  else if (message.type === "missed") note("Some events were left out: this page was too slow.");
  else if (message.type === "end") note(message.message);
}

function show(message) {
  if (message.replace) waiting = [];
  showEvents(find("events"), message);
  find("empty").hidden = find("events").rows.length > 0;
  note(message.skipped ? "More arrived than is shown." : "");
}

function note(text) {
  find("note").textContent = text;
}

function togglePause() {
  isPaused = !isPaused;
  find("pause").setAttribute("aria-pressed", String(isPaused));
  find("pause").textContent = isPaused ? "Go on" : "Pause";
  if (!isPaused) waiting.splice(0).forEach(show);
}

/** Offer the projects that may be read, where there are several. */
async function listProjects(secret, projectKey) {
  const answer = await fetch("/v1/projects", { headers: buildHeaders(secret) }).catch(() => null);
  const projects = answer?.ok ? (await answer.json()).projects.filter((project) => project.isActive) : [];
  const choices = projects.map(({ projectKey: key, name }) =>
    h("option", { value: key, selected: key === projectKey }, name),
  );
  if (!projectKey) choices.unshift(h("option", { value: "", selected: true }, "Default"));
  find("project").replaceChildren(...choices);
  find("project-item").hidden = choices.length < 2;
}

function chooseProject() {
  const address = new URL(location.href);
  address.searchParams.set("projectKey", find("project").value);
  if (!find("project").value) address.searchParams.delete("projectKey");
  location.assign(address);
}

find("credentials").addEventListener("submit", (event) => {
  event.preventDefault();
  const secret = find("secret").value.trim();
  find("secret").value = "";
  keepSecret(secret);
  start(secret);
});
find("forget").addEventListener("click", () => {
  keepSecret(null);
  location.reload();
});
find("pause").addEventListener("click", togglePause);
find("project").addEventListener("change", chooseProject);
showFigures(find("figures"), ZEROS);
start(readSecret());
