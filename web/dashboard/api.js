/** Asking the service. Credentials go as headers, never in an address. */

import { readCommonParameters } from "./range.js";
import { session } from "./session.js";

const MAX_ADDRESS = 1800;
const RETRY_MS = [1000, 2000, 5000, 10_000];
const MAX_WAIT_SECONDS = 15;
const REPORTS_AT_ONCE = 3;

const waiting = [];
let running = 0;

/** An answer that is not 2xx. `message` is for people, `code` for programs; `status` is 0 when nothing answered. */
export class ApiError extends Error {
  constructor(status, { error, code, fields, requestId } = {}, retryAfter = null) {
    super(error ?? "The service did not answer. Is it running, and are you online?");
    Object.assign(this, {
      status,
      code: code ?? "unreachable",
      fields: fields ?? [],
      requestId: requestId ?? null,
      retryAfter,
    });
  }
}

/**
 * The JSON answer. Throws ApiError; after 401 the session has ended. Asks again by itself where the service says "in a
 * moment" to a question that changes nothing.
 * @param {"GET"|"POST"|"PATCH"|"DELETE"} method
 * @param {string} path
 * @param {{query?: Object, body?: Object, signal?: AbortSignal}} [options]
 */
export async function ask(method, path, options = {}) {
  const response = await fetchAnswer(method, path, options);
  return response.status === 204 ? null : response.json();
}

async function fetchAnswer(method, path, { query, body, signal, isQuestion = method === "GET" } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await send(method, path, { query, body, signal });
    if (response.ok) return response;
    const error = await readError(response);
    if (response.status === 401 && session.mode !== null) session.expire();
    const mayWait = isQuestion && [429, 503].includes(response.status) && error.retryAfter <= MAX_WAIT_SECONDS;
    if (!mayWait || attempt >= 2 || error.retryAfter === null) throw error;
    await wait(error.retryAfter * 1000, signal);
  }
}

async function send(method, path, { query, body, signal, headers }) {
  try {
    return await fetch(path + encodeQuery(query), {
      method,
      signal,
      headers: {
        Accept: "application/json",
        ...session.headers(),
        ...(body ? { "Content-Type": "application/json" } : {}),
        ...headers,
      },
      body: body ? JSON.stringify(body) : undefined,
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
}

async function readError(response) {
  const told = await response.json().catch(() => ({ error: `The service answered ${response.status}.` }));
  const seconds = response.headers.get("Retry-After");
  return new ApiError(response.status, told, seconds === null ? null : Number(seconds));
}

function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** `?a=b`, lists and objects as JSON text, without what is null; "" for nothing. */
export function encodeQuery(query) {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(
    pairs.map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : value]),
  );
  return pairs.length ? `?${text}` : "";
}

/**
 * The answer of a report over what the page is set to: project, range, zone, filters, comparison, bots. `parameters` go
 * before these; null takes one away.
 */
export async function askReport(name, parameters = {}, { signal } = {}) {
  return inTurn(async () => (await fetchReport(name, parameters, signal)).json(), signal);
}

/**
 * Run `fn` when fewer than a few others run, in the order asked: what stands first in the page is then there first,
 * instead of all of it late.
 */
async function inTurn(fn, signal) {
  if (running >= REPORTS_AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    signal?.throwIfAborted();
    return await fn();
  } finally {
    if (waiting.length) waiting.shift()();
    else running -= 1;
  }
}

function fetchReport(name, parameters, signal) {
  const all = joinParameters(parameters);
  const path = `/v1/reports/${name}`;
  const isPost =
    name === "funnel" ||
    Object.values(all).some((value) => typeof value === "object") ||
    encodeQuery(all).length > MAX_ADDRESS;
  const options = isPost ? { body: all } : { query: all };
  return fetchAnswer(isPost ? "POST" : "GET", path, { ...options, signal, isQuestion: true });
}

/** `parameters` over the page's own, without nulls; a range of its own takes the place of the page's as a whole. */
export function joinParameters(parameters) {
  const common = readCommonParameters();
  if (["from", "to", "last"].some((name) => name in parameters))
    ["from", "to", "last"].forEach((name) => delete common[name]);
  return Object.fromEntries(
    Object.entries({ ...common, ...parameters }).filter(([, value]) => value !== null && value !== undefined),
  );
}

/** Have the browser save the report as CSV. */
export async function downloadCsv(name, parameters, fileName) {
  const response = await fetchReport(name, { ...parameters, format: "csv" });
  saveFile(await response.blob(), fileName ?? `${name}.csv`);
}

/** Have the browser save what a GET answers. Throws ApiError. */
export async function downloadFile(path, query, fileName) {
  const response = await fetchAnswer("GET", path, { query });
  saveFile(await response.blob(), fileName);
}

/** Have the browser save `blob` under `fileName`. */
export function saveFile(blob, fileName) {
  const address = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: address, download: fileName });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/**
 * Server-sent events, with the credential as a header. Connects again by itself, from the last event on, until `signal`
 * is aborted or the service refuses (ApiError).
 * @param {string} path
 * @param {{query?: Object, signal: AbortSignal, onEvent: (event: string, data: any) => void, onState?: (state: "open"|"retrying") => void}} options
 */
export async function stream(path, { query, signal, onEvent, onState = () => {} }) {
  let lastId = null;
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
      const response = await send("GET", path, { query, signal, headers });
      if (!response.ok) throw await readError(response);
      onState("open");
      failures = 0;
      for await (const message of readMessages(response.body)) {
        lastId = message.id ?? lastId;
        onEvent(message.event, message.data);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) session.expire();
      if ([400, 401, 403, 404].includes(error.status)) throw error;
    }
    onState("retrying");
    await wait(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)], signal).catch(() => {});
  }
}

async function* readMessages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) {
      const message = parseMessage(part);
      if (message) yield message;
    }
  }
}

function parseMessage(text) {
  const found = { event: "message", id: null, lines: [] };
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^([^:]*): ?(.*)$/s.exec(line) ?? [];
    if (name === "event") found.event = value;
    if (name === "id") found.id = value;
    if (name === "data") found.lines.push(value);
  }
  if (!found.lines.length) return null;
  const joined = found.lines.join("\n");
  try {
    return { event: found.event, id: found.id, data: JSON.parse(joined) };
  } catch {
    return { event: found.event, id: found.id, data: joined };
  }
}
