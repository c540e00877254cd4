"""Which of a project's newest events have not been shown yet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from stores.base import ArrivalRow

SHOWN_EVENTS: Final = 100
"""At most so many at a time."""
READ_EVENTS: Final = SHOWN_EVENTS + 1
"""One more tells whether some are left out."""
FLOOD_EVENTS: Final = 20
"""So many of those that arrive faster than they can be shown: nobody reads more, and each viewer gets them."""
REMEMBERED_EVENTS: Final = 2_000


class News(NamedTuple):
    """Events to show, the oldest first."""

    rows: list[ArrivalRow]
    is_skipped: bool = False
    """Whether more arrived than these."""


class Feed:
    """Remembers what was shown, so that each event is shown once: also one that becomes visible later than events that
    arrived after it, as happens where several hosts write, and none again that comes up because newer ones were erased.

    Of the events that it has forgotten it knows the position below which nothing is new.
    """

    def __init__(self) -> None:
        self._shown: OrderedDict[str, int] = OrderedDict()
        self._floor = 0

    def take(self, rows: Sequence[ArrivalRow]) -> News:
        """What is new among the newest `READ_EVENTS` of the project, which come the newest first."""
        new = [row for row in rows if row.position >= self._floor and row.event_id not in self._shown]
        is_skipped = len(new) == READ_EVENTS
        if is_skipped:
            self._floor = max(self._floor, new[-1].position + 1)
        for row in reversed(new):
            self._remember(row)
        return News(new[FLOOD_EVENTS - 1 :: -1] if is_skipped else new[::-1], is_skipped)

    def _remember(self, row: ArrivalRow) -> None:
        self._shown[row.event_id] = row.position
        while len(self._shown) > REMEMBERED_EVENTS:
            _, position = self._shown.popitem(last=False)
            self._floor = max(self._floor, position + 1)


class Cursor(NamedTuple):
    """The last event that a viewer got, as it tells when it comes again."""

    removals: str
    """What had been removed from the project by then, `services.live.channel.fetch_removal_mark`."""
    position: int
    event_id: str

    def format(self) -> str:
        """Text that fits in a header: ids of events are made by others and may hold anything."""
        return f"{self.removals}:{self.position}:{self.event_id.encode().hex()}"


def parse_cursor(text: str | None) -> Cursor | None:
    """What `Cursor.format` made; None for anything else, which is as good as none."""
    parts = (text or "").split(":")
    if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) < 20):
        return None
    try:
        return Cursor(parts[0], int(parts[1]), bytes.fromhex(parts[2]).decode())
    except ValueError:
        return None


def find_missed(rows: Sequence[ArrivalRow], cursor: Cursor) -> News:
    """The events after the cursor among the newest `READ_EVENTS`, which come the newest first."""
    place = next((place for place, row in enumerate(rows) if row.event_id == cursor.event_id), None)
    newer = rows[:place] if place is not None else [row for row in rows if row.position > cursor.position]
    is_skipped = len(newer) == READ_EVENTS
    return News(list(newer[SHOWN_EVENTS - 1 :: -1] if is_skipped else newer[::-1]), is_skipped)


def find_latest(rows: Sequence[ArrivalRow], limit: int) -> News:
    """The last `limit` events."""
    return News(list(reversed(rows[:limit])))
