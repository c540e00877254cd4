/** The element around a canvas, the library that draws in it, and the colours of the theme. */

import { h, onDispose } from "./dom.js";

const CHART_ADDRESS = "/web/vendor/chart.umd.min.js";
const SANKEY_ADDRESS = "/web/vendor/chartjs-chart-sankey.min.js";
export const PALETTE_SIZE = 8;
const open = new Set();
const loading = new Map();

/**
 * An element that shows the chart that `configure(colours)` describes to Chart.js, after `load()`.
 */
export function buildChart(describe, height, configure, load = loadChart) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const frame = h("div", { class: "chart", role: "img", "aria-label": describe }, canvas);
  frame.style.height = `${height}px`;
  const drawing = { canvas, configure, chart: null, isOpen: true };
  open.add(drawing);
  onDispose(frame, () => {
    drawing.isOpen = false;
    open.delete(drawing);
    drawing.chart?.destroy();
  });
  load().then(() => requestAnimationFrame(() => draw(drawing)));
  return frame;
}

function draw(drawing) {
  if (!drawing.isOpen || !drawing.canvas.isConnected) return;
  drawing.chart?.destroy();
  drawing.chart = new globalThis.Chart(drawing.canvas, drawing.configure(readColours()));
  drawing.canvas.parentElement.toggleAttribute("data-drawn", true);
}

function loadChart() {
  return globalThis.Chart ? Promise.resolve() : loadScript(CHART_ADDRESS);
}

/** Load what flows are drawn with. */
export function loadSankey() {
  return loadChart().then(() => loadScript(SANKEY_ADDRESS));
}

function loadScript(address) {
  if (!loading.has(address)) {
    loading.set(
      address,
      new Promise((resolve, reject) => {
        const known = document.querySelector(`script[src="${address}"]`);
        const script = known ?? Object.assign(document.createElement("script"), { src: address });
        script.addEventListener("load", resolve, { once: true });
        script.addEventListener("error", () => reject(new Error(`${address} could not be loaded`)), { once: true });
        if (!known) document.head.append(script);
      }),
    );
  }
  return loading.get(address);
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ink: read("--ink"),
    muted: read("--muted"),
    line: read("--line"),
    surface: read("--surface"),
    font: getComputedStyle(document.body).fontFamily,
    series: Array.from({ length: PALETTE_SIZE }, (_, index) => read(`--series-${index + 1}`)),
  };
}

/** What all charts have in common. */
export function buildOptions(colours, format, hasLegend, pointStyle = "line") {
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    layout: { padding: { top: 4 } },
    plugins: {
      legend: {
        display: hasLegend,
        align: "start",
        labels: {
          color: colours.ink,
          usePointStyle: true,
          pointStyle,
          boxWidth: 22,
          padding: 14,
          font: { family: colours.font, size: 12 },
        },
      },
      tooltip: {
        ...buildTooltip(colours),
        callbacks: { label: (item) => ` ${item.dataset.label}: ${format(item.raw)}` },
      },
    },
  };
}

/** The tooltip in the colours of the theme. */
export function buildTooltip(colours) {
  return {
    backgroundColor: colours.surface,
    titleColor: colours.ink,
    bodyColor: colours.ink,
    borderColor: colours.line,
    borderWidth: 1,
    padding: 10,
    boxPadding: 4,
    usePointStyle: true,
    titleFont: { family: colours.font, size: 12 },
    bodyFont: { family: colours.font, size: 12 },
  };
}

/** Draw all charts again, in the colours of the present theme. */
function redrawCharts() {
  for (const drawing of open) draw(drawing);
}

new MutationObserver(redrawCharts).observe(document.documentElement, { attributeFilter: ["data-theme"] });
