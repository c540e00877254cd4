"""The intervals of a report, numbered: SQL and Python alike tell by number which one a moment lies in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from services import clock
from services.fields import parse_choice
from services.reports.buckets import DAY, Bucket, Interval, build_key_sql, find_key, list_buckets
from services.reports.population import Population
from services.reports.timeseries import divide_span, find_span

LONGEST: Final = {Interval.DAY: DAY, Interval.WEEK: 7 * DAY, Interval.MONTH: 31 * DAY}
CALENDAR_INTERVALS: Final = tuple(LONGEST)
"""Those that are made of whole local days."""


def parse_calendar_interval(value: object) -> Interval:
    """One of the intervals that are made of whole days."""
    return parse_choice(value, choices=CALENDAR_INTERVALS)


@dataclass(frozen=True)
class Calendar:
    """Consecutive intervals: number 0 is the first one of the report's range, those before it have negative numbers."""

    interval: Interval
    zone: ZoneInfo
    starts: list[str]
    """When the intervals of the range begin, as text."""
    keys: list[datetime]
    """Of all intervals, those before the range first."""
    count_before: int
    begins: datetime
    """The first moment of the first of `keys`, UTC."""
    last: datetime
    """The last moment of the range."""
    from_ms: int | None

    @property
    def count(self) -> int:
        """How many intervals the range has."""
        return len(self.starts)

    def find_number(self, moment: datetime) -> int:
        """The number of the interval that holds a moment, which may lie after the last one."""
        key, first = find_key(moment, self.interval, self.zone), self.keys[0]
        if self.interval is Interval.MONTH:
            steps = (key.year - first.year) * 12 + key.month - first.month
        else:
            steps = (key - first) // LONGEST[self.interval]
        return steps - sum(key >= skipped for skipped in self._list_skipped()) - self.count_before

    def build_number_sql(self) -> str:
        """SQL of the number of the interval that holds the column `occurred_at`, a moment that is not after the range.

        Whatever lies before all intervals has the number before that of the first.
        """
        key, first = build_key_sql(self.interval, self.zone, self.begins, self.last), f"DATE '{self.keys[0].date()}'"
        if self.interval is Interval.MONTH:
            steps = f"date_diff('month', {first}, {key})"
        else:
            steps = f"(({key})::DATE - {first})" + ("" if self.interval is Interval.DAY else " // 7")
        skipped = "".join(f" - (({key})::DATE >= DATE '{day.date()}')::INT" for day in self._list_skipped())
        begins = f"TIMESTAMP '{self.begins.replace(tzinfo=None)}'"
        return (
            f"(CASE WHEN occurred_at < {begins} THEN {-self.count_before - 1}"
            f" ELSE ({steps}{skipped} - {self.count_before})::INT END)"
        )

    def build_range_sql(self) -> str:
        """SQL condition that `occurred_at` is not before the report's range, whose first interval may begin earlier."""
        if self.from_ms is None:
            return "true"
        return f"occurred_at >= TIMESTAMP '{clock.from_ms(self.from_ms).replace(tzinfo=None)}'"

    def _list_skipped(self) -> list[datetime]:
        """Dates that the zone left out (Samoa, 2011-12-30): no interval of days has their number."""
        if self.interval is not Interval.DAY:
            return []
        return [
            day + number * DAY
            for day, following in pairwise(self.keys)
            for number in range(1, (following - day) // DAY)
        ]


def build_calendar(population: Population, interval: Interval, zone: ZoneInfo, *, before: int = 0) -> Calendar | None:
    """The intervals of the population's range, and `before` more that precede it. A bound that is open is taken from
    the first or last event; None: there is none. Raises InvalidInput for too many."""
    span = find_span(population)
    if span is None:
        return None
    first, last = span
    starts, _ = divide_span(first, last, interval, zone)
    earlier = list_earlier(first, interval, zone, before)
    buckets = [*earlier, *(bucket for bucket, _ in starts)]
    return Calendar(
        interval, zone, [start for _, start in starts], [bucket.key for bucket in buckets], len(earlier),
        buckets[0].start.astimezone(UTC), last, population.range.from_ms,
    )  # fmt: skip


def list_earlier(first: datetime, interval: Interval, zone: ZoneInfo, count: int) -> list[Bucket]:
    """The `count` intervals before the one that holds `first`; fewer at the beginning of time."""
    if not count:
        return []
    # a step further than the longest ones reach, since a zone may have skipped a day
    distance = (count + 1) * LONGEST[interval] + DAY
    # a week or month that begins in the year 0 is none
    earliest = clock.EPOCH.replace(year=1) + 40 * DAY
    start = max(earliest, first - distance) if first - earliest > timedelta() else first
    key = find_key(first, interval, zone)
    return [bucket for bucket in list_buckets(start, first, interval, zone) if bucket.key < key][-count:]


def widen(population: Population, from_ms: int | None) -> Population:
    """The same population from another moment on (None: from the first event), in the same query."""
    return replace(population, range=replace(population.range, from_ms=from_ms))
