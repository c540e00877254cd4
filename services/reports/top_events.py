"""top-events: the most frequent event names."""

from __future__ import annotations

from functools import partial
from typing import Any

from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count

FIELDS: dict[str, Any] = {"limit": partial(parse_count, least=1, most=1000)}
COLUMNS = ("eventName", "count", "uniqueUsers")


def parse(values: dict[str, Any]) -> int:
    """How many names to list; 10 by default."""
    return int(values.get("limit", 10))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The `limit` most frequent names with their events and users, by count, then name. No events: an empty list."""
    rows = population.fetch(f"""
        SELECT event_name, count(*), count(DISTINCT person) FROM ({population.build_sql()})
        GROUP BY event_name ORDER BY count(*) DESC, event_name LIMIT {request.parameters:d}""")
    return {"events": [{"eventName": name, "count": count, "uniqueUsers": users} for name, count, users in rows]}


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row an event name."""
    return list(result["events"])


REPORT = Report("top-events", FIELDS, parse, compute, list_rows, COLUMNS)
