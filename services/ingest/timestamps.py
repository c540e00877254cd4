"""What clients send as a time, in milliseconds since 1970."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

from services.clock import DAY_MS, EPOCH, to_ms

MIN_MS = to_ms(datetime(1, 1, 1, tzinfo=UTC))
MAX_MS = to_ms(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))

MILLISECONDS_FROM = 10**11
"""A number of this size or more counts milliseconds, a smaller one seconds (1e11 s would be the year 5138)."""

_BASIC_DATE_DIGITS = 8

_from_iso = datetime.fromisoformat


def parse_timestamp_ms(value: object) -> int | None:
    """Milliseconds since 1970 of ISO 8601 text (UTC where it names no zone) or a Unix number; None if it is neither.

    Finer fractions are dropped towards the past. The result is in the years 1 to 9999.
    """
    if isinstance(value, str):
        return _parse_text_ms(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _parse_number_ms(value)
    return None


def _parse_text_ms(text: str) -> int | None:
    try:
        moment = _from_iso(text)
    except ValueError:
        return None
    if "\0" in text:
        return None  # Python does not look past it
    if moment.tzinfo is None:
        if len(text) != _BASIC_DATE_DIGITS and text.isdigit():
            return None  # a Unix time in quotes, in which Python finds a date of the 18th century
        moment = moment.replace(tzinfo=UTC)
    since = moment - EPOCH
    ms = since.days * DAY_MS + since.seconds * 1000 + since.microseconds // 1000
    return ms if MIN_MS <= ms <= MAX_MS else None


def _parse_number_ms(number: int | float) -> int | None:
    if not -MAX_MS <= number <= MAX_MS:  # also NaN and infinities
        return None
    is_seconds = abs(number) < MILLISECONDS_FROM
    if isinstance(number, int):
        ms = number * 1000 if is_seconds else number
    else:
        # By its decimal digits: 1736157600.123 * 1000 as doubles may end just below .123.
        ms = math.floor(Decimal(repr(number)) * (1000 if is_seconds else 1))
    return ms if MIN_MS <= ms <= MAX_MS else None
