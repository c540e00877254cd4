"""The columnar copy of each project on this host: exact and fresh snapshots, and queries on them.

A snapshot holds every event that was acknowledged before it was asked for: the segments in force plus the tail, which
is read from the store. Reports run on a snapshot; its `revision` changes whenever its events do.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from columns.engine import Engine
from columns.manifest import (
    Manifest,
    are_complete,
    delete_copy,
    delete_unused_files,
    fetch_manifest_version,
    load_manifest,
    lock_copy,
    save_manifest,
)
from columns.removals import Removing, fetch_removals, take_done
from columns.remover import catch_up
from columns.sealer import Sealer, extend_copy
from columns.snapshot import (
    CopyBehind,
    Snapshot,
    build_passing_revision,
    build_revision,
    explain_error,
    find_stop,
)
from columns.tail import Tail, resolve_persons
from services.clock import fetch_now_ms
from stores.base import Store

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MAX_PROJECTS_IN_MEMORY = 200
STREAM_ROWS = 10_000
MAX_TAIL_RATIO = 4
"""A tail of more than so many times `seal_events` is not read into memory: it is sealed first."""


@dataclass
class _Project:
    """What this process remembers of one project's copy."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    version: tuple[int, int] | None = None
    manifest: Manifest = field(default_factory=Manifest)
    tail: Tail = field(default_factory=Tail)
    snapshot: Snapshot | None = None


