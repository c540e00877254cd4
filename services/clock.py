"""Time as the product writes it: whole milliseconds, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000


def fetch_now_ms() -> int:
    """The present in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, fractions of a millisecond dropped (towards the past)."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=ms)


def format_ms(ms: int) -> str:
    """`2025-01-06T10:00:00Z`, or with `.123` where there are milliseconds; years before 1000 are zero-padded."""
    moment = from_ms(ms)
    text = moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if ms % 1000 else "seconds")
    return text + "Z"


def format_ms_sortable(ms: int) -> str:
    """Like `format_ms`, always with milliseconds, so that texts sort as times do. For stored documents."""
    return from_ms(ms).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
