"""Hypothesis strategies: streams of hostile events and the questions to ask of them.

Small alphabets everywhere, so that ids, names, times and values collide. A stream plays around one anchor, mostly a
clock change of the zone it is asked in. Every event has an explicit eventId.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

Json = Any
Row = dict[str, Any]

# Zone -> instants at which its clocks change (Kathmandu: an ordinary day of a zone with an odd offset).
ANCHORS = {
    "UTC": ["2024-02-29T00:00:00", "2023-01-01T00:00:00"],
    "Europe/Berlin": ["2024-03-31T01:00:00", "2024-10-27T01:00:00"],
    "America/New_York": ["2024-03-10T07:00:00", "2024-11-03T06:00:00"],
    "Australia/Lord_Howe": ["2024-04-06T15:00:00", "2024-10-05T15:30:00"],
    "Asia/Kathmandu": ["2024-03-02T18:15:00"],
    "America/Sao_Paulo": ["2017-10-15T03:00:00", "2017-02-19T02:00:00"],
    "Africa/Casablanca": ["2024-03-10T02:00:00", "2024-04-14T02:00:00"],
}
OFFSETS = [timedelta(0), timedelta(hours=2), timedelta(hours=-3, minutes=-30), timedelta(hours=5, minutes=45)]

NAMES = ["a", "b", "c", "A", "ä"]
PERSONS = ["x", "y", "u", "v", "\uff5e", "\U0001f600"]
SESSIONS = ["s", "t", "x"]
PATHS = ["/", "/a", "/A?q=1", "/ä"]
KEYS = ["k", "K", "a", "a.b", "$k", "", "nul\0key", 'it\'s "quoted"', "back\\slash", "ключ", "k k", "timestamp"]
NUMBERS = [0, -0.0, 1, 1.0, -1, 0.5, 10, 9, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**25, 1e300, 1e-7, 1234.56]
TEXTS = ["", "a", "A", "ab", "b", "1", "10", "9", "true", "null", "nul\0value", "%_", "it's", "\uff5e", "\U0001f600"]
INVALID_TIMESTAMPS = ["", "soon", "2024-02-30T00:00:00Z", "2024-03-31T25:00:00Z", "0001-01-01T00:00:00+05:00", True, []]

scalars = st.one_of(st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.booleans())
leaves = st.one_of(scalars, st.none())
shallow = st.one_of(leaves, st.lists(leaves, max_size=3), st.dictionaries(st.sampled_from(KEYS), leaves, max_size=2))
values = st.one_of(
    scalars, shallow, st.lists(shallow, max_size=2), st.dictionaries(st.sampled_from(KEYS), shallow, max_size=3)
)
metadata = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(KEYS[:4]), scalars),
    st.dictionaries(st.sampled_from(KEYS), values, max_size=4),
)


def moments(anchor: datetime) -> st.SearchStrategy[datetime]:
    """Instants within three days of the anchor, many of them equal or exactly a session's gap apart."""
    days = st.sampled_from([0, 0, 0, 0, -1, 1, -3, 2])
    minutes = st.sampled_from([0, 0, -1, 1, 30, -30, 60, -60, 45, 90, 300, -300])
    milliseconds = st.sampled_from([0, 0, 0, 1, -1, 500])
    return st.builds(
        lambda day, minute, ms: anchor + timedelta(days=day, minutes=minute, milliseconds=ms),
        days,
        minutes,
        milliseconds,
    )


def format_moment(moment: datetime, offset: timedelta, style: str) -> str:
    if style == "Z":
        return moment.replace(tzinfo=None).isoformat() + "Z"
    if style == "naive":
        return moment.replace(tzinfo=None).isoformat(sep=" ")
    if style == "microseconds":
        return (moment + timedelta(microseconds=999)).isoformat(timespec="microseconds")
    return moment.astimezone(timezone(offset)).isoformat()


def timestamps(anchor: datetime) -> st.SearchStrategy[Json]:
    styles = st.sampled_from(["Z", "Z", "naive", "microseconds", "offset"])
    valid = st.builds(format_moment, moments(anchor), st.sampled_from(OFFSETS), styles)
    return st.integers(0, 15).flatmap(lambda draw: st.sampled_from(INVALID_TIMESTAMPS) if draw == 15 else valid)


def optional(alphabet: list[Json], *, absent: int = 1) -> st.SearchStrategy[Json]:
    return st.sampled_from([*alphabet, *([None] * absent)])


