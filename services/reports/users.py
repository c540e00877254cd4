"""users: the persons of the population, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from columns.relation import build_events_sql
from services import clock
from services.fields import parse_choice
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count

MAX_SEARCH: Final = 1000
MAX_OFFSET: Final = 1_000_000_000


class Sort(StrEnum):
    """What the highest of comes first."""

    LAST_SEEN = "lastSeen"
    FIRST_SEEN = "firstSeen"
    EVENTS = "events"


SORT_COLUMNS: Final = {Sort.LAST_SEEN: "last_seen", Sort.FIRST_SEEN: "first_seen", Sort.EVENTS: "events"}


@dataclass(frozen=True)
class UsersParameters:
    """`search` is a part of the id as it is shown."""

    search: str | None
    sort: Sort
    limit: int
    offset: int


def parse_search(value: object) -> str:
    """A part of an id."""
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= MAX_SEARCH
        or any("\ud800" <= char <= "\udfff" for char in value)
    ):
        raise ValueError(f"must be text of 1 to {MAX_SEARCH} characters")
    return value


FIELDS: dict[str, Any] = {
    "search": parse_search,
    "sort": partial(parse_choice, choices=Sort),
    "limit": partial(parse_count, least=1, most=1000),
    "offset": partial(parse_count, least=0, most=MAX_OFFSET),
}
COLUMNS = ("userId", "isIdentified", "firstSeen", "lastSeen", "events")


def parse(values: dict[str, Any]) -> UsersParameters:
    """The 50 who were seen last by default."""
    return UsersParameters(
        values.get("search"), values.get("sort", Sort.LAST_SEEN), values.get("limit", 50), values.get("offset", 0)
    )


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """How many persons there are, and a part of them, those with the highest `sort` first, then by id."""
    parameters: UsersParameters = request.parameters
    found = "true" if parameters.search is None else f"contains(id, {population.bind(parameters.search)})"
    order = f"{SORT_COLUMNS[parameters.sort]} DESC, id"
    rows = population.fetch(f"""
        WITH {build_tables_sql(population)},
        found AS MATERIALIZED (SELECT * FROM named WHERE {found})
        SELECT total, id, is_identified, epoch_ms(first_seen), epoch_ms(last_seen), events
        FROM (SELECT count(*) AS total FROM found) LEFT JOIN (
            SELECT * FROM found ORDER BY {order} LIMIT {parameters.limit:d} OFFSET {parameters.offset:d}
        ) ON true ORDER BY {order}""")
    return {"total": rows[0][0], "users": [format_user(*row[1:]) for row in rows if row[1] is not None]}


def build_tables_sql(population: Population) -> str:
    """Common table expressions, the last of which is `named`: a row a person.

    An event says who its person is where it has the userId itself. Where none of a person's events has, an event beyond
    the population may, the one by which the anonymousId became known to be a user's; else the anonymousId is the id.
    """
    everything = build_events_sql(population.snapshot, population.parameters)
    return f"""
        persons AS MATERIALIZED (
            SELECT person, min(occurred_at) AS first_seen, max(occurred_at) AS last_seen, count(*) AS events,
                any_value(user_id) AS user_id, any_value(anonymous_id) AS anonymous_id
            FROM ({population.build_sql()}) WHERE person IS NOT NULL GROUP BY person),
        users AS (
            SELECT person, any_value(user_id) AS known_id FROM ({everything})
            WHERE user_id IS NOT NULL AND person IN (SELECT person FROM persons WHERE user_id IS NULL) GROUP BY person),
        named AS (
            SELECT coalesce(user_id, known_id, anonymous_id) AS id, first_seen, last_seen, events,
                coalesce(user_id, known_id) IS NOT NULL AS is_identified
            FROM persons LEFT JOIN users USING (person))"""


def format_user(user_id: str, is_identified: bool, first_ms: int, last_ms: int, events: int) -> dict[str, Any]:
    """A person of the list."""
    return {
        "userId": user_id,
        "isIdentified": is_identified,
        "firstSeen": clock.format_ms(first_ms),
        "lastSeen": clock.format_ms(last_ms),
        "events": events,
    }


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a person."""
    return list(result["users"])


REPORT = Report("users", FIELDS, parse, compute, list_rows, COLUMNS)
