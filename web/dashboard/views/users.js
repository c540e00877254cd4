/** The people one by one; with `users.id` in the address, one of them and all that this person did. */
import { formatNumber, formatTime, h, replace } from "../dom.js";
import { buildTable } from "../panel.js";
import { state } from "../state.js";
import { buildForm, keysOf, readFields, toState as fieldsToState } from "./fields.js";
import { buildPager, followRange, MAX_ROWS, personLink, readOffset, reportPanel } from "./report_panel.js";
import { showPerson } from "./person.js";

const ID = "users.id";
const OFFSET = "users.offset";
const PAGE_ROWS = 50;
const FIELDS = {
  search: { key: "users.search", label: "Find", kind: "text", empty: "part of an id", clears: [OFFSET] },
  sort: {
    key: "users.sort",
    label: "Sort by",
    fallback: "lastSeen",
    clears: [OFFSET],
    choices: [
      ["lastSeen", "last seen"],
      ["firstSeen", "first seen"],
      ["events", "events"],
    ],
  },
};

/** What shows a saved report here. */
export function toState(parameters) {
  return { view: "users", [ID]: null, [OFFSET]: parameters.offset || null, ...fieldsToState(FIELDS, parameters) };
}

/** Fill the container; the answer ends it. */
export function show(container) {
  let stop = () => {};
  const draw = ({ isFirst }) => {
    stop();
    const id = state.get(ID);
    stop = id === null ? showList(container) : showPerson(container, id, () => state.set({ [ID]: null }));
    if (!isFirst) document.querySelector("h1").focus();
  };
  draw({ isFirst: true });
  const unsubscribe = state.subscribe([ID], () => draw({ isFirst: false }));
  return () => {
    unsubscribe();
    stop();
  };
}

function showList(container) {
  const parameters = () => ({ ...readFields(FIELDS), limit: PAGE_ROWS, offset: readOffset(OFFSET), compare: null });
  const people = reportPanel({
    title: "People",
    report: "users",
    wide: true,
    watch: [...keysOf(FIELDS), OFFSET],
    parameters,
    csv: { report: "users", parameters: () => ({ ...parameters(), limit: MAX_ROWS }), fileName: "people.csv" },
    isEmpty: ({ total }) => total === 0,
    emptyText: "Nobody in this range.",
    render: (answer) => h("div", { class: "stack rows" }, buildRows(answer), buildPages(answer)),
  });
  replace(
    container,
    buildForm(() => FIELDS, "Find people"),
    h("div", { class: "grid" }, people),
  );
  return followRange(OFFSET);
}

function buildPages({ total, users }) {
  return buildPager({
    key: OFFSET,
    offset: readOffset(OFFSET),
    limit: PAGE_ROWS,
    shown: users.length,
    total,
    one: "person",
    many: "people",
  });
}

function buildRows({ users, tz }) {
  const columns = [
    { key: "userId", label: "Person", render: ({ userId }) => personLink(userId) },
    { key: "isIdentified", label: "Known", format: (isIdentified) => (isIdentified ? "user" : "anonymous") },
    { key: "events", label: "Events", format: formatNumber },
    { key: "firstSeen", label: "First seen", format: (time) => formatTime(time, tz) },
    { key: "lastSeen", label: "Last seen", format: (time) => formatTime(time, tz) },
  ];
  return buildTable({ columns, rows: users }, "People of this range");
}
