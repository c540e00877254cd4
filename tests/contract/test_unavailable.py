"""A database that is away is said to be away; never is the answer empty instead."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stores.base import Store, StoreUnavailable
from stores.mongo import MongoStore
from stores.sqlite import SQLiteStore
from tests.contract.events import PROJECT, build_event, fetch_ids, fetch_rows
from tests.servers import MongoReplicaSet, MongoServer, open_mongo_store, wait_until

SOCKET_SECONDS = 30
"""What a single operation waits without the store's own limit."""

OPERATIONS: dict[str, Callable[[Store], object]] = {
    "ensure_ready": lambda store: store.ensure_ready(),
    "ping": lambda store: store.ping(),
    "append": lambda store: store.append([build_event("e1")]),
    "settled_position": lambda store: store.settled_position(PROJECT, now_ms=0),
    "scan": lambda store: list(store.scan(PROJECT, 0)),
    "count": lambda store: store.count(PROJECT),
    "fetch_event": lambda store: store.fetch_event(PROJECT, "e1"),
    "fetch_latest": lambda store: store.fetch_latest(PROJECT, 1),
    "erase_events": lambda store: store.erase_events(PROJECT),
    "insert_document": lambda store: store.insert_document("things", "one", {}),
    "insert_documents": lambda store: store.insert_documents("things", {"one": {}}),
    "fetch_document": lambda store: store.fetch_document("things", "one"),
    "find_documents": lambda store: store.find_documents("things"),
    "update_document": lambda store: store.update_document("things", "one", {"a": 1}),
    "increment_document": lambda store: store.increment_document("things", "one", "a"),
    "delete_documents": lambda store: store.delete_documents("things", {"a": 1}),
    "purge_documents": lambda store: store.purge_documents("things", "a", "z"),
}


def assert_unavailable(store: Store) -> None:
    """Every operation says so."""
    for name, operation in OPERATIONS.items():
        with pytest.raises(StoreUnavailable):
            pytest.fail(f"{name} answered {operation(store)!r}")


def succeeds(operation: Callable[[], object]) -> bool:
    """Whether the store does it: one that has little patience may have to be asked again."""
    try:
        operation()
    except StoreUnavailable:
        return False
    return True


def test_mongodb_that_was_never_there(unused_port: int) -> None:
    store = open_mongo_store(f"mongodb://127.0.0.1:{unused_port}", "test", patience_ms=50, timeout_ms=200)
    assert_unavailable(store)
    store.close()


def test_mongodb_that_goes_away_and_comes_back(mongo_server: MongoServer) -> None:
    store = open_mongo_store(mongo_server.uri, "test", patience_ms=2_000)
    hasty = open_mongo_store(mongo_server.uri, "test", patience_ms=100, timeout_ms=100)
    store.append([build_event("before")])
    wait_until(lambda: succeeds(hasty.ensure_ready))
    mongo_server.stop()
    assert_unavailable(hasty)
    with pytest.raises(StoreUnavailable):
        store.append([build_event("lost")])
    hasty.close()
    mongo_server.start()
    wait_until(lambda: succeeds(store.ping))
    assert fetch_ids(store) == ["before"]
    assert store.append([build_event("before"), build_event("after")]) == [False, True]
    store.close()


def test_mongodb_that_hangs_is_given_up_in_time(mongo_server: MongoServer) -> None:
    store = open_mongo_store(mongo_server.uri, "test", patience_ms=300, timeout_ms=500)
    wait_until(lambda: succeeds(lambda: store.append([build_event("before")])))
    mongo_server.pause()
    started = time.monotonic()
    for name in ("ping", "append", "settled_position", "fetch_document", "insert_document", "update_document"):
        with pytest.raises(StoreUnavailable):
            OPERATIONS[name](store)
    assert time.monotonic() - started < SOCKET_SECONDS
    mongo_server.resume()
    wait_until(lambda: succeeds(lambda: store.append([build_event("after")])))
    patient = open_mongo_store(mongo_server.uri, "test")
    assert {"before", "after"} <= set(fetch_ids(patient))
    patient.close()
    store.close()


def test_a_scan_during_which_mongodb_dies_fails_and_does_not_end(mongo_server: MongoServer) -> None:
    store = open_mongo_store(mongo_server.uri, "test", patience_ms=2_000)
    store.append([build_event(f"e{number}") for number in range(500)])
    scan = store.scan(PROJECT, 0, batch_size=10)
    next(scan)
    mongo_server.kill()
    with pytest.raises(StoreUnavailable):
        list(scan)
    store.close()


