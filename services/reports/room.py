"""Room in memory for the events that reports of a process hold at once, besides what the report engine takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EVENT_BYTES: Final = 32
LONGEST_WAIT_SECONDS: Final = 60.0


class Room:
    """Lets reports in one after the other where they would hold too much together."""

    def __init__(self, *, longest_wait_seconds: float = LONGEST_WAIT_SECONDS) -> None:
        self._held_bytes = 0
        self._changed = threading.Condition()
        self._longest_wait_seconds = longest_wait_seconds

    @contextmanager
    def hold(self, events: int, *, limit_bytes: int) -> Iterator[None]:
        """Wait until so many events have room beside those of others, or nobody holds any. Whoever waited for very long
        goes on all the same: a report that takes more memory is better than none."""
        size = events * EVENT_BYTES
        with self._changed:
            self._changed.wait_for(
                lambda: not self._held_bytes or self._held_bytes + size <= limit_bytes, self._longest_wait_seconds
            )
            self._held_bytes += size
        try:
            yield
        finally:
            with self._changed:
                self._held_bytes -= size
                self._changed.notify_all()
