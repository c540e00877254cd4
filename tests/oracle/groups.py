"""breakdown, devices and locations: the population by values of its properties."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from tests.oracle.events import Event
from tests.oracle.population import Population
from tests.oracle.properties import read_property
from tests.oracle.sessions import list_sessions
from tests.oracle.values import Json, Row, find_kind, format_value, show_value

KINDS = ("text", "number", "boolean", "list", "absent")
Key = tuple[tuple[str, Json], ...]
"""Values of some properties: each its kind and how it is shown."""


def group_events(events: list[Event], names: Sequence[str]) -> dict[Key, list[Event]]:
    """The events by the values of properties; kinds are kept apart."""
    groups: dict[Key, list[Event]] = defaultdict(list)
    for event in events:
        values = [read_property(event, name) for name in names]
        groups[tuple((find_kind(value), show_value(value)) for value in values)].append(event)
    return groups


def list_shown(key: Key) -> list[Json]:
    return [shown for _, shown in key]


def order_key(key: Key) -> list[tuple[bool, str, int]]:
    """By the values as text, absent ones last; of the same text: texts, numbers, booleans, lists and objects."""
    return [(*format_value(shown), KINDS.index("list" if kind == "object" else kind)) for kind, shown in key]


# Breakdown


def compute_breakdown(population: Population, params: Mapping[str, Json]) -> Row:
    names = [params["by"]] if isinstance(params["by"], str) else params["by"]
    limit = params.get("limit", 10)
    events = [event for event in population.events if params.get("eventName", event.name) == event.name]
    groups = [(key, measure(population, held, params), held) for key, held in group_events(events, names).items()]
    groups.sort(key=lambda group: (group[1] is None, -(group[1] or 0), order_key(group[0])))
    rest = [event for _, _, held in groups[limit:] for event in held]
    other = {"groups": len(groups[limit:]), "value": measure(population, rest, params), "events": len(rest)}
    return {
        "by": names,
        "measure": params.get("measure", "events"),
        "groups": [
            {"values": list_shown(key), "value": value, "events": len(held)} for key, value, held in groups[:limit]
        ],
        "other": other if rest else None,
        "total": {"value": measure(population, events, params), "events": len(events)},
    }


def measure(population: Population, events: list[Event], params: Mapping[str, Json]) -> float | None:
    """The measure over events of the population."""
    kind = params.get("measure", "events")
    if kind == "events":
        return len(events)
    if kind == "users":
        return population.count_users(events)
    if kind == "sessions":
        return len(list_sessions(replace(population, events=events)))
    values = [read_property(event, params["property"]) for event in events]
    numbers = [float(value) for value in values if find_kind(value) == "number"]
    if kind == "sum":
        return math.fsum(numbers)  # of nothing: 0
    if not numbers:
        return None
    if kind == "average":
        return math.fsum(numbers) / len(numbers)
    return {"min": min(numbers), "max": max(numbers), "median": median(numbers)}[kind]


# Devices, locations


def count_groups(population: Population, names: Sequence[str], shown: Sequence[str], limit: int) -> list[Row]:
    """Events and persons for each combination of values: the most events first, then by values, null last."""
    groups = sorted(
        group_events(population.events, names).items(), key=lambda group: (-len(group[1]), order_key(group[0]))
    )
    return [
        {**dict(zip(shown, list_shown(key), strict=True)), **population.count(held)} for key, held in groups[:limit]
    ]


def compute_devices(population: Population, params: Mapping[str, Json]) -> Row:
    limit = params.get("limit", 10)
    lists = {"deviceTypes": "deviceType", "browsers": "browser", "operatingSystems": "os", "screens": "screen"}
    combined = ["deviceType", "browser", "os"]
    return {
        **{title: count_groups(population, [name], ["value"], limit) for title, name in lists.items()},
        "combinations": count_groups(population, combined, combined, limit),
    }


def compute_locations(population: Population, params: Mapping[str, Json]) -> Row:
    limit = params.get("limit", 10)
    lists = {"countries": ["country"], "regions": ["country", "region"], "cities": ["country", "region", "city"]}
    return {title: count_groups(population, names, names, limit) for title, names in lists.items()}
