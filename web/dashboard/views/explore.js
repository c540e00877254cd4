/** Explore: one event over time, and what it is made of. */

import { askReport } from "../api.js";
import { barChart, lineChart } from "../charts.js";
import { eventNameInput, propertyInput, selectInput } from "../controls.js";
import { dispose, formatBucket, formatNumber, h, onDispose, replace } from "../dom.js";
import { panel } from "../panel.js";
import { currentInterval, currentZone } from "../range.js";
import { state } from "../state.js";

/** @param {HTMLElement} container */
export function show(container) {
  container.append(h("p", { class: "empty" }, "Explore"));
}
