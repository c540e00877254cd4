/** The lists of the overview: which report, which part of its answer, and what a row is filtered by. */

import { formatRatio, formatSeconds } from "../dom.js";

const NAMES = new Intl.DisplayNames(["en"], { type: "region" });
const UNKNOWN = "Unknown";

export const PAGES = {
  title: "Pages",
  report: "pages",
  value: "views",
  readRows: ({ pages }) => pages.filter(({ views }) => views > 0),
  readKey: ({ page }) => page,
  formatKey: (page) => page ?? UNKNOWN,
  findProperty: () => "page",
  emptyText: "No page views in this range.",
  buildColumns: () => [
    { key: "page", label: "Page" },
    { key: "views", label: "Views" },
    { key: "visitors", label: "Visitors" },
    { key: "entries", label: "Entries" },
    { key: "exits", label: "Exits" },
    { key: "bounceRate", label: "Bounces", format: formatRatio, isNumber: true },
    { key: "averageTimeSeconds", label: "Time on it", format: formatSeconds, isNumber: true },
  ],
};

export const SOURCES = {
  title: "Sources",
  report: "sources",
  value: "sessions",
  tabs: {
    key: "overview.sources",
    label: "Sources by",
    choices: [
      ["channel", "Channel"],
      ["referrerHost", "Referrer"],
      ["utmSource", "Source"],
      ["utmCampaign", "Campaign"],
    ],
  },
  parameters: (by) => ({ by }),
  readRows: ({ sources }) => sources,
  readKey: ({ source }) => source,
  formatKey: (source) => source ?? "None",
  findProperty: (by) => by,
  emptyText: "No sessions in this range.",
  buildColumns: () => [
    { key: "source", label: "Source", format: (value) => value ?? "None" },
    { key: "sessions", label: "Sessions" },
    { key: "visitors", label: "Visitors" },
    { key: "bounceRate", label: "Bounces", format: formatRatio, isNumber: true },
    { key: "averageDurationSeconds", label: "Average duration", format: formatSeconds, isNumber: true },
  ],
};

export const EVENTS = {
  title: "Events by name",
  report: "top-events",
  value: "count",
  readRows: ({ events }) => events,
  readKey: ({ eventName }) => eventName,
  formatKey: (name) => name,
  open: (name) => ({ view: "explore", "explore.events": [name] }),
  buildColumns: () => [
    { key: "eventName", label: "Event" },
    { key: "count", label: "Events" },
    { key: "uniqueUsers", label: "Users" },
  ],
};

const DEVICE_PARTS = { deviceType: "deviceTypes", browser: "browsers", os: "operatingSystems", screen: "screens" };

export const DEVICES = {
  title: "Devices",
  report: "devices",
  value: "uniqueUsers",
  tabs: {
    key: "overview.devices",
    label: "Devices by",
    choices: [
      ["deviceType", "Type"],
      ["browser", "Browser"],
      ["os", "System"],
      ["screen", "Screen"],
    ],
  },
  readRows: (answer, part) => answer[DEVICE_PARTS[part]],
  readKey: ({ value }) => value,
  formatKey: (value) => value ?? UNKNOWN,
  findProperty: (part) => part,
  buildColumns: () => [
    { key: "value", label: "Device", format: (value) => value ?? UNKNOWN },
    { key: "uniqueUsers", label: "Users" },
    { key: "count", label: "Events" },
  ],
};

const PLACE_PARTS = { country: "countries", region: "regions", city: "cities" };

export const PLACES = {
  title: "Places",
  report: "locations",
  value: "uniqueUsers",
  tabs: {
    key: "overview.places",
    label: "Places by",
    choices: [
      ["country", "Country"],
      ["region", "Region"],
      ["city", "City"],
    ],
  },
  readRows: (answer, part) => answer[PLACE_PARTS[part]],
  readKey: (row, part) => row[part],
  formatKey: formatPlace,
  findProperty: (part) => part,
  buildColumns: (part) => [
    ...["country", "region", "city"]
      .slice(0, ["country", "region", "city"].indexOf(part) + 1)
      .map((key) => ({ key, label: key[0].toUpperCase() + key.slice(1), format: (value) => formatPlace(value, key) })),
    { key: "uniqueUsers", label: "Users" },
    { key: "count", label: "Events" },
  ],
};

function formatPlace(place, part) {
  if (place === null) return UNKNOWN;
  return part === "country" && /^[A-Z]{2}$/.test(place) ? (NAMES.of(place) ?? place) : place;
}
