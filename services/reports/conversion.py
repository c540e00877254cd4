"""conversion: which share of the persons did something."""

from __future__ import annotations

from typing import Any

from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_event_name

FIELDS: dict[str, Any] = {"eventName": parse_event_name}
REQUIRED: tuple[str, ...] = ("eventName",)
COLUMNS = ("eventName", "convertedUsers", "totalUsers", "conversionRate")


def parse(values: dict[str, Any]) -> str:
    """The event that converts."""
    return str(values["eventName"])


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Persons with the event, persons with any, and the ratio (0..1; null where nobody did anything)."""
    event_name = population.bind(request.parameters)
    ((converted, total),) = population.fetch(f"""
        SELECT count(DISTINCT person) FILTER (event_name = {event_name}), count(DISTINCT person)
        FROM ({population.build_sql()})""")
    return {
        "eventName": request.parameters,
        "convertedUsers": converted,
        "totalUsers": total,
        "conversionRate": converted / total if total else None,
    }


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row."""
    return [result]


REPORT = Report("conversion", FIELDS, parse, compute, list_rows, COLUMNS, required=REQUIRED)
