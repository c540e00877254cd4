"""Carries removals out in a copy: its segments, identities and patch are made as if the events had never been.

Called with the copy's lock held, as everything in `columns.sealer`. A crash leaves the manifest in force, and files
that no manifest names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from columns.manifest import Manifest, PathStats, Segment, build_file_name
from columns.paths import PathCounter
from columns.properties import Parameters
from columns.removals import Removal, build_removed_sql, fetch_removals, take_done
from columns.sealer import Sealer, find_bounds
from columns.writer import (
    ROW_COLUMNS,
    build_identity_sql,
    build_links_sql,
    copy_to_parquet,
    read_file,
    write_segment,
)

if TYPE_CHECKING:
    import duckdb

METADATA_ROWS = 10_000


def catch_up(sealer: Sealer, manifest: Manifest) -> Manifest:
    """The manifest with every removal carried out that is done; the same one where there is none.

    A copy that missed removals which were forgotten since is begun anew. Raises StoreUnavailable.
    """
    removals = fetch_removals(sealer.store, sealer.project_key, manifest.removals)
    if not removals:
        return manifest
    if removals[0].number != manifest.removals + 1:
        manifest = Manifest(epoch=manifest.epoch, sequence=manifest.sequence, removals=removals[0].number - 1)
    done = take_done(removals)
    return apply_removals(sealer, manifest, done) if done else manifest


def apply_removals(sealer: Sealer, manifest: Manifest, removals: Sequence[Removal]) -> Manifest:
    """The manifest of the copy without the removed events; `removals` are the next ones, in order."""
    number = removals[-1].number
    if not manifest.segments:
        return msgspec.structs.replace(manifest, removals=number, identity_file=None, patch_file=None)
    with sealer.engine.open_cursor() as cursor:
        counts = count_removed(cursor, sealer, manifest, removals)
        manifest = cut_disagreeing(sealer, manifest, counts, number)
        if not manifest.segments:
            return msgspec.structs.replace(manifest, removals=number, identity_file=None, patch_file=None)
        sequence = manifest.sequence + 1
        identity_file = build_file_name("identity", sequence)
        write_identity(cursor, sealer, manifest, removals, identity_file)
        identity = read_file(sealer.directory, identity_file)
        segments = []
        for segment in fill_gaps(manifest.segments, counts):
            removed = counts.get(segment.file, 0)
            segments.append(rewrite(cursor, sealer, segment, removed, removals, identity, sequence))
        patch_file = build_file_name("patch", sequence)
        patched = sealer.write_patch(cursor, segments, identity, patch_file)
    return msgspec.structs.replace(
        manifest, segments=tuple(segments), identity_file=identity_file,
        patch_file=patch_file if patched else None, sequence=sequence, removals=number,
    )  # fmt: skip


def count_removed(
    cursor: duckdb.DuckDBPyConnection, sealer: Sealer, manifest: Manifest, removals: Sequence[Removal]
) -> dict[str, int]:
    """How many events the removals take from each segment, by file; those that lose none are missing."""
    counts = {}
    for segment in manifest.segments:
        parameters = Parameters()
        condition = build_removed_sql([each for each in removals if may_hold(segment, each)], parameters)
        if condition == "false":
            continue
        file = read_file(sealer.directory, segment.file)
        row = cursor.execute(f"SELECT count(*) FROM {file} WHERE {condition}", parameters.values).fetchone()
        if row and row[0]:
            counts[segment.file] = int(row[0])
    return counts


def may_hold(segment: Segment, removal: Removal) -> bool:
    """Whether the segment has events from before the removal."""
    return segment.start < removal.stop


def cut_disagreeing(sealer: Sealer, manifest: Manifest, counts: dict[str, int], number: int) -> Manifest:
    """Cut the copy off before the first segment that would not hold as many events as the store has there, to be sealed
    again: so it is with an event that was removed in the copy and arrived in the store once more.

    Not where a further removal has begun, whose deletions are no reason; it compares again.
    """
    for index, segment in enumerate(manifest.segments):
        removed = counts.get(segment.file)
        if removed is None:
            continue
        stored = sealer.store.count(sealer.project_key, segment.start, segment.stop)
        if stored != segment.count - removed and not fetch_removals(sealer.store, sealer.project_key, number):
            return sealer.cut(manifest, index)
    return manifest


def write_identity(
    cursor: duckdb.DuckDBPyConnection, sealer: Sealer, manifest: Manifest, removals: Sequence[Removal], file: str
) -> None:
    """Write who each anonymousId is by the events that remain: a link goes with the events that told it."""
    parameters = Parameters()
    files = parameters.bind([str(sealer.directory / segment.file) for segment in manifest.segments])
    kept = f"""(
        SELECT anonymous_id, user_id, occurred_at FROM read_parquet({files}, union_by_name = true)
        WHERE NOT {build_removed_sql(removals, parameters)})"""
    links = f"SELECT anon_key, user_id, first_at FROM ({build_links_sql(kept)})"
    copy_to_parquet(cursor, build_identity_sql(links), parameters, sealer.directory / file)


def fill_gaps(segments: Sequence[Segment], counts: dict[str, int]) -> list[Segment]:
    """The segments of which something remains; the positions of the others become a neighbour's, so that an audit
    looks there too."""
    kept: list[Segment] = []
    start = segments[0].start
    for segment in segments:
        if counts.get(segment.file) == segment.count:
            if kept:
                kept[-1] = msgspec.structs.replace(kept[-1], stop=segment.stop)
            continue
        kept.append(segment if kept else msgspec.structs.replace(segment, start=start))
    return kept


def rewrite(
    cursor: duckdb.DuckDBPyConnection, sealer: Sealer, segment: Segment, removed: int, removals: Sequence[Removal],
    identity: str, sequence: int,
) -> Segment:  # fmt: skip
    """The segment without the removed events in a file of its own; the same segment where it loses none."""
    if not removed:
        return segment
    parameters = Parameters()
    condition = build_removed_sql(removals, parameters)
    source = read_file(sealer.directory, segment.file)
    paths = subtract_paths(cursor, segment, f"SELECT metadata FROM {source} WHERE {condition}", parameters)
    written = msgspec.structs.replace(
        segment, file=build_file_name("segment", sequence), count=segment.count - removed, paths=paths,
        is_audited=False,
    )  # fmt: skip
    path = sealer.directory / written.file
    kept = f"SELECT {', '.join(ROW_COLUMNS)} FROM {source} WHERE NOT {condition}"
    write_segment(cursor, path, relation=kept, parameters=parameters, identity_relation=identity, paths=paths)
    return find_bounds(cursor, sealer.directory, written)


def subtract_paths(
    cursor: duckdb.DuckDBPyConnection, segment: Segment, removed_sql: str, parameters: Parameters
) -> dict[str, PathStats]:
    """The segment's metadata paths without those that only removed events had: their names may tell of a person."""
    counter = PathCounter()
    cursor.execute(removed_sql, parameters.values)
    while rows := cursor.fetchmany(METADATA_ROWS):
        for (metadata,) in rows:
            if metadata is not None:
                counter.add(metadata)
    removed, _ = counter.build_stats()
    left = {}
    for pointer, stat in segment.paths.items():
        count = stat.count - (removed[pointer].count if pointer in removed else 0)
        if count > 0:
            left[pointer] = msgspec.structs.replace(stat, count=count)
    return left
