"""active-users: persons of each day, and of the 7 and 30 days that end with it."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Final

from services import clock
from services.reports.activity import build_activity_sql
from services.reports.buckets import Interval
from services.reports.calendar import Calendar, build_calendar, widen
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest

WEEK_DAYS: Final = 7
MONTH_DAYS: Final = 30

FIELDS: dict[str, Any] = {}
COLUMNS = ("bucket", "dau", "wau", "mau")


def parse(values: dict[str, Any]) -> None:
    """It has no parameters of its own."""


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Each day of the range, days without events included. The days looked back on may lie before `from`; a last day
    that `to` cuts off counts as far as it goes. No events and an open bound: an empty series."""
    calendar = build_calendar(population, Interval.DAY, request.zone, before=MONTH_DAYS - 1)
    return {"series": [] if calendar is None else fetch_series(population, calendar)}


def fetch_series(population: Population, calendar: Calendar) -> list[dict[str, Any]]:
    """Rows of `COLUMNS`, a day each."""
    looked_back_on = widen(population.renew(), clock.to_ms(calendar.begins))
    rows = looked_back_on.fetch(f"""
        SELECT number, least(next - number, {MONTH_DAYS}) AS gap, counts, count(*) FROM (
            SELECT number, counts,
                lead(number, 1, number + {MONTH_DAYS}) OVER (PARTITION BY person ORDER BY number) AS next
            FROM ({build_activity_sql(looked_back_on, calendar)})
        ) GROUP BY ALL""")
    active = [0] * calendar.count
    for number, _, counts, persons in rows:
        if number >= 0 and counts:
            active[number] += persons
    gaps = [(number, gap, persons) for number, gap, _, persons in rows]
    in_week, in_month = (sum_windows(gaps, days, calendar) for days in (WEEK_DAYS, MONTH_DAYS))
    return [
        {"bucket": start, "dau": dau, "wau": wau, "mau": mau}
        for start, dau, wau, mau in zip(calendar.starts, active, in_week, in_month, strict=True)
    ]


def sum_windows(gaps: list[tuple[int, int, int]], days: int, calendar: Calendar) -> list[int]:
    """Distinct persons in the `days` days that end with each day of the range.

    Of (day, days until the next active one, persons): an active day keeps a person in the windows of the days that
    follow, until it leaves them or the next active day takes over; so nobody is in a window twice.
    """
    offset = calendar.count_before
    changes = [0] * (offset + calendar.count + 1)
    for number, gap, persons in gaps:
        begin = number + offset
        changes[begin] += persons
        changes[min(begin + min(gap, days), len(changes) - 1)] -= persons
    return list(accumulate(changes))[offset:-1]


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a day."""
    return list(result["series"])


REPORT = Report("active-users", FIELDS, parse, compute, list_rows, COLUMNS)
