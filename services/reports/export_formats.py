"""The forms in which events are exported. NDJSON and CSV are written by the engine, a text for each event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from columns.derived import ENRICHED_PROPERTIES
from services.reports.csv_text import build_cell_sql

if TYPE_CHECKING:
    import pyarrow as pa

TIME_FIELDS: Final = {"timestamp": "occurred_at", "receivedAt": "received_at"}
BOOLEAN_FIELDS: Final = {"isBot": "is_bot"}
EXPORT_FIELDS: Final[dict[str, str]] = {
    "eventId": "event_id",
    "eventName": "event_name",
    **TIME_FIELDS,
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "sessionId": "session_id",
    "personId": "person_id",
    "url": "url",
    "page": "page",
    "referrer": "referrer",
    "userAgent": "user_agent",
    "ip": "ip",
    **ENRICHED_PROPERTIES,
    **BOOLEAN_FIELDS,
    "metadata": "metadata",
}
"""Field of an exported event -> column of the relation that `export` builds."""
SUMMED_UP_FIELDS: Final = [name for name in EXPORT_FIELDS if name not in ("metadata", "url", "referrer", "userAgent")]
"""Those of which a Parquet file tells the least and the greatest value: of long texts it would be long itself."""

LINE: Final = "line"
PLACE: Final = ("occurred_at", "event_id")
"""Columns that every batch has besides: where in the order its last row is."""
ROW_GROUP_EVENTS: Final = 100_000
ROW_GROUP_BYTES: Final = 32 * 1024 * 1024


class ExportFormat(StrEnum):
    """What a file of events is written as."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Writing:
    """How one form is written."""

    mimetype: str
    columns: str
    """SQL of what is read of each event, besides `PLACE`."""
    encode: Callable[[Iterable[pa.RecordBatch]], Iterator[bytes]]
    """The file in parts, of batches of rows with those columns."""


def build_time_sql(column: str) -> str:
    """A time as `services.clock.format_ms` writes it."""
    return f"replace(strftime({column}, '%Y-%m-%dT%H:%M:%S.%gZ'), '.000Z', 'Z')"


def build_json_line_sql() -> str:
    """An event as a JSON object. What it does not have is left out; metadata is there always, and is JSON already."""
    members = [build_json_member_sql(name, column) for name, column in EXPORT_FIELDS.items() if name != "eventId"]
    return f"""concat('{{"eventId":', to_json(event_id), {", ".join(members)}, '}}', chr(10))"""


def build_json_member_sql(name: str, column: str) -> str:
    """`,"name":value`, or null for a value that is null."""
    if name == "metadata" or name in BOOLEAN_FIELDS:
        return f"""',"{name}":' || {column}::VARCHAR"""
    if name in TIME_FIELDS:
        return f"""',"{name}":"' || {build_time_sql(column)} || '"'"""
    return f"""',"{name}":' || to_json({column})::VARCHAR"""


def build_csv_line_sql() -> str:
    """An event as a line of cells (RFC 4180); what it does not have is an empty one."""
    cells = []
    for name, column in EXPORT_FIELDS.items():
        if name in TIME_FIELDS:
            cells.append(f"coalesce({build_time_sql(column)}, '')")
        elif name in BOOLEAN_FIELDS:
            cells.append(f"{column}::VARCHAR")
        else:
            cells.append(build_cell_sql(column))
    return f"""concat({", ',', ".join(cells)}, chr(13), chr(10))"""


def build_columns_sql() -> str:
    """Every field in a column of its own."""
    return ", ".join(f'{column} AS "{name}"' for name, column in EXPORT_FIELDS.items())


def encode_lines(batches: Iterable[pa.RecordBatch], *, header: bytes = b"") -> Iterator[bytes]:
    """The texts of the column `LINE` as they are, one behind the other."""
    if header:
        yield header
    for batch in batches:
        yield join_texts(batch.column(LINE))


def join_texts(texts: pa.StringArray) -> bytes:
    """All texts of an array without nulls: they lie one behind the other in its memory."""
    _, offsets, content = texts.buffers()
    if not len(texts) or content is None:
        return b""
    numbers = memoryview(offsets).cast("i")
    return bytes(memoryview(content)[numbers[texts.offset] : numbers[texts.offset + len(texts)]])


def encode_csv(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The names of the fields, then the lines."""
    return encode_lines(batches, header=(",".join(EXPORT_FIELDS) + "\r\n").encode())


def build_schema() -> pa.Schema:
    """Columns of a Parquet file of events: times in UTC, the rest text, metadata as JSON."""
    import pyarrow as pa

    types: dict[str, Any] = {
        **dict.fromkeys(TIME_FIELDS, pa.timestamp("ms", tz="UTC")), **dict.fromkeys(BOOLEAN_FIELDS, pa.bool_())
    }  # fmt: skip
    return pa.schema([(name, types.get(name, pa.string())) for name in EXPORT_FIELDS])


class _Drain:
    """A file whose content is taken away while it is written."""

    def __init__(self) -> None:
        self.closed = False
        self._parts: list[bytes] = []

    def write(self, content: bytes) -> int:
        self._parts.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        """What was written since this was last asked."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def encode_parquet(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A Parquet file, a row group at a time. Without its end, which names them all, nobody takes it for one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink, schema = _Drain(), build_schema()
    writer = pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"), schema, compression="zstd", write_statistics=SUMMED_UP_FIELDS
    )
    for group in group_batches(batches):
        writer.write_table(pa.Table.from_batches(group).select(schema.names).cast(schema), ROW_GROUP_EVENTS)
        yield sink.take()
    writer.close()
    yield sink.take()


def group_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """As many batches together as make a row group, by rows or by size."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if group and (rows + batch.num_rows > ROW_GROUP_EVENTS or size + batch.nbytes > ROW_GROUP_BYTES):
            yield group
            group, rows, size = [], 0, 0
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    if group:
        yield group


WRITINGS: Final[dict[ExportFormat, Writing]] = {
    ExportFormat.NDJSON: Writing("application/x-ndjson", f"{build_json_line_sql()} AS {LINE}", encode_lines),
    ExportFormat.CSV: Writing("text/csv", f"{build_csv_line_sql()} AS {LINE}", encode_csv),
    ExportFormat.PARQUET: Writing("application/vnd.apache.parquet", build_columns_sql(), encode_parquet),
}
