"""breakdown: any measure for each value of a property, or for each pair of values of two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final, NamedTuple

from columns.properties import KINDS, Property, parse_property
from services.errors import InvalidInput
from services.fields import parse_choice
from services.reports.breakdown_groups import build_order, list_names, list_varying
from services.reports.breakdown_sessions import fetch_session_groups
from services.reports.breakdown_users import fetch_user_groups
from services.reports.filters import Filter
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count, parse_event_name
from services.reports.values import ValueKey, format_number, format_value, list_value_columns

MAX_PROPERTIES: Final = 2
DEFAULT_LIMIT: Final = 10


class Measure(StrEnum):
    """What is counted or computed of each group; those from `sum` on of the numbers that a property has."""

    EVENTS = "events"
    USERS = "users"
    SESSIONS = "sessions"
    SUM = "sum"
    AVERAGE = "average"
    MIN = "min"
    MAX = "max"
    MEDIAN = "median"


COUNTING: Final = {Measure.USERS: fetch_user_groups, Measure.SESSIONS: fetch_session_groups}
NUMERIC_SQL: Final = {
    # compensated, so that how events are spread over files does not show
    Measure.SUM: "coalesce(fsum({number}), 0)",
    Measure.AVERAGE: "fsum({number}) / count({number})",
    Measure.MIN: "min({number})",
    Measure.MAX: "max({number})",
    Measure.MEDIAN: "median({number})",
}


@dataclass(frozen=True)
class BreakdownParameters:
    """`prop` has the numbers of the numeric measures."""

    by: tuple[Property, ...]
    measure: Measure
    prop: Property | None
    event_name: str | None
    limit: int


def parse_by(value: object) -> tuple[Property, ...]:
    """One or two properties: a list of names, or text with a comma between; `\\,` is a comma inside a name."""
    names = split_names(value) if isinstance(value, str) else value
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_PROPERTIES:
        raise ValueError(f"must name 1 to {MAX_PROPERTIES} properties")
    return tuple(parse_named_property(name) for name in names)


def split_names(text: str) -> list[str]:
    """The names between commas. An escaped character stays as it is: the path of a property is unescaped later."""
    names, characters = [""], iter(text)
    for character in characters:
        if character == ",":
            names.append("")
        else:
            names[-1] += character + (next(characters, "") if character == "\\" else "")
    return names


def parse_named_property(value: object) -> Property:
    """A property by its name."""
    if not isinstance(value, str):
        raise ValueError("must be the name of a property")
    return parse_property(value)


FIELDS: dict[str, Any] = {
    "by": parse_by,
    "measure": partial(parse_choice, choices=Measure),
    "property": parse_named_property,
    "eventName": parse_event_name,
    "limit": partial(parse_count, least=1, most=1000),
}
REQUIRED: tuple[str, ...] = ("by",)
COLUMNS = ("group", "first", "second", "value", "events")


def parse(values: dict[str, Any]) -> BreakdownParameters:
    """Events of the 10 most frequent values by default. Raises InvalidInput."""
    measure, prop = values.get("measure", Measure.EVENTS), values.get("property")
    if measure in NUMERIC_SQL and prop is None:
        message = f"property is required: the one with the numbers to take the {measure} of"
        raise InvalidInput(message, fields=["property"])
    if measure not in NUMERIC_SQL and prop is not None:
        raise InvalidInput(f"property is of no use to the measure {measure}", fields=["property", "measure"])
    limit = values.get("limit", DEFAULT_LIMIT)
    return BreakdownParameters(values["by"], measure, prop, values.get("eventName"), limit)


def list_filters(parameters: BreakdownParameters) -> tuple[Filter, ...]:
    """The event name narrows the population like any filter."""
    if parameters.event_name is None:
        return ()
    return (Filter(parse_property("eventName"), "eq", (parameters.event_name,)),)


def list_properties(parameters: BreakdownParameters) -> tuple[Property, ...]:
    """What is grouped by, and what is computed with."""
    return (*parameters.by, *([parameters.prop] if parameters.prop else []))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The `limit` groups with the highest value (null last; then by their values), all further ones together as `other`
    (null: there is none), and the measure over all events. No events: no groups."""
    parameters: BreakdownParameters = request.parameters
    fetch = fetch_by_counting if parameters.measure in COUNTING else fetch_by_measure
    found = fetch(population, parameters)
    return {
        "by": [prop.name for prop in parameters.by],
        "measure": parameters.measure,
        "groups": [
            {"values": [format_value(part) for part in group.key], "value": group.value, "events": group.events}
            for group in found.groups
        ],
        "other": found.other,
        "total": found.total,
    }


Key = tuple[ValueKey, ...]


class Group(NamedTuple):
    """The events with certain values, and the measure of them."""

    key: Key
    value: float | None
    events: int


class Groups(NamedTuple):
    """The groups that are shown; `other` and `total` as the API shows them."""

    groups: list[Group]
    other: dict[str, Any] | None
    total: dict[str, Any]


