"""retention: who of those that began in an interval comes again in the intervals after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import accumulate
from typing import Any, Final

from services import clock
from services.errors import InvalidInput
from services.fields import parse_choice
from services.reports.buckets import Interval
from services.reports.calendar import Calendar, build_calendar, parse_calendar_interval, widen
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count, parse_event_name
from services.reports.values import divide

DEFAULT_INTERVALS: Final = 12
MAX_INTERVALS: Final = 366
MAX_CELLS: Final = 200_000
"""Cohorts times intervals of one answer: a year of days over 366 days each has 134,000."""


class Cohort(StrEnum):
    """When a person is in the cohort of an interval: with their first start event of all, or with any."""

    FIRST = "first"
    RECURRING = "recurring"


class Mode(StrEnum):
    """When a person counts as retained in an interval: having returned in it, or in it or a later one."""

    ON = "on"
    ON_OR_AFTER = "on_or_after"


@dataclass(frozen=True)
class RetentionParameters:
    """`intervals`: how many after the cohort's own are shown. An event name that is None: any event."""

    interval: Interval
    intervals: int
    start_event: str | None
    return_event: str | None
    cohort: Cohort
    mode: Mode


FIELDS: dict[str, Any] = {
    "interval": parse_calendar_interval,
    "intervals": partial(parse_count, least=1, most=MAX_INTERVALS),
    "startEvent": parse_event_name,
    "returnEvent": parse_event_name,
    "cohort": partial(parse_choice, choices=Cohort),
    "mode": partial(parse_choice, choices=Mode),
}
COLUMNS = ("bucket", "size", "interval", "count", "rate")

Counts = dict[int, list[int]]
"""Number of a cohort's interval -> its size, then how many returned by each interval from its own on."""


def parse(values: dict[str, Any]) -> RetentionParameters:
    """Twelve days after the first event by default."""
    return RetentionParameters(
        interval=values.get("interval", Interval.DAY),
        intervals=values.get("intervals", DEFAULT_INTERVALS),
        start_event=values.get("startEvent"),
        return_event=values.get("returnEvent"),
        cohort=values.get("cohort", Cohort.FIRST),
        mode=values.get("mode", Mode.ON),
    )


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """A row for each interval of the range: the cohort's size, and how many of it returned `n` intervals later, from 0
    on; null where that interval is not over, or the range ends before it does. `mean` is weighted by size.
    No events and an open bound: no rows, and null means."""
    parameters: RetentionParameters = request.parameters
    calendar = build_calendar(population, parameters.interval, request.zone)
    rows: list[dict[str, Any]] = []
    if calendar is not None:
        if calendar.count * (parameters.intervals + 1) > MAX_CELLS:
            message = f"more than {MAX_CELLS} numbers: narrow from and to, or take longer or fewer intervals"
            raise InvalidInput(message, fields=["from", "to", "interval", "intervals"])
        counts = fetch_counts(population.renew(), calendar, parameters)
        rows = build_rows(counts, calendar, parameters.intervals, count_ended(calendar, request))
    return {
        "interval": parameters.interval,
        "cohort": parameters.cohort,
        "mode": parameters.mode,
        "rows": rows,
        "mean": build_means(rows, parameters.intervals),
    }


def count_ended(calendar: Calendar, request: ReportRequest) -> int:
    """How many intervals from the first of the range on are over by now, and before the range ends."""
    assert request.now_ms is not None
    end_ms = request.now_ms if request.range.to_ms is None else min(request.now_ms, request.range.to_ms)
    return calendar.find_number(clock.from_ms(end_ms))


def fetch_counts(population: Population, calendar: Calendar, parameters: RetentionParameters) -> Counts:
    """The cohorts that have somebody."""
    build_later = build_on_sql if parameters.mode is Mode.ON else build_on_or_after_sql
    rows = population.fetch(f"""
        WITH activity AS MATERIALIZED ({build_starts_and_returns_sql(population, calendar, parameters)}),
        starts AS MATERIALIZED ({build_starts_sql(calendar, parameters.cohort)}),
        returns AS (SELECT person, number FROM activity WHERE returns)
        SELECT number, NULL AS later, count(*) FROM starts GROUP BY number
        UNION ALL {build_later(parameters.intervals)}""")
    counts: Counts = {}
    for number, later, persons in rows:
        cohort = counts.setdefault(number, [0] * (parameters.intervals + 2))
        cohort[0 if later is None else later + 1] = persons
    if parameters.mode is Mode.ON_OR_AFTER:
        for number, (size, *last_returns) in counts.items():
            counts[number] = [size, *reversed(list(accumulate(reversed(last_returns))))]
    return counts


