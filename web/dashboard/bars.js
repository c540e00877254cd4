/** Lists of bars: what there is most of, each row a way to look closer. */

import { formatNumber, formatRatio, h } from "./dom.js";

/**
 * A list, longest bar first as given. A row with `onClick` is a button.
 * @param {{rows: {label: string, value: number, previous?: number|null, onClick?: () => void, hint?: string}[],
 *   format?: (n: number) => string, label: string, hasChanges?: boolean}} options
 */
export function barList({ rows, format = formatNumber, label, hasChanges = false }) {
  const most = Math.max(...rows.map(({ value }) => value ?? 0), 1e-9);
  return h(
    "ol",
    { class: hasChanges ? "bars has-changes" : "bars", "aria-label": label },
    rows.map((row) => h("li", null, buildRow(row, most, format, hasChanges))),
  );
}

function buildRow({ label, value, previous, onClick, hint }, most, format, hasChanges) {
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${(100 * Math.max(value ?? 0, 0)) / most}%`;
  const content = [
    h("span", { class: "bar-label" }, bar, h("span", { class: "bar-text", title: label }, label)),
    h("span", { class: "bar-value" }, format(value)),
    hasChanges ? buildChange(value, previous) : null,
  ];
  return onClick
    ? h("button", { type: "button", class: "bar-row", title: hint, onClick }, content)
    : h("div", { class: "bar-row" }, content);
}

/**
 * How `value` changed since `previous`, in words, sign and colour. `isLessBetter` turns the colours round.
 * @param {number|null|undefined} value
 * @param {number|null|undefined} previous
 * @param {{isLessBetter?: boolean}} [options]
 */
export function buildChange(value, previous, { isLessBetter = false } = {}) {
  if (typeof previous !== "number" || typeof value !== "number") return h("span", { class: "change" });
  if (previous === 0) return h("span", { class: "change" }, value ? "new" : "");
  const ratio = value / previous - 1;
  const isFlat = Math.abs(ratio) < 0.0005;
  const isGood = ratio > 0 !== isLessBetter;
  const text = `${ratio > 0 ? "↑" : "↓"} ${formatRatio(Math.abs(ratio))}`;
  return h(
    "span",
    { class: isFlat ? "change" : `change ${isGood ? "good" : "bad"}` },
    h("span", { "aria-hidden": "true" }, isFlat ? "=" : text),
    h(
      "span",
      { class: "visually-hidden" },
      isFlat ? "as before" : `${formatRatio(Math.abs(ratio))} ${ratio > 0 ? "more" : "less"} than before`,
    ),
  );
}
