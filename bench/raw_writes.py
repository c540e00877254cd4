"""The same events written without the service: `insert_many` into MongoDB, `executemany` into SQLite."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bson
import msgspec
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from services.clock import fetch_now_ms
from services.ingest.event_ids import build_id_source
from stores.base import Event
from stores.mongo import MongoStore
from stores.mongo_events import encode_event
from stores.sqlite import SQLiteStore, build_insert

SATURATING_PROCESSES = 2
SATURATING_THREADS = 4
"""In each, one bulk under way: both cores are busy. More was not faster."""


class MongoWriters:
    """Processes that wait to be told to insert for a while, into a collection with the service's own indexes."""

    def __init__(
        self, uri: str, database: str, events: Sequence[Event], *,
        processes: int = SATURATING_PROCESSES, threads: int = SATURATING_THREADS,
    ) -> None:  # fmt: skip
        store = MongoStore(lambda: MongoClient(uri), database)
        store.ensure_ready()
        store.close()
        documents = [bson.decode(encode_event(event).raw) for event in events]
        spawn = multiprocessing.get_context("spawn")
        pipes = [spawn.Pipe() for _ in range(processes)]
        self._pipes = [mine for mine, _ in pipes]
        self._processes = [
            spawn.Process(target=_serve_inserts, args=(theirs, uri, database, documents, threads), daemon=True)
            for _, theirs in pipes
        ]
        for process in self._processes:
            process.start()

    def run(self, seconds: float) -> float:
        """Events a second, each confirmed by a majority and journaled."""
        for pipe in self._pipes:
            pipe.send(seconds)
        found = [pipe.recv() for pipe in self._pipes]
        return float(sum(count / taken for count, taken in found))

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(timeout=10)


def _serve_inserts(pipe: Any, uri: str, database: str, documents: list[dict[str, Any]], thread_count: int) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    collection = client[database].get_collection("events", write_concern=WriteConcern(w="majority", j=True))
    while (seconds := pipe.recv()) is not None:
        counts = [0] * thread_count
        started = time.monotonic()

        def insert(number: int, deadline: float = started + seconds, counts: list[int] = counts) -> None:
            while time.monotonic() < deadline:
                collection.insert_many(_renew_documents(documents), ordered=False)
                counts[number] += len(documents)

        threads = [threading.Thread(target=insert, args=(number,)) for number in range(thread_count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pipe.send((sum(counts), time.monotonic() - started))


def _renew_documents(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same documents under new ids; about 1 % of the time of inserting them."""
    next_id = build_id_source(fetch_now_ms())
    renewed = []
    for document in documents:
        event_id = next_id()
        renewed.append({**document, "_id": f"{document['projectKey']}:{event_id}", "eventId": event_id})
    return renewed


def open_sqlite_writer(path: Path, events: Sequence[Event]) -> Callable[[float], float]:
    """A function that inserts for so many seconds and gives the events a second: one process, the service's own tables
    and indexes, each batch committed with `synchronous=FULL`."""
    store = SQLiteStore(path)
    store.ensure_ready()
    store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    rows = [
        (
            1, event.event_name, event.occurred_at_ms, event.received_at_ms, event.anonymous_id, event.user_id,
            event.session_id, event.url, event.referrer, event.user_agent, event.ip,
            msgspec.json.encode(event.metadata).decode(), msgspec.json.encode(event.enriched).decode(),
        )
        for event in events
    ]  # fmt: skip
    position = 0

    def run(seconds: float) -> float:
        nonlocal position
        count, started = 0, time.monotonic()
        while time.monotonic() < started + seconds:
            next_id = build_id_source(fetch_now_ms())
            numbered = [(position + index, project, next_id(), *rest) for index, (project, *rest) in enumerate(rows, 1)]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(build_insert(1), numbered)
            connection.execute("COMMIT")
            position += len(rows)
            count += len(rows)
        return count / (time.monotonic() - started)

    return run