def build_starts_and_returns_sql(population: Population, calendar: Calendar, parameters: RetentionParameters) -> str:
    """SELECT of `person` and `number`, each pair once: the intervals in which a person has events; with `started_at`,
    that of the first start event among them (null: there is none), and `returns`, whether one in range is a return.

    All data before `to` where who started before the range is in no cohort of it, else what is in range.
    """
    is_first = parameters.cohort is Cohort.FIRST
    read = widen(population, None) if is_first else population
    is_start, is_return = (build_is(population, name) for name in (parameters.start_event, parameters.return_event))
    return f"""
        SELECT person, {calendar.build_number_sql()} AS number, min(occurred_at) FILTER ({is_start}) AS started_at,
            bool_or({is_return} AND {calendar.build_range_sql()}) AS returns
        FROM ({read.build_sql()}) WHERE person IS NOT NULL AND ({is_start} OR {is_return}) GROUP BY ALL"""


def build_starts_sql(calendar: Calendar, cohort: Cohort) -> str:
    """SELECT of `person` and `number`: who is in the cohort of which interval."""
    if cohort is Cohort.RECURRING:
        return "SELECT person, number FROM activity WHERE started_at IS NOT NULL"
    # not the least number: where clocks went back over midnight, an interval may go on after the next one began
    return f"""
        SELECT person, number FROM (
            SELECT person, arg_min(number, started_at) AS number, min(started_at) AS occurred_at
            FROM activity WHERE started_at IS NOT NULL GROUP BY person
        ) WHERE {calendar.build_range_sql()}"""


def build_is(population: Population, event_name: str | None) -> str:
    """SQL condition that an event is of this name (None: of any)."""
    return "true" if event_name is None else f"event_name = {population.bind(event_name)}"


def build_on_sql(intervals: int) -> str:
    """SELECT of cohort, interval after it, and those who returned in it."""
    return f"""
        SELECT starts.number, returns.number - starts.number AS later, count(*)
        FROM starts JOIN returns USING (person) WHERE later BETWEEN 0 AND {intervals} GROUP BY ALL"""


def build_on_or_after_sql(intervals: int) -> str:
    """SELECT of cohort, interval after it (one beyond the last counts as the last), and who returned last in it."""
    return f"""
        SELECT starts.number, least(last - starts.number, {intervals}) AS later, count(*)
        FROM starts JOIN (SELECT person, max(number) AS last FROM returns GROUP BY person) USING (person)
        WHERE last >= starts.number GROUP BY ALL"""


def build_rows(counts: Counts, calendar: Calendar, intervals: int, ended: int) -> list[dict[str, Any]]:
    """A row an interval; what is not over among the first `ended` intervals is null."""
    rows = []
    for number, start in enumerate(calendar.starts):
        size, *returned = counts.get(number, [0] * (intervals + 2))
        shown = [count if number + later < ended else None for later, count in enumerate(returned)]
        rates = [None if count is None else divide(count, size) for count in shown]
        rows.append({"bucket": start, "size": size, "counts": shown, "rates": rates})
    return rows


def build_means(rows: list[dict[str, Any]], intervals: int) -> list[float | None]:
    """The rate of each interval over all cohorts that have one; null where none has."""
    means = []
    for later in range(intervals + 1):
        known = [(row["counts"][later], row["size"]) for row in rows if row["counts"][later] is not None]
        means.append(divide(sum(count for count, _ in known), sum(size for _, size in known)))
    return means


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a cohort and interval."""
    return [
        {"bucket": row["bucket"], "size": row["size"], "interval": later, "count": count, "rate": rate}
        for row in result["rows"]
        for later, (count, rate) in enumerate(zip(row["counts"], row["rates"], strict=True))
    ]


REPORT = Report("retention", FIELDS, parse, compute, list_rows, COLUMNS, uses_now=True)
