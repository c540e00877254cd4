/** Overview: how it goes, at a glance. A click on a row of a list shows only what has that value. */

import { askReport } from "../api.js";
import { barList } from "../bars.js";
import { announce, h } from "../dom.js";
import { panel } from "../panel.js";
import { addFilter, buildValueFilter } from "../range.js";
import { state } from "../state.js";
import { buildTabs, readTab } from "../tabs.js";
import { buildHours } from "./overview_hours.js";
import { buildFigures } from "./overview_figures.js";
import { DEVICES, EVENTS, PAGES, PLACES, SOURCES } from "./overview_lists.js";

const LIMIT = 10;

/** What shows a saved report here. */
export function toState({ interval }) {
  return { view: "overview", interval: interval ?? null };
}

/** @param {HTMLElement} container */
export function show(container) {
  container.append(
    h(
      "div",
      { class: "grid overview" },
      buildFigures(),
      buildList(PAGES),
      buildList(SOURCES),
      buildList(EVENTS),
      buildList(DEVICES),
      buildList(PLACES),
      buildHours(),
    ),
  );
}

function buildList(list) {
  const { tabs } = list;
  const source = { report: list.report, parameters: () => ({ limit: LIMIT, ...list.parameters?.(readChoice(tabs)) }) };
  return panel({
    title: list.title,
    tabs: tabs ? buildTabs(tabs) : null,
    watch: list.parameters ? [tabs.key] : [],
    redrawOn: tabs && !list.parameters ? [tabs.key] : [],
    load: (signal) => askReport(list.report, source.parameters(), { signal }),
    isEmpty: (answer) => list.readRows(answer, readChoice(tabs)).length === 0,
    emptyText: list.emptyText,
    render: (answer) => buildBars(list, answer),
    table: (answer) => ({
      columns: list.buildColumns(readChoice(tabs)),
      rows: list.readRows(answer, readChoice(tabs)),
    }),
    csv: source,
    save: source,
  });
}

function readChoice(tabs) {
  return tabs ? readTab(tabs) : null;
}

function buildBars(list, answer) {
  const choice = readChoice(list.tabs);
  const before = answer.previous
    ? new Map(list.readRows(answer.previous, choice).map((row) => [list.readKey(row, choice), row[list.value]]))
    : null;
  return barList({
    label: list.title,
    hasChanges: before !== null,
    rows: list.readRows(answer, choice).map((row) => ({
      label: list.formatKey(list.readKey(row, choice), choice),
      value: row[list.value],
      previous: before?.get(list.readKey(row, choice)),
      ...buildDrill(list, row, choice),
    })),
  });
}

function buildDrill(list, row, choice) {
  const key = list.readKey(row, choice);
  if (list.open) return { hint: `Explore ${key}`, onClick: () => state.set(list.open(key)) };
  return {
    hint: "Show only this",
    onClick: () => {
      addFilter(buildValueFilter(list.findProperty(choice), key));
      announce(`Only ${list.formatKey(key, choice)} is shown`);
    },
  };
}
