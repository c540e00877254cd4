"""Hypothesis strategies: the questions to ask of the streams of tests/streams.py, and what happens between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.streams import (
    ADDRESSES,
    ANCHORS,
    BROWSERS,
    KEYS,
    NAMES,
    OFFSETS,
    PAGE_VIEWS,
    PATHS,
    PERSONS,
    REFERRERS,
    SESSIONS,
    URLS,
    Json,
    Row,
    World,
    batches,
    format_moment,
    moments,
    scalars,
    worlds,
)  # fmt: skip


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
    "url": URLS,
    "page": PATHS,
    "referrer": REFERRERS,
    "userAgent": ["UA", "", BROWSERS[0]],
    "ip": ADDRESSES,
    "deviceType": ["desktop", "mobile"],
    "browser": ["Chrome", "Mobile Safari"],
    "channel": ["Direct", "Email", "Referral"],
    "utmSource": ["news"],
    "country": ["US", "GB"],
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
    if not draw(st.integers(0, 3)):
        params["includeBots"] = draw(st.booleans())
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


@st.composite
def breakdown_parameters(draw: st.DrawFn, world: World) -> Row:
    properties = st.one_of(known_conditions(world), column_conditions).map(lambda condition: condition["property"])
    by = draw(st.lists(properties, min_size=1, max_size=2, unique=True))
    params: Row = {"by": by if len(by) > 1 or "," in by[0] or draw(st.booleans()) else by[0]}
    if draw(st.booleans()):
        params["measure"] = draw(st.sampled_from(MEASURES))
        if params["measure"] in MEASURES[3:]:
            params["property"] = draw(st.sampled_from(["metadata.amount", "metadata.amount", "metadata.none", "url"]))
    if not draw(st.integers(0, 3)):
        params["eventName"] = draw(st.sampled_from(NAMES[:3]))
    if draw(st.booleans()):
        params["limit"] = draw(st.integers(1, 3))
    return params


INTERVALS = ["hour", "hour", "day", "week", "month"]
LONG_INTERVALS = st.sampled_from(["day", "week", "month"])
MEASURES = ["events", "users", "sessions", "sum", "average", "min", "max", "median"]
SOURCES = ["channel", "referrerHost", "utmSource", "utmMedium", "utmCampaign", "utmTerm", "utmContent"]
REPORTS = [
    "overview", "top-events", "events-timeseries", "funnel", "funnel", "conversion", "sessions", "sessions", "pages",
    "pages", "sources", "paths", "paths", "devices", "locations", "breakdown", "breakdown", "retention", "retention",
    "active-users", "stickiness", "lifecycle", "users",
]  # fmt: skip
few = st.integers(1, 4)


def own_parameters(world: World, report: str) -> st.SearchStrategy[Row]:
    """A report's own parameters, as they stand in a JSON body."""
    names = st.sampled_from(NAMES)
    intervals = st.sampled_from(INTERVALS)
    starts = st.sampled_from([*NAMES[:3], "/", "/a", *PAGE_VIEWS])
    parts: dict[str, st.SearchStrategy[Json]] = {"limit": st.integers(0, 5), "offset": st.integers(0, 5)}
    optional: dict[str, dict[str, st.SearchStrategy[Json]]] = {
        "top-events": {"limit": few},
        "events-timeseries": {"interval": intervals, "eventName": names},
        "sessions": {**parts, "interval": intervals},
        "pages": {"limit": few},
        "sources": {"by": st.sampled_from(SOURCES), "limit": few},
        "devices": {"limit": few},
        "locations": {"limit": few},
        "paths": {
            "start": starts,
            "by": st.sampled_from(["page", "event"]),
            "direction": st.sampled_from(["after", "before"]),
            "steps": st.integers(1, 10),
            "limit": few,
        },
        "retention": {
            "interval": LONG_INTERVALS,
            "intervals": st.integers(1, 8),
            "startEvent": names,
            "returnEvent": names,
            "cohort": st.sampled_from(["first", "recurring"]),
            "mode": st.sampled_from(["on", "on_or_after"]),
        },
        "lifecycle": {"interval": LONG_INTERVALS},
        "users": {
            "search": st.sampled_from(PERSONS),
            "sort": st.sampled_from(["lastSeen", "firstSeen", "events"]),
            "limit": few,
            "offset": st.integers(0, 5),
        },
    }
    strategies = {
        "funnel": funnel_parameters(world),
        "conversion": st.fixed_dictionaries({"eventName": names}),
        "breakdown": breakdown_parameters(world),
    }
    return strategies.get(report, st.fixed_dictionaries({}, optional=optional.get(report, {})))


@st.composite
def questions(draw: st.DrawFn, world: World, reports: Sequence[str] = REPORTS) -> tuple[str, Row]:
    """A report and its parameters, as they stand in a JSON body."""
    report = draw(st.sampled_from(reports))
    return report, draw(common_parameters(world)) | draw(own_parameters(world, report))


@st.composite
def streams_with(draw: st.DrawFn, extra: Callable[[World], st.SearchStrategy[Any]]) -> tuple[list[Row], Row, Any]:
    """Events, parameters that every report takes, and something drawn for the same world."""
    world = draw(worlds())
    return draw(batches(world)), draw(common_parameters(world)), draw(extra(world))


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
