/** What a link to a saved report shows, to people without an account. No credentials are kept or sent here. */

import { saveFile } from "./api.js";
import { formatDay, formatTime, h, replace } from "./dom.js";
import { buildError } from "./panel.js";
import { renderAnswer } from "./report_answer.js";
import { nameReport } from "./report_names.js";

const token = location.pathname.split("/").filter(Boolean).at(-1);
const address = `/v1/shared/${encodeURIComponent(token)}`;
const main = document.getElementById("main");

async function begin() {
  try {
    const [about, answer] = await Promise.all([fetchJson(`${address}/about`), fetchJson(address)]);
    document.title = `${about.name} – AppTracker`;
    replace(main, buildPage(about, answer));
  } catch (error) {
    replace(main, buildError(error, begin));
  }
  document.documentElement.dataset.ready = "true";
}

async function fetchJson(path) {
  const response = await fetch(path, {
    headers: { Accept: "application/json" },
    credentials: "omit",
    cache: "no-store",
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? "The service did not answer.");
  return answer;
}

function buildPage({ name, description, report, interval, expiresAt }, answer) {
  return h(
    "div",
    { class: "view" },
    h(
      "div",
      { class: "view-head" },
      h("div", null, h("h1", null, name), description ? h("p", { class: "hint" }, description) : null),
    ),
    h(
      "section",
      { class: "panel wide", "aria-label": name },
      h(
        "header",
        { class: "panel-head" },
        h("div", { class: "panel-title" }, h("h2", null, nameReport(report)), h("p", null, describeRange(answer))),
        h(
          "div",
          { class: "panel-actions" },
          h(
            "button",
            {
              type: "button",
              class: "button quiet small",
              "aria-label": "Download as CSV",
              onClick: () => saveCsv(name),
            },
            "CSV",
          ),
        ),
      ),
      h("div", { class: "panel-body" }, renderAnswer(report, interval ? { interval, ...answer } : answer)),
    ),
    h(
      "p",
      { class: "hint spaced" },
      `As of ${formatTime(answer.generatedAt, answer.tz)}, times in ${answer.tz}.${expiresAt ? ` This link ends on ${formatDay(expiresAt, answer.tz)}.` : ""}`,
    ),
  );
}

function describeRange({ from, to, tz }) {
  if (!from && !to) return "All time";
  const last = to ? new Date(Date.parse(to) - 1).toISOString() : null;
  return `${from ? formatDay(from, tz) : "The beginning"} to ${last ? formatDay(last, tz) : "now"}`;
}

async function saveCsv(name) {
  const response = await fetch(`${address}?format=csv`, { credentials: "omit", cache: "no-store" });
  saveFile(await response.blob(), `${name}.csv`);
}

begin();
