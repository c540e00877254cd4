"""devices: with what people come."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.top_values import fetch_top_values

FIELDS: dict[str, Any] = {"limit": partial(parse_count, least=1, most=1000)}
COLUMNS = ("deviceType", "browser", "os", "count", "uniqueUsers")
LISTS: Final = {"deviceTypes": "device_type", "browsers": "browser", "operatingSystems": "os", "screens": "screen"}


def parse(values: dict[str, Any]) -> int:
    """How long each list may be; 10 by default."""
    return int(values.get("limit", 10))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The most frequent values of each kind and of three together, null where unknown. No events: empty lists."""
    limit: int = request.parameters
    found = fetch_top_values(
        population, {**{name: [column] for name, column in LISTS.items()},
                     "combinations": ["device_type", "browser", "os"]}, limit,
    )  # fmt: skip
    result = {
        name: [{"value": row.values[0], "count": row.events, "uniqueUsers": row.users} for row in found[name]]
        for name in LISTS
    }
    combinations = [
        {**dict(zip(COLUMNS, row.values, strict=False)), "count": row.events, "uniqueUsers": row.users}
        for row in found["combinations"]
    ]
    return {**result, "combinations": combinations}


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a combination."""
    return list(result["combinations"])


REPORT = Report("devices", FIELDS, parse, compute, list_rows, COLUMNS)
