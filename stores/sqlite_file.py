"""The SQLite file under the embedded store: connections, transactions across processes, schema."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stores.base import StoreUnavailable
from stores.change_count import ChangeCount

BUSY_TIMEOUT_SECONDS = 30
"""Only against foreign programs that hold the file: our own processes queue at the lock file."""

CHECKPOINT_PAGES = 4_000
"""Pages of write-ahead log between checkpoints. More: index pages written several times are written back once."""

WRITER_CACHE_KIB = 32_768
READER_CACHE_KIB = 4_096

MIGRATIONS = (
    """
    CREATE TABLE counter (next_position INTEGER NOT NULL);
    INSERT INTO counter VALUES (1);
    CREATE TABLE project_numbers (number INTEGER PRIMARY KEY, project_key TEXT NOT NULL UNIQUE);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY, project INTEGER NOT NULL, event_id TEXT NOT NULL, event_name TEXT NOT NULL,
        occurred_at INTEGER, received_at INTEGER NOT NULL, anonymous_id TEXT, user_id TEXT, session_id TEXT,
        url TEXT, referrer TEXT, user_agent TEXT, ip TEXT, metadata TEXT
    );
    CREATE UNIQUE INDEX events_by_event_id ON events (project, event_id);
    CREATE INDEX events_by_project ON events (project);
    CREATE TABLE documents (
        collection TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (collection, id)
    ) WITHOUT ROWID;
    CREATE INDEX documents_by_project
        ON documents (collection, json_extract(body, '$.projectKey'), json_extract(body, '$.receivedAt'));
    """,
    "ALTER TABLE events ADD COLUMN enriched TEXT;",
)
"""Statement n brings a file from schema n to n + 1. `PRAGMA user_version` says where a file is."""


class UnknownSchema(Exception):
    """The file was written by a newer AppTracker. Nothing was changed in it."""


class SQLiteFile:
    """One database file: a writer connection per process, reader connections as many as read at once.

    Opened at the first use, so never before a fork. Every sqlite3 and file error becomes StoreUnavailable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write_lock = threading.Lock()
        self._lock_file: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._readers: deque[sqlite3.Connection] = deque()
        self._changes: ChangeCount | None = None
        """None until the file is known to be ready."""

    def ensure_ready(self) -> ChangeCount:
        """Create the folder and the file, and bring its schema up to date. Raises UnknownSchema."""
        with _translated_errors(), self._exclusive() as writer:
            _migrate(writer)
            self._changes = self._changes or ChangeCount(self.path.with_name(f"{self.path.name}.changes"))
            return self._changes

    @contextmanager
    def write(self, *, changes_documents: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction: alone among all threads and processes, durable when the block ends without an exception.

        With `changes_documents` all processes know afterwards that what they have read of documents may be outdated.
        """
        changes = self._ensure_ready_once()
        with _translated_errors(), self._exclusive() as writer:
            writer.execute("BEGIN IMMEDIATE")
            yield writer
            if changes_documents:
                changes.begin()
            writer.execute("COMMIT")
            if changes_documents:
                changes.end()

    def count_changes(self) -> int | None:
        """How often documents were changed, by any process; None while it cannot be said."""
        return self._ensure_ready_once().read()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees all that was committed before. Keep it short: an open read holds back checkpoints."""
        self._ensure_ready_once()
        with _translated_errors():
            try:
                reader = self._readers.pop()
            except IndexError:
                reader = _connect(self.path, READER_CACHE_KIB)
            try:
                yield reader
            except BaseException:
                reader.close()
                raise
            self._readers.append(reader)

    def truncate_log(self) -> None:
        """Bring the write-ahead log into the file and empty it, so that it holds nothing that was deleted."""
        with _translated_errors(), self._exclusive() as writer:
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close what is open. The next use opens again."""
        with self._write_lock:
            self._discard_writer()
            while self._readers:
                self._readers.pop().close()
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None
            self._changes = None

    def _ensure_ready_once(self) -> ChangeCount:
        return self._changes or self.ensure_ready()

    @contextmanager
    def _exclusive(self) -> Iterator[sqlite3.Connection]:
        # SQLite's own busy handler sleeps and polls; a lock file queues the processes, which is markedly faster.
        with self._write_lock:
            if self._lock_file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._lock_file = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                if self._writer is None:
                    self._writer = _connect_writer(self.path)
                yield self._writer
            except BaseException:
                self._discard_writer()
                raise
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _discard_writer(self) -> None:
        """Closing rolls back what is open, and a connection that failed once is not trusted again."""
        if self._writer is not None:
            with suppress(sqlite3.Error):
                self._writer.close()
            self._writer = None


def _connect(path: Path, cache_kib: int) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    return connection


def _connect_writer(path: Path) -> sqlite3.Connection:
    connection = _connect(path, WRITER_CACHE_KIB)
    try:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreUnavailable(f"{path} cannot be written ahead (journal mode {mode})")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise UnknownSchema(
            f"the embedded store has schema {version}, this AppTracker knows up to {len(MIGRATIONS)}: "
            "run the version that wrote it, or a newer one"
        )
    for number in range(version, len(MIGRATIONS)):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT")


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except (sqlite3.DatabaseError, OSError) as exc:
        raise StoreUnavailable(f"embedded store: {exc}") from exc