class ColumnarCopy:
    """The copies of all projects under one folder of this host, shared by its processes."""

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
        self.directory = directory
        self._store = store
        self._engine = Engine(directory, memory_limit_bytes=memory_limit_bytes, threads=threads)
        self._seal_events = seal_events
        self._segment_events = segment_events
        self._clock = clock
        self._start_sealing: Callable[[str, int], None] | None = None
        self._projects: OrderedDict[str, _Project] = OrderedDict()
        self._lock = threading.Lock()

    def delegate_sealing(self, start_sealing: Callable[[str, int], None]) -> None:
        """From now on have copies extended by `start_sealing(project_key, epoch)`, which returns at once; until then,
        and without it, whoever asks for a snapshot waits while this process does it."""
        self._start_sealing = start_sealing

    def fetch_revision(self, project_key: str, *, epoch: int) -> str:
        """Names the project's events as they are now: two equal revisions are the same events, on every host.

        Costs a count and a look for removals in the store; while a removal is under way every revision is another one.
        Raises StoreUnavailable.
        """
        project = self._find(project_key)
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
        project = self._find(project_key)
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
        project = self._find(project_key)
        with project.lock:
            self._load_manifest(project, project_key, epoch)
            while (removing := self._look_for_removals(project, project_key, epoch)) is Removing.DONE:
                self._load_manifest(project, project_key, epoch)
            sealed = self._build_snapshot(project_key, _Project(manifest=project.manifest))
            return sealed if removing is Removing.NOT else replace(sealed, is_final=False)

    def count_waiting(self, project_key: str, *, epoch: int) -> int:
        """How many events a snapshot would have to read from the store, or to look at again, in this process."""
        project = self._find(project_key)
        with project.lock:
            self._load_manifest(project, project_key, epoch)
            return self._store.count(project_key, project.tail.position)

    def is_final(self, snapshot: Snapshot) -> bool:
        """Whether it holds no event that was removed or is being removed now. Raises StoreUnavailable."""
        return snapshot.is_final and not fetch_removals(self._store, snapshot.directory.name, snapshot.removals)

    def catch_up(self, project_key: str) -> None:
        """Carry out what removals were done since in the project's copy, and delete the files that nobody needs."""
        directory = self.directory / project_key
        with lock_copy(self._lock_path(project_key)):
            delete_unused_files(directory, self._catch_up_locked(directory, load_manifest(directory)))

    def forget_removed(self) -> list[str]:
        """Drop what this process remembers of projects from which events were or are being removed; their keys.
        Raises StoreUnavailable."""
        with self._lock:
            known = [(key, project.manifest.removals) for key, project in self._projects.items()]
        outdated = [key for key, number in known if fetch_removals(self._store, key, number)]
        for project_key in outdated:
            self.forget_memory(project_key)
        return outdated

    def query(self, snapshot: Snapshot, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Rows of a query over `relation.build_events_sql` of the same snapshot. Raises CopyChanged, QueryTooLarge."""
        return list(self.stream(snapshot, sql, parameters))

    def stream(self, snapshot: Snapshot, sql: str, parameters: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Like `query`, a few rows in memory at a time."""
        with self._open_cursor(snapshot) as cursor:
            cursor.execute(sql, parameters)
            while rows := cursor.fetchmany(STREAM_ROWS):
                yield from rows

    def stream_batches(
        self, snapshot: Snapshot, sql: str, parameters: dict[str, Any], *, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Like `stream`, in Arrow batches of at most so many rows."""
        with self._open_cursor(snapshot) as cursor:
            # of `execute` Arrow would get a copy of all rows at once
            yield from cursor.sql(sql, params=parameters).to_arrow_reader(rows)

    @contextmanager
    def _open_cursor(self, snapshot: Snapshot) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for a query on the snapshot, whose errors are explained."""
        import duckdb

        tables = {"tail": snapshot.tail, "patch": snapshot.patch}
        with self._engine.open_cursor({name: table for name, table in tables.items() if table is not None}) as cursor:
            try:
                yield cursor
            except (duckdb.Error, OSError) as exc:  # OSError: as Arrow tells what went wrong in the engine
                explain_error(exc, snapshot.directory, snapshot.files)
                raise

    def seal(self, project_key: str, *, epoch: int = 0, force: bool = False, wait: bool = True) -> None:
        """Turn settled events into segments, `seal_events` at least (`force`: however few); merge, audit, clean up.
        Without `wait` nothing is done when another process is at it."""
        directory = self.directory / project_key
        with lock_copy(self._lock_path(project_key), wait=wait) as is_locked:
            if not is_locked:
                return
            manifest, now_ms = self._catch_up_locked(directory, self._load_locked(directory, epoch)), self._clock()
            sealer = self._sealer(project_key)
            audited = sealer.audit(manifest, now_ms=now_ms)
            if audited != manifest:
                self._publish(directory, audited)
            least = 1 if force else self._seal_events
            newest = audited
            for newest in extend_copy(sealer, audited, now_ms=now_ms, min_events=least):
                self._publish(directory, newest)
                if take_done(fetch_removals(self._store, project_key, newest.removals)):
                    newest = self._catch_up_locked(directory, newest)
                    break  # whoever waits to read has waited for long
            delete_unused_files(directory, newest)

    def merge(self, project_key: str, *, force: bool = False) -> None:
        """Merge small segments where there are enough (`force`: all segments into one)."""
        directory = self.directory / project_key
        with lock_copy(self._lock_path(project_key)):
            manifest = load_manifest(directory)
            merged = self._sealer(project_key).merge(manifest, now_ms=self._clock(), force=force)
            if merged != manifest:
                self._publish(directory, merged)

    def audit(self, project_key: str, *, force: bool = True) -> bool:
        """Compare every segment with the store (without `force`: those that are due, each once); False if one
        disagreed and is sealed anew on the next use."""
        directory = self.directory / project_key
        with lock_copy(self._lock_path(project_key)):
            manifest = load_manifest(directory)
            audited = self._sealer(project_key).audit(manifest, now_ms=self._clock(), force=force)
            if audited != manifest:
                self._publish(directory, audited)
            return audited.position == manifest.position

    def count_unsealed(self, project_key: str) -> int:
        """How many of the project's events are in no segment yet."""
        return self._store.count(project_key, load_manifest(self.directory / project_key).position)

    def forget(self, project_key: str) -> None:
        """Delete the project's copy from this host and from this process's memory."""
        self.forget_memory(project_key)
        with lock_copy(self._lock_path(project_key)):
            delete_copy(self.directory / project_key)

    def forget_memory(self, project_key: str | None = None) -> None:
        """Drop what this process remembers of a project (None: of all); it is read again when next needed."""
        with self._lock:
            if project_key is None:
                self._projects.clear()
            else:
                self._projects.pop(project_key, None)

    def mend(self, project_key: str) -> None:
        """Drop what this process remembers of a project, and a copy with files gone or damaged: it is built anew.

        Nothing is deleted while a sealer is at work.
        """
        self.forget_memory(project_key)
        with lock_copy(self._lock_path(project_key), wait=False) as is_locked:
            if is_locked:
                self._load_locked(self.directory / project_key, epoch=0)

    def list_copied_projects(self) -> list[str]:
        """Keys of the projects that have a copy on this host."""
        return sorted(path.parent.name for path in self.directory.glob("*/manifest.json"))

    def close(self) -> None:
        """Close the report engine and drop all memory."""
        self.forget_memory()
        self._engine.close()

    def _find(self, project_key: str) -> _Project:
        with self._lock:
            project = self._projects.setdefault(project_key, _Project())
            self._projects.move_to_end(project_key)
            while len(self._projects) > MAX_PROJECTS_IN_MEMORY:
                self._projects.popitem(last=False)
            return project

    def _sealer(self, project_key: str) -> Sealer:
        return Sealer(self._store, self._engine, self.directory / project_key, project_key, self._segment_events)

    def _lock_path(self, project_key: str) -> Path:
        return self.directory / ".locks" / project_key

    def _load_manifest(self, project: _Project, project_key: str, epoch: int) -> None:
        directory = self.directory / project_key
        version = fetch_manifest_version(directory)
        if version == project.version and project.manifest.epoch >= epoch:
            return
        old, project.manifest = project.manifest, load_manifest(directory)
        if project.manifest.epoch < epoch:
            with lock_copy(self._lock_path(project_key)):
                project.manifest = self._load_locked(directory, epoch)
            version = fetch_manifest_version(directory)
        if (project.manifest.epoch, project.manifest.removals) != (old.epoch, old.removals):
            project.tail = Tail()
        project.version = version
        project.snapshot = None
        project.tail.trim(project.manifest.position)

    def _audit_tail(self, project: _Project, project_key: str) -> None:
        if not project.tail.agrees_with(self._store, project_key, now_ms=self._clock()):
            project.tail = Tail(start=project.manifest.position, position=project.manifest.position)
            project.snapshot = None

    def _load_locked(self, directory: Path, epoch: int) -> Manifest:
        """The manifest in force, under the copy's lock; a damaged copy, or one of an older epoch, is deleted first."""
        manifest = load_manifest(directory)
        if manifest.epoch >= epoch and are_complete(directory, manifest.files):
            return manifest
        delete_copy(directory)
        manifest = Manifest(epoch=max(epoch, manifest.epoch))
        self._publish(directory, manifest)
        return manifest

    def _take_snapshot(self, project: _Project, project_key: str, epoch: int) -> Snapshot:
        self._load_manifest(project, project_key, epoch)
        self._audit_tail(project, project_key)
        stored = self._seal_long_tail(project, project_key, epoch)
        if stored != len(project.tail.young):
            project.tail.refresh(self._store, project_key, stored, now_ms=self._clock())
            project.snapshot = None
        if project.snapshot is None:
            project.snapshot = self._build_snapshot(project_key, project)
        return project.snapshot

    def _retake_snapshot(self, project: _Project, project_key: str) -> Snapshot:
        """While a removal is under way: with a tail read anew, since the number of events tells nothing."""
        project.tail, project.snapshot = Tail(start=project.manifest.position, position=project.manifest.position), None
        stored = self._store.count(project_key, project.tail.position)
        project.tail.refresh(self._store, project_key, stored, now_ms=self._clock())
        snapshot = self._build_snapshot(project_key, project)
        return replace(snapshot, revision=build_passing_revision(snapshot.revision), is_final=False)

    def _look_for_removals(self, project: _Project, project_key: str, epoch: int) -> Removing:
        """Whether events are being removed that the manifest in memory still has. Those whose removal is done are
        removed from the copy first."""
        removals = fetch_removals(self._store, project_key, project.manifest.removals)
        if not removals:
            return Removing.NOT
        if not take_done(removals):
            return Removing.NOW
        directory = self.directory / project_key
        with lock_copy(self._lock_path(project_key)):
            manifest = self._catch_up_locked(directory, self._load_locked(directory, epoch))
            delete_unused_files(directory, manifest)
        return Removing.DONE

    def _catch_up_locked(self, directory: Path, manifest: Manifest) -> Manifest:
        """The manifest in force with what removals were done carried out, under the copy's lock."""
        caught_up = catch_up(self._sealer(directory.name), manifest)
        if caught_up != manifest:
            self._publish(directory, caught_up)
        return caught_up

    def _publish(self, directory: Path, manifest: Manifest) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        save_manifest(directory, manifest)

    def _seal_long_tail(self, project: _Project, project_key: str, epoch: int) -> int:
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

    def _build_snapshot(self, project_key: str, project: _Project) -> Snapshot:
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