@pytest.mark.slow
def test_acknowledged_events_survive_the_loss_of_the_primary(mongo_replica_set: MongoReplicaSet) -> None:
    store = open_mongo_store(mongo_replica_set.uri, "failover", patience_ms=20_000)
    store.ensure_ready()
    acknowledged: list[str] = []
    dead = threading.Event()

    def write() -> None:
        after = 0
        while after < 20:
            event_id = f"e{len(acknowledged)}"
            try:
                store.append([build_event(event_id)])
            except StoreUnavailable:
                continue
            acknowledged.append(event_id)
            after += dead.is_set()

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: len(acknowledged) >= 50)
    primary = mongo_replica_set.find_primary()
    primary.kill()
    dead.set()
    writer.join(timeout=60)
    assert not writer.is_alive()
    assert sorted(fetch_ids(store)) == sorted(acknowledged)
    primary.start()
    store.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    assert_unavailable(SQLiteStore(path))
    assert path.read_bytes().startswith(b"this is not")


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "events.db").mkdir()
    assert_unavailable(SQLiteStore(tmp_path / "events.db"))


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    assert_unavailable(SQLiteStore(tmp_path / "store" / "events.db"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert_unavailable(SQLiteStore(tmp_path / "events.db"))
    tmp_path.chmod(0o700)


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    store = SQLiteStore(path)
    store.append([build_event(f"e{number}", metadata={"text": "x" * 200}) for number in range(2_000)])
    store.close()
    with path.open("r+b") as file:
        file.seek(4_096 * 3)
        file.write(b"\xa5" * (path.stat().st_size - 4_096 * 4))
    with pytest.raises(StoreUnavailable):
        fetch_rows(SQLiteStore(path))


def test_a_database_that_only_reads_refuses_and_recovers(sqlite_store: SQLiteStore) -> None:
    sqlite_store.append([build_event("e1")])
    writer = sqlite_store._file._writer
    assert writer is not None
    writer.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="readonly"):
        sqlite_store.append([build_event("e2")])
    assert fetch_ids(sqlite_store) == ["e1"]
    assert sqlite_store.append([build_event("e2")]) == [True], "a connection that failed is replaced"


def test_a_full_disk_stores_nothing_of_the_batch_and_recovers(sqlite_store: SQLiteStore) -> None:
    sqlite_store.append([build_event("e1")])
    writer = sqlite_store._file._writer
    assert writer is not None
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + 1}")
    large = [build_event(f"large-{number}", metadata={"text": "x" * 1_000}) for number in range(500)]
    with pytest.raises(StoreUnavailable, match="full"):
        sqlite_store.append(large)
    assert fetch_ids(sqlite_store) == ["e1"]
    assert sqlite_store.append(large) == [True] * 500


def test_a_foreign_lock_that_lasts_is_an_error_not_a_wait_for_ever(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.sqlite_file.BUSY_TIMEOUT_SECONDS", 0.1)
    sqlite_store.ensure_ready()
    foreign = sqlite3.connect(sqlite_store._file.path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        sqlite_store.append([build_event("e1")])
    foreign.execute("ROLLBACK")
    foreign.close()
    assert sqlite_store.append([build_event("e1")]) == [True]


def test_a_failure_inside_a_transaction_undoes_it(sqlite_store: SQLiteStore) -> None:
    sqlite_store.insert_document("things", "one", {"a": 1})

    def fail_halfway() -> None:
        with sqlite_store._file.write() as connection:
            connection.execute("DELETE FROM documents")
            raise TypeError("a bug")

    with pytest.raises(TypeError):
        fail_halfway()
    assert sqlite_store.fetch_document("things", "one") == {"a": 1}


def test_a_project_that_was_new_in_a_failed_batch_is_known_afterwards(sqlite_store: SQLiteStore) -> None:
    sqlite_store.append([build_event("e1", project_key="first")])
    with pytest.raises(UnicodeEncodeError):
        sqlite_store.append([build_event("e1"), build_event("\ud800")])
    assert sqlite_store.append([build_event("e1", project_key="third")]) == [True]
    assert sqlite_store.append([build_event("e1")]) == [True]
    assert fetch_ids(sqlite_store, "third") == ["e1"]
    assert fetch_ids(sqlite_store) == ["e1"]


def test_a_copied_file_is_a_whole_store(sqlite_store: SQLiteStore, tmp_path: Path) -> None:
    sqlite_store.append([build_event("e1")])
    sqlite_store.close()
    shutil.copy(sqlite_store._file.path, tmp_path / "copy.db")
    copy = SQLiteStore(tmp_path / "copy.db")
    assert fetch_ids(copy) == ["e1"]
    copy.close()


def test_an_error_text_names_no_password(unused_port: int) -> None:
    store: MongoStore = open_mongo_store(f"mongodb://user:hunter2@127.0.0.1:{unused_port}", "test", patience_ms=50)
    with pytest.raises(StoreUnavailable) as caught:
        store.ping()
    assert "hunter2" not in str(caught.value)
    store.close()
