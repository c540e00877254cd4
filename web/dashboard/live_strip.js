/** The strip in the header: how many people are here now. */

import { formatNumber, h, onDispose, replace } from "./dom.js";
import { followLive, live } from "./live.js";
import { sparkline } from "./sparkline.js";
import { state } from "./state.js";

const STATES = { connecting: "Connecting", retrying: "Connecting again", refused: "Not live", off: "Not live" };

/** A link to the live view with the number of current visitors and how it went while the page was open. */
export function buildLiveStrip() {
  const strip = h("a", { class: "live-strip", href: state.buildAddress({ view: "live" }), onClick: open });
  draw(strip);
  return onDispose(
    strip,
    followLive((what) => what !== "events" && draw(strip)),
  );
}

function open(event) {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  state.set({ view: "live" });
}

function draw(strip) {
  const { figures, readings } = live;
  const isOpen = live.state === "open" && figures !== null;
  strip.dataset.state = live.state;
  strip.title = isOpen ? "Visitors of the last five minutes: what happens now" : (live.problem ?? "What happens now");
  const visitors = readings.map(({ currentVisitors }) => currentVisitors);
  replace(
    strip,
    h("span", { class: "live-dot", "aria-hidden": "true" }),
    h(
      "span",
      { class: "live-count" },
      isOpen ? formatNumber(figures.currentVisitors) : (STATES[live.state] ?? "Connecting"),
    ),
    isOpen ? h("span", { class: "live-word" }, figures.currentVisitors === 1 ? "visitor now" : "visitors now") : null,
    visitors.some((count) => count > 0) && visitors.length > 1 ? sparkline(visitors) : null,
  );
}
