/** A panel: a question to the service, its answer as a chart or a table, and what to do with it. */

import { ApiError, downloadCsv } from "./api.js";
import { announce, h, onDispose, redraw, replace } from "./dom.js";
import { RANGE_KEYS } from "./range.js";
import { session } from "./session.js";
import { state } from "./state.js";

const WATCHED = [...RANGE_KEYS, "interval"];
const MOST_RETRY_SECONDS = 120;
let count = 0;

/**
 * A section that asks, and asks again when the page's range, filters or project change, or one of the keys in `watch`;
 * for those in `redrawOn` what was answered is only shown anew. `load` gives null or data for which `isEmpty` holds where
 * there is nothing to show; with its second argument it can show a part of them before. `csv`, `save` and their `parameters` may be functions, called when they are needed.
 * @template T
 * @typedef {{report: string, parameters: Object | (() => Object), fileName?: string}} Source
 * @param {{title: string, subtitle?: string, load: (signal: AbortSignal, showPart: (data: T) => void) => Promise<T>, render: (data: T) => Node,
 *   table?: (data: T) => Table, csv?: Source | (() => Source), save?: Source | (() => Source), wide?: boolean,
 *   isEmpty?: (data: T) => boolean, emptyText?: string, watch?: string[], redrawOn?: string[], actions?: Node[],
 *   tabs?: Node}} options
 * @returns {HTMLElement} with a method `reload()`
 */
export function panel(options) {
  const id = `panel-${(count += 1)}`;
  const running = {
    options,
    body: h("div", { class: "panel-body" }),
    form: "chart",
    data: undefined,
    controller: null,
  };
  const section = h(
    "section",
    { class: options.wide ? "panel wide" : "panel", "aria-labelledby": id, "aria-busy": "true" },
    h(
      "header",
      { class: "panel-head" },
      h(
        "div",
        { class: "panel-title" },
        h("h2", { id }, options.title),
        options.subtitle ? h("p", null, options.subtitle) : null,
      ),
      buildActions(running),
    ),
    options.tabs ?? null,
    running.body,
  );
  running.section = section;
  section.reload = () => reload(running);
  const subscriptions = [
    state.subscribe([...WATCHED, ...(options.watch ?? [])], () => schedule(running)),
    state.subscribe(options.redrawOn ?? [], () => show(running)),
  ];
  onDispose(section, () => {
    for (const unsubscribe of subscriptions) unsubscribe();
    running.isClosed = true;
    running.controller?.abort();
  });
  replace(running.body, buildSkeleton());
  schedule(running);
  return section;
}

function schedule(running) {
  if (running.isScheduled) return;
  running.isScheduled = true;
  queueMicrotask(() => {
    running.isScheduled = false;
    if (!running.isClosed) reload(running);
  });
}

async function reload(running) {
  running.controller?.abort();
  const controller = new AbortController();
  running.controller = controller;
  running.section.setAttribute("aria-busy", "true");
  try {
    const put = (data) => {
      if (controller.signal.aborted) return;
      running.data = data;
      show(running);
    };
    put(await running.options.load(controller.signal, put));
    if (controller.signal.aborted) return;
  } catch (error) {
    if (controller.signal.aborted) return;
    running.data = undefined;
    replace(
      running.body,
      buildError(error, () => reload(running)),
    );
    if (error.retryAfter) retryLater(running, controller, error.retryAfter);
    if (!(error instanceof ApiError)) console.error(error);
  }
  running.section.setAttribute("aria-busy", "false");
}

function retryLater(running, controller, seconds) {
  const timer = setTimeout(() => reload(running), Math.min(seconds, MOST_RETRY_SECONDS) * 1000);
  controller.signal.addEventListener("abort", () => clearTimeout(timer));
}

function show(running) {
  const { data, options, body } = running;
  if (data === undefined) return;
  if (data === null || options.isEmpty?.(data)) replace(body, buildEmpty(options.emptyText));
  else if (running.form === "table") replace(body, buildTable(options.table(data), options.title));
  else redraw(body, options.render(data));
}

