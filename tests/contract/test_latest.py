"""The newest events: what the live view shows."""

from __future__ import annotations

from stores.base import Store
from tests.contract.conftest import OpenStore
from tests.contract.events import OTHER_PROJECT, PROJECT, RECEIVED_MS, build_event, fetch_rows


def append_each(store: Store, *event_ids: str) -> None:
    """One write and one millisecond for each."""
    for number, event_id in enumerate(event_ids):
        store.append([build_event(event_id, received_at_ms=RECEIVED_MS + number)])


def fetch_latest_ids(store: Store, limit: int, project_key: str = PROJECT) -> list[str]:
    return [row.event_id for row in store.fetch_latest(project_key, limit)]


def test_the_newest_events_come_first(store: Store, open_another: OpenStore) -> None:
    append_each(store, "a", "b", "c", "d")
    for reader in (store, open_another()):
        assert fetch_latest_ids(reader, 3) == ["d", "c", "b"]
        assert fetch_latest_ids(reader, 100) == ["d", "c", "b", "a"]


def test_newest_is_what_arrived_last_whenever_it_happened(store: Store) -> None:
    append_each(store, "a", "b")
    late = build_event("late", occurred_at_ms=RECEIVED_MS - 86_400_000, received_at_ms=RECEIVED_MS + 5)
    untimed = build_event("untimed", occurred_at_ms=None, received_at_ms=RECEIVED_MS + 6)
    store.append([late])
    store.append([untimed])
    assert fetch_latest_ids(store, 3) == ["untimed", "late", "b"]


def test_rows_are_those_of_a_scan(store: Store) -> None:
    fields = {"user_id": "u", "metadata": {"a": {"$b": 1}}, "enriched": {"browser": "Firefox"}, "url": "https://x.y/z"}
    store.append([build_event("e", **fields)])
    assert store.fetch_latest(PROJECT, 10) == fetch_rows(store)


def test_events_of_one_write_are_all_there(store: Store) -> None:
    store.append([build_event(f"e{number}") for number in range(40)])
    assert sorted(fetch_latest_ids(store, 100)) == sorted(f"e{number}" for number in range(40))
    assert len(set(fetch_latest_ids(store, 15))) == 15


def test_each_project_has_its_own(store: Store) -> None:
    append_each(store, "a")
    store.append([build_event("other", project_key=OTHER_PROJECT, received_at_ms=RECEIVED_MS + 9)])
    assert fetch_latest_ids(store, 10) == ["a"]
    assert fetch_latest_ids(store, 10, OTHER_PROJECT) == ["other"]


def test_a_project_without_events_has_no_newest(store: Store) -> None:
    assert store.fetch_latest(PROJECT, 10) == []
    append_each(store, "a")
    assert store.fetch_latest(OTHER_PROJECT, 10) == []


def test_erased_events_are_not_among_them(store: Store) -> None:
    append_each(store, "a", "b")
    store.append([build_event("of-u", user_id="u", received_at_ms=RECEIVED_MS + 9)])
    store.erase_person(PROJECT, "u", [])
    assert fetch_latest_ids(store, 10) == ["b", "a"]
    store.erase_events(PROJECT)
    assert store.fetch_latest(PROJECT, 10) == []
