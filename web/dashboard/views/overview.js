/** Overview: how it goes, at a glance. */

import { askReport } from "../api.js";
import { barChart, lineChart } from "../charts.js";
import { formatBucket, h } from "../dom.js";
import { panel } from "../panel.js";
import { currentInterval, currentZone } from "../range.js";

/** @param {HTMLElement} container */
export function show(container) {
  container.append(h("div", { class: "grid" }, buildSeries()));
}

function buildSeries() {
  const parameters = () => ({ interval: currentInterval() });
  return panel({
    title: "Events",
    wide: true,
    load: (signal) => askReport("events-timeseries", parameters(), { signal }),
    render: ({ series }) => lineChart({
      labels: series.map(({ bucket }) => formatBucket(bucket, currentZone(), currentInterval())),
      series: [{ label: "Events", values: series.map(({ count }) => count) }],
      describe: "Events over time",
    }),
    csv: { report: "events-timeseries", parameters },
  });
}
