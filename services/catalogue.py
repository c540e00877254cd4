"""The catalogue: which events a project has, which properties they have, of which types, with which values.

It counts what reports over all time count: events of known crawlers, and those without a valid time, are left out. A
segment never changes, so what was found in one is remembered, and only what arrived since is looked through.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from columns.properties import COLUMNS, KINDS, MAX_PATH_KEYS, METADATA_PREFIX, Property, parse_property
from services import clock
from services.context import Context
from services.projects import Project
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import COMMON_FIELDS, ReportRequest, parse_count, parse_event_name, refuse
from services.reports.run import run_report
from services.reports.users import parse_search
from services.reports.values import format_number, format_value, list_value_columns

MAX_LISTED: Final = 1000
MAX_SHAPES: Final = 20_000
"""Kinds of metadata (keys and types) of a segment that are looked at, the most frequent first."""
MAX_EXAMPLES: Final = 5
MAX_EXAMPLE_LENGTH: Final = 200
SAMPLE_EVENTS: Final = 5_000
MAX_REMEMBERED: Final = 200
NOT_LISTED: Final = ("eventName", "eventId")
"""Every event has these."""
LISTED_COLUMNS: Final = {name: column for name, column in COLUMNS.items() if name not in NOT_LISTED}
KIND_OF_STRUCTURE: Final = {
    "VARCHAR": "text", "BOOLEAN": "boolean", "NULL": None,
    **dict.fromkeys(("UBIGINT", "BIGINT", "HUGEINT", "UHUGEINT", "DOUBLE"), "number"),
}  # fmt: skip
"""Type as `json_structure` names it -> kind of the value; null is absent, anything else a list or an object."""


class Seen(NamedTuple):
    """How often, and when last, as the engine has times."""

    events: int
    last: datetime

    def join(self, other: Seen | None) -> Seen:
        """Both together."""
        return self if other is None else Seen(self.events + other.events, max(self.last, other.last))


Key = tuple[str, str, str]
"""Name of an event, of a property, and kind of its value."""
Findings = dict[Key, Seen]


@dataclass(frozen=True)
class CatalogueParameters:
    """Of all events, or of one."""

    event_name: str | None


@dataclass(frozen=True)
class ValuesParameters:
    """`search` is a part of the value as text, in capitals or not."""

    prop: Property
    event_name: str | None
    search: str | None
    limit: int


NOT_TAKEN: Final = {name: refuse for name in COMMON_FIELDS if name != "projectKey"}


def parse_property_field(value: object) -> Property:
    """A property by its name."""
    if not isinstance(value, str) or any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("must be the name of a property")
    return parse_property(value)


def parse_whole(values: dict[str, Any]) -> CatalogueParameters:
    """Of all events, or of the one that is named."""
    return CatalogueParameters(values.get("eventName"))


def parse_values(values: dict[str, Any]) -> ValuesParameters:
    """The 20 most frequent ones by default."""
    return ValuesParameters(
        values["property"], values.get("eventName"), values.get("search"), values.get("limit", 20)
    )


def compute_catalogue(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Events and properties, the most frequent first, MAX_LISTED of each at most."""
    events = fetch_events(population.renew())
    return {
        "events": events[:MAX_LISTED],
        "eventsAreAll": len(events) <= MAX_LISTED,
        **compute_properties(population, request),
    }


