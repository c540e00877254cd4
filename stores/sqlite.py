"""The embedded store: one SQLite file, for one machine and several worker processes.

A position is a row id. Ids come from a counter inside the write transaction, and writers are alone, so
ids are in commit order and never used twice: all below the counter is settled at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from stores.base import ArrivalRow, Event, StoreUnavailable
from stores.person_queries import split_ids
from stores.sqlite_documents import KnownDocuments, SQLiteDocuments
from stores.sqlite_file import SQLiteFile, UnknownSchema

__all__ = ["SQLiteStore", "UnknownSchema"]

ERASE_CHUNK_EVENTS = 5_000
SCAN_CHUNK_EVENTS = 5_000
FIRST_CHUNK_EVENTS = 25
CHUNK_BYTES = 16_000_000
"""About as much text is read at once as this: events may be of 100 bytes or of 16 MB."""
LARGEST_ROWID = 2**63 - 1

COLUMNS = 15
POSITION, PROJECT = 0, 1
MOST_ROWS = 64
"""Of one INSERT. All of a statement's work runs beside the interpreter, which must be had again after each statement:
from threads that are busy that takes longer than storing an event."""
SELECT_STORED = "SELECT id FROM events WHERE id >= ? AND id < ?"
COUNT_EVENTS = "SELECT count(*) FROM events WHERE project = ? AND id >= ? AND id < ?"
ROW = """json_array(
    id, event_id, event_name, occurred_at, received_at, anonymous_id, user_id, session_id,
    url, referrer, user_agent, ip, coalesce(metadata, '{}'), enriched)"""
SELECT_ROW = f"SELECT {ROW} AS event FROM events WHERE project = ?"
SELECT_LATEST = f"{SELECT_ROW} ORDER BY id DESC LIMIT ?"
SELECT_EVENT = f"{SELECT_ROW} AND event_id = ?"
OLDER = "coalesce(occurred_at, received_at) < ?"


_decode_row = msgspec.json.Decoder(ArrivalRow).decode
_decode_rows = msgspec.json.Decoder(list[ArrivalRow]).decode


class SQLiteStore(SQLiteDocuments):
    """`stores.base.Store` on a file at `path`; the folder is created. A newer schema raises UnknownSchema."""

    name = "embedded"

    def __init__(self, path: Path) -> None:
        self._file = SQLiteFile(path)
        self._known = KnownDocuments(None)
        self._project_numbers: dict[str, int] = {}

    def ensure_ready(self) -> None:
        self._file.ensure_ready()

    def ping(self) -> None:
        self._fetch_next_position()

    def close(self) -> None:
        self._file.close()

    def append(self, events: Sequence[Event]) -> list[bool]:
        if not events:
            return []
        values = [value for event in events for value in _list_values(event)]
        with self._file.write() as connection:
            numbers = self._ensure_project_numbers(connection, {event.project_key for event in events})
            stop = _reserve_positions(connection, len(events))
            start = stop - len(events)
            values[POSITION::COLUMNS] = range(start, stop)
            values[PROJECT::COLUMNS] = [numbers[event.project_key] for event in events]
            if _insert(connection, values) == len(events):
                stored = [True] * len(events)
            else:
                kept = {row[0] for row in connection.execute(SELECT_STORED, (start, stop))}
                stored = [position in kept for position in range(start, stop)]
        self._project_numbers.update(numbers)
        return stored

    def settled_position(self, project_key: str, *, now_ms: int) -> int:
        return self._fetch_next_position()

    def scan(
        self, project_key: str, start: int, stop: int | None = None, *, batch_size: int = 10_000
    ) -> Iterator[list[ArrivalRow]]:
        return self._scan_where(project_key, "true", (), start, stop, most=min(batch_size, SCAN_CHUNK_EVENTS))

    def count(self, project_key: str, start: int = 0, stop: int | None = None) -> int:
        number = self._fetch_project_number(project_key)
        if number is None:
            return 0
        bounds = (number, start, LARGEST_ROWID if stop is None else stop)
        with self._file.read() as connection:
            return _fetch_integer(connection, COUNT_EVENTS, bounds)

    def fetch_latest(self, project_key: str, limit: int) -> list[ArrivalRow]:
        number = self._fetch_project_number(project_key)
        with self._file.read() as connection:
            return [_decode_row(text) for (text,) in connection.execute(SELECT_LATEST, (number, limit))]

    def fetch_event(self, project_key: str, event_id: str) -> ArrivalRow | None:
        number = self._fetch_project_number(project_key)
        with self._file.read() as connection:
            row = connection.execute(SELECT_EVENT, (number, event_id)).fetchone()
        return None if row is None else _decode_row(row[0])

    def scan_person(
        self, project_key: str, user_id: str | None, anonymous_ids: Sequence[str], stop: int | None = None
    ) -> Iterator[list[ArrivalRow]]:
        for condition, values in _list_person_conditions(user_id, anonymous_ids):
            yield from self._scan_where(project_key, condition, values, 0, stop, most=SCAN_CHUNK_EVENTS)

    def erase_person(
        self, project_key: str, user_id: str | None, anonymous_ids: Sequence[str], stop: int | None = None
    ) -> int:
        conditions = _list_person_conditions(user_id, anonymous_ids)
        return sum(self._erase_where(project_key, condition, values, stop) for condition, values in conditions)

    def erase_before(self, project_key: str, before_ms: int, stop: int | None = None) -> int:
        return self._erase_where(project_key, OLDER, (before_ms,), stop)

    def scrub(self) -> None:
        """What is deleted is overwritten in the file at once; the log beside it may still hold it."""
        self._file.truncate_log()

    def erase_events(self, project_key: str) -> int:
        """In small transactions, so that ingest goes on between them. Erased bytes are overwritten, also those of
        documents that were deleted before."""
        number = self._fetch_project_number(project_key)
        erased = 0
        while number is not None:
            with self._file.write() as connection:
                cursor = connection.execute(
                    "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE project = ? ORDER BY id LIMIT ?)",
                    (number, ERASE_CHUNK_EVENTS),
                )
            erased += cursor.rowcount
            if cursor.rowcount < ERASE_CHUNK_EVENTS:
                break
        self._file.truncate_log()
        return erased

    def _scan_where(
        self, project_key: str, condition: str, values: tuple[Any, ...], start: int, stop: int | None, *, most: int
    ) -> Iterator[list[ArrivalRow]]:
        """The project's events in a range that meet a condition, in position order, at most so many at a time, fewer
        where they are large."""
        number = self._fetch_project_number(project_key)
        if number is None:
            return
        if stop is None:
            stop = self._fetch_next_position()
        query = f"{SELECT_ROW} AND id >= ? AND id < ? AND {condition} ORDER BY id LIMIT ?"
        limit = min(FIRST_CHUNK_EVENTS, most)
        while start < stop:
            text = self._fetch_text(query, (number, start, stop, *values, limit))
            if text is None and limit == 1:
                raise StoreUnavailable("embedded store: an event is larger than SQLite can read")
            if text is None:
                limit = max(limit // 8, 1)
                continue
            rows = _decode_rows(text)
            if rows:
                yield rows
                start = rows[-1].position + 1
            if len(rows) < limit:
                return
            limit = min(max(limit * CHUNK_BYTES // len(text), 1), most)

    def _erase_where(self, project_key: str, condition: str, values: tuple[Any, ...], stop: int | None) -> int:
        """Found outside of transactions and deleted in small ones, so that ingest goes on meanwhile."""
        number, start, erased = self._fetch_project_number(project_key), 0, 0
        bound = self._fetch_next_position() if stop is None else stop
        query = f"SELECT id FROM events WHERE project = ? AND id >= ? AND id < ? AND {condition} ORDER BY id LIMIT ?"
        while number is not None:
            with self._file.read() as connection:
                cursor = connection.execute(query, (number, start, bound, *values, ERASE_CHUNK_EVENTS))
                ids = cursor.fetchall()
            if ids:
                with self._file.write() as connection:
                    erased += connection.executemany("DELETE FROM events WHERE id = ?", ids).rowcount
                start = ids[-1][0] + 1
            if len(ids) < ERASE_CHUNK_EVENTS:
                break
        return erased

    def _fetch_text(self, query: str, parameters: tuple[Any, ...]) -> bytes | None:
        """The rows of a query for `ROW` in one JSON text, None where it would be longer than SQLite allows (1 GB).

        So they are put together beside the interpreter, which would else be had again for each of them.
        """
        gathered = f"SELECT CAST('[' || coalesce(group_concat(event), '') || ']' AS BLOB) FROM ({query})"
        with self._file.read() as connection:
            try:
                text: bytes = connection.execute(gathered, parameters).fetchone()[0]
            except sqlite3.DataError:
                return None
        return text

    def _fetch_next_position(self) -> int:
        with self._file.read() as connection:
            return _fetch_integer(connection, "SELECT next_position FROM counter", ())

    def _fetch_project_number(self, project_key: str) -> int | None:
        """The number that stands for the project in rows, None when it never had an event."""
        number = self._project_numbers.get(project_key)
        if number is None:
            with self._file.read() as connection:
                query = "SELECT number FROM project_numbers WHERE project_key = ?"
                row = connection.execute(query, (project_key,)).fetchone()
            if row is not None:
                number = self._project_numbers[project_key] = row[0]
        return number

    def _ensure_project_numbers(self, connection: sqlite3.Connection, project_keys: set[str]) -> dict[str, int]:
        """The projects' numbers. New ones are remembered by the caller only once they are committed."""
        numbers = {}
        for project_key in project_keys:
            number = self._project_numbers.get(project_key)
            if number is None:
                connection.execute("INSERT OR IGNORE INTO project_numbers (project_key) VALUES (?)", (project_key,))
                query = "SELECT number FROM project_numbers WHERE project_key = ?"
                number = _fetch_integer(connection, query, (project_key,))
            numbers[project_key] = number
        return numbers


