"""sources: where sessions come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from columns.properties import COLUMNS as PROPERTY_COLUMNS
from services.fields import parse_choice
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.session import (
    EVENT_ORDER,
    build_formed_sessions_sql,
    build_named_sessions_sql,
    build_session_events_sql,
)
from services.reports.values import divide


class Source(StrEnum):
    """The properties that say where a session came from."""

    CHANNEL = "channel"
    REFERRER_HOST = "referrerHost"
    UTM_SOURCE = "utmSource"
    UTM_MEDIUM = "utmMedium"
    UTM_CAMPAIGN = "utmCampaign"
    UTM_TERM = "utmTerm"
    UTM_CONTENT = "utmContent"


FIELDS: dict[str, Any] = {
    "by": partial(parse_choice, choices=Source),
    "limit": partial(parse_count, least=1, most=1000),
}
COLUMNS = ("source", "sessions", "visitors", "bounceRate", "averageDurationSeconds")


@dataclass(frozen=True)
class SourcesParameters:
    """The property to tell sources by, and how many to list."""

    by: Source
    limit: int


def parse(values: dict[str, Any]) -> SourcesParameters:
    """The ten greatest channels by default."""
    return SourcesParameters(values.get("by", Source.CHANNEL), values.get("limit", 10))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Sessions by what their first event says: the most sessions first, then by source, null last. None: an empty
    list."""
    parameters: SourcesParameters = request.parameters
    rows = population.fetch(f"""
        SELECT source, count(*), count(DISTINCT person), count(*) FILTER (is_bounce), avg(ended_ms - started_ms)
        FROM ({build_sources_sql(population, PROPERTY_COLUMNS[parameters.by])})
        GROUP BY source ORDER BY count(*) DESC, source NULLS LAST LIMIT {parameters.limit:d}""")
    return {
        "by": str(parameters.by),
        "sources": [
            {
                "source": source,
                "sessions": sessions,
                "visitors": visitors,
                "bounceRate": divide(bounces, sessions),
                "averageDurationSeconds": duration_ms / 1000,
            }
            for source, sessions, visitors, bounces, duration_ms in rows
        ],
    }


def build_sources_sql(population: Population, column: str) -> str:
    """SELECT of the sessions with their `source`, and the `person` of their first event that has one."""
    named = build_named_sessions_sql(
        population, {"source": f"arg_min_null({column}, {EVENT_ORDER})", "visitor": f"arg_min(person, {EVENT_ORDER})"}
    )
    # of sessions formed by pauses, person and beginning lead to the first event
    return f"""
        SELECT source, visitor AS person, started_ms, ended_ms, is_bounce FROM ({named})
        UNION ALL
        SELECT arg_min_null(e.{column}, e.event_id), s.person, s.started_ms, any_value(s.ended_ms),
            any_value(s.is_bounce)
        FROM ({build_session_events_sql(population)}) e JOIN ({build_formed_sessions_sql(population)}) s
            ON e.person = s.person AND e.occurred_at = make_timestamp_ms(s.started_ms)
        WHERE e.session_id IS NULL GROUP BY s.person, s.started_ms"""


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a source."""
    return list(result["sources"])


REPORT = Report("sources", FIELDS, parse, compute, list_rows, COLUMNS)
