"""locations: where people are."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.top_values import fetch_top_values

FIELDS: dict[str, Any] = {"limit": partial(parse_count, least=1, most=1000)}
PLACES: Final = ("country", "region", "city")
COLUMNS = (*PLACES, "count", "uniqueUsers")
DEPTHS: Final = {"countries": 1, "regions": 2, "cities": 3}


def parse(values: dict[str, Any]) -> int:
    """How long each list may be; 10 by default."""
    return int(values.get("limit", 10))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The most frequent countries, regions and cities, null where unknown. No events: empty lists."""
    found = fetch_top_values(population, {name: PLACES[:depth] for name, depth in DEPTHS.items()}, request.parameters)
    return {
        name: [
            {**dict(zip(PLACES, row.values, strict=False)), "count": row.events, "uniqueUsers": row.users}
            for row in rows
        ]
        for name, rows in found.items()
    }


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a city."""
    return list(result["cities"])


REPORT = Report("locations", FIELDS, parse, compute, list_rows, COLUMNS)