def compute_properties(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Properties, the most frequent first, MAX_LISTED at most."""
    parameters: CatalogueParameters = request.parameters
    findings, are_all = find_everything(population)
    found: dict[str, dict[str, Seen]] = {}
    for (event_name, prop, kind), seen in findings.items():
        if parameters.event_name in (None, event_name):
            kinds = found.setdefault(prop, {})
            kinds[kind] = seen.join(kinds.get(kind))
    ranked = sorted(found.items(), key=lambda item: (-count_all(item[1]), item[0]))
    examples = fetch_examples(population.renew(), parameters.event_name)
    return {
        "properties": [format_property(name, kinds, examples.get(name)) for name, kinds in ranked[:MAX_LISTED]],
        "propertiesAreAll": are_all and len(ranked) <= MAX_LISTED,
    }


def count_all(kinds: Mapping[str, Seen]) -> int:
    """Events that have the property, in whatever kind."""
    return sum(seen.events for seen in kinds.values())


def format_property(name: str, kinds: Mapping[str, Seen], examples: Counter[Any] | None) -> dict[str, Any]:
    """A property of the list."""
    ranked = sorted((examples or Counter()).items(), key=lambda item: (-item[1], repr(item[0])))
    return {
        "property": name,
        "types": {kind: kinds[kind].events if kind in kinds else 0 for kind in KINDS},
        "events": count_all(kinds),
        "examples": [value for (_, value), _ in ranked[:MAX_EXAMPLES]],
        "lastSeen": format_time(max(seen.last for seen in kinds.values())),
    }


def format_time(moment: datetime) -> str:
    """A time of the engine as the API shows it."""
    return clock.format_ms(clock.to_ms(moment.replace(tzinfo=clock.EPOCH.tzinfo)))


def fetch_events(population: Population) -> list[dict[str, Any]]:
    """One more than are listed, if there are so many."""
    rows = population.fetch(f"""
        SELECT event_name, count(*), min(occurred_at), max(occurred_at) FROM ({population.build_sql()})
        GROUP BY event_name ORDER BY count(*) DESC, event_name LIMIT {MAX_LISTED + 1}""")
    return [
        {"eventName": name, "count": count, "firstSeen": format_time(first), "lastSeen": format_time(last)}
        for name, count, first, last in rows
    ]


_remembered: OrderedDict[str, tuple[Findings, bool]] = OrderedDict()
_lock = threading.Lock()


def find_everything(population: Population) -> tuple[Findings, bool]:
    """What all events have, and whether nothing was left out."""
    found: Findings = {}
    are_all = True
    for part, is_complete in list_parts(population):
        for key, seen in part.items():
            found[key] = seen.join(found.get(key))
        are_all = are_all and is_complete
    return found, are_all


def list_parts(population: Population) -> Iterator[tuple[Findings, bool]]:
    """What each segment has, and what is in no segment yet."""
    whole = population.snapshot
    for segment in whole.segments:
        with _lock:
            part = _remembered.get(segment.file)
        if part is None:
            alone = replace(whole, segments=(segment,), tail=None, patch=None)
            part = find_in_part(replace(population.renew(), snapshot=alone))
        with _lock:
            _remembered[segment.file] = part
            _remembered.move_to_end(segment.file)
            while len(_remembered) > MAX_REMEMBERED:
                _remembered.popitem(last=False)
        yield part
    if whole.tail is not None:
        yield find_in_part(replace(population.renew(), snapshot=replace(whole, segments=(), patch=None)))


def find_in_part(part: Population) -> tuple[Findings, bool]:
    """What the events of one part have, and whether nothing was left out."""
    found: Findings = {}
    for key, seen in find_in_columns(part.renew()):
        found[key] = seen.join(found.get(key))
    shapes = 0
    for event_name, shape, count, last in fetch_shapes(part.renew()):
        shapes += 1
        for name, kind in list_members(msgspec.json.decode(shape), ()):
            key = (event_name, name, kind)
            found[key] = Seen(count, last).join(found.get(key))
    return found, shapes < MAX_SHAPES


def find_in_columns(part: Population) -> Iterator[tuple[Key, Seen]]:
    """What the fields of events have, and what was found out about them."""
    columns = ", ".join(
        f"count({column}), max(occurred_at) FILTER ({column} IS NOT NULL)" for column in LISTED_COLUMNS.values()
    )
    for event_name, *numbers in part.stream(f"SELECT event_name, {columns} FROM ({part.build_sql()}) GROUP BY ALL"):
        for name, count, last in zip(LISTED_COLUMNS, numbers[::2], numbers[1::2], strict=True):
            if count:
                yield (event_name, name, "text"), Seen(count, last)


def fetch_shapes(part: Population) -> Iterator[tuple[Any, ...]]:
    """Name of the event, keys and types of its metadata, number and last time of such events."""
    return part.stream(f"""
        SELECT event_name, json_structure(metadata) AS shape, count(*), max(occurred_at)
        FROM ({part.build_sql()}) WHERE metadata IS NOT NULL
        GROUP BY event_name, shape ORDER BY count(*) DESC, event_name, shape LIMIT {MAX_SHAPES}""")


def list_members(shape: Any, parent: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Name and kind of each property in metadata of a shape; an object is one, and so are its members."""
    if not isinstance(shape, dict) or len(parent) >= MAX_PATH_KEYS:
        return
    for key, structure in shape.items():
        path = (*parent, key)
        kind = KIND_OF_STRUCTURE.get(structure, "other") if isinstance(structure, str) else "other"
        if kind is not None:
            yield name_path(path), kind
        yield from list_members(structure, path)


def name_path(path: Iterable[str]) -> str:
    """The property at a path, as `columns.properties.parse_property` reads it."""
    return METADATA_PREFIX + ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in path)