actors = st.fixed_dictionaries(
    {
        "anonymousId": optional(["x", "y", "x", "y", "u", "", 7]),
        "userId": optional([*PERSONS[2:], "", "7"], absent=4),
    },
    optional={"sessionId": optional([*SESSIONS, ""], absent=2)},
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "url": optional(PATHS),
        "referrer": optional(PATHS),
        "userAgent": optional(["UA", ""]),
        "ip": optional(["10.0.0.1", "::1"]),
        "metadata": metadata,
        "k": scalars,
        "plan": shallow,
    },
)


@dataclass(frozen=True)
class World:
    """What the events of one stream are put together from, and the zone they are mostly asked in."""

    zone: str
    anchor: datetime
    timestamps: list[Json]
    actors: list[Row]
    contents: list[Row]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    zone = draw(st.sampled_from(sorted(ANCHORS)))
    anchor = draw(st.sampled_from(ANCHORS[zone]).map(lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC)))
    return World(
        zone,
        anchor,
        draw(st.lists(timestamps(anchor), min_size=5, max_size=12)),
        draw(st.lists(actors, min_size=3, max_size=6)),
        draw(st.lists(contents, min_size=2, max_size=4)),
    )


def client_events(world: World) -> st.SearchStrategy[Row]:
    """Events as a client posts them; now and then one that is refused."""
    return st.builds(
        lambda number, name, timestamp, actor, content: {
            "eventId": f"e{number}",
            "eventName": name,
            "timestamp": timestamp,
            **actor,
            **content,
        },
        st.integers(0, 150),
        st.sampled_from([*NAMES[:3] * 6, *NAMES, ""]),
        st.sampled_from(world.timestamps),
        st.sampled_from(world.actors),
        st.sampled_from(world.contents),
    )


def batches(world: World) -> st.SearchStrategy[list[Row]]:
    """From one event to 40, often many."""
    return st.sampled_from([15, 25, 40, 6, 1]).flatmap(
        lambda size: st.lists(client_events(world), min_size=size, max_size=size)
    )


# Questions


def escape_key(key: str) -> str:
    return key.replace("\\", "\\\\").replace(".", "\\.")


keys = st.sampled_from(KEYS + ["k"] * 6 + ["plan"])
metadata_properties = st.lists(keys, min_size=1, max_size=2).map(
    lambda path: "metadata." + ".".join(map(escape_key, path))
)
column_values = {
    "eventName": NAMES,
    "eventId": ["e0", "e1", "e30"],
    "userId": [*PERSONS, "7"],
    "anonymousId": [*PERSONS, "7"],
    "sessionId": SESSIONS,
    "url": PATHS,
    "referrer": PATHS,
    "userAgent": ["UA", ""],
    "ip": ["10.0.0.1", "::1"],
}


def conditions_on(name: str, alphabet: st.SearchStrategy[Json]) -> st.SearchStrategy[Row]:
    text = alphabet.filter(lambda value: isinstance(value, str))
    ordered = alphabet.filter(lambda value: not isinstance(value, bool))

    def condition(operators: list[str], value: st.SearchStrategy[Json] | None) -> st.SearchStrategy[Row]:
        fixed = {"property": st.just(name), "operator": st.sampled_from(operators)}
        return st.fixed_dictionaries(fixed if value is None else {**fixed, "value": value})

    return st.one_of(
        condition(["eq", "neq"], alphabet),
        condition(["in", "not_in"], st.lists(alphabet, min_size=1, max_size=3)),
        condition(["contains", "not_contains"], alphabet),
        condition(["starts_with"], text),
        condition(["gt", "gte", "lt", "lte"], ordered),
        condition(["exists", "not_exists"], None),
    )


def list_properties(value: Json, path: str) -> list[tuple[str, Json]]:
    """Every property of an object, at any depth, by its path."""
    found = []
    for key, child in value.items() if isinstance(value, dict) else ():
        found += [(f"{path}.{escape_key(key)}", child), *list_properties(child, f"{path}.{escape_key(key)}")]
    return found


def known_conditions(world: World) -> st.SearchStrategy[Row]:
    """Conditions on metadata that the stream has, mostly with values that it has there."""
    known: dict[str, list[Json]] = {}
    for content in world.contents:
        given = {
            **{name: content[name] for name in ("k", "plan") if name in content},
            **(content.get("metadata") or {}),
        }
        for path, value in list_properties(given, "metadata"):
            parts = value if isinstance(value, list) else [value]
            known.setdefault(path, ["a", 1]).extend(part for part in parts if isinstance(part, str | int | float))
    if not known:
        return column_conditions
    return st.sampled_from(sorted(known)).flatmap(lambda path: conditions_on(path, st.sampled_from(known[path])))


column_conditions = st.sampled_from(sorted(column_values)).flatmap(
    lambda name: conditions_on(name, st.sampled_from(column_values[name]))
)
blind_conditions = metadata_properties.flatmap(lambda name: conditions_on(name, scalars))


