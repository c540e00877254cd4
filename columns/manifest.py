"""Which segments of a project's copy are in force: one JSON file, replaced atomically.

A reader that holds an older manifest may go on reading its segments: files that no manifest names any more are
deleted only after `GRACE_SECONDS` (at once when data was erased).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

LAYOUT_VERSION = 2
"""Raised when segments are written differently; a copy of another layout is rebuilt."""
GRACE_SECONDS = 600.0
MANIFEST_NAME = "manifest.json"
NOTES_SUFFIX = ".notes"
"""Of the file beside a segment with what was found out about it (`columns.notes`)."""
PARQUET_END = b"PAR1"
"""The last bytes of every complete Parquet file."""


class PathStats(msgspec.Struct, frozen=True):
    """A metadata path in a segment: how many events have it, and in which kinds (`columns.properties.KINDS`)."""

    count: int
    kinds: tuple[str, ...]
    is_column: bool = False


class Segment(msgspec.Struct, frozen=True):
    """One Parquet file: the events with `start <= position < stop`, sorted by time."""

    file: str
    start: int
    stop: int
    count: int
    min_ms: int | None
    """Time of the earliest event with a valid one; None: it has none."""
    max_ms: int | None
    paths: dict[str, PathStats]
    """JSON pointer -> stats, for at most `columns.paths.MAX_LISTED_PATHS`."""
    has_all_paths: bool
    """True: a path that is not in `paths` is in no event of the segment."""
    sealed_at_ms: int
    is_audited: bool = False
    undated: int | None = None
    """Events without a valid time; None: not counted."""


class Manifest(msgspec.Struct, frozen=True):
    """The copy of one project, without its tail."""

    epoch: int = 0
    position: int = 0
    """Where the last segment stops; events from here on are the tail."""
    segments: tuple[Segment, ...] = ()
    identity_file: str | None = None
    """(anon_key, user_id, user_key, first_at): who an anonymousId turned out to be, from all segments."""
    patch_file: str | None = None
    """(anon_key, person_key): persons learnt after the segment that holds them was written."""
    sequence: int = 0
    removals: int = 0
    """Number of the last removal that was carried out in it (`columns.removals`)."""
    layout_version: int = LAYOUT_VERSION

    @property
    def count(self) -> int:
        """Events in all segments."""
        return sum(segment.count for segment in self.segments)

    @property
    def files(self) -> set[str]:
        """Names of all its files."""
        others = {self.identity_file, self.patch_file} - {None}
        return {segment.file for segment in self.segments} | {str(name) for name in others}


def load_manifest(directory: Path) -> Manifest:
    """The manifest in force; an empty one where there is none, or one of another layout."""
    try:
        manifest = msgspec.json.decode((directory / MANIFEST_NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest()
    except msgspec.MsgspecError:
        return Manifest()
    return manifest if manifest.layout_version == LAYOUT_VERSION else Manifest()


def fetch_manifest_version(directory: Path) -> tuple[int, int]:
    """Changes whenever the manifest is replaced."""
    try:
        status = (directory / MANIFEST_NAME).stat()
    except FileNotFoundError:
        return (0, 0)
    return (status.st_ino, status.st_mtime_ns)


def save_manifest(directory: Path, manifest: Manifest) -> None:
    """Put a manifest in force. The files it names must be on disk already.

    For the files that only its predecessor named, the grace period begins; where a removal was carried out, it is over
    for them and for all files that are left from before.
    """
    old = load_manifest(directory)
    superseded = old.files - manifest.files
    if manifest.removals != old.removals:
        end_grace(directory, manifest)
        superseded = set()
    write_durably(directory / MANIFEST_NAME, msgspec.json.encode(manifest))
    for name in superseded:
        with suppress(FileNotFoundError):
            os.utime(directory / name)


def end_grace(directory: Path, manifest: Manifest) -> None:
    """Have `delete_unused_files` delete all files that the manifest does not name, though others read them.

    Done before the manifest is in force, so that a crash leaves nothing that stays for long.
    """
    named = manifest.files
    for path in directory.glob("*.parquet*"):
        if path.name.removesuffix(NOTES_SUFFIX) not in named:
            with suppress(FileNotFoundError):  # notes are written without the lock
                os.utime(path, (0, 0))


def build_file_name(kind: str, sequence: int) -> str:
    """A name that no file ever had: a snapshot of a copy that was deleted must not read files of the next one."""
    return f"{kind}-{sequence:08d}-{secrets.token_hex(4)}.parquet"


def are_complete(directory: Path, names: Iterable[str]) -> bool:
    """Whether these Parquet files are there, to their end."""
    return all(_is_complete(directory / name) for name in names)


def _is_complete(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(PARQUET_END), os.SEEK_END)
            return file.read() == PARQUET_END
    except OSError:  # also for one that is shorter than that
        return False


def write_durably(path: Path, content: bytes) -> None:
    """Write beside, fsync, rename, fsync the folder: after a crash the old or the new file is there, whole."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    publish_file(beside, path)


def publish_file(written: Path, path: Path) -> None:
    """Give a completely written file its name, durably."""
    descriptor = os.open(written, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    written.replace(path)
    sync_folder(path.parent)


def sync_folder(directory: Path) -> None:
    """fsync of a folder: renames in it survive a crash."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete_unused_files(directory: Path, manifest: Manifest, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Delete the files that the manifest does not name, nor did in the grace period; those of a crashed sealer too."""
    named = manifest.files
    for path in (*directory.glob("*.parquet*"), *directory.glob(f".{MANIFEST_NAME}.*")):
        if path.name.removesuffix(NOTES_SUFFIX) in named:
            continue
        with suppress(FileNotFoundError):  # notes are written without the lock
            if time.time() - path.stat().st_mtime >= grace_seconds:
                path.unlink()


def delete_copy(directory: Path) -> None:
    """Delete a project's whole copy at once."""
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def lock_copy(lock_path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the host's lock on a copy; yields False, without the lock, when `wait` is False and another holds it."""
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
