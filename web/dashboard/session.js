/** Who looks: a user who logged in, an API key, the installation's SECRET_TOKEN, or in development nobody in particular. */

import { ApiError, ask } from "./api.js";
import { state } from "./state.js";

const USER_KEY = "apptracker.user";
const SECRET_KEY = "apptracker.secret";
const CHECK_MS = 20_000;
const EDITORS = ["owner", "admin", "analyst"];
const ADMINS = ["owner", "admin"];

const listeners = new Set();
const projectListeners = new Set();

export const session = {
  /** The user who logged in; else null. */
  user: null,
  /** "user", "key", "token", "open" (development, no credentials), or null before `start` and after `expire`. */
  mode: null,
  /** Every project that may be read, the inactive ones too. */
  projects: [],
  /** The organisations of the user, with his role in each. */
  organisations: [],
  /** The chosen project with `role` (null where roles do not apply); null where there is none. */
  project: null,
  /** Whether a key has the scope `admin`. */
  isAdminKey: false,
  can,
  headers,
  start,
  logIn,
  logOut,
  expire,
  keepToken,
  reloadProjects,
  chooseProject,
  onChange,
  onProjects,
};

/**
 * Whether "edit" (saved reports, annotations, cohorts), "admin" (the project) or "organisation-admin" is allowed; whether
 * this is a "user" who logged in, may see organisations ("member"), or may do everything ("root").
 */
function can(right) {
  if (right === "user") return session.user !== null;
  if (right === "member" && session.mode === "user") return true;
  if (session.mode === "open" || session.mode === "token" || session.user?.is_superuser) return true;
  if (session.mode === "key") return ["edit", "admin"].includes(right) && session.isAdminKey;
  if (session.mode !== "user" || right === "root") return false;
  return (right === "edit" ? EDITORS : ADMINS).includes(session.project?.role);
}

/** The headers that show who asks. */
function headers() {
  const secret = readStored(localStorage, USER_KEY)?.token ?? readStored(sessionStorage, SECRET_KEY);
  return secret ? { Authorization: `Bearer ${secret}` } : {};
}

function readStored(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

function findMode() {
  if (readStored(localStorage, USER_KEY)) return "user";
  const secret = readStored(sessionStorage, SECRET_KEY);
  if (!secret) return "open";
  return secret.startsWith("ak_") ? "key" : "token";
}

/** Find out who looks and what he may see. False: somebody has to log in first. */
async function start() {
  try {
    session.user = findMode() === "user" ? await ask("GET", "/api/auth/me") : null;
    await reloadProjects();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      forget();
      return false;
    }
    throw error;
  }
  session.mode = findMode();
  refresh();
  chooseProject();
  session.isAdminKey = session.mode === "key" && (await findIsAdminKey());
  return true;
}

async function findIsAdminKey() {
  try {
    await ask("GET", `/v1/projects/${session.project.projectKey}/keys`);
    return true;
  } catch {
    return false;
  }
}

/** Ask again which projects and organisations there are. */
async function reloadProjects() {
  const isMember = findMode() === "user";
  const [{ projects }, { organisations }] = await Promise.all([
    ask("GET", "/v1/projects"),
    isMember ? ask("GET", "/v1/organisations") : { organisations: [] },
  ]);
  session.organisations = organisations;
  const roles = new Map(organisations.map(({ id, role }) => [id, role]));
  const before = JSON.stringify(session.projects);
  session.projects = projects.map((project) => ({ ...project, role: roles.get(project.organisationId) ?? null }));
  chooseProject();
  if (session.mode !== null && JSON.stringify(session.projects) !== before) projectListeners.forEach((fn) => fn());
}

/** Have `session.project` be the one of the address, else the first that is active. */
function chooseProject() {
  const named = session.projects.find(({ projectKey }) => projectKey === state.get("project"));
  session.project = named ?? session.projects.find(({ isActive }) => isActive) ?? session.projects[0] ?? null;
}

/**
 * Come in, as a user or with a secret (an API key or SECRET_TOKEN). Throws ApiError.
 * @param {{username?: string, password?: string, secret?: string, token?: string}} credentials
 */
async function logIn({ username, password, secret, token }) {
  forget();
  if (secret) sessionStorage.setItem(SECRET_KEY, JSON.stringify(secret.trim()));
  else keepToken(token ?? (await ask("POST", "/api/auth/login", { body: { username, password } })).access_token);
  if (!(await start()))
    throw new ApiError(401, { error: "This key is not known, or does not work any more.", code: "unknown_key" });
  tell();
}

/** Go on with another access token of the same user. */
function keepToken(token) {
  localStorage.setItem(USER_KEY, JSON.stringify({ token, keptAt: Date.now() }));
}

function forget() {
  localStorage.removeItem(USER_KEY);
  sessionStorage.removeItem(SECRET_KEY);
  Object.assign(session, { user: null, mode: null, projects: [], organisations: [], project: null, isAdminKey: false });
}

/** Leave, on this device. */
function logOut() {
  forget();
  tell();
}

/** What was shown to come in does not work any more: back to the login. */
function expire() {
  if (session.mode === null) return;
  forget();
  tell();
}

/** Call `fn` when somebody comes in or leaves. */
function onChange(fn) {
  listeners.add(fn);
  return () => listeners.delete(fn);
}

/** Call `fn` when there are other projects than before, or they have other names. */
function onProjects(fn) {
  projectListeners.add(fn);
  return () => projectListeners.delete(fn);
}

function tell() {
  for (const fn of [...listeners]) fn();
}

/** Exchange the token for a new one once half of its time is over, whichever tab of the browser comes first. */
async function refresh() {
  const stored = session.mode === "user" ? readStored(localStorage, USER_KEY) : null;
  if (!stored || Date.now() < (stored.keptAt ?? 0) + readLifetimeMs(stored.token) / 2) return;
  try {
    const { access_token: token } = await ask("POST", "/api/auth/refresh");
    if (readStored(localStorage, USER_KEY)?.token === stored.token) keepToken(token);
  } catch {
    // a token that could not be renewed is still good, or the next request ends the session
  }
}

function readLifetimeMs(token) {
  const { iat, exp } = readClaims(token);
  return (exp - iat) * 1000 || 0;
}

function readClaims(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

/** In another tab somebody else came in, or the user left: this tab must not go on as whom it shows. */
function followOtherTabs({ key, oldValue, newValue }) {
  if (key === USER_KEY && readSubject(oldValue) !== readSubject(newValue)) location.reload();
}

function readSubject(text) {
  return text === null ? null : readClaims(readStored({ getItem: () => text })?.token).sub;
}

addEventListener("storage", followOtherTabs);
setInterval(refresh, CHECK_MS);