def fetch_by_counting(population: Population, parameters: BreakdownParameters) -> Groups:
    """By users or sessions: those with an event of the group."""
    own, count = population.renew(), COUNTING[parameters.measure]
    found = count(own, list_keys(own, parameters), parameters.limit)
    groups = [Group(build_key(row[:-2]), row[-2], row[-1]) for row in found.rows]
    further, events = found.group_count - len(groups), found.events - sum(group.events for group in groups)
    other = {"groups": further, "value": found.other, "events": events} if further else None
    return Groups(groups, other, {"value": found.total, "events": found.events})


def fetch_by_measure(population: Population, parameters: BreakdownParameters) -> Groups:
    """By a measure that is an aggregate of events."""
    groups, group_count = fetch_groups(population.renew(), parameters)
    other = None
    if group_count > len(groups):
        value, events = fetch_measure(population.renew(), parameters, without=[group.key for group in groups])
        other = {"groups": group_count - len(groups), "value": value, "events": events}
    value, events = fetch_measure(population.renew(), parameters)
    return Groups(groups, other, {"value": value, "events": events})


def fetch_groups(population: Population, parameters: BreakdownParameters) -> tuple[list[Group], int]:
    """The first groups with their value and number of events, and how many groups there are."""
    keys = list_keys(population, parameters)
    names = list_names(keys)
    listed = ", ".join(f"{key} AS {name}" for key, name in zip(keys, names, strict=True))
    rows = population.fetch(f"""
        SELECT *, count(*) OVER () FROM (
            SELECT {listed}, {build_measure_sql(population, parameters)} AS value, count(*) AS events
            FROM ({population.build_sql()}) GROUP BY {", ".join(list_varying(keys))}
        ) ORDER BY value DESC NULLS LAST, {build_order(names)} LIMIT {parameters.limit:d}""")
    groups = [Group(build_key(row[: len(keys)]), build_value(row[-3]), row[-2]) for row in rows]
    return groups, rows[0][-1] if rows else 0


def fetch_measure(
    population: Population, parameters: BreakdownParameters, *, without: list[Key] | None = None
) -> tuple[float | None, int]:
    """The measure over all events together, or over those of no group in `without`, and their number."""
    anti_join = "" if without is None else build_anti_join_sql(population, parameters, without)
    ((value, events),) = population.fetch(f"""
        SELECT {build_measure_sql(population, parameters)}, count(*)
        FROM ({population.build_sql()}) {anti_join}""")
    return build_value(value), events


def list_keys(population: Population, parameters: BreakdownParameters) -> list[str]:
    """SQL expressions of the values that are grouped by, those of each property by kind."""
    return [column for prop in parameters.by for column in list_value_columns(population, prop)]


def build_anti_join_sql(population: Population, parameters: BreakdownParameters, without: list[Key]) -> str:
    """Leaves out the events of these groups."""
    columns = list(zip(*([part for value in key for part in value] for key in without), strict=True))
    types = list(KINDS.values()) * len(parameters.by)
    listed = [
        f"unnest({population.bind(list(column))}::{sql_type}[]) AS key_{number}"
        for number, (column, sql_type) in enumerate(zip(columns, types, strict=True))
    ]
    keys = list_keys(population, parameters)
    varying = [(key, name) for key, name in zip(keys, list_names(keys), strict=True) if name in list_varying(keys)]
    equal = [f"{key} IS NOT DISTINCT FROM {name}" for key, name in varying]
    return f"ANTI JOIN (SELECT {', '.join(listed)}) ON {' AND '.join(equal)}"


def build_measure_sql(population: Population, parameters: BreakdownParameters) -> str:
    """Aggregate of the measure. No numbers: a sum of 0, else null."""
    if parameters.prop is None:
        return "count(*)"
    number = f"p{population.find_property(parameters.prop)}_number"
    return NUMERIC_SQL[parameters.measure].format(number=number)


def build_key(columns: tuple[Any, ...]) -> Key:
    """The values of a group from the columns of `list_keys`."""
    return tuple((columns[at], columns[at + 1], columns[at + 2], columns[at + 3]) for at in range(0, len(columns), 4))


def build_value(value: float | None) -> float | None:
    """A number as the API shows it; null also for a sum that no double holds."""
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else format_number(value)


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a group, then `other` and `total`; the property's values in `first` and `second`."""
    rows = [
        {"group": "value", "first": group["values"][0], "second": (*group["values"], None)[1], **group}
        for group in result["groups"]
    ]
    if result["other"] is not None:
        rows.append({"group": "other", **result["other"]})
    return [*rows, {"group": "total", **result["total"]}]


REPORT = Report(
    "breakdown", FIELDS, parse, compute, list_rows, COLUMNS,
    required=REQUIRED, list_filters=list_filters, list_properties=list_properties,
)  # fmt: skip
