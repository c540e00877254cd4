/** How many people go from step to step: built by clicking, drawn as bars that get shorter. */

import { formatNumber, formatRatio, formatSeconds, h, replace } from "../dom.js";
import { buildTable } from "../panel.js";
import { state } from "../state.js";
import { buildForm, keysOf, readFields, toState as fieldsToState } from "./fields.js";
import { stepsEditor } from "./funnel_steps.js";
import { reportPanel } from "./report_panel.js";

const STEPS = "funnel.steps";
const FIELDS = {
  windowSeconds: {
    key: "funnel.window",
    label: "All within",
    kind: "duration",
    min: 1,
    max: 316_224_000,
    fallback: 604_800,
  },
  order: {
    key: "funnel.order",
    label: "Order",
    fallback: "ordered",
    choices: [
      ["ordered", "in order, others between"],
      ["strict", "in order, nothing between"],
      ["any", "in any order"],
    ],
  },
  breakdown: { key: "funnel.breakdown", label: "Split by", kind: "property", empty: "nothing" },
};
const NOT_SET = "not set";

/** What shows a saved report here. */
export function toState(parameters) {
  const steps = parameters.steps.map(readStep);
  return { view: "funnel", [STEPS]: steps, ...fieldsToState(FIELDS, parameters) };
}

/** Fill the container; the answer ends it. */
export function show(container) {
  const editor = stepsEditor((steps) => state.set({ [STEPS]: steps.length ? steps : null }));
  const follow = () => editor.draw(readSteps());
  const result = reportPanel({
    title: "Funnel",
    report: "funnel",
    wide: true,
    watch: [STEPS, ...keysOf(FIELDS)],
    render,
    table,
    parameters: buildParameters,
    emptyText: "A funnel has two steps or more: click those that people should take.",
  });
  replace(
    container,
    h(
      "div",
      { class: "funnel-build" },
      editor,
      buildForm(() => FIELDS, "How the funnel counts"),
    ),
    h("div", { class: "grid" }, result),
  );
  follow();
  return state.subscribe([STEPS], follow);
}

function readSteps() {
  const steps = state.getJson(STEPS, []);
  return Array.isArray(steps) ? steps.filter((step) => step?.eventName ?? step).map(readStep) : [];
}

function readStep(step) {
  const { eventName, filters } = typeof step === "string" ? { eventName: step } : step;
  return { eventName: String(eventName), filters: Array.isArray(filters) ? filters : [] };
}

function buildParameters() {
  const steps = readSteps();
  return steps.length < 2 ? null : { steps, ...readFields(FIELDS) };
}

function render(answer) {
  const { steps, previous, breakdown } = answer;
  return h(
    "div",
    { class: "stack" },
    h(
      "p",
      { class: "funnel-sum" },
      h("strong", null, formatRatio(answer.overallConversion)),
      ` of ${countPeople(steps[0].users)} went all the way`,
      previous
        ? h(
            "span",
            { class: "hint" },
            ` (before: ${formatRatio(previous.overallConversion)} of ${formatNumber(previous.steps[0].users)})`,
          )
        : null,
    ),
    h(
      "ol",
      { class: "funnel" },
      steps.map((step, index) => buildBar(step, steps[index - 1], previous?.steps[index])),
    ),
    breakdown?.length ? buildBreakdown(answer) : null,
  );
}

function buildBar(step, before, earlier) {
  const fill = h("span", { class: "funnel-fill", hidden: step.users === 0 });
  fill.style.width = `${(step.conversionFromFirst ?? 0) * 100}%`;
  return h(
    "li",
    { class: "funnel-step" },
    before ? h("p", { class: "funnel-between" }, describeWay(step, before)) : null,
    h(
      "div",
      { class: "funnel-line" },
      h("span", { class: "funnel-number", "aria-hidden": "true" }, step.step),
      h("span", { class: "funnel-name" }, step.eventName),
      h("span", { class: "funnel-users" }, countPeople(step.users)),
      h("span", { class: "funnel-share" }, formatRatio(step.conversionFromFirst)),
      earlier
        ? h("span", { class: "funnel-before hint" }, `before: ${formatRatio(earlier.conversionFromFirst)}`)
        : null,
    ),
    h("div", { class: "funnel-bar", "aria-hidden": "true" }, fill),
  );
}

function countPeople(users) {
  return users === 1 ? "1 person" : `${formatNumber(users)} people`;
}

function describeWay(step, before) {
  if (before.users === 0) return "Nobody came this far.";
  const lost = before.users - step.users;
  const time =
    step.medianSecondsFromPrevious === null
      ? ""
      : `, half of them within ${formatSeconds(step.medianSecondsFromPrevious)}`;
  return `${formatRatio(step.conversionFromPrevious)} go on${time}; ${formatNumber(lost)} leave`;
}

function buildBreakdown({ breakdown, breakdownValues, steps }) {
  const property = state.get(FIELDS.breakdown.key);
  const columns = [
    { key: "value", label: property, format: formatValue },
    ...steps.map(({ step, eventName }, index) => ({
      key: `s${index}`,
      label: `${step}. ${eventName}`,
      isNumber: true,
      render: (row) => buildShare(row.steps[index]),
    })),
    { key: "overallConversion", label: "All the way", isNumber: true, format: formatRatio },
  ];
  const more = breakdownValues - breakdown.length;
  return h(
    "div",
    { class: "stack" },
    h("h3", null, `By ${property}`),
    buildTable({ columns, rows: breakdown }, `The funnel by ${property}`),
    more > 0
      ? h("p", { class: "hint" }, `The ${breakdown.length} most frequent of ${formatNumber(breakdownValues)} values.`)
      : null,
  );
}

function buildShare({ users, conversionFromFirst, step }) {
  if (step === 1) return h("span", null, formatNumber(users));
  return h("span", null, formatNumber(users), h("span", { class: "hint" }, ` ${formatRatio(conversionFromFirst)}`));
}

function formatValue(value) {
  return value === null ? NOT_SET : String(value);
}

function table({ steps, breakdown = [] }) {
  const rows = [[null, steps], ...breakdown.map(({ value, steps: own }) => [formatValue(value), own])];
  return {
    columns: [
      ...(breakdown.length
        ? [{ key: "value", label: state.get(FIELDS.breakdown.key), format: (value) => value ?? "all" }]
        : []),
      { key: "step", label: "Step", format: formatNumber },
      { key: "eventName", label: "Event" },
      { key: "users", label: "People", format: formatNumber },
      { key: "conversionFromPrevious", label: "From the step before", isNumber: true, format: formatRatio },
      { key: "conversionFromFirst", label: "From the first", format: formatRatio },
      { key: "medianSecondsFromPrevious", label: "Median time", isNumber: true, format: formatSeconds },
      { key: "meanSecondsFromPrevious", label: "Mean time", isNumber: true, format: formatSeconds },
    ],
    rows: rows.flatMap(([value, own]) => own.map((step) => ({ ...step, value }))),
  };
}
