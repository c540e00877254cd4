"""DuckDB by itself over the files of a columnar copy, with the threads and the memory that a worker's engine has."""

from __future__ import annotations

from pathlib import Path

import duckdb

from bench.mongo_reports import Rows
from bench.report_cases import Case, build_source
from columns.manifest import load_manifest


class BareDuckDB:
    """A connection of its own. `directory` is the copy of one project, all of it in segments."""

    def __init__(self, directory: Path, *, memory_limit: str, threads: int, spill_directory: Path) -> None:
        manifest = load_manifest(directory)
        self._files = [str(directory / segment.file) for segment in manifest.segments]
        self._patch = str(directory / manifest.patch_file) if manifest.patch_file else None
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": threads, "memory_limit": memory_limit,
                "temp_directory": str(spill_directory), "preserve_insertion_order": False,
            },
        )  # fmt: skip
        self._connection.execute("SET parquet_metadata_cache = true")
        self.segments, self.count = len(manifest.segments), manifest.count
        self.bytes = sum(Path(file).stat().st_size for file in self._files)

    def fetch(self, case: Case, *, person: str | None = None) -> Rows:
        """The rows of a report; `person` in place of the persons of the files, as SQL."""
        return self._query(case.sql, person)

    def list_user_ids(self) -> list[str]:
        """Those with the most events first."""
        sql = "SELECT user_id FROM events WHERE user_id IS NOT NULL GROUP BY ALL ORDER BY count(*) DESC, user_id"
        return [user_id for (user_id,) in self._query(sql)]

    def _query(self, sql: str, person: str | None = None) -> Rows:
        source = build_source(self._files, self._patch, person=person)
        return self._connection.execute(put_first(sql, f"events AS {source}")).fetchall()

    def close(self) -> None:
        self._connection.close()


def put_first(sql: str, relation: str) -> str:
    """The query with one more relation before those it names itself."""
    query = sql.strip()
    separator = ", " if query.startswith("WITH ") else " "
    return f"WITH {relation}{separator}{query.removeprefix('WITH ')}"