def fetch_examples(population: Population, event_name: str | None) -> dict[str, Counter[Any]]:
    """Property -> its values in the newest SAMPLE_EVENTS events, with their kind, and how often each is there."""
    found: dict[str, Counter[Any]] = {}
    for metadata, *values in fetch_sample(population, event_name):
        members = list(zip(LISTED_COLUMNS, values, strict=True))
        if metadata is not None:
            members += list_leaves(msgspec.json.decode(metadata), ())
        for name, value in members:
            example = build_example(value)
            if example is not None:
                found.setdefault(name, Counter())[example] += 1
    return found


def build_example(value: Any) -> tuple[str, Any] | None:
    """Kind and value; a number as reports see it, a double. None for what is no example: lists, nulls, long texts."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", format_number(float(value))
    return ("text", value) if isinstance(value, str) and len(value) <= MAX_EXAMPLE_LENGTH else None


def fetch_sample(population: Population, event_name: str | None) -> Iterator[tuple[Any, ...]]:
    """Metadata and `LISTED_COLUMNS` of the newest events."""
    named = "true" if event_name is None else f"event_name = {population.bind(event_name)}"
    events = f"SELECT * FROM ({population.build_sql()}) WHERE {named}"
    ((since,),) = population.fetch(f"""
        SELECT min(occurred_at) FROM (
            SELECT occurred_at FROM ({events}) ORDER BY occurred_at DESC LIMIT {SAMPLE_EVENTS})""")
    if since is None:
        return iter(())
    return population.stream(f"""
        SELECT metadata, {", ".join(LISTED_COLUMNS.values())} FROM ({events})
        WHERE occurred_at >= {population.bind(since)}
        ORDER BY occurred_at DESC, event_id DESC LIMIT {SAMPLE_EVENTS}""")


def list_leaves(fields: Mapping[str, Any], parent: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Property and value of each member of metadata, down to where it is no object."""
    for key, value in fields.items():
        path = (*parent, key)
        if isinstance(value, dict):
            if len(path) < MAX_PATH_KEYS:
                yield from list_leaves(value, path)
        else:
            yield name_path(path), value


def compute_values(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The most frequent values, equal ones by kind and value; lists and objects as JSON text."""
    parameters: ValuesParameters = request.parameters
    keys = list_value_columns(population, parameters.prop)
    columns = ", ".join(f"{key} AS {kind}_value" for kind, key in zip(KINDS, keys, strict=True))
    names = [f"{kind}_value" for kind in KINDS]
    conditions = [f"coalesce({', '.join(f'{name}::VARCHAR' for name in names)}) IS NOT NULL"]
    if parameters.search is not None:
        text = f"lower(coalesce({', '.join(f'{name}::VARCHAR' for name in names)}))"
        conditions.append(f"contains({text}, lower({population.bind(parameters.search)}))")
    named = "true" if parameters.event_name is None else f"event_name = {population.bind(parameters.event_name)}"
    rows = population.fetch(f"""
        SELECT {", ".join(names)}, count(*) FROM (
            SELECT {columns} FROM ({population.build_sql()}) WHERE {named}
        ) WHERE {" AND ".join(conditions)}
        GROUP BY ALL ORDER BY count(*) DESC, {", ".join(f"{name} NULLS LAST" for name in names)}
        LIMIT {parameters.limit + 1:d}""")
    shown = rows[: parameters.limit]
    return {
        "property": parameters.prop.name,
        "values": [{"value": format_value(tuple(key)), "events": count} for *key, count in shown],
        "valuesAreAll": len(rows) <= parameters.limit,
    }


CATALOGUE: Final = Report(
    "catalogue", {**NOT_TAKEN}, parse_whole, compute_catalogue, lambda result: result["properties"], ()
)
PROPERTIES: Final = Report(
    "catalogue-properties", {**NOT_TAKEN, "eventName": parse_event_name}, parse_whole, compute_properties,
    lambda result: result["properties"], (),
)  # fmt: skip
VALUES: Final = Report(
    "catalogue-values",
    {
        **NOT_TAKEN, "property": parse_property_field, "eventName": parse_event_name, "search": parse_search,
        "limit": partial(parse_count, least=1, most=MAX_LISTED),
    },
    parse_values, compute_values, lambda result: result["values"], (),
    required=("property",), list_properties=lambda parameters: (parameters.prop,),
)  # fmt: skip


def fetch_catalogue(
    context: Context, report: Report, fields: Mapping[str, Any], project: Project
) -> dict[str, Any]:
    """`{projectKey, ...result..., cached, generatedAt}` of one of the three. Raises like `run_report`."""
    answer = run_report(context, report, fields, project)
    return {name: value for name, value in answer.items() if name not in ("from", "to", "tz")}
