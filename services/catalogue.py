"""The catalogue: which events a project has, which properties they have, of which types, with which values.

It counts what reports over all time count: events of known crawlers, and those without a valid time, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from columns.properties import KINDS, Property, parse_property
from services import clock
from services.catalogue_examples import fetch_examples
from services.catalogue_parts import Part, SeenEvent, SeenProperty, add_up, list_parts
from services.context import Context
from services.projects import Project
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import COMMON_FIELDS, ReportRequest, parse_count, parse_event_name, refuse
from services.reports.run import run_report
from services.reports.users import parse_search
from services.reports.values import format_value, list_value_columns

MAX_LISTED: Final = 1000


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
    parts = list(list_parts(population))
    events = list_events(parts)
    return {
        "events": events[:MAX_LISTED],
        "eventsAreAll": len(events) <= MAX_LISTED,
        **build_properties(population, parts, request.parameters),
    }


def compute_properties(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Properties, the most frequent first, MAX_LISTED at most."""
    return build_properties(population, list(list_parts(population)), request.parameters)


def list_events(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """All names of events."""
    found: dict[str, SeenEvent] = {}
    for seen in (each for part in parts for each in part.events):
        other = found.get(seen.event_name, seen._replace(events=0))
        found[seen.event_name] = SeenEvent(
            seen.event_name, seen.events + other.events, min(seen.first_ms, other.first_ms),
            max(seen.last_ms, other.last_ms),
        )  # fmt: skip
    return [
        {
            "eventName": seen.event_name,
            "count": seen.events,
            "firstSeen": clock.format_ms(seen.first_ms),
            "lastSeen": clock.format_ms(seen.last_ms),
        }
        for seen in sorted(found.values(), key=lambda seen: (-seen.events, seen.event_name))
    ]


def build_properties(
    population: Population, parts: Sequence[Part], parameters: CatalogueParameters
) -> dict[str, Any]:
    """The properties of all parts together."""
    found: dict[str, list[SeenProperty]] = {}
    for seen in add_up(each for part in parts for each in part.properties):
        if parameters.event_name in (None, seen.event_name):
            found.setdefault(seen.name, []).append(seen)
    ranked = sorted(found.items(), key=lambda item: (-count_all(item[1]), item[0]))
    examples = fetch_examples(population.renew(), parameters.event_name)
    return {
        "properties": [format_property(name, seen, examples.get(name, [])) for name, seen in ranked[:MAX_LISTED]],
        "propertiesAreAll": all(part.is_complete for part in parts) and len(ranked) <= MAX_LISTED,
    }


def count_all(seen: Iterable[SeenProperty]) -> int:
    """Events that have the property, in whatever kind."""
    return sum(each.events for each in seen)


def format_property(name: str, seen: Sequence[SeenProperty], examples: Sequence[Any]) -> dict[str, Any]:
    """A property of the list."""
    return {
        "property": name,
        "types": {kind: count_all(each for each in seen if each.kind == kind) for kind in KINDS},
        "events": count_all(seen),
        "examples": list(examples),
        "lastSeen": clock.format_ms(max(each.last_ms for each in seen)),
    }


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
            SELECT {columns} FROM ({population.build_sql(with_person=False)}) WHERE {named}
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