def conditions(world: World) -> st.SearchStrategy[Row]:
    return st.one_of(known_conditions(world), column_conditions, blind_conditions)


def steps(world: World) -> st.SearchStrategy[Json]:
    names = st.sampled_from(NAMES[:3])
    filters = st.lists(conditions(world), max_size=1)
    return st.one_of(names, names, st.fixed_dictionaries({"eventName": names, "filters": filters}))


@st.composite
def bounds(draw: st.DrawFn, anchor: datetime, zone: str) -> Row:
    """`from` and `to`, each of them perhaps missing, as instants or bare local dates."""

    def render(moment: datetime) -> str:
        if draw(st.booleans()):
            return moment.astimezone(ZoneInfo(zone)).date().isoformat()
        return format_moment(moment, draw(st.sampled_from(OFFSETS)), draw(st.sampled_from(["Z", "offset"])))

    start, end = sorted([draw(moments(anchor)), draw(moments(anchor))])
    end = end + timedelta(days=2) if end - start < timedelta(days=2) else end
    chosen = {"from": render(start), "to": render(end)}
    missing = draw(st.sampled_from([("from", "to"), ("from",), ("to",), (), (), ()]))
    return {name: value for name, value in chosen.items() if name not in missing}


@st.composite
def common_parameters(draw: st.DrawFn, world: World) -> Row:
    """What every report takes: bounds, zone, filters, comparing."""
    zone = draw(st.one_of(st.just(world.zone), st.just(world.zone), st.sampled_from(sorted(ANCHORS))))
    params: Row = draw(bounds(world.anchor, zone))
    if {"from", "to"} <= params.keys() and draw(st.booleans()):
        params["compare"] = "previous"
    if zone != "UTC" or draw(st.booleans()):
        params["tz"] = zone
    size = draw(st.sampled_from([0, 0, 0, 1, 2]))
    if size or draw(st.booleans()):
        params["filters"] = draw(st.lists(conditions(world), min_size=size, max_size=size))
    return params


@st.composite
def funnel_parameters(draw: st.DrawFn, world: World) -> Row:
    params: Row = {
        "steps": draw(st.sampled_from([2, 3, 1, 4]).flatmap(lambda n: st.lists(steps(world), min_size=n, max_size=n)))
    }
    if draw(st.integers(0, 3)):
        params["order"] = draw(st.sampled_from(["ordered", "strict", "any"]))
    if draw(st.booleans()):
        params["windowSeconds"] = draw(st.sampled_from([3600, 1, 60, 1800, 86400]))
    if draw(st.booleans()):
        properties = st.one_of(known_conditions(world), column_conditions).map(lambda condition: condition["property"])
        params["breakdown"] = draw(properties)
        if draw(st.booleans()):
            params["breakdownLimit"] = draw(st.integers(1, 3))
    return params


INTERVALS = ["hour", "hour", "day", "week", "month"]
REPORTS = ["overview", "top-events", "events-timeseries", "funnel", "funnel", "conversion"]


def own_parameters(world: World, report: str) -> st.SearchStrategy[Row]:
    names = st.sampled_from(NAMES)
    strategies: dict[str, st.SearchStrategy[Row]] = {
        "overview": st.just({}),
        "top-events": st.fixed_dictionaries({}, optional={"limit": st.integers(1, 4)}),
        "events-timeseries": st.fixed_dictionaries(
            {}, optional={"interval": st.sampled_from(INTERVALS), "eventName": names}
        ),
        "funnel": funnel_parameters(world),
        "conversion": st.fixed_dictionaries({"eventName": names}),
    }
    return strategies[report]


@st.composite
def questions(draw: st.DrawFn, world: World) -> tuple[str, Row]:
    """A report and its parameters, as they stand in a JSON body."""
    report = draw(st.sampled_from(REPORTS))
    return report, draw(common_parameters(world)) | draw(own_parameters(world, report))


# Scenarios

LAYOUT_CHANGES = ["seal", "merge", "forget"]


@dataclass(frozen=True)
class Part:
    """One posted batch, then changes of the columnar copy's layout, then questions about all that came so far."""

    events: list[Row]
    layout_changes: list[str]
    questions: list[tuple[str, Row]]


@st.composite
def scenarios(draw: st.DrawFn, *, max_parts: int = 4, max_questions: int = 3) -> list[Part]:
    world = draw(worlds())
    part = st.builds(
        Part,
        events=batches(world),
        layout_changes=st.lists(st.sampled_from(LAYOUT_CHANGES), max_size=2),
        questions=st.lists(questions(world), min_size=1, max_size=max_questions),
    )
    return draw(st.lists(part, min_size=1, max_size=max_parts))
