"""Reference 4's list of events: how many there were, and how long they lasted, by time, page and operating system."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from columns.properties import Property, parse_property
from services import clock
from services.context import Context
from services.doors.durations import DURATION, build_duration_sql
from services.doors.ranges import ask, build_recent_range, parse_hours
from services.errors import InvalidInput
from services.fields import FieldParser, parse_fields
from services.projects import Project
from services.reports.buckets import Interval
from services.reports.filters import Filter
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest
from services.reports.timeseries import divide_span, find_span
from services.time_range import TimeRange

LENGTH: Final = re.compile(r"([1-9][0-9]{0,3}) ?(minute|hour|day|week|month)s?")
PAGE: Final[Property] = parse_property("page")
ORIGIN: Final = "TIMESTAMP '2000-01-03 00:00:00'"
"""A Monday: buckets of several hours, days or weeks are counted from it."""
UNKNOWN: Final = "unknown"
MAX_PAGES: Final = 100
MAX_PAGE_LENGTH: Final = 8192
MAX_ROWS: Final = 10_000


@dataclass(frozen=True)
class BucketLength:
    """So many minutes, hours, days or weeks; or one month."""

    count: int
    unit: str

    @property
    def interval(self) -> Interval | None:
        """The interval of the project's time zone that it is; None for other lengths, which are divided in UTC."""
        return Interval(self.unit) if self.count == 1 and self.unit != "minute" else None


@dataclass(frozen=True)
class VisitParameters:
    """How long a bucket is, and which pages count (empty: all)."""

    length: BucketLength
    pages: tuple[str, ...]


def parse_length(value: object) -> BucketLength:
    """`1 day`, `15 minutes` and the like."""
    found = LENGTH.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found.group(2) == "month" and found.group(1) != "1"):
        raise ValueError("must be a length like 15 minutes, 1 hour, 1 day, 2 weeks or 1 month")
    return BucketLength(int(found.group(1)), found.group(2))


def parse_pages(value: object) -> tuple[str, ...]:
    """Paths of pages, at least one."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_PAGES:
        raise ValueError(f"must be 1 to {MAX_PAGES} pages")
    if not all(isinstance(page, str) and 1 <= len(page) <= MAX_PAGE_LENGTH and _is_storable(page) for page in value):
        raise ValueError("must be paths such as /pricing")
    return tuple(value)


def _is_storable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def fetch_visit_buckets(
    context: Context, project: Project, fields: Mapping[str, Any], *, now_ms: int
) -> list[dict[str, Any]]:
    """Rows by bucket, page and operating system. Fields: duration (1 day), pages (all), hours (all). InvalidInput."""
    values = parse_fields(fields, {"duration": parse_length, "pages": parse_pages, "hours": parse_hours})
    hours = values.get("hours")
    time_range = TimeRange() if hours is None else build_recent_range(hours, now_ms=now_ms)
    asked = {name: fields[name] for name in ("duration", "pages") if name in fields}
    answer = ask(context, VISIT_BUCKETS, project, time_range, asked, names=("hours", "duration"))
    return list(answer["buckets"])


def _parse(values: dict[str, Any]) -> VisitParameters:
    return VisitParameters(values.get("duration", BucketLength(1, "day")), values.get("pages", ()))


def _list_filters(parameters: VisitParameters) -> tuple[Filter, ...]:
    return (Filter(PAGE, "in", parameters.pages),) if parameters.pages else (Filter(PAGE, "exists"),)


def _compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """A row for each bucket, page and system that has an event; no events: no rows. `avg_duration` is of the events
    that have one, null where none has."""
    span = find_span(population)
    if span is None:
        return {"buckets": []}
    key, starts = _build_key(request, *span)
    rows = population.fetch(f"""
        SELECT {key} AS bucket, page, os, avg({build_duration_sql(population)}), count(*)
        FROM ({population.build_sql()}) GROUP BY bucket, page, os
        ORDER BY bucket, page, os NULLS LAST LIMIT {MAX_ROWS + 1}""")
    if len(rows) > MAX_ROWS:
        message = f"There are more than {MAX_ROWS} rows: take a longer duration, fewer pages or fewer hours"
        raise InvalidInput(message, fields=["duration", "pages", "hours"])
    return {
        "buckets": [
            {"bucket": _format_start(bucket, starts), "page": page, "os": os or UNKNOWN, "avg_duration": mean,
             "count": count}
            for bucket, page, os, mean, count in rows
        ]
    }  # fmt: skip


def _build_key(request: ReportRequest, first: datetime, last: datetime) -> tuple[str, dict[datetime, str]]:
    """SQL of a bucket's key, and the text of its beginning where that is not the key itself."""
    length: BucketLength = request.parameters.length
    if length.interval is None:
        return f"time_bucket(INTERVAL {length.count} {length.unit}, occurred_at, {ORIGIN})", {}
    buckets, key = divide_span(first, last, length.interval, request.zone)
    return key, {bucket.key: start for bucket, start in buckets}


def _format_start(bucket: datetime, starts: dict[datetime, str]) -> str:
    return starts[bucket] if starts else clock.format_ms(clock.to_ms(bucket.replace(tzinfo=clock.EPOCH.tzinfo)))


FIELDS: Final[dict[str, FieldParser]] = {"duration": parse_length, "pages": parse_pages}
VISIT_BUCKETS: Final = Report(
    "visit-buckets",
    FIELDS,
    _parse,
    _compute,
    lambda result: list(result["buckets"]),
    ("bucket", "page", "os", "avg_duration", "count"),
    list_filters=_list_filters,
    list_properties=lambda parameters: (DURATION,),
)
