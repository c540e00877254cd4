"""Events are read in arrival order, by half-open ranges of positions."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from stores import sqlite
from stores.base import Store
from tests.contract.conftest import OpenStore
from tests.contract.events import OTHER_PROJECT, PROJECT, RECEIVED_MS, build_event, fetch_ids, fetch_rows


def test_an_unknown_project_has_nothing(store: Store) -> None:
    assert list(store.scan("ffffffffffff", 0)) == []
    assert store.count("ffffffffffff") == 0
    assert store.erase_events("ffffffffffff") == 0


def test_rows_come_in_order_of_their_positions(store: Store) -> None:
    for number in range(10):
        store.append([build_event(f"{number}-{inner}", received_at_ms=RECEIVED_MS + number) for inner in range(5)])
    rows = fetch_rows(store)
    positions = [row.position for row in rows]
    assert positions == sorted(positions)
    assert [row.event_id[0] for row in rows] == [str(number // 5) for number in range(50)]
    assert all(position > 0 for position in positions)


def test_a_range_includes_its_start_and_excludes_its_stop(store: Store) -> None:
    for number in range(6):
        store.append([build_event(f"e{number}", received_at_ms=RECEIVED_MS + number)])
    positions = [row.position for row in fetch_rows(store)]
    assert fetch_ids(store, start=positions[2], stop=positions[4]) == ["e2", "e3"]
    assert fetch_ids(store, start=positions[2], stop=positions[2]) == []
    assert fetch_ids(store, start=positions[4], stop=positions[2]) == []
    assert fetch_ids(store, start=positions[5]) == ["e5"]
    assert fetch_ids(store, start=positions[5] + 1) == []
    assert fetch_ids(store, stop=positions[1]) == ["e0"]


def test_counts_are_what_scans_yield(store: Store) -> None:
    for number in range(12):
        store.append([build_event(f"e{number}", received_at_ms=RECEIVED_MS + number // 3)])
        store.append([build_event(f"e{number}", received_at_ms=RECEIVED_MS + number // 3, project_key=OTHER_PROJECT)])
    positions = [row.position for row in fetch_rows(store)]
    assert store.count(PROJECT) == 12
    for start in [0, positions[0], positions[5], positions[-1] + 1]:
        for stop in [None, 0, positions[0], positions[7], positions[-1], positions[-1] + 1]:
            assert store.count(PROJECT, start, stop) == len(fetch_ids(store, start=start, stop=stop))


@pytest.mark.parametrize("batch_size", [1, 2, 7, 25, 26, 1_000])
def test_batches_are_never_empty_or_too_large_and_lose_nothing(store: Store, batch_size: int) -> None:
    # Several events share a position on MongoDB: a batch that ends among them must not skip or repeat any.
    store.append([build_event(f"e{number}", received_at_ms=RECEIVED_MS + number // 10) for number in range(25)])
    batches = list(store.scan(PROJECT, 0, batch_size=batch_size))
    assert all(0 < len(batch) <= batch_size for batch in batches)
    assert sorted(row.event_id for batch in batches for row in batch) == sorted(f"e{number}" for number in range(25))


def test_what_was_appended_is_read_at_once_through_every_store(store: Store, open_another: OpenStore) -> None:
    other = open_another()
    for number in range(20):
        writer, reader = (store, other) if number % 2 else (other, store)
        writer.append([build_event(f"e{number}", received_at_ms=RECEIVED_MS + number)])
        assert fetch_ids(reader)[-1] == f"e{number}"
        assert reader.count(PROJECT) == number + 1


def test_a_scan_that_is_left_early_disturbs_nobody(store: Store) -> None:
    store.append([build_event(f"e{number}") for number in range(50)])
    for _ in range(30):
        scan = store.scan(PROJECT, 0, batch_size=3)
        next(scan)
        scan.close()  # type: ignore[attr-defined]
    store.append([build_event("later")])
    assert store.count(PROJECT) == 51


def test_events_appended_during_a_scan_do_not_disturb_it(store: Store, backend: str) -> None:
    if backend == "mongomock":
        pytest.skip("mongomock reads a live list")
    store.append([build_event(f"a{number:03}", received_at_ms=RECEIVED_MS) for number in range(100)])
    seen: list[str] = []
    for number, batch in enumerate(store.scan(PROJECT, 0, batch_size=10)):
        seen += [row.event_id for row in batch]
        if number < 5:
            store.append([build_event(f"b{number}", received_at_ms=RECEIVED_MS + 1)])
    assert sorted(found for found in seen if found[0] == "a") == [f"a{number:03}" for number in range(100)]
    assert len(seen) == len(set(seen))


def test_many_threads_read_and_write_at_once(store: Store, backend: str) -> None:
    if backend == "mongomock":
        pytest.skip("mongomock does not promise anything to threads")
    failures: list[str] = []

    def work(worker: int) -> None:
        for number in range(15):
            event_id = f"{worker}-{number}"
            store.append([build_event(event_id)])
            if event_id not in fetch_ids(store):
                failures.append(event_id)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.count(PROJECT) == 75


def test_erasing_removes_the_project_and_nothing_else(store: Store, open_another: OpenStore) -> None:
    store.append([build_event(f"e{number}") for number in range(30)])
    store.append([build_event("kept", project_key=OTHER_PROJECT)])
    before = max(row.position for row in fetch_rows(store))
    assert store.erase_events(PROJECT) == 30
    for reader in (store, open_another()):
        assert fetch_ids(reader) == []
        assert reader.count(PROJECT) == 0
        assert fetch_ids(reader, OTHER_PROJECT) == ["kept"]
    assert store.erase_events(PROJECT) == 0
    assert store.append([build_event("e1", received_at_ms=RECEIVED_MS + 1)]) == [True]
    assert fetch_rows(store)[0].position > before


def test_erasing_more_than_one_chunk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stores.sqlite.ERASE_CHUNK_EVENTS", 7)
    monkeypatch.setattr("stores.mongo.ERASE_CHUNK_EVENTS", 7)
    store.append([build_event(f"e{number}") for number in range(21)])
    assert store.erase_events(PROJECT) == 21
    assert fetch_ids(store) == []


def test_large_events_are_read_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHUNK_BYTES", 20_000)
    store = sqlite.SQLiteStore(tmp_path / "events.db")
    sizes = [10] * 300 + [5_000] * 300
    store.append([build_event(f"e{number}", metadata={"text": "x" * size}) for number, size in enumerate(sizes)])
    batches = list(store.scan(PROJECT, 0))
    store.close()
    assert [row.event_id for batch in batches for row in batch] == [f"e{number}" for number in range(len(sizes))]
    assert max(map(len, batches)) > 100
    assert max(map(len, batches[-10:])) < 5


def test_more_text_than_sqlite_takes_is_read_in_parts(tmp_path: Path) -> None:
    store = sqlite.SQLiteStore(tmp_path / "events.db")
    store.append([build_event(f"e{number}", metadata={"text": "x" * 1_000}) for number in range(500)])
    with store._file.read() as connection:  # the one that the scan gets too
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    rows = [row for batch in store.scan(PROJECT, 0) for row in batch]
    store.close()
    assert [row.event_id for row in rows] == [f"e{number}" for number in range(500)]
