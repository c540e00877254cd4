"""Each event is shown once: the newest events of a project, read again and again, and what of them is new."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from services.live import feed
from services.live.feed import (
    FLOOD_EVENTS,
    READ_EVENTS,
    REMEMBERED_EVENTS,
    SHOWN_EVENTS,
    Cursor,
    Feed,
    News,
    find_latest,
    find_missed,
    parse_cursor,
)
from stores.base import ArrivalRow


def build_row(position: int, event_id: str | None = None) -> ArrivalRow:
    empty = (None,) * 7
    return ArrivalRow(position, event_id or f"e{position}", "view", position, position, *empty, "{}", None)


def newest(positions: Iterable[int]) -> list[ArrivalRow]:
    """As the store gives them: the newest first, `READ_EVENTS` at most."""
    return [build_row(position) for position in sorted(positions, reverse=True)][:READ_EVENTS]


def shown(news: News) -> list[int]:
    return [row.position for row in news.rows]


def test_what_was_shown_is_not_shown_again_and_the_oldest_comes_first() -> None:
    seen = Feed()
    assert shown(seen.take(newest([1, 2, 3]))) == [1, 2, 3]
    assert shown(seen.take(newest([1, 2, 3]))) == []
    assert shown(seen.take(newest([1, 2, 3, 4, 5]))) == [4, 5]


def test_nothing_is_new_where_there_is_nothing() -> None:
    assert Feed().take([]) == News([])


def test_an_event_that_becomes_visible_late_is_shown_once() -> None:
    seen = Feed()
    seen.take(newest([1, 2, 9]))
    assert shown(seen.take(newest([1, 2, 5, 9]))) == [5]
    assert shown(seen.take(newest([1, 2, 5, 9, 10]))) == [10]


def test_events_of_one_position_are_told_apart() -> None:
    seen = Feed()
    seen.take([build_row(7, "a")])
    news = seen.take([build_row(7, "b"), build_row(7, "a")])
    assert [row.event_id for row in news.rows] == ["b"]


def test_as_many_as_can_be_shown_are_all_shown() -> None:
    seen = Feed()
    seen.take(newest([1]))
    news = seen.take(newest(range(1, 2 + SHOWN_EVENTS)))
    assert shown(news) == list(range(2, 2 + SHOWN_EVENTS))
    assert news.is_skipped is False


def test_of_more_the_newest_are_shown_and_that_some_were_skipped() -> None:
    seen = Feed()
    seen.take(newest([1]))
    news = seen.take(newest(range(1, 5_000)))
    assert shown(news) == list(range(5_000 - FLOOD_EVENTS, 5_000))
    assert news.is_skipped is True


def test_what_was_skipped_does_not_come_up_when_newer_events_are_erased() -> None:
    seen = Feed()
    seen.take(newest([1]))
    seen.take(newest(range(1, 1_000)))
    assert shown(seen.take(newest(range(1, 980)))) == []
    assert shown(seen.take(newest([*range(1, 980), 1_000]))) == [1_000]


def test_what_was_forgotten_does_not_come_up_again() -> None:
    seen = Feed()
    last = 3 * REMEMBERED_EVENTS
    for stop in range(0, last, 50):
        seen.take(newest(range(stop)))
    assert shown(seen.take(newest(range(last // 2)))) == []
    assert len(seen._shown) <= REMEMBERED_EVENTS


def test_the_latest_are_as_many_as_asked_for() -> None:
    rows = newest(range(1, 10))
    assert shown(find_latest(rows, 3)) == [7, 8, 9]
    assert shown(find_latest(rows, 50)) == list(range(1, 10))


@pytest.mark.parametrize(("position", "event_id"), [(4, "e4"), (4, "an erased one")])
def test_who_comes_again_gets_what_came_after(position: int, event_id: str) -> None:
    assert shown(find_missed(newest(range(1, 8)), Cursor("0", position, event_id))) == [5, 6, 7]


def test_who_was_away_for_long_gets_the_last_events_and_that_some_were_skipped() -> None:
    news = find_missed(newest(range(1, 5_000)), Cursor("0", 3, "e3"))
    assert (len(news.rows), shown(news)[-1], news.is_skipped) == (SHOWN_EVENTS, 4_999, True)


@pytest.mark.parametrize("event_id", ["e1", "ä:b\nc", ""])
def test_a_cursor_is_read_as_it_was_written(event_id: str) -> None:
    cursor = Cursor("3-", 17, event_id)
    assert cursor.format().isascii()
    assert parse_cursor(cursor.format()) == cursor


@pytest.mark.parametrize(
    "text", [None, "", "1", "0:1", "0:x:00", "0:1:zz", "0:1:ff", "0:²:00", "0:1:00:2", f"0:{'9' * 30}:00"]
)
def test_what_is_no_cursor_is_as_good_as_none(text: str | None) -> None:
    assert parse_cursor(text) is None


def test_the_extra_event_that_is_read_is_not_shown() -> None:
    assert feed.READ_EVENTS == feed.SHOWN_EVENTS + 1
