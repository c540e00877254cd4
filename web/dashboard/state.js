/**
 * What the page shows, kept in its address: `project view last from to tz interval filters compare includeBots theme`, and
 * whatever views add under a prefix of their own (`funnel.steps`). Values are texts; objects are kept as JSON text.
 */

const subscriptions = new Set();
let values = read();

function read() {
  return new Map(new URLSearchParams(location.search));
}

/** The text under `key`; null where there is none. */
function get(key) {
  return values.get(key) ?? null;
}

/** What was set as an object or list under `key`; `otherwise` where there is none, or it cannot be read. */
function getJson(key, otherwise = null) {
  try {
    return values.has(key) ? JSON.parse(values.get(key)) : otherwise;
  } catch {
    return otherwise;
  }
}

/**
 * Change some of the values; null and "" remove. A new entry of the history, unless `replace`.
 * @param {Object<string, string|number|boolean|Object|null>} changes
 * @param {{replace?: boolean}} [options]
 */
function set(changes, { replace = false } = {}) {
  const before = values;
  values = new Map(before);
  for (const [key, value] of Object.entries(changes)) {
    const text = encode(value);
    if (text === null) values.delete(key);
    else values.set(key, text);
  }
  if (!differ(before).length) return;
  history[replace ? "replaceState" : "pushState"](null, "", buildAddress());
  tell(before);
}

function encode(value) {
  if (value === null || value === undefined || value === "") return null;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function differ(before) {
  return [...new Set([...before.keys(), ...values.keys()])].filter((key) => before.get(key) !== values.get(key));
}

/** The address of the page with `changes`, for links. */
function buildAddress(changes = {}) {
  const query = new URLSearchParams([...values]);
  for (const [key, value] of Object.entries(changes)) {
    const text = encode(value);
    if (text === null) query.delete(key);
    else query.set(key, text);
  }
  const text = query.toString();
  return location.pathname + (text ? `?${text}` : "");
}

/** Call `fn(changed)` after one of `keys` changed ("*": any). The result ends it. */
function subscribe(keys, fn) {
  const subscription = { keys: new Set([keys].flat()), fn };
  subscriptions.add(subscription);
  return () => subscriptions.delete(subscription);
}

function tell(before) {
  const changed = differ(before);
  for (const each of [...subscriptions]) {
    const concerns = each.keys.has("*") || changed.some((key) => each.keys.has(key));
    if (concerns && subscriptions.has(each)) each.fn(changed);
  }
}

addEventListener("popstate", () => {
  const before = values;
  values = read();
  tell(before);
});

export const state = { get, getJson, set, subscribe, buildAddress };
