"""lifecycle: of each interval's persons, who is new, who came again, who came back, and who stayed away."""

from __future__ import annotations

from typing import Any, Final

from services.reports.activity import build_activity_sql
from services.reports.buckets import Interval
from services.reports.calendar import Calendar, build_calendar, parse_calendar_interval, widen
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest

STATES: Final = ("new", "returning", "resurrecting", "dormant")

FIELDS: dict[str, Any] = {"interval": parse_calendar_interval}
COLUMNS = ("bucket", *STATES)


def parse(values: dict[str, Any]) -> Interval:
    """Days by default."""
    return Interval(values.get("interval", Interval.DAY))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Each interval of the range. Whether somebody is new, or was there in the interval before, is told by all events
    before `to`, also those before `from`. No events and an open bound: an empty series."""
    calendar = build_calendar(population, request.parameters, request.zone, before=1)
    if calendar is None:
        return {"series": []}
    counts = [dict.fromkeys(STATES, 0) for _ in calendar.starts]
    for state, number, persons in fetch_states(widen(population.renew(), None), calendar):
        if 0 <= number < calendar.count:
            counts[number][state] += persons
    return {"series": [{"bucket": start, **held} for start, held in zip(calendar.starts, counts, strict=True)]}


def fetch_states(population: Population, calendar: Calendar) -> list[tuple[str, int, int]]:
    """(state, number of the interval, persons) of all data before `to`, in no order; a pair may come several times.

    Each interval of a person is looked at beside the person's intervals before and after it.
    """
    rows = population.fetch(f"""
        SELECT number, counts, number - previous, next > number + 1 OR NOT next_counts, count(*) FROM (
            SELECT number, counts, lag(number) OVER intervals AS previous,
                lead(number, 1, number + 2) OVER intervals AS next, lead(counts, 1, false) OVER intervals AS next_counts
            FROM ({build_activity_sql(population, calendar)})
            WINDOW intervals AS (PARTITION BY person ORDER BY number)
        ) GROUP BY ALL""")
    states = []
    for number, counts, since, stays_away, persons in rows:
        if counts:
            states.append(("new" if since is None else "returning" if since == 1 else "resurrecting", number, persons))
        if stays_away:
            states.append(("dormant", number + 1, persons))
    return states


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row an interval."""
    return list(result["series"])


REPORT = Report("lifecycle", FIELDS, parse, compute, list_rows, COLUMNS)
