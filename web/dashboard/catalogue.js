/** What there is to ask about in the project: names of events, properties, values. Asked once for each project. */

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
const known = new Map();

/** `{events: [{eventName, count}], properties: [{property, types}]}` of the project; asked again after a minute. */
export function fetchCatalogue() {
  const projectKey = session.project?.projectKey;
  const found = known.get(projectKey);
  if (found && Date.now() - found.at < 60_000) return found.answer;
  const answer = ask("GET", "/v1/catalogue", { query: { projectKey } });
  known.set(projectKey, { at: Date.now(), answer });
  answer.catch(() => known.delete(projectKey));
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

/** The most frequent values of a property, those with `search` in them. */
export async function fetchValues(property, search, signal) {
  const query = { projectKey: session.project?.projectKey, property, search: search || null, limit: 20 };
  return (await ask("GET", "/v1/catalogue/values", { query, signal })).values.map(({ value }) => value);
}
