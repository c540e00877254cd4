"""The columnar copy of each project on this host: exact and fresh snapshots, and queries on them.

A snapshot holds every event that was acknowledged before it was asked for: the segments in force plus the tail, which
is read from the store. Reports run on a snapshot; its `revision` changes whenever its events do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from columns.engine import Engine
from columns.manifest import Manifest, fetch_manifest_version, load_manifest
from columns.memory import Memory, ProjectMemory
from columns.removals import Removing, fetch_removals, take_done
from columns.snapshot import (
    CopyBehind,
    Snapshot,
    build_passing_revision,
    build_revision,
    explain_error,
    find_stop,
)
from columns.tail import Tail, resolve_persons
from columns.upkeep import CopyFiles
from services.clock import fetch_now_ms
from stores.base import Store

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_logger = logging.getLogger("apptracker.columns")

STREAM_ROWS = 10_000
MAX_TAIL_RATIO = 4
"""A tail of more than so many times `seal_events` is not read into memory: it is sealed first."""


class ColumnarCopy(CopyFiles):
    """The copies of all projects under one folder of this host, shared by its processes, and what this one has read."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        *,
        memory_limit_bytes: int,
        threads: int,
        seal_events: int = 50_000,
        segment_events: int = 1_000_000,
        clock: Callable[[], int] = fetch_now_ms,
    ) -> None:
        engine = Engine(directory, memory_limit_bytes=memory_limit_bytes, threads=threads)
        super().__init__(
            store, directory, engine, seal_events=seal_events, segment_events=segment_events, clock=clock
        )
        self.memory_limit_bytes = memory_limit_bytes
        self._start_sealing: Callable[[str, int], None] | None = None
        self._arrived: dict[str, int] = {}
        self._memory = Memory()

    def delegate_sealing(self, start_sealing: Callable[[str, int], None]) -> None:
        """From now on have copies extended by `start_sealing(project_key, epoch)`, which returns at once; until then,
        and without it, whoever asks for a snapshot waits while this process does it."""
        self._start_sealing = start_sealing

    def note_arrivals(self, project_key: str, events: int, *, epoch: int) -> None:
        """So many events were stored by this process. When they are enough for a segment, sealing starts: a report need
        not read more than that, however fast events come."""
        arrived = self._arrived.get(project_key, 0) + events
        if arrived >= self._seal_events and self._start_sealing is not None:
            arrived = 0
            try:
                if not self.is_being_changed(project_key):
                    self._start_sealing(project_key, epoch)
            except OSError:
                # the events are stored, and upkeep looks after them
                _logger.warning("Sealing could not be started", exc_info=True)
        self._arrived[project_key] = arrived

    def fetch_revision(self, project_key: str, *, epoch: int) -> str:
        """Names the project's events as they are now: two equal revisions are the same events, on every host.

        Costs a count and a look for removals in the store; while a removal is under way every revision is another one.
        Raises StoreUnavailable.
        """
        project = self._memory.find(project_key)
        with project.lock:
            while True:
                self._load_manifest(project, project_key, epoch)
                self._audit_tail(project, project_key)
                stored = self._store.count(project_key, project.tail.position)
                revision = build_revision(project.manifest, project.tail.settled_count + stored)
                # last: what was counted is right if nothing was removed until then
                match self._look_for_removals(project, project_key, epoch):
                    case Removing.NOT:
                        return revision
                    case Removing.NOW:
                        return build_passing_revision(revision)

    def fetch_snapshot(self, project_key: str, *, epoch: int) -> Snapshot:
        """The project's events, every one acknowledged before the call, none that was removed before.

        `epoch` is the project's data epoch: a copy of an older one is thrown away. Raises CopyBehind, CopyChanged,
        StoreUnavailable.
        """
        project = self._memory.find(project_key)
        with project.lock:
            while True:
                snapshot = self._take_snapshot(project, project_key, epoch)
                match self._look_for_removals(project, project_key, epoch):
                    case Removing.NOT:
                        break
                    case Removing.NOW:
                        snapshot = self._retake_snapshot(project, project_key)
                        break
            if project.tail.settled_count >= self._seal_events and self._start_sealing is not None:
                self._start_sealing(project_key, epoch)
            return snapshot

    def fetch_sealed(self, project_key: str, *, epoch: int) -> Snapshot:
        """The events that are in segments by now. Reads no event from the store, however many arrived since."""
        project = self._memory.find(project_key)
        with project.lock:
            self._load_manifest(project, project_key, epoch)
            while (removing := self._look_for_removals(project, project_key, epoch)) is Removing.DONE:
                self._load_manifest(project, project_key, epoch)
            sealed = self._build_snapshot(project_key, ProjectMemory(manifest=project.manifest))
            return sealed if removing is Removing.NOT else replace(sealed, is_final=False)

    def count_waiting(self, project_key: str, *, epoch: int) -> int:
        """How many events a snapshot would have to read from the store, or to look at again, in this process."""
        project = self._memory.find(project_key)
        with project.lock:
            self._load_manifest(project, project_key, epoch)
            return self._store.count(project_key, project.tail.position)

    def is_final(self, snapshot: Snapshot) -> bool:
        """Whether it holds no event that was removed or is being removed now. Raises StoreUnavailable."""
        return snapshot.is_final and not fetch_removals(self._store, snapshot.directory.name, snapshot.removals)

    def forget_removed(self) -> list[str]:
        """Drop what this process remembers of projects from which events were or are being removed; their keys.
        Raises StoreUnavailable."""
        outdated = [key for key, number in self._memory.list_removals() if fetch_removals(self._store, key, number)]
        for project_key in outdated:
            self.forget_memory(project_key)
        return outdated

    def query(
        self, snapshot: Snapshot, sql: str, parameters: dict[str, Any], tables: Mapping[str, pa.Table] | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of a query over `relation.build_events_sql` of the same snapshot, and over further `tables` by their
        names. Raises CopyChanged, QueryTooLarge."""
        return list(self.stream(snapshot, sql, parameters, tables))

    def stream(
        self, snapshot: Snapshot, sql: str, parameters: dict[str, Any], tables: Mapping[str, pa.Table] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Like `query`, a few rows in memory at a time."""
        with self._open_cursor(snapshot, tables) as cursor:
            cursor.execute(sql, parameters)
            while rows := cursor.fetchmany(STREAM_ROWS):
                yield from rows

    def stream_batches(
        self, snapshot: Snapshot, sql: str, parameters: dict[str, Any], tables: Mapping[str, pa.Table] | None = None,
        *, rows: int,
    ) -> Iterator[pa.RecordBatch]:  # fmt: skip
        """Like `stream`, in Arrow batches of at most so many rows."""
        with self._open_cursor(snapshot, tables) as cursor:
            # of `execute` Arrow would get a copy of all rows at once
            yield from cursor.sql(sql, params=parameters).to_arrow_reader(rows)

    @contextmanager
    def _open_cursor(
        self, snapshot: Snapshot, tables: Mapping[str, pa.Table] | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for a query on the snapshot, whose errors are explained."""
        import duckdb

        own = {"tail": snapshot.tail, "patch": snapshot.patch}
        present = {name: table for name, table in own.items() if table is not None}
        with self._engine.open_cursor({**present, **(tables or {})}) as cursor:
            try:
                yield cursor
            except (duckdb.Error, OSError) as exc:  # OSError: as Arrow tells what went wrong in the engine
                explain_error(exc, snapshot.directory, snapshot.files)
                raise

    def forget(self, project_key: str) -> None:
        """Delete the project's copy from this host and from this process's memory."""
        self.forget_memory(project_key)
        self.delete(project_key)

    def forget_memory(self, project_key: str | None = None) -> None:
        """Drop what this process remembers of a project (None: of all); it is read again when next needed."""
        self._memory.forget(project_key)

    def mend(self, project_key: str) -> None:
        """Drop what this process remembers of a project, and a copy with files gone or damaged: it is built anew.

        Nothing is deleted while a sealer is at work.
        """
        self.forget_memory(project_key)
        self.begin_damaged_anew(project_key)

    def close(self) -> None:
        """Close the report engine and drop all memory."""
        self.forget_memory()
        self._engine.close()

    def _load_manifest(self, project: ProjectMemory, project_key: str, epoch: int) -> None:
        directory = self.directory / project_key
        version = fetch_manifest_version(directory)
        if version == project.version and project.manifest.epoch >= epoch:
            return
        manifest = load_manifest(directory)
        if manifest.epoch < epoch:
            manifest = self.load(project_key, epoch=epoch)
            version = fetch_manifest_version(directory)
        project.take(manifest, version)

    def _audit_tail(self, project: ProjectMemory, project_key: str) -> None:
        if not project.tail.agrees_with(self._store, project_key, now_ms=self._clock()):
            project.drop_tail()

    def _take_snapshot(self, project: ProjectMemory, project_key: str, epoch: int) -> Snapshot:
        self._load_manifest(project, project_key, epoch)
        self._audit_tail(project, project_key)
        stored = self._seal_long_tail(project, project_key, epoch)
        if stored != len(project.tail.young):
            project.tail.refresh(self._store, project_key, now_ms=self._clock())
            project.snapshot = None
        if project.snapshot is None:
            project.snapshot = self._build_snapshot(project_key, project)
        return project.snapshot

    def _retake_snapshot(self, project: ProjectMemory, project_key: str) -> Snapshot:
        """While a removal is under way: with a tail read anew, since the number of events tells nothing."""
        project.drop_tail()
        project.tail.refresh(self._store, project_key, now_ms=self._clock())
        snapshot = self._build_snapshot(project_key, project)
        return replace(snapshot, revision=build_passing_revision(snapshot.revision), is_final=False)

    def _look_for_removals(self, project: ProjectMemory, project_key: str, epoch: int) -> Removing:
        """Whether events are being removed that the manifest in memory still has. Those whose removal is done are
        removed from the copy first."""
        removals = fetch_removals(self._store, project_key, project.manifest.removals)
        if not removals:
            return Removing.NOT
        if not take_done(removals):
            return Removing.NOW
        self.carry_out(project_key, epoch=epoch)
        return Removing.DONE

    def _seal_long_tail(self, project: ProjectMemory, project_key: str, epoch: int) -> int:
        """How many events the store has from the tail's position on; a tail too long for memory is sealed before.

        Only what is settled can be sealed; under heavy load on MongoDB the settle window alone may hold more.
        """
        longest, position = MAX_TAIL_RATIO * self._seal_events, project.tail.position
        stored = self._store.count(project_key, position)
        unsealed = project.tail.settled_count + stored
        if unsealed <= longest:
            return stored
        settled = self._store.settled_position(project_key, now_ms=self._clock())
        if project.tail.settled_count + self._store.count(project_key, position, settled) <= longest:
            return stored
        if self._start_sealing is not None:
            self._start_sealing(project_key, epoch)
            raise CopyBehind(project.manifest.count / (project.manifest.count + unsealed))
        self.seal(project_key, epoch=epoch)
        self._load_manifest(project, project_key, epoch)
        return self._store.count(project_key, project.tail.position)

    def _build_snapshot(self, project_key: str, project: ProjectMemory) -> Snapshot:
        directory, manifest = self.directory / project_key, project.manifest
        tail, patch = None, None
        if project.tail.count or manifest.patch_file:
            tail, patch = self._resolve_persons(directory, manifest, project.tail)
        return Snapshot(
            revision=build_revision(manifest, project.tail.count),
            count=manifest.count + project.tail.count,
            directory=directory,
            segments=manifest.segments,
            tail=tail if tail is not None and tail.num_rows else None,
            patch=patch if patch is not None and patch.num_rows else None,
            stop=find_stop(manifest, tail),
            removals=manifest.removals,
            identity_file=manifest.identity_file,
        )

    def _resolve_persons(self, directory: Path, manifest: Manifest, tail: Tail) -> tuple[pa.Table, pa.Table]:
        import duckdb

        try:
            return resolve_persons(self._engine, directory, manifest, tail.build_table())
        except duckdb.Error as exc:
            explain_error(exc, directory, manifest.files)
            raise
