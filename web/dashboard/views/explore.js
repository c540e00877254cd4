/** Explore: chosen events over time, side by side or split by a property, and what they are made of. */

import { eventNameInput, propertyInput, selectInput } from "../controls.js";
import { h, onDispose, redraw, replace } from "../dom.js";
import { state } from "../state.js";
import { buildBreakdown } from "./explore_breakdown.js";
import { buildSeries } from "./explore_series.js";
import { KEYS, listEvents, MEASURES, NUMERIC, readBy, readMeasure } from "./explore_state.js";

/** What shows a saved report here. */
export function toState({ eventName, measure, property, by, interval }) {
  return {
    view: "explore",
    interval: interval ?? null,
    "explore.events": eventName ? [eventName] : null,
    "explore.measure": measure ?? null,
    "explore.property": property ?? null,
    "explore.by": by ? [by].flat() : null,
  };
}

/** @param {HTMLElement} container */
export function show(container) {
  const form = h("section", { class: "panel explore-form", "aria-label": "What to explore" });
  const draw = () =>
    redraw(
      form,
      h(
        "div",
        { class: "panel-body explore-fields" },
        buildEvents(),
        buildMeasure(),
        buildProperty(),
        buildBy(0),
        buildBy(1),
      ),
    );
  draw();
  onDispose(form, state.subscribe(KEYS, draw));
  const note = h("div", { class: "explore-parts" });
  const drawBreakdown = () => replace(note, readBy().length ? buildBreakdown() : null);
  drawBreakdown();
  onDispose(note, state.subscribe("explore.by", drawBreakdown));
  container.append(h("div", { class: "explore" }, form, buildSeries(), note));
}

function buildEvents() {
  const events = listEvents();
  const put = (names) => state.set({ "explore.events": names.length ? names : null });
  const chips = events.map((name) =>
    h(
      "span",
      { class: "chip" },
      h("span", { class: "chip-text" }, name),
      h(
        "button",
        {
          type: "button",
          class: "chip-close",
          "aria-label": `Leave out ${name}`,
          onClick: () => put(events.filter((each) => each !== name)),
        },
        "×",
      ),
    ),
  );
  const input = eventNameInput({
    label: events.length ? "Another event" : "Event",
    placeholder: events.length ? "" : "All events",
    onChange: (name) => name && put([...new Set([...events, name])]),
  });
  return h("div", { class: "explore-events" }, input, chips.length ? h("div", { class: "chips" }, chips) : null);
}

function buildMeasure() {
  return selectInput({
    label: "Count",
    choices: MEASURES,
    value: readMeasure(),
    onChange: (measure) => state.set({ "explore.measure": measure === "events" ? null : measure }),
  });
}

function buildProperty() {
  if (!NUMERIC.includes(readMeasure())) return null;
  return propertyInput({
    label: "of",
    value: state.get("explore.property") ?? "",
    placeholder: "metadata.total",
    onChange: (property) => state.set({ "explore.property": property }),
  });
}

function buildBy(index) {
  const by = readBy();
  if (index > by.length) return null;
  const put = (property) => {
    const others = by.filter((_, place) => place !== index);
    const all = property ? others.toSpliced(index, 0, property) : others;
    state.set({ "explore.by": all.length ? all : null });
  };
  return propertyInput({
    label: index ? "and" : "Split by",
    value: by[index] ?? "",
    placeholder: index ? "" : "Nothing",
    onChange: put,
  });
}
