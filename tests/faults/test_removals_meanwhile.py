"""What goes on while a removal is under way: reports, seals, merges, audits, late events, and hosts that missed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from columns.manifest import Segment, load_manifest
from columns.removals import REMOVALS, build_key, fetch_removals
from columns.remover import fill_gaps
from columns.snapshot import CopyChanged, Snapshot
from services import erasure
from services.reports.run import fetch_from_snapshot
from stores.base import ArrivalRow, Event
from tests.faults.test_removals import (
    NOW_MS,
    Installation,
    build_event,
    installation,
    list_texts,
    post,
    read_events,
    read_snapshot,
    seal,
)

__all__ = ["installation"]
MONTHS_LATER_MS = NOW_MS + 90 * 86_400_000


@pytest.fixture
def filled(installation: Installation) -> Installation:
    """Two events of a person to erase and two of another, sealed and not."""
    post(installation, [build_event(1, userId="gone"), build_event(2, userId="kept")])
    seal(installation)
    post(installation, [build_event(3, userId="gone"), build_event(4, userId="kept")])
    installation.check()
    return installation


def begin(installation: Installation) -> Any:
    person = erasure.find_person(installation.context, installation.project, "gone")
    return erasure.begin_removal(
        installation.context, installation.project_key, person.stop, now_ms=NOW_MS, personKey=person.key
    )


def list_ids(installation: Installation) -> list[set[str]]:
    return [{row[0] for row in read_events(copy, installation.project_key)} for copy in installation.copies]


def test_a_deleted_event_does_not_hide_a_new_one_while_a_removal_is_under_way(filled: Installation) -> None:
    removal = begin(filled)
    for number in range(5, 8):
        filled.context.store.erase_person(filled.project_key, "gone", [], removal.stop)
        post(filled, [build_event(number, userId="kept")])
        for ids in list_ids(filled):
            assert {"e0002", "e0004", *(f"e{known:04d}" for known in range(5, number + 1))} <= ids
    erasure.finish_removals(filled.context, filled.project, now_ms=NOW_MS)
    assert [row[0] for row in filled.check()] == ["e0002", "e0004", "e0005", "e0006", "e0007"]


def test_no_report_is_cached_while_a_removal_is_under_way(filled: Installation) -> None:
    def ask() -> dict[str, Any]:
        return filled.pipeline.ask(filled.project_key, "overview", {})

    assert [ask()["cached"], ask()["cached"]] == [False, True]
    begin(filled)
    assert [ask()["cached"], ask()["cached"]] == [False, False]
    erasure.finish_removals(filled.context, filled.project, now_ms=NOW_MS)
    assert filled.context.cache.list_projects() == set()
    answers = [ask(), ask()]
    assert [answer["cached"] for answer in answers] == [False, True]
    assert [answer["totalEvents"] for answer in answers] == [2, 2]


def test_a_report_that_was_being_computed_when_its_person_was_erased_is_not_kept(
    filled: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = filled.context.cache
    keep = cache.keep

    def keep_after_erasure(key: str, value: bytes) -> None:
        filled.erase("gone")
        keep(key, value)

    monkeypatch.setattr(cache, "keep", keep_after_erasure)
    assert filled.pipeline.ask(filled.project_key, "users", {})["total"] == 2
    assert cache.list_projects() == set()


def test_a_report_whose_files_are_deleted_by_a_removal_is_computed_again(filled: Installation) -> None:
    old = filled.pipeline.copy.fetch_snapshot(filled.project_key, epoch=0)
    calls = []

    def compute(snapshot: Snapshot) -> list[Any]:
        calls.append(snapshot)
        if len(calls) == 1:
            filled.erase("gone")
        return read_snapshot(filled.pipeline.copy, snapshot)

    _, rows = fetch_from_snapshot(filled.context, filled.project, compute)
    assert [row[0] for row in rows] == ["e0002", "e0004"]
    assert len(calls) == 2
    with pytest.raises(CopyChanged):
        read_snapshot(filled.pipeline.copy, old)


class Interrupted:
    """A store during whose next scan something happens."""

    def __init__(self, store: Any, action: Callable[[], None]) -> None:
        self._store = store
        self._action: Callable[[], None] | None = action

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def scan(self, *arguments: Any, **named: Any) -> Iterator[list[ArrivalRow]]:
        rows = list(self._store.scan(*arguments, **named))
        action, self._action = self._action, None
        if action is not None:
            action()
        yield from rows


def test_what_is_sealed_while_it_is_erased_is_not_in_the_segment(filled: Installation) -> None:
    store: Any = filled.second._store
    interrupted: Any = Interrupted(store, lambda: filled.erase("gone"))
    filled.second._store = interrupted
    filled.second.seal(filled.project_key, force=True)
    filled.second._store = store
    assert [row[0] for row in filled.check()] == ["e0002", "e0004"]
    filled.second.catch_up(filled.project_key)
    assert "gone" not in list_texts(filled.second.directory)


def test_what_is_read_into_a_tail_while_it_is_erased_is_not_in_the_next_report(filled: Installation) -> None:
    filled.second.forget_memory()
    store: Any = filled.second._store
    interrupted: Any = Interrupted(store, lambda: filled.erase("gone"))
    filled.second._store = interrupted
    assert {row[0] for row in read_events(filled.second, filled.project_key)} == {"e0002", "e0004"}
    filled.second._store = store
    assert [row[0] for row in filled.check()] == ["e0002", "e0004"]


def test_an_audit_does_not_take_deletions_for_damage(filled: Installation) -> None:
    removal = begin(filled)
    filled.context.store.erase_person(filled.project_key, "gone", [], removal.stop)
    for copy in filled.copies:
        before = load_manifest(copy.directory / filled.project_key)
        assert copy.audit(filled.project_key)
        assert load_manifest(copy.directory / filled.project_key) == before
    erasure.finish_removals(filled.context, filled.project, now_ms=NOW_MS)
    filled.check()
    assert all(copy.audit(filled.project_key) for copy in filled.copies)


def test_a_merge_of_a_copy_that_is_behind_is_caught_up_with(filled: Installation) -> None:
    seal(filled)
    filled.erase("gone")
    filled.second.merge(filled.project_key, force=True)
    assert [row[0] for row in filled.check()] == ["e0002", "e0004"]
    filled.second.catch_up(filled.project_key)
    assert "gone" not in list_texts(filled.second.directory)


def test_events_that_the_person_sends_afterwards_are_kept(filled: Installation) -> None:
    filled.erase("gone")
    post(filled, [build_event(1, userId="gone"), build_event(9, userId="gone")])
    filled.context.store.erase_person(filled.project_key, "gone", [], fetch_last(filled).stop)  # a straggler's work
    assert [row[0] for row in filled.check()] == ["e0001", "e0002", "e0004", "e0009"]
    seal(filled)
    assert [row[0] for row in filled.check()] == ["e0001", "e0002", "e0004", "e0009"]


@pytest.mark.parametrize("installation", ["mongodb"], indirect=True)  # in the embedded store nothing surfaces late
def test_an_event_that_surfaces_where_events_were_removed_is_reported(filled: Installation) -> None:
    filled.erase("gone")
    first = next(filled.context.store.scan(filled.project_key, 0))[0].position
    late = Event(filled.project_key, "late", "seen", NOW_MS, first, user_id="gone")
    filled.context.store.append([late])
    assert {row[0] for row in read_events(filled.second, filled.project_key)} == {"e0002", "e0004", "late"}


def test_a_host_that_missed_removals_which_are_forgotten_starts_anew(filled: Installation) -> None:
    filled.erase("gone")
    filled.erase("kept")
    assert erasure.purge_removals(filled.context, [filled.project_key], now_ms=NOW_MS) == 0
    assert erasure.purge_removals(filled.context, [filled.project_key], now_ms=MONTHS_LATER_MS) == 1
    assert fetch_last(filled).number == 2
    assert filled.check() == []
    assert load_manifest(filled.second.directory / filled.project_key).removals == 2
    filled.second.catch_up(filled.project_key)
    assert list_texts(filled.second.directory) == set()


def test_two_removals_are_done_in_order_whoever_finishes_them(filled: Installation) -> None:
    begin(filled)
    filled.erase("kept")
    assert filled.check() == []
    assert [removal.number for removal in fetch_removals(filled.context.store, filled.project_key, 0)] == [1, 2]


def test_documents_of_removals_hold_no_ids(filled: Installation) -> None:
    filled.erase("gone")
    assert "gone" not in str(filled.context.store.find_documents(REMOVALS))


def test_what_is_in_memory_of_an_idle_process_goes_within_a_round(filled: Installation) -> None:
    assert filled.second.forget_removed() == []
    filled.erase("gone")
    assert filled.second.forget_removed() == [filled.project_key]
    assert filled.second._memory.list_removals() == []


def test_positions_of_segments_that_are_gone_are_still_audited() -> None:
    segments = [
        Segment(name, start, start + 10, 5, None, None, {}, has_all_paths=True, sealed_at_ms=0)
        for name, start in zip("abcd", range(0, 40, 10), strict=True)
    ]
    kept = fill_gaps(segments, {"a": 5, "b": 4, "c": 5})
    assert [(segment.file, segment.start, segment.stop) for segment in kept] == [("b", 0, 30), ("d", 30, 40)]
    assert fill_gaps(segments, dict.fromkeys("abcd", 5)) == []


@pytest.mark.parametrize("text", ["a", "user-1", "ünï\U0001f600", "quote'", "0", " "])
def test_keys_are_those_of_the_copy(text: str) -> None:
    import duckdb

    row = duckdb.execute("SELECT md5_number($1)::UUID::VARCHAR", [text]).fetchone()
    assert row is not None
    assert row[0].replace("-", "") == build_key(text)


def fetch_last(installation: Installation) -> Any:
    return fetch_removals(installation.context.store, installation.project_key, 0)[-1]
