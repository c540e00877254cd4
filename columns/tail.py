"""The events after the last segment, in memory, with their persons resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from columns.engine import Engine
from columns.manifest import Manifest
from columns.writer import (
    BUILT_COLUMNS,
    build_identity_sql,
    build_links_sql,
    build_persons_sql,
    build_row_table,
    read_file,
    read_identity,
)
from stores.base import ArrivalRow, Store

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CHUNKS = 16
REREAD_PARTS = (0.0, 0.125)
"""Of the young events, as many as are read again: first those of the last position. Two seconds of a settle window of
fifteen, more than a write takes that has not stalled."""
AUDIT_EVERY_MS = 60_000


@dataclass
class Tail:
    """Events from `start` on: settled ones in Arrow chunks up to `position`, younger ones as rows.

    Between young ones others may still arrive.
    """

    start: int = 0
    position: int = 0
    chunks: list[pa.Table] = field(default_factory=list)
    young: list[ArrivalRow] = field(default_factory=list)
    audited_at_ms: int = 0

    @property
    def count(self) -> int:
        """Events in the tail."""
        return self.settled_count + len(self.young)

    @property
    def settled_count(self) -> int:
        """Events in it that are kept for good."""
        return sum(chunk.num_rows for chunk in self.chunks)

    def trim(self, start: int) -> None:
        """Forget the events before a position: they are in a segment now."""
        if start == self.start:
            return
        if start < self.start or start > self.position:
            self.start = self.position = start
            self.chunks, self.young = [], []
            return
        import pyarrow.compute as pc

        kept = [chunk.filter(pc.greater_equal(chunk["position"], start)) for chunk in self.chunks]
        self.chunks = [chunk for chunk in kept if chunk.num_rows]
        self.start = start

    def agrees_with(self, store: Store, project_key: str, *, now_ms: int) -> bool:
        """Whether the store has as many settled events as were kept; asked once in `AUDIT_EVERY_MS`, else True.

        It has more after a write that surfaced later than the settle window allows for.
        """
        if self.position > self.start and now_ms - self.audited_at_ms < AUDIT_EVERY_MS:
            return True
        self.audited_at_ms = now_ms
        return self.position == self.start or store.count(project_key, self.start, self.position) == self.settled_count

    def refresh(self, store: Store, project_key: str, *, now_ms: int) -> None:
        """Read what arrived. Afterwards the tail holds every event acknowledged before the call."""
        settled = store.settled_position(project_key, now_ms=now_ms)
        self._settle(self._fetch_young(store, project_key), settled)

    def _fetch_young(self, store: Store, project_key: str) -> list[ArrivalRow]:
        """All events from `position` on.

        New ones are mostly the last. Where some surfaced before the last known one, the newest part of the known ones
        is read again with them, and only if one surfaced before that, all.
        """
        for part in REREAD_PARTS if self.young else ():
            start = self.young[-1 - int(part * (len(self.young) - 1))].position
            known = [row for row in self.young if row.position < start]
            if store.count(project_key, self.position, start) == len(known):
                return known + read_rows(store, project_key, start)
        return read_rows(store, project_key, self.position)

    def _settle(self, rows: list[ArrivalRow], settled: int) -> None:
        """Keep rows below the settled position for good, the others as young."""
        final = [row for row in rows if row.position < settled]
        self.young = rows[len(final) :]
        if final:
            self.chunks.append(build_row_table(final))
        if len(self.chunks) > MAX_CHUNKS:
            import pyarrow as pa

            self.chunks = [pa.concat_tables(self.chunks).combine_chunks()]
        self.position = max(self.position, settled)

    def build_table(self) -> pa.Table:
        """All its events."""
        import pyarrow as pa

        return pa.concat_tables([*self.chunks, build_row_table(self.young)])


def read_rows(store: Store, project_key: str, start: int) -> list[ArrivalRow]:
    """The events from a position on, in arrival order."""
    return [row for batch in store.scan(project_key, start) for row in batch]


def resolve_persons(engine: Engine, directory: Path, manifest: Manifest, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The tail with its persons, and the patch: (anon_key, person_key) of all segments' anonymous events whose person
    is known better now than when they were written."""
    old_identity = read_identity(directory, manifest)
    patch = read_file(directory, manifest.patch_file) if manifest.patch_file else None
    with engine.open_cursor({"arrived": number_rows(rows)}) as cursor:
        cursor.execute(f"""
            CREATE TEMP TABLE identity_now AS {
            build_identity_sql(f'''
                SELECT anon_key, user_id, first_at FROM ({build_links_sql("arrived")})
                UNION ALL SELECT anon_key, user_id, first_at FROM {old_identity}
                WHERE anon_key IN (SELECT md5_number(anonymous_id)::UUID FROM arrived)''')
        }""")
        resolved = build_persons_sql("SELECT number, user_id, anonymous_id FROM arrived", "identity_now")
        built = ", ".join(BUILT_COLUMNS)
        persons = cursor.sql(f"SELECT {built} FROM ({resolved}) ORDER BY number").to_arrow_table()
        changed = f"""
            SELECT now.anon_key, now.user_key AS person_key FROM identity_now now LEFT JOIN {old_identity} old
            USING (anon_key) WHERE now.user_key IS DISTINCT FROM old.user_key"""
        sealed = f"UNION ALL (SELECT * FROM {patch} sealed ANTI JOIN changed USING (anon_key))" if patch else ""
        patched = cursor.sql(f"WITH changed AS ({changed}) SELECT * FROM changed {sealed}").to_arrow_table()
    for name in BUILT_COLUMNS:
        rows = rows.append_column(persons.schema.field(name), persons[name])
    return rows, patched


def number_rows(rows: pa.Table) -> pa.Table:
    """What their persons depend on, numbered: the other columns need not pass through the engine."""
    import pyarrow as pa

    narrow = rows.select(["user_id", "anonymous_id", "occurred_at"])
    return narrow.append_column("number", pa.array(range(rows.num_rows), pa.int32()))
