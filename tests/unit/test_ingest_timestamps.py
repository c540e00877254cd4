"""`services.ingest.timestamps`: what a client may send as a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clock import from_ms
from services.ingest.timestamps import MAX_MS, MIN_MS, parse_timestamp_ms

TEN_O_CLOCK_MS = 1_736_157_600_000  # 2025-01-06T10:00:00Z


@pytest.mark.parametrize(
    ("value", "expected_ms"),
    [
        ("2025-01-06T10:00:00Z", TEN_O_CLOCK_MS),
        ("2025-01-06T10:00:00", TEN_O_CLOCK_MS),
        ("2025-01-06 10:00:00", TEN_O_CLOCK_MS),
        ("2025-01-06T10:00Z", TEN_O_CLOCK_MS),
        ("20250106T100000Z", TEN_O_CLOCK_MS),
        ("2025-01-06T11:00:00+01:00", TEN_O_CLOCK_MS),
        ("2025-01-06T04:30:00-05:30", TEN_O_CLOCK_MS),
        ("2025-01-06T10:00:00.123Z", TEN_O_CLOCK_MS + 123),
        ("2025-01-06T10:00:00.123999Z", TEN_O_CLOCK_MS + 123),
        ("2025-01-06T10:00:00.123999999Z", TEN_O_CLOCK_MS + 123),
        ("2025-01-06", TEN_O_CLOCK_MS - 36_000_000),
        ("20250106", TEN_O_CLOCK_MS - 36_000_000),
        ("1969-12-31T23:59:59.9995Z", -1),
        ("0001-01-01T00:00:00Z", MIN_MS),
        ("9999-12-31T23:59:59.999Z", MAX_MS),
        (1_736_157_600, TEN_O_CLOCK_MS),
        (1_736_157_600_000, TEN_O_CLOCK_MS),
        (1_736_157_600.123, TEN_O_CLOCK_MS + 123),
        (1_736_157_600.0019, TEN_O_CLOCK_MS + 1),
        (1_736_157_600_000.9, TEN_O_CLOCK_MS),
        (0, 0),
        (-1, -1000),
        (-0.0005, -1),
        (99_999_999_999, 99_999_999_999_000),
        (100_000_000_000, 100_000_000_000),
        (-100_000_000_000, -100_000_000_000),
    ],
)
def test_a_time_is_read_to_the_millisecond(value: object, expected_ms: int) -> None:
    assert parse_timestamp_ms(value) == expected_ms


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "yesterday", "2025-13-01", "2025-02-29", "2025-01-06T25:00:00Z", "10:00:00",
        "2025-01-06T10:00:00+25:00", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
        "1736157600", "1736157600000", "1712101200000", " 2025-01-06", "2025-01-06T10:00:00Z\x00", "\ufffd", "٢٠٢٥٠١٠٦",
        None, True, False, [], {}, [2025, 1, 6], {"$date": 0},
        10**15, -(10**15), 10**400, -(10**400), 1e300, -1e300, float("inf"), float("-inf"), float("nan"),
        MAX_MS + 1, MIN_MS - 1,
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(value: object) -> None:
    assert parse_timestamp_ms(value) is None


@given(
    moment=st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),
    offset_minutes=st.integers(-14 * 60, 14 * 60),
)
def test_iso_text_of_any_zone_and_its_unix_time_are_the_same_moment(moment: datetime, offset_minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    ms = parse_timestamp_ms(zoned.isoformat())
    assert ms is not None
    utc = zoned.astimezone(UTC)
    assert from_ms(ms) == utc.replace(microsecond=utc.microsecond // 1000 * 1000)
    if abs(ms) >= 10**11:
        assert parse_timestamp_ms(ms) == ms


@given(ms=st.integers(-(10**11) * 1000 + 1, 10**11 * 1000 - 1).filter(lambda ms: MIN_MS <= ms <= MAX_MS))
def test_seconds_with_three_decimals_keep_their_milliseconds(ms: int) -> None:
    assert parse_timestamp_ms(ms / 1000) == ms
