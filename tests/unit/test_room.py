"""Who waits for room in memory, and who does not."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from services.reports.room import EVENT_BYTES, Room

LIMIT_BYTES = 10 * EVENT_BYTES
PATIENCE_SECONDS = 60


def start_holding(room: Room, events: int) -> threading.Event:
    """Hold room in a thread of its own; set once it is held."""
    is_held = threading.Event()

    def hold() -> None:
        with room.hold(events, limit_bytes=LIMIT_BYTES):
            is_held.set()

    threading.Thread(target=hold, daemon=True).start()
    return is_held


def test_those_who_fit_beside_each_other_do_not_wait() -> None:
    room = Room()
    with room.hold(4, limit_bytes=LIMIT_BYTES):
        assert start_holding(room, 6).wait(PATIENCE_SECONDS)


def test_who_does_not_fit_waits_until_the_others_are_done() -> None:
    room = Room()
    with ExitStack() as first:
        first.enter_context(room.hold(4, limit_bytes=LIMIT_BYTES))
        is_held = start_holding(room, 7)
        assert start_holding(room, 6).wait(PATIENCE_SECONDS), "somebody smaller need not wait"
        assert not is_held.is_set()
    assert is_held.wait(PATIENCE_SECONDS)


def test_more_than_there_is_room_for_is_held_alone() -> None:
    assert start_holding(Room(), 1000).wait(PATIENCE_SECONDS)


def test_nobody_waits_for_ever() -> None:
    room = Room(longest_wait_seconds=0.01)
    with room.hold(10, limit_bytes=LIMIT_BYTES):
        assert start_holding(room, 1).wait(PATIENCE_SECONDS)
