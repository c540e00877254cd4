/** What there is to ask about in the project: names of events, properties, values, cohorts. Asked once for each project. */

import { ask } from "./api.js";
import { session } from "./session.js";

/** Found out by the service about every event. */
export const PROPERTIES = [
  "page",
  "url",
  "referrerHost",
  "channel",
  "utmSource",
  "utmMedium",
  "utmCampaign",
  "utmTerm",
  "utmContent",
  "country",
  "region",
  "city",
  "deviceType",
  "browser",
  "browserVersion",
  "os",
  "osVersion",
  "screen",
  "hostname",
  "userId",
  "anonymousId",
  "sessionId",
  "eventName",
  "referrer",
  "userAgent",
  "ip",
  "botName",
];
const COHORTS = "/v1/cohorts";
const known = new Map();

/** `{events: [{eventName, count}], properties: [{property, types}]}` of the project; asked again after a minute. */
export function fetchCatalogue() {
  return fetchKept("/v1/catalogue");
}

/** `[{id, name}]` of the project's cohorts; asked again after a minute. */
export async function fetchCohorts() {
  return (await fetchKept(COHORTS)).cohorts;
}

/** Ask for the cohorts again when they are needed next: they were changed. */
export function forgetCohorts() {
  known.delete(buildKey(COHORTS));
}

function buildKey(address) {
  return `${session.project?.projectKey} ${address}`;
}

function fetchKept(address) {
  const key = buildKey(address);
  const found = known.get(key);
  if (found && Date.now() - found.at < 60_000) return found.answer;
  const answer = ask("GET", address, { query: { projectKey: session.project?.projectKey } });
  known.set(key, { at: Date.now(), answer });
  answer.catch(() => known.delete(key));
  return answer;
}

/** Names of the events, the most frequent first. */
export async function fetchEventNames() {
  return (await fetchCatalogue()).events.map(({ eventName }) => eventName);
}

/** Names of the properties that events have: those of metadata first, by frequency. */
export async function fetchPropertyNames() {
  const found = (await fetchCatalogue()).properties.map(({ property }) => property);
  return [...new Set([...found, ...PROPERTIES])];
}

/** The most frequent values of a property, those with `search` in them; of `cohort` the ids, each with its name. */
export async function fetchValues(property, search, signal) {
  if (property === "cohort") return (await fetchCohorts()).map(({ id, name }) => ({ value: id, label: name }));
  const query = { projectKey: session.project?.projectKey, property, search: search || null, limit: 20 };
  return (await ask("GET", "/v1/catalogue/values", { query, signal })).values.map(({ value }) => value);
}
