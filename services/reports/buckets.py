"""Hours, days, weeks and months of a time zone.

SQL groups by a *bucket key*: for days and longer the local date the bucket begins on, for hours its beginning in UTC.
Offsets from UTC come from `zoneinfo`, as constants of the query: DuckDB's own zoned functions are eight times slower,
and could know other rules than Python does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from services import clock
from services.time_range import find_day_start

MAX_BUCKETS: Final = 10_000
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)


class Interval(StrEnum):
    """Lengths of a bucket."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Bucket:
    """One interval of a series: the key that SQL groups by, and when it begins, in the offset that it begins with."""

    key: datetime
    start: datetime

    def format_start(self, zone: ZoneInfo) -> str:
        """ISO 8601 with the offset of the zone, `Z` for UTC."""
        if zone.key == "UTC":
            return clock.format_ms(clock.to_ms(self.start))
        return self.start.isoformat()


class TooManyBuckets(Exception):
    """A series of more than MAX_BUCKETS."""


def list_buckets(first: datetime, last: datetime, interval: Interval, zone: ZoneInfo) -> list[Bucket]:
    """The buckets from the one that holds `first` to the one that holds `last`, in order. Raises TooManyBuckets."""
    least_hours = {Interval.HOUR: 1, Interval.DAY: 23, Interval.WEEK: 167, Interval.MONTH: 28 * 24 - 1}[interval]
    if (last - first) / timedelta(hours=least_hours) > MAX_BUCKETS:
        raise TooManyBuckets
    return _list_hours(first, last, zone) if interval is Interval.HOUR else _list_dates(first, last, interval, zone)


def find_key(moment: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    """The key of the bucket that holds an aware moment; a datetime without zone."""
    local = moment.astimezone(zone)
    if interval is Interval.HOUR:
        offset = local.utcoffset() or timedelta()
        return local.replace(tzinfo=None, fold=0, minute=0, second=0, microsecond=0) - offset
    day = local.replace(tzinfo=None, fold=0, hour=0, minute=0, second=0, microsecond=0)
    if interval is Interval.WEEK:
        return day - DAY * day.weekday()
    return day.replace(day=1) if interval is Interval.MONTH else day


def _list_dates(first: datetime, last: datetime, interval: Interval, zone: ZoneInfo) -> list[Bucket]:
    key, stop, buckets = find_key(first, interval, zone), find_key(last, interval, zone), []
    while key <= stop:
        start = find_day_start(key.date(), zone)
        # a date that a zone skipped altogether (Samoa, 2011-12-30) is no bucket
        if find_key(start, interval, zone) == key:
            buckets.append(Bucket(key, start.astimezone(zone)))
        if key == stop:
            break
        key = _step(key, interval)
    return buckets


def _step(key: datetime, interval: Interval) -> datetime:
    if interval is Interval.MONTH:
        return key.replace(year=key.year + key.month // 12, month=key.month % 12 + 1)
    return key + (DAY if interval is Interval.DAY else 7 * DAY)


def _list_hours(first: datetime, last: datetime, zone: ZoneInfo) -> list[Bucket]:
    changes = [moment for moment, _ in list_offsets(first, last, zone)[1:]]
    moment, buckets = first, []
    while moment <= last:
        key = find_key(moment, Interval.HOUR, zone)
        # where the clock changes inside an hour, the full hour before it may have had another offset
        offset = timezone(_find_offset(moment, zone))
        buckets.append(Bucket(key, key.replace(tzinfo=UTC).astimezone(offset)))
        following = key.replace(tzinfo=UTC) + HOUR
        # a clock change inside the hour begins another one
        moment = min([following, *(change for change in changes if moment < change < following)])
    return buckets


def list_offsets(first: datetime, last: datetime, zone: ZoneInfo) -> list[tuple[datetime, timedelta]]:
    """The zone's offsets from UTC between two moments: (from when on, offset), the first from `first` on."""
    offsets = [(first, first.astimezone(zone).utcoffset() or timedelta())]
    for year in range(first.year, last.year + 1):
        offsets += [(moment, offset) for moment, offset in _list_changes(zone, year) if first < moment <= last]
    return offsets


@lru_cache(maxsize=4096)
def _list_changes(zone: ZoneInfo, year: int) -> tuple[tuple[datetime, timedelta], ...]:
    """The moments of a UTC year at which the zone's offset changes, and to which."""
    changes = []
    moment = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    while moment < end:
        following = moment + min(DAY, end - moment)
        if _find_offset(moment, zone) != _find_offset(following, zone):
            changes.append(_find_change(moment, following, zone))
        moment = following
    return tuple(changes)


def _find_change(before: datetime, after: datetime, zone: ZoneInfo) -> tuple[datetime, timedelta]:
    offset = _find_offset(before, zone)
    while after - before > clock.MILLISECOND:
        middle = before + (after - before) // 2
        if _find_offset(middle, zone) == offset:
            before = middle
        else:
            after = middle
    # changes happen on whole seconds; halving ends within a millisecond of one
    return after.replace(microsecond=0), _find_offset(after, zone)


def _find_offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def build_key_sql(interval: Interval, zone: ZoneInfo, first: datetime, last: datetime) -> str:
    """SQL expression of the bucket key of the column `occurred_at`, right for moments from `first` to `last`."""
    offsets = list_offsets(first, last, zone)
    arms = [_build_arm(interval, offset) for _, offset in offsets]
    conditions = [f"occurred_at < TIMESTAMP '{_format(moment)}'" for moment, _ in offsets[1:]]
    whens = "".join(f" WHEN {condition} THEN {arm}" for condition, arm in zip(conditions, arms, strict=False))
    return f"CASE{whens} ELSE {arms[-1]} END" if whens else arms[-1]


def _build_arm(interval: Interval, offset: timedelta) -> str:
    seconds = int(offset.total_seconds())
    # DuckDB takes a negative number after INTERVAL in parentheses only
    local = f"occurred_at + INTERVAL ({seconds}) SECOND" if seconds else "occurred_at"
    key = f"date_trunc('{interval}', {local})"
    return f"{key} - INTERVAL ({seconds}) SECOND" if seconds and interval is Interval.HOUR else key


def _format(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
