"""Turns settled events into segments, merges small segments, audits them against the store.

One sealer per copy at a time, on this host (`manifest.lock_copy`); every function here is called with that lock held.
A crash at any point leaves the manifest in force and, at worst, a file that no manifest names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from columns.engine import Engine
from columns.manifest import Manifest, PathStats, Segment, build_file_name
from columns.paths import PathCounter, choose_columns, merge_stats
from columns.properties import Parameters
from columns.removals import fetch_removals
from columns.writer import (
    ROW_COLUMNS,
    build_identity_sql,
    build_links_sql,
    build_row_table,
    copy_to_parquet,
    read_file,
    read_identity,
    write_segment,
)
from stores.base import ArrivalRow, Store

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MERGE_RUN: Final = 8
"""So many small neighbours become one segment, though they do not fill it."""
MOST_SMALL: Final = 32
"""Segments less than half full, while events wait. Each costs a report a file to open."""
SCAN_EVENTS: Final = 20_000
MAX_SEAL_EVENTS: Final = 250_000
"""Events read into memory at once (about 100 MB); larger segments come from merging, which spills to disk."""
AUDIT_AFTER_MS: Final = 60_000
"""A write that surfaced late (its host stalled longer than the settle window) has surfaced by then."""


@dataclass(frozen=True)
class Sealer:
    """What sealing a project's copy needs."""

    store: Store
    engine: Engine
    directory: Path
    project_key: str
    segment_events: int

    def seal(self, manifest: Manifest, *, now_ms: int) -> Manifest:
        """Append one segment of the oldest settled events that are in none; unchanged where there are none.

        It holds `MAX_SEAL_EVENTS` at most, or more where many events share its last position.
        """
        settled = self.store.settled_position(self.project_key, now_ms=now_ms)
        limit = min(MAX_SEAL_EVENTS, self.segment_events)
        rows = take_rows(self.store.scan(self.project_key, manifest.position, settled, batch_size=SCAN_EVENTS), limit)
        loaded = load_rows(rows)
        if loaded is None:
            return manifest
        table, paths, has_all_paths, last_position = loaded
        stop = settled if table.num_rows < limit else last_position + 1
        segment = Segment(
            file=build_file_name("segment", manifest.sequence + 1),
            start=manifest.position,
            stop=stop,
            count=table.num_rows,
            min_ms=None,
            max_ms=None,
            paths=paths,
            has_all_paths=has_all_paths,
            sealed_at_ms=now_ms,
        )
        with self.engine.open_cursor({"arrived": table}) as cursor:
            rows_sql = "SELECT * FROM arrived"
            sealed = self._publish(cursor, manifest, manifest.segments, segment, rows_sql, Parameters())
        return msgspec.structs.replace(sealed, position=stop)

    def merge(self, manifest: Manifest, *, now_ms: int, force: bool = False) -> Manifest:
        """Replace a run of small neighbours by one segment (`force`: all); unchanged where there is no run."""
        run = (0, len(manifest.segments)) if force else find_merge_run(manifest.segments, self.segment_events)
        if run is None or run[1] - run[0] < 2:
            return manifest
        old = manifest.segments[run[0] : run[1]]
        count = sum(segment.count for segment in old)
        paths, has_all_paths = choose_columns(merge_stats(old), all(segment.has_all_paths for segment in old), count)
        merged = Segment(
            file=build_file_name("segment", manifest.sequence + 1), start=old[0].start, stop=old[-1].stop, count=count,
            min_ms=None, max_ms=None, paths=paths, has_all_paths=has_all_paths, sealed_at_ms=now_ms,
            is_audited=all(segment.is_audited for segment in old),
        )  # fmt: skip
        parameters = Parameters()
        files = parameters.bind([str(self.directory / segment.file) for segment in old])
        source = f"SELECT {', '.join(ROW_COLUMNS)} FROM read_parquet({files}, union_by_name = true)"
        kept = (manifest.segments[: run[0]], manifest.segments[run[1] :])
        with self.engine.open_cursor() as cursor:
            return self._publish(cursor, manifest, kept[0], merged, source, parameters, after=kept[1])

    def audit(self, manifest: Manifest, *, now_ms: int, force: bool = False) -> Manifest:
        """Compare each segment, once, with a count in the store.

        A segment that disagrees is cut off with all after it, to be sealed again. `force`: also segments that are young
        or were audited before.
        """
        for number, segment in enumerate(manifest.segments):
            if not force and (segment.is_audited or segment.sealed_at_ms + AUDIT_AFTER_MS > now_ms):
                continue
            if self.store.count(self.project_key, segment.start, segment.stop) != segment.count:
                # a removal that began meanwhile explains it, and will be carried out here
                is_removing = fetch_removals(self.store, self.project_key, manifest.removals)
                return manifest if is_removing else self.cut(manifest, number)
            audited = msgspec.structs.replace(segment, is_audited=True)
            segments = (*manifest.segments[:number], audited, *manifest.segments[number + 1 :])
            manifest = msgspec.structs.replace(manifest, segments=segments)
        return manifest

    def cut(self, manifest: Manifest, number: int) -> Manifest:
        """Drop the segment of that number and all later ones.

        The links of dropped segments stay in the identity file: events are never changed, so they hold, and sealing the
        same events again adds the same links. Where events were removed the identities are made anew.
        """
        return msgspec.structs.replace(
            manifest, segments=manifest.segments[:number], position=manifest.segments[number].start
        )

    def _publish(
        self, cursor: duckdb.DuckDBPyConnection, manifest: Manifest, before: tuple[Segment, ...], segment: Segment,
        rows_sql: str, parameters: Parameters, *, after: tuple[Segment, ...] = (),
    ) -> Manifest:  # fmt: skip
        """Write a segment between others, with the identity and patch files that follow from it."""
        sequence = manifest.sequence + 1
        identity_file = build_file_name("identity", sequence)
        patch_file = build_file_name("patch", sequence)
        self.directory.mkdir(parents=True, exist_ok=True)
        old_identity = read_identity(self.directory, manifest)
        links = f"""
            SELECT anon_key, user_id, first_at FROM {old_identity}
            UNION ALL SELECT anon_key, user_id, first_at FROM ({build_links_sql(f"({rows_sql})")})"""
        copy_to_parquet(cursor, build_identity_sql(links), parameters, self.directory / identity_file)
        identity = read_file(self.directory, identity_file)
        patched = self.write_patch(cursor, (*before, *after), identity, patch_file)
        write_segment(
            cursor, self.directory / segment.file, relation=rows_sql, parameters=parameters,
            identity_relation=identity, paths=segment.paths,
        )  # fmt: skip
        written = find_bounds(cursor, self.directory, segment)
        return msgspec.structs.replace(
            manifest, segments=(*before, written, *after), identity_file=identity_file,
            patch_file=patch_file if patched else None, sequence=sequence,
        )  # fmt: skip

    def write_patch(
        self, cursor: duckdb.DuckDBPyConnection, kept: Sequence[Segment], identity: str, patch_file: str
    ) -> int:
        """Write whose the anonymous events of segments are now, where that is not who was written; how many. One whose
        identity is gone, with the events that told it, is itself again."""
        if not kept:
            return 0
        parameters = Parameters()
        files = parameters.bind([str(self.directory / segment.file) for segment in kept])
        select = f"""
            SELECT DISTINCT e.anon_key, coalesce(now.user_key, e.anon_key) AS person_key
            FROM read_parquet({files}, union_by_name = true) e LEFT JOIN {identity} now USING (anon_key)
            WHERE e.anon_key IS NOT NULL AND e.person_key IS DISTINCT FROM coalesce(now.user_key, e.anon_key)"""
        path = self.directory / patch_file
        patched = copy_to_parquet(cursor, select, parameters, path)
        if not patched:
            path.unlink()
        return patched


