/** At which hours of the week there are how many events. */

import { askReport } from "../api.js";
import { formatNumber, h } from "../dom.js";
import { panel } from "../panel.js";
import { currentZone, measureHours, readRange } from "../range.js";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const MOST_HOURS = 24 * 100;

/** The panel of the week's hours; of a long range the last 90 days. */
export function buildHours() {
  const parameters = () => ({
    interval: "hour",
    compare: null,
    ...(measureHours(readRange()) >= MOST_HOURS ? { last: "90d" } : {}),
  });
  return panel({
    title: "Hours of the week",
    load: async (signal) => sumHours((await askReport("events-timeseries", parameters(), { signal })).series),
    isEmpty: ({ most }) => most === 0,
    render: buildHeat,
    table: ({ week }) => ({
      columns: [{ key: "day", label: "Day" }, ...HOURS.map((hour) => ({ key: `h${hour}`, label: String(hour) }))],
      rows: week.map((hours, day) => ({
        day: DAYS[day],
        ...Object.fromEntries(hours.map((count, hour) => [`h${hour}`, count])),
      })),
    }),
    csv: { report: "events-timeseries", parameters },
  });
}

function sumHours(series) {
  const week = DAYS.map(() => HOURS.map(() => 0));
  const local = new Intl.DateTimeFormat("en-GB", {
    timeZone: currentZone(),
    weekday: "short",
    hour: "2-digit",
    hourCycle: "h23",
  });
  for (const { bucket, count } of series) {
    if (!count) continue;
    const parts = Object.fromEntries(local.formatToParts(new Date(bucket)).map(({ type, value }) => [type, value]));
    week[DAYS.indexOf(parts.weekday)][Number(parts.hour)] += count;
  }
  return { week, most: Math.max(...week.flat()) };
}

function buildHeat({ week, most }) {
  return h(
    "table",
    { class: "hours" },
    h("caption", { class: "visually-hidden" }, "Events by weekday and hour"),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        h("td"),
        HOURS.map((hour) => h("th", { scope: "col" }, hour % 6 ? h("span", { class: "visually-hidden" }, hour) : hour)),
      ),
    ),
    h(
      "tbody",
      null,
      week.map((hours, day) =>
        h(
          "tr",
          null,
          h("th", { scope: "row" }, DAYS[day]),
          hours.map((count, hour) => buildCell(count, most, DAYS[day], hour)),
        ),
      ),
    ),
  );
}

function buildCell(count, most, day, hour) {
  const cell = h(
    "td",
    { class: "heat", title: `${day} ${hour}:00 – ${formatNumber(count)} events` },
    h("span", { class: "visually-hidden" }, formatNumber(count)),
  );
  cell.style.setProperty("--heat-strength", (0.06 + (0.94 * count) / most).toFixed(3));
  return cell;
}
