/** Charts: a canvas inside an element that says in words what it shows. They follow the theme and free themselves. */

import { buildChart, buildOptions, buildTooltip, loadSankey, PALETTE_SIZE } from "./chart_frame.js";
import { drawAnnotations, drawCrosshair, LEGEND_GAP } from "./chart_plugins.js";
import { formatNumber, formatShort } from "./dom.js";

const OTHER = "Others";

/**
 * Lines over intervals. With `isLastPartial` the way to the last point is dotted: its interval is not over.
 * @param {{labels: string[], series: {label: string, values: (number|null)[], dashed?: boolean}[], annotations?:
 *   {index: number, text: string}[], describe: string, format?: (n: number) => string, height?: number,
 *   isLastPartial?: boolean}} options
 */
export function lineChart({
  labels,
  series,
  annotations = [],
  describe,
  format = formatNumber,
  height = 260,
  isLastPartial = false,
}) {
  const isAlone = series.filter(({ dashed }) => !dashed).length === 1;
  const dots = (item) => (isLastPartial && item.p1DataIndex === labels.length - 1 ? [3, 4] : undefined);
  return buildChart(describe, height, (colours) => ({
    type: "line",
    data: { labels, datasets: series.map((each, index) => buildLine(each, index, { isAlone, dots, colours })) },
    options: {
      ...buildOptions(colours, format, series.length > 1),
      interaction: { mode: "index", intersect: false },
      scales: { x: buildCategories(colours), y: buildValues(colours, format) },
    },
    plugins: [LEGEND_GAP, drawAnnotations(annotations, colours), drawCrosshair(colours)],
  }));
}

/**
 * Bars, side by side or stacked.
 * @param {{labels: string[], series: {label: string, values: (number|null)[]}[], horizontal?: boolean, stacked?: boolean,
 *   describe: string, format?: (n: number) => string, height?: number}} options
 */
export function barChart({
  labels,
  series,
  horizontal = false,
  stacked = false,
  describe,
  format = formatNumber,
  height,
}) {
  const tall = height ?? (horizontal ? Math.max(120, labels.length * 34 + 40) : 260);
  return buildChart(describe, tall, (colours) => {
    const [categories, values] = [
      { ...buildCategories(colours), stacked },
      { ...buildValues(colours, format), stacked },
    ];
    return {
      type: "bar",
      data: { labels, datasets: series.map((each, index) => buildBar(each, index, colours)) },
      options: {
        ...buildOptions(colours, format, series.length > 1, "rectRounded"),
        indexAxis: horizontal ? "y" : "x",
        interaction: { mode: "index", intersect: false, axis: horizontal ? "y" : "x" },
        scales: horizontal
          ? { x: values, y: { ...categories, ticks: { ...categories.ticks, autoSkip: false } } }
          : { x: categories, y: values },
      },
    };
  });
}

/**
 * Flows between nodes. `columns` says for each node where it stands from left to right, from 0 on; without it, where its
 * flows lead.
 * @param {{links: {from: string, to: string, count: number}[], labels: Object<string, string>, columns?: Object<string, number>,
 *   describe: string, height?: number}} options
 */
export function sankeyChart({ links, labels, columns, describe, height = 420 }) {
  return buildChart(
    describe,
    height,
    (colours) => {
      const tint = buildTint(labels, colours);
      return {
        type: "sankey",
        data: {
          datasets: [
            {
              data: links.map(({ from, to, count }) => ({ from, to, flow: count })),
              labels,
              ...(columns ? { column: columns } : {}),
              colorFrom: (item) => tint(item.dataset.data[item.dataIndex]?.from),
              colorTo: (item) => tint(item.dataset.data[item.dataIndex]?.to),
              color: colours.ink,
              borderWidth: 0,
              nodeWidth: 12,
              size: "max",
              alpha: 0.45,
              font: { size: 12, family: colours.font },
            },
          ],
        },
        options: {
          ...buildOptions(colours, formatNumber, false),
          plugins: {
            legend: { display: false },
            tooltip: {
              ...buildTooltip(colours),
              callbacks: { title: () => "", label: (item) => describeLink(item.raw, labels) },
            },
          },
        },
      };
    },
    loadSankey,
  );
}

function describeLink({ from, to, flow }, labels) {
  return `${labels[from] ?? from} → ${labels[to] ?? to}: ${formatNumber(flow)}`;
}

function buildTint(labels, colours) {
  const names = [...new Set(Object.values(labels))].filter((name) => name !== OTHER);
  return (node) => {
    const index = names.indexOf(labels[node] ?? node);
    return index < 0 ? colours.muted : colours.series[index % PALETTE_SIZE];
  };
}

function buildLine({ label, values, dashed = false }, index, { isAlone, dots, colours }) {
  const colour = dashed ? colours.muted : colours.series[index % PALETTE_SIZE];
  return {
    label,
    data: values,
    borderColor: colour,
    backgroundColor: isAlone ? `color-mix(in srgb, ${colour} 12%, transparent)` : colour,
    fill: isAlone && !dashed ? "origin" : false,
    borderWidth: dashed ? 1.5 : 2,
    borderDash: dashed ? [5, 4] : [],
    segment: dashed ? {} : { borderDash: dots },
    pointRadius: values.length === 1 ? 3 : 0,
    pointHoverRadius: 4,
    pointBackgroundColor: colour,
    tension: 0.25,
    cubicInterpolationMode: "monotone",
  };
}

function buildBar({ label, values }, index, colours) {
  return {
    label,
    data: values,
    backgroundColor: colours.series[index % PALETTE_SIZE],
    borderRadius: 3,
    maxBarThickness: 38,
    categoryPercentage: 0.75,
    barPercentage: 0.9,
  };
}

function buildCategories(colours) {
  return {
    grid: { display: false },
    border: { color: colours.line },
    ticks: { color: colours.muted, maxRotation: 0, autoSkipPadding: 18, font: { family: colours.font, size: 11 } },
  };
}

function buildValues(colours, format) {
  return {
    beginAtZero: true,
    grid: { color: colours.line },
    border: { display: false },
    ticks: {
      color: colours.muted,
      maxTicksLimit: 5,
      precision: format === formatNumber ? 0 : undefined,
      font: { family: colours.font, size: 11 },
      callback: (value) => (format === formatNumber ? formatShort(value) : format(value)),
    },
  };
}