def find_bounds(cursor: duckdb.DuckDBPyConnection, directory: Path, segment: Segment) -> Segment:
    """The segment with the times of the events in its file, and how many have none."""
    bounds = cursor.execute(
        "SELECT epoch_ms(min(occurred_at)), epoch_ms(max(occurred_at)), count(*) - count(occurred_at)"
        " FROM read_parquet($v0)",
        {"v0": [str(directory / segment.file)]},
    ).fetchone()
    min_ms, max_ms, undated = bounds or (None, None, None)
    return msgspec.structs.replace(segment, min_ms=min_ms, max_ms=max_ms, undated=undated)


def take_rows(batches: Iterator[list[ArrivalRow]], limit: int) -> Iterator[list[ArrivalRow]]:
    """Batches until `limit` rows, and further to the end of the position the last of them shares."""
    taken, last_position = 0, None
    for batch in batches:
        if taken >= limit:
            batch = [row for row in batch if row.position == last_position]
            if not batch:
                return
        elif taken + len(batch) >= limit:
            last_position = batch[limit - taken - 1].position
            batch = [row for row in batch if row.position <= last_position]
        taken += len(batch)
        yield batch


def load_rows(
    batches: Iterator[list[ArrivalRow]],
) -> tuple[pa.Table, dict[str, PathStats], bool, int] | None:
    """Rows as one Arrow table, their metadata paths, whether those are all, and the last position; None: no rows."""
    counter, tables, last_position = PathCounter(), [], 0
    for batch in batches:
        for row in batch:
            if row.metadata != "{}":
                counter.add(row.metadata)
        tables.append(build_row_table(batch))
        last_position = batch[-1].position
    if not tables:
        return None
    import pyarrow as pa

    table = pa.concat_tables(tables)
    stats, is_complete = counter.build_stats()
    paths, has_all_paths = choose_columns(stats, is_complete, table.num_rows)
    return table, paths, has_all_paths, last_position


