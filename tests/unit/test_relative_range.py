"""Ranges that end with the present, by the calendar of a zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services import clock
from services.relative_range import parse_last

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("last", "zone", "now", "start", "end"),
    [
        ("1h", "UTC", "2025-01-06T10:00:30", "2025-01-06T09:01:00Z", "2025-01-06T10:01:00Z"),
        ("24h", BERLIN, "2025-03-30T10:00:00", "2025-03-29T10:01:00Z", "2025-03-30T10:01:00Z"),
        ("1d", "UTC", "2025-01-06T00:00:00", "2025-01-06T00:00:00Z", "2025-01-07T00:00:00Z"),
        # the day of the change to summer time has 23 hours
        ("2d", BERLIN, "2025-03-30T10:00:00", "2025-03-28T23:00:00Z", "2025-03-30T22:00:00Z"),
        # it is Monday already in Kathmandu
        ("1w", "Asia/Kathmandu", "2025-01-05T18:30:00", "2025-01-05T18:15:00Z", "2025-01-12T18:15:00Z"),
        ("1w", "UTC", "2025-01-05T18:30:00", "2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"),
        ("1m", "UTC", "2024-02-29T12:00:00", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("13m", BERLIN, "2024-12-31T23:30:00", "2023-12-31T23:00:00Z", "2025-01-31T23:00:00Z"),
        ("12m", "UTC", "2024-12-31T23:30:00", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    ],
)
def test_the_units_are_those_of_the_local_calendar(last: str, zone: str, now: str, start: str, end: str) -> None:
    now_ms = clock.to_ms(datetime.fromisoformat(now).replace(tzinfo=UTC))
    found = parse_last(last).find_range(ZoneInfo(zone), now_ms=now_ms)
    assert found.from_ms is not None
    assert found.to_ms is not None
    assert (clock.format_ms(found.from_ms), clock.format_ms(found.to_ms)) == (start, end)


@pytest.mark.parametrize(
    "value",
    ["", "d", "30", "0d", "-1d", "1.5d", "07d", "30D", "30 d", "1y", "8785h", "3661d", "521w", "121m", "٣d", 30, None],
)
def test_what_is_no_such_range_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be like 24h"):
        parse_last(value)


@pytest.mark.parametrize("value", ["8784h", "3660d", "520w", "120m"])
def test_the_longest_ones_are_taken(value: str) -> None:
    assert parse_last(value).find_range(ZoneInfo("UTC"), now_ms=clock.to_ms(datetime(2025, 1, 6, tzinfo=UTC)))
