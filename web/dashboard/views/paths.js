/** Which ways sessions take: a drawing of flows from step to step, and each flow as a row. */
import { sankeyChart } from "../charts.js";
import { formatNumber, formatRatio, h, replace } from "../dom.js";
import { state } from "../state.js";
import { buildForm, keysOf, readFields, toState as fieldsToState } from "./fields.js";
import { reportPanel, stateLink } from "./report_panel.js";

const START = { key: "paths.start", label: "Starting at", empty: "where sessions begin" };
const FIELDS = {
  by: {
    key: "paths.by",
    label: "Steps are",
    fallback: "page",
    clears: [START.key],
    choices: [
      ["page", "pages"],
      ["event", "events"],
    ],
  },
  direction: {
    key: "paths.direction",
    label: "Look at what comes",
    fallback: "after",
    choices: [
      ["after", "after it"],
      ["before", "before it"],
    ],
  },
  steps: { key: "paths.steps", label: "Steps", kind: "number", min: 1, max: 10, fallback: 3 },
  limit: { key: "paths.limit", label: "Names a step", kind: "number", min: 1, max: 100, fallback: 6, standard: 10 },
};
const OTHERS = "Others";
const MAX_LABEL = 32;
const MAX_HEIGHT = 1600;

/** What shows a saved report here. */
export function toState(parameters) {
  return { view: "paths", ...fieldsToState({ ...FIELDS, start: START }, parameters) };
}

/** Fill the container. */
export function show(container) {
  const paths = reportPanel({
    title: "Paths",
    report: "paths",
    wide: true,
    watch: [...keysOf(FIELDS), START.key],
    render,
    table,
    subtitle: "Sessions step by step, repeats folded into one",
    isEmpty: (answer) => answer.sessions === 0,
    emptyText: "No session in this range has such a start.",
    parameters: () => ({ ...readFields(describeFields()), compare: null }),
  });
  replace(container, buildForm(describeFields, "Paths"), h("div", { class: "grid" }, paths));
}

function describeFields() {
  const isEvent = state.get(FIELDS.by.key) === "event";
  const start = isEvent ? { ...START, kind: "event" } : { ...START, kind: "value", property: "page" };
  const { by, ...others } = FIELDS;
  return { by, start, ...others };
}

function render(answer) {
  const isBefore = state.get(FIELDS.direction.key) === "before";
  const starts = answer.nodes.filter(({ step }) => step === 0);
  const where = starts.length === 1 ? ` ${isBefore ? "to" : "from"} ${starts[0].name}` : "";
  const count = answer.sessions === 1 ? "1 session" : `${formatNumber(answer.sessions)} sessions`;
  const note = isBefore
    ? "A bar without a flow on its left is where sessions began."
    : "A bar that is taller than what leaves it is where sessions ended.";
  return h(
    "div",
    { class: "stack" },
    h("p", { class: "hint" }, `${count}${where}. ${note}`),
    drawFlows(answer, isBefore),
  );
}

function drawFlows({ nodes, links, sessions: all }, isBefore) {
  if (!links.length) return h("p", null, "Every one of these sessions ended at its start.");
  const id = (step, name) => `${step} ${name}`;
  const last = countByStep(nodes).length - 1;
  const labels = Object.fromEntries(nodes.map((node) => [id(node.step, node.name), shorten(nameOf(node))]));
  const columns = Object.fromEntries(nodes.map(({ step, name }) => [id(step, name), isBefore ? last - step : step]));
  const flows = links.map(({ step, source, target, sessions }) => {
    const [from, to] = [id(step, source), id(step + 1, target)];
    return { ...(isBefore ? { from: to, to: from } : { from, to }), count: sessions };
  });
  const widest = Math.max(...countByStep(nodes));
  return h(
    "div",
    { class: "table-frame", role: "region", tabindex: 0, "aria-label": "Drawing of the paths" },
    h(
      "div",
      { class: "flows" },
      sankeyChart({
        links: flows,
        labels,
        columns,
        height: Math.min(MAX_HEIGHT, Math.max(260, 52 * widest)),
        describe: `Flows of ${all} sessions over ${countByStep(nodes).length} steps. The table has each flow.`,
      }),
    ),
  );
}

function countByStep(nodes) {
  const counts = [];
  for (const { step } of nodes) counts[step] = (counts[step] ?? 0) + 1;
  return counts.map((count) => count ?? 0);
}

function shorten(name) {
  return name.length > MAX_LABEL ? `${name.slice(0, MAX_LABEL - 1)}…` : name;
}

function nameOf({ name, isOther }) {
  return isOther ? OTHERS : name;
}

function table({ nodes, links }) {
  const rows = links.map(({ step, source, target, sessions }) => {
    const from = nodes.find((node) => node.step === step && node.name === source);
    const to = nodes.find((node) => node.step === step + 1 && node.name === target);
    return {
      step: step + 1,
      source: nameOf(from),
      target: nameOf(to),
      sessions,
      share: sessions / from.sessions,
      from,
      to,
    };
  });
  return {
    columns: [
      { key: "step", label: "Step", format: formatNumber },
      { key: "source", label: "From", render: ({ from }) => startLink(from) },
      { key: "target", label: "To", render: ({ to }) => startLink(to) },
      { key: "sessions", label: "Sessions", format: formatNumber },
      { key: "share", label: "Share of those there", format: formatRatio },
    ],
    rows,
  };
}

function startLink(node) {
  return node.isOther ? OTHERS : stateLink({ [START.key]: node.name }, node.name);
}
