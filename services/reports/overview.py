"""overview: how much happened, and to how many."""

from __future__ import annotations

from typing import Any

from services import clock
from services.reports.population import Population, build_session_count_sql
from services.reports.report import Report
from services.reports.request import ReportRequest

FIELDS: dict[str, Any] = {}
COLUMNS = ("totalEvents", "uniqueUsers", "uniqueEventNames", "sessions", "firstEventAt", "lastEventAt")


def parse(values: dict[str, Any]) -> None:
    """It has no parameters of its own."""


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Totals of the population. No events: zeros, and null times."""
    ((total, users, names, sessions, first_ms, last_ms),) = population.fetch(f"""
        SELECT count(*), count(DISTINCT person), count(DISTINCT event_name), {build_session_count_sql(population)},
            epoch_ms(min(occurred_at)), epoch_ms(max(occurred_at))
        FROM ({population.build_sql()})""")
    return {
        "totalEvents": total,
        "uniqueUsers": users,
        "uniqueEventNames": names,
        "sessions": sessions,
        "firstEventAt": None if first_ms is None else clock.format_ms(first_ms),
        "lastEventAt": None if last_ms is None else clock.format_ms(last_ms),
    }


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row."""
    return [result]


REPORT = Report("overview", FIELDS, parse, compute, list_rows, COLUMNS)
