"""The window before a window, where clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.clock import to_ms
from services.time_range import TimeRange

SAO_PAULO, BERLIN = "America/Sao_Paulo", "Europe/Berlin"


def read_ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("zone", "start", "stop", "start_before"),
    [
        # a day of 23 hours is compared with the day before, of 24
        (BERLIN, "2025-03-30T00:00+01:00", "2025-03-31T00:00+02:00", "2025-03-29T00:00+01:00"),
        # the days before a day of 25 hours
        (BERLIN, "2025-10-26T00:00+02:00", "2025-10-28T00:00+01:00", "2025-10-24T00:00+02:00"),
        # midnight to one o'clock did not exist: 50 minutes before ten past one are at 23:20
        (SAO_PAULO, "2017-10-15T01:10-02:00", "2017-10-15T02:00-02:00", "2017-10-14T23:20-03:00"),
        # from 2:50 to the second 2:10 twenty minutes pass, while the clock goes back by 40
        (BERLIN, "2025-10-26T02:50+02:00", "2025-10-26T02:10+01:00", "2025-10-26T02:30+02:00"),
        # from 2:30 to the second 2:30 an hour passes, and on the clock nothing
        (BERLIN, "2025-10-26T02:30+02:00", "2025-10-26T02:30+01:00", "2025-10-26T01:30+02:00"),
    ],
)
def test_the_window_before_has_the_same_length_and_is_never_empty(
    zone: str, start: str, stop: str, start_before: str
) -> None:
    before = TimeRange(read_ms(start), read_ms(stop)).previous(ZoneInfo(zone))
    assert before == TimeRange(read_ms(start_before), read_ms(start))