def find_merge_run(segments: tuple[Segment, ...], segment_events: int) -> tuple[int, int] | None:
    """The newest and longest run of neighbours worth merging: they fit in a segment, are many or fill it, and none is
    larger than the others together, so that an event is rewritten a few times only. None where there is none."""
    for stop in range(len(segments), 1, -1):
        best, total, largest = None, 0, 0
        for start in range(stop - 1, -1, -1):
            total += segments[start].count
            largest = max(largest, segments[start].count)
            if total > segment_events * 1.5:
                break
            if (stop - start >= MERGE_RUN or total >= segment_events * 0.75) and largest * 2 <= total:
                best = start
        if best is not None:
            return best, stop
    return None


def extend_copy(
    sealer: Sealer, manifest: Manifest, *, clock: Callable[[], int], min_events: int
) -> Iterator[Manifest]:
    """Seal while at least `min_events` settled events wait, then merge; yields manifests to put in force.

    Merging writes what is sealed again, so it is put off while events wait, until there are many small segments.
    """
    while has_waiting(sealer, manifest, now_ms=clock(), min_events=min_events):
        sealed = sealer.seal(manifest, now_ms=clock())
        if sealed == manifest:
            return
        yield sealed
        manifest = sealed
        if count_small(manifest.segments, sealer.segment_events) > MOST_SMALL:
            manifest = sealer.merge(sealed, now_ms=clock())
            yield manifest
    while (merged := sealer.merge(manifest, now_ms=clock())) != manifest:
        yield merged
        manifest = merged


def has_waiting(sealer: Sealer, manifest: Manifest, *, now_ms: int, min_events: int) -> bool:
    """Whether at least `min_events` settled events, and one, are in no segment of the manifest."""
    settled = sealer.store.settled_position(sealer.project_key, now_ms=now_ms)
    return sealer.store.count(sealer.project_key, manifest.position, settled) >= max(min_events, 1)


def count_small(segments: Sequence[Segment], segment_events: int) -> int:
    """How many segments are less than half full."""
    return sum(segment.count < segment_events // 2 for segment in segments)
