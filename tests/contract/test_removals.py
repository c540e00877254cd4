"""Events of one person, and events before a moment, are read and removed."""

from __future__ import annotations

from typing import Any

import pytest

from stores import mongo, person_queries, sqlite
from stores.base import Store
from tests.contract.events import OTHER_PROJECT, PROJECT, RECEIVED_MS, build_event, fetch_ids, fetch_rows

EVENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("by-user", {"user_id": "u"}),
    ("by-both", {"user_id": "u", "anonymous_id": "a"}),
    ("anonymous", {"anonymous_id": "a"}),
    ("other-user", {"user_id": "v", "anonymous_id": "a"}),
    ("other-visitor", {"anonymous_id": "b"}),
    ("namesake", {"anonymous_id": "u"}),
    ("nobody", {}),
)


@pytest.fixture
def filled(store: Store) -> Store:
    """Each event at a position of its own, and the same in another project."""
    for number, (event_id, fields) in enumerate(EVENTS):
        for project_key in (PROJECT, OTHER_PROJECT):
            event = build_event(event_id, project_key=project_key, received_at_ms=RECEIVED_MS + number, **fields)
            store.append([event])
    return store


def scan_ids(store: Store, user_id: str | None, anonymous_ids: list[str], stop: int | None = None) -> list[str]:
    batches = list(store.scan_person(PROJECT, user_id, anonymous_ids, stop))
    assert all(batches)
    return sorted(row.event_id for batch in batches for row in batch)


def test_a_person_has_the_events_of_the_user_and_those_of_its_anonymous_ids_without_one(filled: Store) -> None:
    assert scan_ids(filled, "u", ["a"]) == ["anonymous", "by-both", "by-user"]
    assert scan_ids(filled, "u", []) == ["by-both", "by-user"]
    assert scan_ids(filled, None, ["a", "b", "a"]) == ["anonymous", "other-visitor"]
    assert scan_ids(filled, "u", ["u"]) == ["by-both", "by-user", "namesake"]
    assert scan_ids(filled, "nobody-has-this", ["nor this"]) == []
    assert scan_ids(filled, None, []) == []


def test_the_rows_of_a_person_are_those_of_a_scan(filled: Store) -> None:
    whole = {row.event_id: row for row in fetch_rows(filled)}
    for batch in filled.scan_person(PROJECT, "u", ["a"]):
        assert all(row == whole[row.event_id] for row in batch)


def test_erasing_a_person_removes_what_its_scan_yields_and_nothing_else(filled: Store) -> None:
    assert filled.erase_person(PROJECT, "u", ["a"]) == 3
    assert fetch_ids(filled) == ["other-user", "other-visitor", "namesake", "nobody"]
    assert filled.count(PROJECT) == 4
    assert filled.fetch_event(PROJECT, "by-user") is None
    assert filled.erase_person(PROJECT, "u", ["a"]) == 0
    assert filled.count(OTHER_PROJECT) == len(EVENTS)
    filled.scrub()
    assert len(fetch_ids(filled)) == 4


def test_what_arrived_from_a_position_on_is_not_the_removals(filled: Store) -> None:
    stop = {row.event_id: row.position for row in fetch_rows(filled)}["anonymous"]
    assert scan_ids(filled, "u", ["a"], stop) == ["by-both", "by-user"]
    assert filled.erase_person(PROJECT, "u", ["a"], stop) == 2
    assert "anonymous" in fetch_ids(filled)
    assert filled.erase_before(PROJECT, RECEIVED_MS * 2, stop) == 0
    assert filled.erase_before(PROJECT, RECEIVED_MS * 2, stop + 1) == 1
    assert fetch_ids(filled)[0] == "other-user"


@pytest.mark.parametrize("occurred_at_ms", [-5, 0, 1_000_000])
def test_erasing_before_a_moment_spares_the_moment_itself(store: Store, occurred_at_ms: int) -> None:
    moments = {"before": occurred_at_ms - 1, "at": occurred_at_ms, "after": occurred_at_ms + 1}
    store.append([build_event(event_id, occurred_at_ms=ms) for event_id, ms in moments.items()])
    assert store.erase_before(PROJECT, occurred_at_ms) == 1
    assert sorted(fetch_ids(store)) == ["after", "at"]


def test_events_without_a_valid_time_are_as_old_as_their_arrival(store: Store) -> None:
    for number in range(3):
        store.append([build_event(f"e{number}", occurred_at_ms=None, received_at_ms=RECEIVED_MS + number)])
    store.append([build_event("young", received_at_ms=RECEIVED_MS, occurred_at_ms=RECEIVED_MS + 10)])
    assert store.erase_before(PROJECT, RECEIVED_MS + 1) == 1
    assert sorted(fetch_ids(store)) == ["e1", "e2", "young"]


def test_removing_goes_by_chunks_and_leaves_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mongo, sqlite):
        monkeypatch.setattr(module, "ERASE_CHUNK_EVENTS", 3)
        monkeypatch.setattr(module, "SCAN_CHUNK_EVENTS", 3)
    monkeypatch.setattr(person_queries, "MAX_IDS", 2)
    store.append([build_event(f"e{number:02d}", anonymous_id=f"a{number % 5}") for number in range(20)])
    ids = [f"a{number}" for number in range(4)]
    assert len(scan_ids(store, None, ids)) == 16
    assert store.erase_person(PROJECT, None, ids) == 16
    assert store.erase_before(PROJECT, RECEIVED_MS * 2) == 4
    assert store.count(PROJECT) == 0


def test_an_id_with_strange_characters_is_found(store: Store) -> None:
    ids = ["nul\0inside", "quote'\"", "ünï\U0001f600", "$where", "a" * 512]
    store.append([build_event(f"e{number}", anonymous_id=each) for number, each in enumerate(ids)])
    for number, each in enumerate(ids):
        assert scan_ids(store, None, [each]) == [f"e{number}"]
    assert store.erase_person(PROJECT, None, ids) == len(ids)


def test_a_project_that_never_had_an_event_has_nothing_to_remove(store: Store) -> None:
    assert scan_ids(store, "u", ["a"]) == []
    assert store.erase_person(PROJECT, "u", ["a"]) == 0
    assert store.erase_before(PROJECT, RECEIVED_MS) == 0
    store.scrub()
