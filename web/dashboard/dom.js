/** Elements, and values as people read them. Text only ever enters the page as text. */

const SVG = "http://www.w3.org/2000/svg";
const NOTHING = "–";
const disposers = new WeakMap();

/**
 * An element. Props: `class`, `on<event>` (a listener), `dataset` (an object), anything else an attribute (`true` without
 * a value, `false` and null left out); `value`, `checked`, `disabled`, `selected` are set as properties.
 * @param {string} tag
 * @param {Object|null} [props]
 * @param {...(Node|string|number|null|Array)} children
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  const { value, ...others } = props ?? {};
  for (const [name, given] of Object.entries(others)) setProp(element, name, given);
  append(element, children);
  if (value !== undefined && value !== null) element.value = value;
  return element;
}

function setProp(element, name, value) {
  if (name.startsWith("on") && typeof value === "function") {
    element.addEventListener(name.slice(2).toLowerCase(), value);
  } else if (name === "dataset") {
    Object.assign(element.dataset, value);
  } else if (["checked", "disabled", "selected", "hidden", "open"].includes(name)) {
    element[name] = Boolean(value);
  } else if (value === true && !name.startsWith("aria-")) {
    element.setAttribute(name, "");
  } else if (value !== null && value !== undefined && (value !== false || name.startsWith("aria-"))) {
    element.setAttribute(name === "className" ? "class" : name, String(value));
  }
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : String(child));
  }
}

/** Put `children` in the place of all that `node` holds; what was there is disposed of. */
export function replace(node, ...children) {
  disposeInside(node);
  node.replaceChildren();
  append(node, children);
  return node;
}

/** As `replace`, with the focus staying at the control that had it: the one of the same `data-control`, else place. */
export function redraw(node, ...children) {
  const before = listControls(node);
  const index = before.indexOf(document.activeElement);
  const name = before[index]?.dataset.control;
  replace(node, ...children);
  const after = listControls(node);
  const same = name ? after.find((control) => control.dataset.control === name) : after[index];
  if (index >= 0) same?.focus();
  return node;
}

function listControls(node) {
  return [...node.querySelectorAll("a, button, input, select, textarea")];
}

/** Have `fn` run when `node` is taken out of the page by `replace`, `remove` or `dispose`. */
export function onDispose(node, fn) {
  node.toggleAttribute("data-disposable", true);
  disposers.set(node, [...(disposers.get(node) ?? []), fn]);
  return node;
}

/** Run what `onDispose` was told about `node` and all inside it. */
export function dispose(node) {
  disposeInside(node);
  const waiting = disposers.get(node) ?? [];
  disposers.delete(node);
  for (const fn of waiting) fn();
}

function disposeInside(node) {
  for (const inner of node.querySelectorAll("[data-disposable]")) dispose(inner);
}

/** Take `node` out of the page. */
export function remove(node) {
  dispose(node);
  node.remove();
}

/** A drawing of 24 by 24 made of strokes, hidden from screen readers: the text beside it says what it means. */
export function icon(paths) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  for (const text of [paths].flat()) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", text);
    drawing.append(path);
  }
  return drawing;
}

/** Tell screen readers something that everybody else sees. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fraction = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** "1,234.5"; "–" for null. */
export function formatNumber(n) {
  if (n === null || n === undefined) return NOTHING;
  return Number.isInteger(n) || Math.abs(n) >= 1000 ? whole.format(n) : fraction.format(n);
}

/** "12.3K", for axes and other narrow places. */
export function formatShort(n) {
  return n === null || n === undefined ? NOTHING : short.format(n);
}

/** A ratio of 0..1 as "12.3 %"; "–" for null. */
export function formatRatio(ratio) {
  return ratio === null || ratio === undefined ? NOTHING : `${(ratio * 100).toFixed(1)} %`;
}

/** "42 s", "3 m 05 s", "2 h 10 m", "4 d 3 h"; "–" for null. */
export function formatSeconds(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds);
  if (all < 60) return `${all} s`;
  if (all < 3600) return `${Math.floor(all / 60)} m ${pad(all % 60)} s`;
  if (all < 86400) return `${Math.floor(all / 3600)} h ${pad(Math.floor((all % 3600) / 60))} m`;
  return `${Math.floor(all / 86400)} d ${Math.floor((all % 86400) / 3600)} h`;
}

function pad(n) {
  return String(n).padStart(2, "0");
}

/** "6 Jan 2025, 10:05:03" in the zone `tz`; "–" for null. */
export function formatTime(iso, tz) {
  return formatDate(iso, tz, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
}

/** "6 Jan 2025" in the zone `tz`; "–" for null. */
export function formatDay(iso, tz) {
  return formatDate(iso, tz, { day: "numeric", month: "short", year: "numeric" });
}

/** The start of an interval of a series, as short as it stays clear: "14:00", "6 Jan", "Jan 2025". */
export function formatBucket(iso, tz, interval) {
  if (interval === "hour")
    return formatDate(iso, tz, {
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
  if (interval === "month") return formatDate(iso, tz, { month: "short", year: "numeric" });
  return formatDate(iso, tz, { day: "numeric", month: "short" });
}

function formatDate(iso, tz, parts) {
  if (!iso) return NOTHING;
  return new Intl.DateTimeFormat("en-GB", { ...parts, timeZone: tz || "UTC" }).format(new Date(iso));
}
