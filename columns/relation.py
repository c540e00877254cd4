"""The SQL of "the events of this snapshot": segments and tail as one relation, persons patched, properties typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from columns.copy import Snapshot
from columns.manifest import Segment
from columns.properties import KINDS, Parameters, Property, build_column_name, build_json_expressions

BASE_COLUMNS: Final = (
    "event_id", "event_name", "occurred_at", "received_at", "anonymous_id", "user_id", "session_id",
    "url", "referrer", "user_agent", "ip", "metadata",
)  # fmt: skip


def build_events_sql(
    snapshot: Snapshot, parameters: Parameters, properties: Sequence[Property] = (),
    *, from_ms: int | None = None, to_ms: int | None = None,
) -> str:  # fmt: skip
    """SELECT of `BASE_COLUMNS`, `person` (null: nobody) and, for the property numbered i, `p<i>_text`, `p<i>_number`,
    `p<i>_boolean`, `p<i>_other`, at most one of them not null.

    The bounds leave out segments without an event in `[from_ms, to_ms)`; they do not filter events.
    """
    parts = []
    segments = [segment for segment in snapshot.segments if overlaps(segment, from_ms, to_ms)]
    for group in group_by_reading(segments, properties):
        files = parameters.bind([str(snapshot.directory / segment.file) for segment in group])
        source = f"read_parquet({files}, union_by_name = true)"
        typed = [read_from_segment(group[0], prop, parameters) for prop in properties]
        parts.append(build_part(source, typed, has_patch=snapshot.patch is not None))
    if snapshot.tail is not None or not parts:
        typed = [read_from_row(prop, parameters) for prop in properties]
        parts.append(build_part("tail" if snapshot.tail is not None else EMPTY_ROWS, typed, has_patch=False))
    return " UNION ALL ".join(parts)


EMPTY_ROWS: Final = (
    "(SELECT "
    + ", ".join(f"NULL::VARCHAR AS {name}" for name in BASE_COLUMNS if not name.endswith("_at"))
    + ", NULL::TIMESTAMP AS occurred_at, NULL::TIMESTAMP AS received_at, NULL::UUID AS person_key WHERE false)"
)


def overlaps(segment: Segment, from_ms: int | None, to_ms: int | None) -> bool:
    """Whether the segment may hold an event in the range; without bounds also events without a valid time count."""
    if from_ms is None and to_ms is None:
        return True
    if segment.min_ms is None or segment.max_ms is None:
        return False
    return (to_ms is None or segment.min_ms < to_ms) and (from_ms is None or segment.max_ms >= from_ms)


def group_by_reading(segments: Iterable[Segment], properties: Sequence[Property]) -> list[list[Segment]]:
    """Segments that read all the properties by the same SQL, together."""
    groups: dict[tuple[object, ...], list[Segment]] = {}
    for segment in segments:
        reading = tuple(find_reading(segment, prop) for prop in properties if prop.column is None)
        groups.setdefault(reading, []).append(segment)
    return list(groups.values())


def find_reading(segment: Segment, prop: Property) -> tuple[str, ...] | None:
    """Kinds that the segment has columns of for a path; none: no event has the path; None: read the JSON text."""
    stat = segment.paths.get(prop.pointer)
    if stat is None:
        return () if segment.has_all_paths else None
    return stat.kinds if stat.is_column else None


def read_from_segment(segment: Segment, prop: Property, parameters: Parameters) -> dict[str, str]:
    """Kind -> SQL expression of a property in a segment; kinds that it cannot have are missing."""
    if prop.column is None:
        kinds = find_reading(segment, prop)
        if kinds is not None:
            return {kind: build_column_name(prop.pointer, kind) for kind in kinds}
    return read_from_row(prop, parameters)


def read_from_row(prop: Property, parameters: Parameters) -> dict[str, str]:
    """Kind -> SQL expression of a property in rows without columns for metadata paths."""
    if prop.column is not None:
        return {"text": prop.column}
    return build_json_expressions(prop.keys, parameters)


def build_part(source: str, typed: Sequence[dict[str, str]], *, has_patch: bool) -> str:
    """One SELECT of the union. Segments without a column that others of their group have read it as null."""
    columns = [f"e.{name}" for name in BASE_COLUMNS]
    columns.append("coalesce(patch.person_key, e.person_key) AS person" if has_patch else "e.person_key AS person")
    for number, expressions in enumerate(typed):
        for kind, sql_type in KINDS.items():
            columns.append(f"{expressions.get(kind, f'NULL::{sql_type}')} AS p{number}_{kind}")
    join = " LEFT JOIN patch ON e.anon_key = patch.anon_key" if has_patch else ""
    return f"(SELECT {', '.join(columns)} FROM {source} e{join})"
