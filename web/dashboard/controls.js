/** The toolbar above a view: range, comparison, interval, zone, bots and filters, all kept in the address. */

import { openDialog } from "./dialog.js";
import { h, onDispose, redraw } from "./dom.js";
import { filterChips } from "./filters.js";
import { checkInput, selectInput, suggestInput } from "./inputs.js";
import {
  currentInterval,
  currentZone,
  describeRange,
  INTERVALS,
  isComparable,
  PRESETS,
  RANGE_KEYS,
  readFilters,
  readRange,
} from "./range.js";
import { session } from "./session.js";
import { state } from "./state.js";

export { eventNameInput, propertyInput, selectInput, suggestInput, valueInput } from "./inputs.js";
export { filterChips, openFilterDialog } from "./filters.js";

const CUSTOM = "custom";

/** The toolbar; it follows the address. A view that does not compare, or has intervals of its own, leaves these out. */
export function buildToolbar(without = []) {
  const toolbar = h("div", { class: "toolbar", role: "group", "aria-label": "Range and filters" });
  const draw = () =>
    redraw(
      toolbar,
      buildRange(),
      without.includes("compare") ? null : buildCompare(),
      without.includes("interval") ? null : buildInterval(),
      buildOptions(),
      buildFilters(),
    );
  draw();
  return onDispose(toolbar, state.subscribe([...RANGE_KEYS, "interval"], draw));
}

function mark(field, name) {
  field.input.dataset.control = name;
  return field;
}

function buildRange() {
  const { last, from } = readRange();
  const present = from ? CUSTOM : (last ?? "all");
  const known = PRESETS.some(([value]) => value === present);
  const choices = [
    ...PRESETS,
    ...(known || from ? [] : [[present, describeRange()]]),
    [CUSTOM, from ? describeRange() : "Custom range …"],
  ];
  const field = selectInput({
    label: "Range",
    isLabelHidden: true,
    choices,
    value: present,
    onChange: (value) => {
      field.input.value = present;
      if (value === CUSTOM) openRangeDialog();
      else state.set({ last: value, from: null, to: null });
    },
  });
  const change = from
    ? h("button", { type: "button", class: "button quiet small", onClick: openRangeDialog }, "Change")
    : null;
  return h("div", { class: "toolbar-item" }, mark(field, "range"), change);
}

function openRangeDialog() {
  const today = new Date().toISOString().slice(0, 10);
  const month = new Date(Date.now() - 29 * 86_400_000).toISOString().slice(0, 10);
  const from = h("input", {
    id: "range-from",
    type: "date",
    class: "input",
    required: true,
    value: (state.get("from") ?? month).slice(0, 10),
  });
  const to = h("input", {
    id: "range-to",
    type: "date",
    class: "input",
    required: true,
    value: (state.get("to") ?? today).slice(0, 10),
  });
  openDialog({
    title: "Custom range",
    content: [
      h("div", { class: "field" }, h("label", { for: "range-from" }, "From"), from),
      h("div", { class: "field" }, h("label", { for: "range-to" }, "To, that day included"), to),
      h("p", { class: "hint" }, `Days begin at midnight in ${currentZone()}.`),
    ],
    confirm: "Show",
    onConfirm: () => {
      if (from.value > to.value) throw new Error("The range ends before it begins.");
      state.set({ from: from.value, to: to.value, last: null });
    },
  });
}

function buildCompare() {
  const field = checkInput({
    label: "Compare",
    checked: state.get("compare") === "previous" && isComparable(),
    onChange: (isOn) => state.set({ compare: isOn ? "previous" : null }),
  });
  field.title = "Also show the time of the same length just before";
  field.input.disabled = !isComparable();
  return mark(field, "compare");
}

function buildInterval() {
  const chosen = state.get("interval") ?? "";
  const automatic = chosen ? "Automatic" : `By ${currentInterval()}`;
  const choices = [
    ["", automatic],
    ...INTERVALS.filter((each) => chosen || each !== currentInterval()).map((each) => [each, `By ${each}`]),
  ];
  return mark(
    selectInput({
      label: "Interval",
      isLabelHidden: true,
      choices,
      value: chosen,
      onChange: (interval) => state.set({ interval }),
    }),
    "interval",
  );
}

function buildOptions() {
  const isSet = state.get("tz") || state.get("includeBots");
  const parts = [currentZone(), ...(state.get("includeBots") === "true" ? ["with bots"] : [])];
  return h(
    "button",
    {
      type: "button",
      class: isSet ? "button quiet is-set" : "button quiet",
      dataset: { control: "options" },
      title: "Time zone, bots",
      onClick: openOptionsDialog,
    },
    parts.join(" · "),
  );
}

function openOptionsDialog() {
  const zones = async () => ["UTC", ...Intl.supportedValuesOf("timeZone")];
  const own = session.project?.timezone ?? "UTC";
  const zone = suggestInput({
    label: "Time zone",
    value: state.get("tz") ?? "",
    placeholder: `${own} (the project's)`,
    fetchChoices: zones,
  });
  let includesBots = state.get("includeBots") === "true";
  const bots = checkInput({
    label: "Count known crawlers too",
    checked: includesBots,
    onChange: (isOn) => {
      includesBots = isOn;
    },
  });
  openDialog({
    title: "Time zone and bots",
    content: [zone, bots],
    confirm: "Apply",
    onConfirm: () => {
      const tz = zone.input.value.trim();
      checkZone(tz);
      state.set({ tz: tz === own ? null : tz, includeBots: includesBots ? "true" : null });
    },
  });
}

function checkZone(tz) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: tz || "UTC" });
  } catch {
    throw new Error(`"${tz}" is not a time zone. It is written like Europe/Berlin.`);
  }
}

function buildFilters() {
  return filterChips({
    filters: readFilters(),
    onChange: (filters) => state.set({ filters: filters.length ? filters : null }),
  });
}
