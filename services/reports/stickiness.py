"""stickiness: which share of the month's persons come on a day, and on how many days persons come."""

from __future__ import annotations

from typing import Any

from services.reports.active_users import MONTH_DAYS, fetch_series
from services.reports.activity import build_activity_sql
from services.reports.buckets import Interval
from services.reports.calendar import Calendar, build_calendar
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest
from services.reports.values import divide

FIELDS: dict[str, Any] = {}
COLUMNS = ("bucket", "dau", "mau", "stickiness")


def parse(values: dict[str, Any]) -> None:
    """It has no parameters of its own."""


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """DAU / MAU of each day (0..1; null where nobody came in 30 days), and the persons by the number of days of the
    range on which they came, from one day to the most that anybody has. No events: an empty histogram."""
    calendar = build_calendar(population, Interval.DAY, request.zone, before=MONTH_DAYS - 1)
    if calendar is None:
        return {"series": [], "histogram": []}
    series = [
        {"bucket": day["bucket"], "dau": day["dau"], "mau": day["mau"], "stickiness": divide(day["dau"], day["mau"])}
        for day in fetch_series(population, calendar)
    ]
    return {"series": series, "histogram": fetch_histogram(population.renew(), calendar)}


def fetch_histogram(population: Population, calendar: Calendar) -> list[dict[str, Any]]:
    """Persons for each number of active days, without gaps."""
    rows = population.fetch(f"""
        SELECT days, count(*) FROM (
            SELECT count(*) AS days FROM ({build_activity_sql(population, calendar)}) GROUP BY person
        ) GROUP BY days""")
    users = dict(rows)
    return [{"days": days, "users": users.get(days, 0)} for days in range(1, max(users, default=0) + 1)]


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a day; the histogram is in the JSON answer alone."""
    return list(result["series"])


REPORT = Report("stickiness", FIELDS, parse, compute, list_rows, COLUMNS)
