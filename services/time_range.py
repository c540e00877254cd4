"""The one type of time range: half-open, in UTC milliseconds; and reading it from a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services import clock
from services.errors import InvalidInput


@dataclass(frozen=True)
class TimeRange:
    """Moments with `from_ms <= moment < to_ms`; a bound that is None is open."""

    from_ms: int | None = None
    to_ms: int | None = None

    def holds(self, ms: int) -> bool:
        """Whether the moment is in it."""
        return (self.from_ms is None or ms >= self.from_ms) and (self.to_ms is None or ms < self.to_ms)

    def previous(self, zone: ZoneInfo) -> TimeRange:
        """The range of the same length on the zone's wall clock that ends where this one begins; of the same length in
        time where the wall clock has none to tell, within the hour of a change."""
        if self.from_ms is None or self.to_ms is None:
            raise InvalidInput("compare=previous needs both from and to", fields=["compare", "from", "to"])
        try:
            start = clock.from_ms(self.from_ms).astimezone(zone).replace(tzinfo=None)
            stop = clock.from_ms(self.to_ms).astimezone(zone).replace(tzinfo=None)
            from_ms = clock.to_ms((start - (stop - start)).replace(tzinfo=zone))
            if from_ms >= self.from_ms:
                from_ms = 2 * self.from_ms - self.to_ms
            clock.from_ms(from_ms)
        except OverflowError:
            message = "the range to compare with reaches beyond the years 1 to 9999"
            raise InvalidInput(message, fields=["compare", "from", "to"]) from None
        return TimeRange(from_ms, self.from_ms)


def parse_time_range(
    fields: dict[str, Any], zone: ZoneInfo, *, names: tuple[str, str] = ("from", "to")
) -> TimeRange:
    """The range that the fields of these names (missing: open) mean in a zone.

    A bare date as beginning is the beginning of that day, as end the end of it. A time without offset is in the zone.
    Raises InvalidInput.
    """
    start, end = names
    bounds = {}
    for name in names:
        value = fields.get(name)
        try:
            bounds[name] = None if value is None else parse_bound_ms(value, zone, is_end=name == end)
        except OverflowError:
            raise InvalidInput(f"{name} reaches beyond the years 1 to 9999", fields=[name]) from None
        except ValueError:
            raise InvalidInput(
                f"{name} must be an ISO 8601 date or time like 2025-01-31 or 2025-01-31T00:00:00Z", fields=[name]
            ) from None
    from_ms, to_ms = bounds[start], bounds[end]
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise InvalidInput(f"{start} must be before {end}", fields=[start, end])
    return TimeRange(from_ms, to_ms)


def parse_bound_ms(value: object, zone: ZoneInfo, *, is_end: bool) -> int:
    """Milliseconds of a bound; ValueError or OverflowError if it is no date or time."""
    if not isinstance(value, str):
        raise ValueError
    # a '+' of an offset that was not percent-encoded in a query arrives as a blank
    text = value.replace(" ", "+") if "T" in value else value
    if not any(mark in text for mark in "T :"):
        day = date.fromisoformat(text)
        return clock.to_ms(find_day_start(day + timedelta(days=1) if is_end else day, zone))
    moment = datetime.fromisoformat(text)
    return clock.to_ms((moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC))


def find_day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a local date, UTC. Where midnight is skipped by a clock change, the moment of the change."""
    midnight = datetime.combine(day, time.min)
    start = midnight.replace(tzinfo=zone).astimezone(UTC)
    if start.astimezone(zone).replace(tzinfo=None) == midnight:
        return start
    # midnight does not exist: the change lies within the hours around; find it by halving
    before, after = start - timedelta(hours=26), start
    while after - before > clock.MILLISECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).replace(tzinfo=None) >= midnight:
            after = middle
        else:
            before = middle
    return after
