"""events-timeseries: events and users per hour, day, week or month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from columns.properties import parse_property
from services import clock
from services.errors import InvalidInput
from services.fields import parse_choice
from services.reports.bounds import fetch_bounds
from services.reports.buckets import MAX_BUCKETS, Bucket, Interval, TooManyBuckets, build_key_sql, list_buckets
from services.reports.filters import Filter
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_event_name


def parse_interval(value: object) -> Interval:
    """One of the intervals."""
    return parse_choice(value, choices=Interval)


FIELDS: dict[str, Any] = {"interval": parse_interval, "eventName": parse_event_name}
COLUMNS = ("bucket", "count", "uniqueUsers")


@dataclass(frozen=True)
class TimeseriesParameters:
    """Length of a bucket, and the one event to count (None: all)."""

    interval: Interval
    event_name: str | None


def parse(values: dict[str, Any]) -> TimeseriesParameters:
    """Days of all events by default."""
    return TimeseriesParameters(values.get("interval", Interval.DAY), values.get("eventName"))


def list_filters(parameters: TimeseriesParameters) -> tuple[Filter, ...]:
    """The event name narrows the population like any filter."""
    if parameters.event_name is None:
        return ()
    return (Filter(parse_property("eventName"), "eq", (parameters.event_name,)),)


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """A bucket for every interval from that of `from` to the last one that begins before `to`, zeros included; a bound
    that is open is taken from the first or last event. No events and an open bound: an empty series."""
    parameters: TimeseriesParameters = request.parameters
    span = find_span(population)
    if span is None:
        return {"series": []}
    starts, key = divide_span(*span, parameters.interval, request.zone)
    counts: dict[datetime, tuple[int, int]] = {}
    if population.snapshot.count:
        rows = population.fetch(f"""
            SELECT {key} AS bucket, count(*), count(DISTINCT person) FROM ({population.build_sql()}) GROUP BY bucket""")
        counts = {bucket: (count, users) for bucket, count, users in rows}
    return {
        "series": [
            {"bucket": start, "count": count, "uniqueUsers": users}
            for bucket, start in starts
            for count, users in [counts.get(bucket.key, (0, 0))]
        ],
    }


def divide_span(
    first: datetime, last: datetime, interval: Interval, zone: ZoneInfo
) -> tuple[list[tuple[Bucket, str]], str]:
    """Buckets from one moment to another, each with its beginning as text, and the SQL of their key."""
    try:
        buckets = list_buckets(first, last, interval, zone)
        return [(bucket, bucket.format_start(zone)) for bucket in buckets], build_key_sql(interval, zone, first, last)
    except TooManyBuckets:
        message = f"the range has more than {MAX_BUCKETS} buckets: narrow from and to, or take a longer interval"
        raise InvalidInput(message, fields=["from", "to", "interval"]) from None
    except OverflowError:
        raise InvalidInput("the range reaches beyond the years 1 to 9999 in tz", fields=["from", "to"]) from None


def find_span(population: Population) -> tuple[datetime, datetime] | None:
    """The first and the last moment of the series; None: a bound is open and there is no event."""
    first_ms, end_ms = population.range.from_ms, population.range.to_ms
    last_ms = None if end_ms is None else end_ms - 1
    if first_ms is None or last_ms is None:
        bounds = fetch_bounds(population)
        if bounds is None:
            return None
        first_ms = bounds[0] if first_ms is None else first_ms
        last_ms = bounds[1] if last_ms is None else last_ms
    return clock.from_ms(first_ms), clock.from_ms(last_ms)


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a bucket."""
    return list(result["series"])


REPORT = Report("events-timeseries", FIELDS, parse, compute, list_rows, COLUMNS, list_filters=list_filters)
