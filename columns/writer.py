"""Writes Parquet files of the copy: a segment (sorted by time, frequent metadata paths as columns, persons resolved),
the identity file and the patch file.

All of it is SQL over a relation with the columns of `ROW_COLUMNS`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from columns.derived import DERIVED_COLUMNS, build_derived_arrays
from columns.manifest import Manifest, PathStats, publish_file
from columns.properties import Parameters, build_column_name, build_json_expressions, parse_pointer
from stores.base import ArrivalRow

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

STORED_COLUMNS: Final = (
    "position", "event_id", "event_name", "occurred_at", "received_at", "anonymous_id", "user_id",
    "session_id", "url", "referrer", "user_agent", "ip", "metadata",
)  # fmt: skip
"""Fields of `stores.base.ArrivalRow` that are taken as they are; its last one, `enriched`, is taken apart."""
TIME_COLUMNS: Final = ("occurred_at", "received_at")
ROW_COLUMNS: Final = (*STORED_COLUMNS, *DERIVED_COLUMNS)
BUILT_COLUMNS: Final = ("person_key", "anon_key")
"""Keys of 128 bits. person_key: the person, null for nobody. anon_key: the anonymousId, where no userId was sent."""

ROW_GROUP_EVENTS: Final = 122_880

BUILT_EXPRESSIONS: Final = """
    coalesce(md5_number(user_id)::UUID, identity.user_key, md5_number(anonymous_id)::UUID) AS person_key,
    CASE WHEN user_id IS NULL THEN md5_number(anonymous_id)::UUID END AS anon_key"""
"""Of a relation `r` left-joined to `identity`; see `build_persons_sql`. The key is MD5 as a number: 128 bits, so that
distinct persons are distinct keys up to a chance of 1e-20 among a billion, at half the cost of comparing the texts."""


def build_row_table(rows: Sequence[ArrivalRow]) -> pa.Table:
    """Arrow table of rows with the columns of `ROW_COLUMNS`, in the types of a segment: times are timestamps without
    zone, UTC, empty metadata is null."""
    import pyarrow as pa

    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(ArrivalRow._fields)
    *stored, enriched = columns
    arrays = [build_array(name, values) for name, values in zip(STORED_COLUMNS, stored, strict=True)]
    derived = build_derived_arrays(enriched, stored[STORED_COLUMNS.index("url")])
    return pa.Table.from_arrays([*arrays, *derived], names=list(ROW_COLUMNS))


def build_array(name: str, values: Sequence[Any]) -> pa.Array:
    """The values of one stored column."""
    import pyarrow as pa

    if name == "position":
        return pa.array(values, pa.int64())
    if name in TIME_COLUMNS:
        return pa.array(values, pa.timestamp("ms")).cast(pa.timestamp("us"))
    if name == "metadata":
        values = [None if text == "{}" else text for text in values]
    return pa.array(values, pa.string())


def build_persons_sql(relation: str, identity_relation: str) -> str:
    """Rows with `BUILT_COLUMNS`, persons resolved by an identity relation (anon_key, user_key)."""
    return f"""
        SELECT r.*, {BUILT_EXPRESSIONS} FROM ({relation}) r
        LEFT JOIN (SELECT anon_key, user_key FROM {identity_relation}) identity
          ON r.user_id IS NULL AND md5_number(r.anonymous_id)::UUID = identity.anon_key"""


def build_links_sql(relation: str) -> str:
    """Earliest link of each anonymousId to a userId in a relation of rows: (anon_key, user_id, user_key, first_at)."""
    return build_identity_sql(
        f"SELECT md5_number(anonymous_id)::UUID AS anon_key, user_id, min(occurred_at) AS first_at FROM {relation}"
        " WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL GROUP BY ALL"
    )


def build_identity_sql(links: str) -> str:
    """One row per anon_key: the userId of the earliest link; links without a valid time last, ties by userId."""
    return f"""
        SELECT anon_key, first(user_id ORDER BY first_at NULLS LAST, user_id) AS user_id,
            md5_number(first(user_id ORDER BY first_at NULLS LAST, user_id))::UUID AS user_key,
            min(first_at) AS first_at
        FROM ({links}) GROUP BY anon_key"""


def write_segment(
    cursor: duckdb.DuckDBPyConnection, path: Path, *, relation: str, parameters: Parameters, identity_relation: str,
    paths: dict[str, PathStats],
) -> None:  # fmt: skip
    """Write the rows of a relation as a segment, durably. The identity relation must include the rows' own links."""
    columns = ["*"]
    for pointer, stat in paths.items():
        if stat.is_column:
            expressions = build_json_expressions(parse_pointer(pointer), parameters)
            columns += [f"{expressions[kind]} AS {build_column_name(pointer, kind)}" for kind in stat.kinds]
    persons = build_persons_sql(relation, identity_relation)
    copy_to_parquet(
        cursor, f"SELECT {', '.join(columns)} FROM ({persons}) ORDER BY occurred_at, position", parameters, path
    )


def copy_to_parquet(cursor: duckdb.DuckDBPyConnection, select: str, parameters: Parameters, path: Path) -> int:
    """Write the result of a query as a Parquet file, durably; how many rows it has."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_EVENTS}"
    written = cursor.execute(f"COPY ({select}) TO '{quote_text(beside)}' ({options})", parameters.values).fetchone()
    publish_file(beside, path)
    return int(written[0]) if written else 0


def read_file(directory: Path, file: str) -> str:
    """The rows of one Parquet file, as a relation."""
    return f"read_parquet('{quote_text(directory / file)}')"


def read_identity(directory: Path, manifest: Manifest) -> str:
    """The identity file of a manifest as a relation; an empty one where it has none."""
    if manifest.identity_file is None:
        return (
            "(SELECT NULL::UUID AS anon_key, NULL::VARCHAR AS user_id, NULL::UUID AS user_key,"
            " NULL::TIMESTAMP AS first_at WHERE false)"
        )
    return read_file(directory, manifest.identity_file)


def quote_text(path: Path) -> str:
    """A path inside an SQL literal; COPY takes no parameter for its target."""
    return str(path).replace("'", "''")