def _list_person_conditions(user_id: str | None, anonymous_ids: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """SQL conditions with their values: each event of the person meets one of them."""
    by_user: list[tuple[str, tuple[str, ...]]] = [] if user_id is None else [("user_id = ?", (user_id,))]
    anonymous = [
        (f"user_id IS NULL AND anonymous_id IN ({', '.join('?' * len(ids))})", tuple(ids))
        for ids in split_ids(anonymous_ids)
    ]
    return [*anonymous, *by_user]


def _encode(fields: dict[str, Any]) -> str | None:
    """JSON text of an object, None of an empty one."""
    return msgspec.json.encode(fields).decode() if fields else None


def _reserve_positions(connection: sqlite3.Connection, how_many: int) -> int:
    """The position after the reserved ones."""
    connection.execute("UPDATE counter SET next_position = next_position + ?", (how_many,))
    return _fetch_integer(connection, "SELECT next_position FROM counter", ())


def _list_values(event: Event) -> tuple[Any, ...]:
    """The event's row; its position and project are filled in when it is stored."""
    return (
        None, None, event.event_id, event.event_name, event.occurred_at_ms, event.received_at_ms, event.anonymous_id,
        event.user_id, event.session_id, event.url, event.referrer, event.user_agent, event.ip,
        _encode(event.metadata), _encode(event.enriched),
    )  # fmt: skip


def _insert(connection: sqlite3.Connection, values: list[Any]) -> int:
    """How many of the rows are new. `values`: of all rows, one after another."""
    inserted = start = 0
    while start < len(values):
        rows = min(MOST_ROWS, (len(values) - start) // COLUMNS)
        rows = 1 << rows.bit_length() - 1  # few different statements, which are prepared once
        stop = start + rows * COLUMNS
        inserted += connection.execute(build_insert(rows), values[start:stop]).rowcount
        start = stop
    return inserted


@cache
def build_insert(rows: int) -> str:
    """The statement that stores so many events, but for those whose ids are there already."""
    row = f"({', '.join('?' * COLUMNS)})"
    return f"INSERT OR IGNORE INTO events VALUES {', '.join([row] * rows)}"


def _fetch_integer(connection: sqlite3.Connection, query: str, parameters: tuple[Any, ...]) -> int:
    return int(connection.execute(query, parameters).fetchone()[0])
