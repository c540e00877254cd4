"""Instants, bounds and buckets of a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUARTER_HOUR_MS = 15 * 60 * 1000
SIX_HOURS_MS = 6 * 60 * 60 * 1000


def to_ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def to_local(ms: int, zone: ZoneInfo) -> datetime:
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone)


def format_utc(ms: int | None) -> str | None:
    """`2025-01-06T10:00:00Z`, milliseconds only where there are some."""
    if ms is None:
        return None
    moment = to_local(ms, ZoneInfo("UTC")).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds") + "Z"


def format_local(moment: datetime, zone: ZoneInfo) -> str:
    """With its offset; `Z` where the report's zone is UTC."""
    text = moment.isoformat(timespec="seconds")
    return text.replace("+00:00", "Z") if zone.key == "UTC" else text


@cache
def find_first_instant(first: date, after: date, zone: ZoneInfo) -> int:
    """The first instant whose local date is in `[first, after)`: not always 00:00, which some clock changes skip."""
    ms = to_ms(datetime(first.year, first.month, first.day, tzinfo=UTC)) - 64 * QUARTER_HOUR_MS
    while not first <= to_local(ms, zone).date() < after:
        ms += QUARTER_HOUR_MS
    return ms


def parse_bound(value: str | None, zone: ZoneInfo, *, is_end: bool) -> int | None:
    """A bare date is the start of that day in the zone, as `to` its end."""
    if value is None:
        return None
    if len(value) == len("2024-01-01"):
        day = date.fromisoformat(value) + timedelta(days=1 if is_end else 0)
        return find_first_instant(day, day + timedelta(days=7), zone)
    moment = datetime.fromisoformat(value)
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def find_previous_start(start: int, end: int, zone: ZoneInfo) -> int:
    """Where the window before begins: the same local wall-clock length, ending at `start`; the same time, where the
    clock that is put back or forward leaves no such window."""
    wall_start, wall_end = to_local(start, zone).replace(tzinfo=None), to_local(end, zone).replace(tzinfo=None)
    found = to_ms((wall_start - (wall_end - wall_start)).replace(tzinfo=zone))
    return found if found < start else start - (end - start)


def find_bucket(ms: int, interval: str, zone: ZoneInfo) -> str:
    """The label of the bucket that holds the instant: where the bucket starts."""
    local = to_local(ms, zone)
    if interval == "hour":
        # The offset is the instant's own: where the clock changes inside an hour, the full hour may have had another.
        offset = timezone(local.utcoffset() or timedelta(0))
        return format_local(local.replace(minute=0, second=0, microsecond=0, tzinfo=offset), zone)
    return format_day(find_day_of_bucket(local.date(), interval), interval, zone)


def find_day_of_bucket(day: date, interval: str) -> date:
    """The first date of the day, week or month that holds the date."""
    if interval == "week":
        return day - timedelta(days=day.weekday())
    return day if interval == "day" else day.replace(day=1)


def step_days(first: date, interval: str, number: int) -> date:
    """The first date of the interval that many intervals after the one that begins on the date."""
    if interval == "month":
        months = first.year * 12 + first.month - 1 + number
        return date(months // 12, months % 12 + 1, 1)
    return first + timedelta(days=number * (1 if interval == "day" else 7))


def find_day_start(first: date, interval: str, zone: ZoneInfo) -> int:
    """The first instant of the interval that begins on the date."""
    return find_first_instant(first, step_days(first, interval, 1), zone)


def format_day(first: date, interval: str, zone: ZoneInfo) -> str:
    """The label of the bucket that begins on the date."""
    return format_local(to_local(find_day_start(first, interval, zone), zone), zone)


def list_buckets(start: int, end: int, interval: str, zone: ZoneInfo) -> list[str]:
    """The labels of all buckets that hold an instant of `[start, end)`, in time order."""
    step = QUARTER_HOUR_MS if interval == "hour" else SIX_HOURS_MS
    instants = [start, *range(start - start % step + step, end, step), end - 1]
    return list(dict.fromkeys(find_bucket(ms, interval, zone) for ms in instants))
