"""A project's events at one moment, and what can go wrong with them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from columns.manifest import Manifest, Segment, are_complete

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class CopyBehind(Exception):
    """The copy is being extended and does not hold all events yet; `ready_ratio` of them (0..1) it does."""

    def __init__(self, ready_ratio: float) -> None:
        super().__init__(f"{ready_ratio:.0%} of the events are in the columnar copy")
        self.ready_ratio = ready_ratio


class CopyChanged(Exception):
    """Files of a snapshot are gone, as after an erasure, or damaged: `mend` the copy and take a new snapshot."""


class QueryTooLarge(Exception):
    """A query needs more memory than the engine may take, with what runs beside it."""


@dataclass(frozen=True)
class Snapshot:
    """A project's events at one moment. Immutable; `tail` and `patch` are Arrow tables."""

    revision: str
    count: int
    directory: Path
    segments: tuple[Segment, ...]
    tail: pa.Table | None
    patch: pa.Table | None
    stop: int = 0
    """A position after all of its events."""
    removals: int = 0
    """Number of the last removal of which it has no event."""
    is_final: bool = True
    """False: a removal was under way. It may hold some events of it, and its revision names nothing else."""
    identity_file: str | None = None
    """Of the segments: (user_key, user_id) among others, of every user whom an anonymousId of theirs belongs to."""

    @property
    def files(self) -> set[str]:
        """Names of the files that queries on it read."""
        return {segment.file for segment in self.segments} | ({self.identity_file} if self.identity_file else set())


def explain_error(error: duckdb.Error | OSError, directory: Path, names: set[str]) -> None:
    """Raise CopyChanged where one of the files explains the error of a query, QueryTooLarge where memory does."""
    import duckdb

    if not are_complete(directory, names):
        raise CopyChanged("a file of the columnar copy is gone or damaged") from error
    if isinstance(error, duckdb.OutOfMemoryException):
        raise QueryTooLarge("the report engine's memory is not enough") from error


def find_stop(manifest: Manifest, tail: pa.Table | None) -> int:
    """A position after every event of the segments and the tail."""
    if tail is None or not tail.num_rows:
        return manifest.position
    import pyarrow.compute as pc

    return max(manifest.position, int(pc.max(tail["position"]).as_py()) + 1)


def build_revision(manifest: Manifest, tail_count: int) -> str:
    """Data epoch, number of removals and number of events: between removals events are only added, so equal numbers are
    equal events."""
    return f"{manifest.epoch}.{manifest.removals}.{manifest.count + tail_count}"


def build_passing_revision(revision: str) -> str:
    """A revision that nothing else has."""
    return f"{revision}.{secrets.token_hex(8)}"
