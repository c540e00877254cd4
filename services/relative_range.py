"""Ranges that end with the present: `24h`, `30d`, `12w`, `6m`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services import clock
from services.time_range import TimeRange, find_day_start

MOST: Final = {"h": 8784, "d": 3660, "w": 520, "m": 120}
"""The longest of each unit: a leap year of hours, about ten years of the others."""
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
_form = re.compile(r"([1-9][0-9]{0,3})([hdwm])")


@dataclass(frozen=True)
class Last:
    """So many hours, days, weeks or months (`h`, `d`, `w`, `m`) up to now."""

    count: int
    unit: str

    def find_range(self, zone: ZoneInfo, *, now_ms: int) -> TimeRange:
        """Hours end with the present minute. Days, weeks (from Monday) and months are whole ones of the zone's
        calendar, the present one included, of which the rest is yet to come."""
        if self.unit == "h":
            end_ms = now_ms - now_ms % MINUTE_MS + MINUTE_MS
            return TimeRange(end_ms - self.count * HOUR_MS, end_ms)
        today = clock.from_ms(now_ms).astimezone(zone).date()
        first, end = find_dates(self.unit, self.count, today)
        return TimeRange(clock.to_ms(find_day_start(first, zone)), clock.to_ms(find_day_start(end, zone)))


def find_dates(unit: str, count: int, today: date) -> tuple[date, date]:
    """The first date of the units, and the first after them."""
    if unit == "d":
        return today - timedelta(days=count - 1), today + timedelta(days=1)
    if unit == "w":
        monday = today - timedelta(days=today.weekday())
        return monday - timedelta(weeks=count - 1), monday + timedelta(weeks=1)
    month = today.year * 12 + today.month - 1
    first, end = month - (count - 1), month + 1
    return date(first // 12, first % 12 + 1, 1), date(end // 12, end % 12 + 1, 1)


def parse_last(value: object) -> Last:
    """A count and a unit."""
    found = _form.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) > MOST[found[2]]:
        longest = ", ".join(f"{most}{unit}" for unit, most in MOST.items())
        raise ValueError(f"must be like 24h, 30d, 12w or 6m, at most {longest}")
    return Last(int(found[1]), found[2])