/** What stands where there is nothing to show. */
export function buildEmpty(text = "Nothing in this range.", ...more) {
  return h("div", { class: "empty" }, h("p", null, text), ...more);
}

/** What stands where an answer did not come; `retry` asks again. */
export function buildError(error, retry) {
  const id = error.requestId ? h("p", { class: "hint" }, `Request ${error.requestId}`) : null;
  const button = retry ? h("button", { class: "button small", type: "button", onClick: retry }, "Try again") : null;
  return h("div", { class: "error", role: "alert" }, h("p", null, error.message), id, button);
}

function buildSkeleton() {
  return h("div", { class: "skeleton", "aria-hidden": "true" }, h("span"), h("span"), h("span"));
}

function buildActions(running) {
  const { options } = running;
  const actions = h("div", { class: "panel-actions" }, options.actions ?? []);
  if (options.table) actions.append(buildSwitch(running));
  if (options.csv)
    actions.append(
      smallButton("CSV", `Download ${options.title} as CSV`, (event) =>
        save(event.currentTarget, resolve(options.csv)),
      ),
    );
  if (options.save && session.can("edit"))
    actions.append(smallButton("Save", `Save ${options.title} as a report`, () => offerToSave(running)));
  return actions;
}

function smallButton(text, label, onClick) {
  return h("button", { class: "button quiet small", type: "button", title: label, "aria-label": label, onClick }, text);
}

function buildSwitch(running) {
  const choose = (form) => {
    running.form = form;
    for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.form === form));
    show(running);
  };
  const group = h(
    "div",
    { class: "switch", role: "group", "aria-label": `Form of ${running.options.title}` },
    [
      ["chart", "Chart"],
      ["table", "Table"],
    ].map(([form, text]) =>
      h(
        "button",
        {
          type: "button",
          dataset: { form },
          "aria-pressed": String(form === running.form),
          onClick: () => choose(form),
        },
        text,
      ),
    ),
  );
  return group;
}

async function save(button, { report, parameters, fileName }) {
  button.disabled = true;
  try {
    await downloadCsv(report, resolve(parameters), fileName ?? `${report}.csv`);
    announce("The download has begun.");
  } catch (error) {
    announce(error.message);
    button.title = error.message;
  }
  button.disabled = false;
}

function offerToSave({ section, options }) {
  const { report, parameters } = resolve(options.save);
  section.dispatchEvent(
    new CustomEvent("panel:save", {
      bubbles: true,
      detail: { report, parameters: resolve(parameters), title: options.title },
    }),
  );
}

function resolve(parameters) {
  return typeof parameters === "function" ? parameters() : (parameters ?? {});
}

/**
 * A table that scrolls inside itself. Columns of numbers stand to the right; `render(row)` may give a node.
 * @param {{columns: {key: string, label: string, format?: (value: any, row: Object) => string, render?: (row: Object) => Node,
 *   isNumber?: boolean}[], rows: Object[]}} table
 * @param {string} caption for screen readers
 */
export function buildTable({ columns, rows }, caption) {
  const isNumber = new Map(
    columns.map((column) => [column, column.isNumber ?? rows.some((row) => typeof row[column.key] === "number")]),
  );
  const cell = (tag, column, props, content) =>
    h(tag, { class: isNumber.get(column) ? "number" : null, ...props }, content);
  return h(
    "div",
    { class: "table-frame", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      { class: "table" },
      h("caption", { class: "visually-hidden" }, caption),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          columns.map((column) => cell("th", column, { scope: "col" }, column.label)),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((row) =>
          h(
            "tr",
            null,
            columns.map((column) =>
              cell("td", column, { "data-label": column.label || null }, formatCell(column, row)),
            ),
          ),
        ),
      ),
    ),
  );
}

function formatCell({ key, format, render }, row) {
  if (render) return render(row);
  const value = row[key];
  if (format) return format(value, row);
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 2 }) : String(value);
}
