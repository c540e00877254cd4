"""The files of columnar copies: extended, merged, audited, rid of removed events, deleted; under a copy's lock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from columns.engine import Engine
from columns.manifest import (
    Manifest,
    are_complete,
    delete_copy,
    delete_unused_files,
    load_manifest,
    lock_copy,
    save_manifest,
)
from columns.removals import fetch_removals, take_done
from columns.remover import catch_up
from columns.sealer import Sealer, extend_copy, has_waiting
from stores.base import Store


class CopyFiles:
    """The files of the copies of all projects under one folder of this host. One process at a time changes a copy."""

    def __init__(
        self, store: Store, directory: Path, engine: Engine, *, seal_events: int, segment_events: int,
        clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self.directory = directory
        self._store = store
        self._engine = engine
        self._seal_events = seal_events
        self._segment_events = segment_events
        self._clock = clock

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
            for newest in extend_copy(sealer, audited, clock=self._clock, min_events=least):
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

    def catch_up(self, project_key: str) -> None:
        """Carry out what removals were done since in the project's copy, and delete the files that nobody needs."""
        directory = self.directory / project_key
        with lock_copy(self._lock_path(project_key)):
            delete_unused_files(directory, self._catch_up_locked(directory, load_manifest(directory)))

    def carry_out(self, project_key: str, *, epoch: int) -> None:
        """Like `catch_up`; a damaged copy, or one of an older epoch, is begun anew."""
        directory = self.directory / project_key
        with lock_copy(self._lock_path(project_key)):
            delete_unused_files(directory, self._catch_up_locked(directory, self._load_locked(directory, epoch)))

    def load(self, project_key: str, *, epoch: int) -> Manifest:
        """The manifest in force; a damaged copy, or one of an older epoch, is begun anew."""
        with lock_copy(self._lock_path(project_key)):
            return self._load_locked(self.directory / project_key, epoch)

    def begin_damaged_anew(self, project_key: str) -> None:
        """Delete a copy with files gone or damaged. Nothing is done while another process is at it."""
        with lock_copy(self._lock_path(project_key), wait=False) as is_locked:
            if is_locked:
                self._load_locked(self.directory / project_key, epoch=0)

    def delete(self, project_key: str) -> None:
        """Delete the project's copy from this host."""
        with lock_copy(self._lock_path(project_key)):
            delete_copy(self.directory / project_key)

    def is_being_changed(self, project_key: str) -> bool:
        """Whether a process is sealing the project's events, or at other work on its copy."""
        with lock_copy(self._lock_path(project_key), wait=False) as is_locked:
            return not is_locked

    def count_unsealed(self, project_key: str) -> int:
        """How many of the project's events are in no segment yet."""
        return self._store.count(project_key, load_manifest(self.directory / project_key).position)

    def has_enough_to_seal(self, project_key: str) -> bool:
        """Whether `seal_events` events that are settled are in no segment yet."""
        manifest = load_manifest(self.directory / project_key)
        return has_waiting(self._sealer(project_key), manifest, now_ms=self._clock(), min_events=self._seal_events)

    def list_copied_projects(self) -> list[str]:
        """Keys of the projects that have a copy on this host."""
        return sorted(path.parent.name for path in self.directory.glob("*/manifest.json"))

    def _sealer(self, project_key: str) -> Sealer:
        return Sealer(self._store, self._engine, self.directory / project_key, project_key, self._segment_events)

    def _lock_path(self, project_key: str) -> Path:
        return self.directory / ".locks" / project_key

    def _load_locked(self, directory: Path, epoch: int) -> Manifest:
        """The manifest in force, under the copy's lock; a damaged copy, or one of an older epoch, is deleted first."""
        manifest = load_manifest(directory)
        if manifest.epoch >= epoch and are_complete(directory, manifest.files):
            return manifest
        delete_copy(directory)
        manifest = Manifest(epoch=max(epoch, manifest.epoch))
        self._publish(directory, manifest)
        return manifest

    def _catch_up_locked(self, directory: Path, manifest: Manifest) -> Manifest:
        """The manifest in force with what removals were done carried out, under the copy's lock."""
        caught_up = catch_up(self._sealer(directory.name), manifest)
        if caught_up != manifest:
            self._publish(directory, caught_up)
        return caught_up

    def _publish(self, directory: Path, manifest: Manifest) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        save_manifest(directory, manifest)
