"""DuckDB, in process, opened on first use and never before a fork.

One in-memory database per process, a cursor per query. It may read and write nothing but the copy's folder
and the one it spills to, loads no extension from anywhere, and its configuration is locked once it is open.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

SPILL_NAME = "spill"
"""Beside the copy, which may be deleted at any time. One folder for all processes: DuckDB removes from it what one
of them left there when it was killed."""


class Engine:
    """A DuckDB database whose memory and threads are bounded."""

    def __init__(self, directory: Path, *, memory_limit_bytes: int, threads: int) -> None:
        self._directory = directory
        self._memory_limit_bytes = memory_limit_bytes
        self._threads = threads
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def open_cursor(self, tables: dict[str, Any] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own to the database, on which the named Arrow tables can be queried."""
        cursor = self._open().cursor()
        try:
            for name, table in (tables or {}).items():
                cursor.register(name, table)
            yield cursor
        finally:
            cursor.close()

    def close(self) -> None:
        """Close the database. The next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def _connect(self) -> duckdb.DuckDBPyConnection:
        import duckdb  # an idle worker does without its 60 MB

        self._directory.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(
            ":memory:",
            config={
                "threads": self._threads,
                "memory_limit": f"{self._memory_limit_bytes // 1_000_000}MB",
                "temp_directory": str(self._directory.with_name(SPILL_NAME)),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
                "preserve_insertion_order": False,
                "arrow_lossless_conversion": True,  # keys stay 128-bit on their way through Arrow
            },
        )
        # in this order: what may be read is fixed before access is shut, and the lock comes last
        connection.execute("SET GLOBAL parquet_metadata_cache = true")  # else it is not of the cursors
        connection.execute("SET allowed_directories = $directories", {"directories": [str(self._directory)]})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection
