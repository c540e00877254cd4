"""Opening, closing, opening again, and what a store finds on disk."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from stores import sqlite_file
from stores.base import Store, StoreUnavailable
from stores.sqlite import SQLiteStore, UnknownSchema
from tests.contract.conftest import OpenStore
from tests.contract.events import PROJECT, RECEIVED_MS, build_event, fetch_ids, fetch_rows
from tests.servers import MongoServer, open_mongo_store


def test_a_store_says_which_it_is(store: Store, backend: str) -> None:
    assert store.name == ("embedded" if backend == "sqlite" else "mongodb")


def test_making_ready_is_idempotent_and_safe_at_once(open_another: OpenStore) -> None:
    stores = [open_another() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda store: (store.ensure_ready(), store.ensure_ready(), store.ping()), stores))
    assert stores[0].append([build_event("e1")]) == [True]
    stores[1].ensure_ready()
    assert fetch_ids(stores[2]) == ["e1"]


def test_what_was_stored_is_there_after_close_and_open(open_another: OpenStore) -> None:
    first = open_another()
    first.append([build_event("e1"), build_event("e2", project_key="other")])
    first.insert_document("things", "one", {"a": 1})
    position = fetch_rows(first)[0].position
    first.close()
    second = open_another()
    assert second.append([build_event("e1"), build_event("e3", received_at_ms=RECEIVED_MS + 1)]) == [False, True]
    assert fetch_ids(second) == ["e1", "e3"]
    assert fetch_rows(second)[0].position == position
    assert second.fetch_document("things", "one") == {"a": 1}


def test_closing_twice_and_using_it_again_is_harmless(store: Store) -> None:
    store.append([build_event("e1")])
    store.close()
    store.close()
    assert fetch_ids(store) == ["e1"]


def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    SQLiteStore(tmp_path / "store" / "events.db")
    open_mongo_store("mongodb://256.256.256.256:1", "test")
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_store_is_written_ahead_and_synced_at_every_commit(sqlite_store: SQLiteStore) -> None:
    with sqlite_store._file.write() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_newer_schema_stops_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    store = SQLiteStore(path)
    store.append([build_event("e1")])
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UnknownSchema, match=r"schema 99, this AppTracker knows up to 2"):
        SQLiteStore(path).ensure_ready()


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.db"
    older = SQLiteStore(path)
    older.append([build_event("e1")])
    older.close()
    migrations = (*sqlite_file.MIGRATIONS, "ALTER TABLE documents ADD COLUMN note TEXT")
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", migrations)
    stores = [SQLiteStore(path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(SQLiteStore.ensure_ready, stores))
    assert fetch_ids(stores[3]) == ["e1"]
    for store in stores:
        store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations),)
        assert "note" in [row[1] for row in connection.execute("PRAGMA table_info(documents)")]
    connection.close()


def test_a_file_from_before_enrichment_takes_enriched_events(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    connection = sqlite3.connect(path)
    connection.executescript(f"{sqlite_file.MIGRATIONS[0]}; PRAGMA user_version = 1")
    connection.execute("INSERT INTO project_numbers VALUES (7, ?)", (PROJECT,))
    connection.execute(
        "INSERT INTO events VALUES (1, 7, 'old', 'seen', 5, 6, 'anon', NULL, NULL, '/a', NULL, NULL, NULL, '{\"a\":1}')"
    )
    connection.execute("UPDATE counter SET next_position = 2")
    connection.commit()
    connection.close()
    store = SQLiteStore(path)
    new = build_event("new", occurred_at_ms=7, received_at_ms=8, enriched={"browser": "Firefox"})
    assert store.append([build_event("old"), new]) == [False, True]
    assert fetch_rows(store) == [
        (1, "old", "seen", 5, 6, "anon", None, None, "/a", None, None, None, '{"a":1}', None),
        (3, "new", "page_view", 7, 8, None, None, None, None, None, None, None, "{}", '{"browser":"Firefox"}'),
    ]
    store.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.db"
    SQLiteStore(path).ensure_ready()
    broken = "CREATE TABLE half (a); INSERT INTO missing VALUES (1)"
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", (*sqlite_file.MIGRATIONS, broken))
    with pytest.raises(StoreUnavailable, match="missing"):
        SQLiteStore(path).ensure_ready()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)
    connection.close()


def test_mongodb_has_the_documented_indexes(mongodb_uri: str, mongodb_database: str) -> None:
    store = open_mongo_store(mongodb_uri, mongodb_database)
    store.ensure_ready()
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client[mongodb_database]
        event_indexes = database["events"].index_information().values()
        project_indexes = database["projects"].index_information().values()
        scan = database["events"].find({"projectKey": PROJECT, "receivedAt": {"$gte": 0}}).sort("receivedAt", 1)
        plan = scan.explain()["queryPlanner"]["winningPlan"]
    store.close()
    assert {tuple(field for field, _ in index["key"]) for index in event_indexes} == {
        ("_id",),
        ("projectKey", "timestamp"),
        ("projectKey", "eventName", "timestamp"),
        ("projectKey", "receivedAt"),
        ("projectKey", "eventName", "receivedAt"),
    }
    assert [("projectKey", 1)] in [index["key"] for index in project_indexes if index.get("unique")]
    assert "SORT" not in str(plan), "a scan must not sort in memory"


def test_mongodb_keeps_events_as_native_documents(mongodb_uri: str, mongodb_database: str) -> None:
    store = open_mongo_store(mongodb_uri, mongodb_database)
    enriched = {"country": "DE", "isBot": True}
    native = build_event("e1", occurred_at_ms=None, metadata={"$a": {"b.c": 1}}, enriched=enriched)
    store.append([native, build_event("e2", metadata={"a": 2**64})])
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        first, second = client[mongodb_database]["events"].find().sort("_id", 1)
    store.close()
    assert first.pop("receivedAt").isoformat(timespec="milliseconds") == "2025-01-06T10:00:00.123+00:00"
    assert first == {
        "_id": f"{PROJECT}:e1", "projectKey": PROJECT, "eventId": "e1", "eventName": "page_view", "timestamp": None,
        "metadata": {"$a": {"b.c": 1}}, "enriched": enriched,
    }  # fmt: skip
    assert second["metadataJson"] == '{"a":18446744073709551616}'
    assert second.keys().isdisjoint({"metadata", "enriched"})


def test_mongodb_keeps_what_was_acknowledged_when_it_is_killed(mongo_server: MongoServer) -> None:
    store = open_mongo_store(mongo_server.uri, "test", patience_ms=20_000)
    store.append([build_event(f"e{number}") for number in range(100)])
    mongo_server.kill()
    mongo_server.start()
    assert store.count(PROJECT) == 100
    assert store.append([build_event("e0"), build_event("new")]) == [False, True]
    store.close()
