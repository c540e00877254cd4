"""Records of a CSV file as events for the pipeline."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import msgspec

from commands.line_ids import LineIds
from commands.lines import Line, format_zoned

EVENT_FIELDS = (
    "eventName", "timestamp", "eventId", "anonymousId", "userId", "sessionId",
    "url", "referrer", "userAgent", "ip", "metadata",
)  # fmt: skip
METADATA_PREFIX = "metadata."

INVALID_CSV = "invalid_csv"
INVALID_ENCODING = "invalid_encoding"
EVENT_TOO_LARGE = "event_too_large"

_UNIX_TIME = re.compile(r"-?\d{9,15}(\.\d{1,9})?", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"-?\d+", re.ASCII)
_MAX_DIGITS = 400


class InvalidHeader(Exception):
    """The columns of the file and what was asked of them do not fit."""


@dataclass(frozen=True)
class CsvOptions:
    """How a CSV file is to be read."""

    mapping: dict[str, str] = field(default_factory=dict)
    """Column -> field of an event, or `metadata.<key>`. Columns named like a field are that field without saying so."""
    dropped: frozenset[str] = frozenset()
    zone: ZoneInfo | None = None
    """Of times that name none; None: UTC."""
    is_typed: bool = False
    """Metadata cells that look like numbers, true or false become such."""
    delimiter: str = ","
    encoding: str = "utf-8-sig"


class _Records:
    """Physical lines for csv.reader; remembers those of the record under way. No line is held beyond the limit."""

    def __init__(self, text: io.TextIOWrapper, max_characters: int) -> None:
        self._text = text
        self._max_characters = max_characters
        self._lines: list[str] = []
        self._next_number = 1
        self.number = 1
        self.is_cut = False

    def __iter__(self) -> _Records:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._max_characters)
        if not line:
            raise StopIteration
        self._next_number += 1
        self._lines.append(line)
        if len(line) == self._max_characters and not line.endswith(("\n", "\r")):
            self.is_cut = True
            while (part := self._text.readline(1 << 16)) and not part.endswith(("\n", "\r")):
                pass
        return line

    def start_record(self) -> None:
        self._lines.clear()
        self.number = self._next_number
        self.is_cut = False

    @property
    def original(self) -> str:
        """The lines of the record, as they came."""
        return "".join(self._lines).rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_csv(stream: BinaryIO, options: CsvOptions, *, ids: LineIds, max_bytes: int) -> Iterator[Line]:
    """The records below the header that are not blank. Raises InvalidHeader before the first."""
    records, reader = _open_reader(stream, options, max_bytes)
    header = _read_header(reader, options)
    targets = plan_columns(header, options)
    header_text = msgspec.json.encode(header)
    while True:
        records.start_record()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield Line(records.number, records.original, b"", INVALID_CSV, f"The line is not valid CSV: {exc}.")
            continue
        if records.is_cut:
            error = f"The line is longer than {max_bytes} characters."
            yield Line(records.number, records.original, b"", EVENT_TOO_LARGE, error)
        elif len(row) == len(header):
            yield _build_line(records, row, header_text, targets, options, ids)
        elif row and (len(row) > 1 or row[0].strip()):
            error = f"The line has {len(row)} cells, the header has {len(header)}."
            yield Line(records.number, records.original, b"", INVALID_CSV, error)


def _open_reader(stream: BinaryIO, options: CsvOptions, max_bytes: int) -> tuple[_Records, Any]:
    text = io.TextIOWrapper(stream, options.encoding, errors="surrogateescape", newline="")
    records = _Records(text, max_bytes)
    csv.field_size_limit(max_bytes)
    # Strict, so that a quote which is never closed is an error and not a cell with the rest of the file in it.
    return records, csv.reader(records, delimiter=options.delimiter, strict=True)


def _read_header(reader: Any, options: CsvOptions) -> list[str]:
    """Names of the columns; those without one are `column_<number>`."""
    try:
        header = next(row for row in reader if row)
    except StopIteration:
        raise InvalidHeader("it has no header line") from None
    except (csv.Error, UnicodeError) as exc:
        raise InvalidHeader(f"its header line cannot be read: {exc}") from None
    named = [name.strip() or f"column_{number}" for number, name in enumerate(header, 1)]
    if any("\ud800" <= char <= "\udfff" or char == "\0" for name in named for char in name):
        raise InvalidHeader(f"its header line is not {options.encoding.removesuffix('-sig')} text (--encoding)")
    return named


def plan_columns(header: list[str], options: CsvOptions) -> list[str | None]:
    """For each column the field it fills, `metadata.<key>`, or None for a dropped one. Raises InvalidHeader."""
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise InvalidHeader(f"its header names {_quote(repeated)} more than once")
    missing = [name for name in (*options.mapping, *options.dropped) if name not in header]
    if missing:
        raise InvalidHeader(f"its header has no column {_quote(missing)}; it has {_quote(header)}")
    taken = set(options.mapping.values())
    targets: list[str | None] = []
    for name in header:
        if name in options.dropped:
            targets.append(None)
        elif name in EVENT_FIELDS and name not in taken and name not in options.mapping:
            targets.append(name)
        else:
            targets.append(options.mapping.get(name, METADATA_PREFIX + name))
    if "eventName" not in targets:
        hint = "say which one is (--map COLUMN=eventName)"
        raise InvalidHeader(f"no column is the eventName: {hint}; it has {_quote(header)}")
    return targets


def _quote(names: list[str]) -> str:
    return ", ".join(repr(name[:100]) for name in names[:50])


def _build_line(
    records: _Records, row: list[str], header_text: bytes, targets: list[str | None], options: CsvOptions, ids: LineIds
) -> Line:
    try:
        event = build_event(row, targets, options)
        if "eventId" not in event:
            event["eventId"] = ids.build_id(header_text + msgspec.json.encode(row))
        return Line(records.number, records.original, msgspec.json.encode(event))
    except UnicodeEncodeError:
        error = f"The line is not {options.encoding.removesuffix('-sig')} text."
        return Line(records.number, records.original, b"", INVALID_ENCODING, error)


def build_event(row: list[str], targets: list[str | None], options: CsvOptions) -> dict[str, Any]:
    """The event of a record. Empty cells are absent."""
    event: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for cell, target in zip(row, targets, strict=True):
        if not cell or target is None:
            continue
        if target.startswith(METADATA_PREFIX):
            metadata[target[len(METADATA_PREFIX) :]] = parse_typed(cell) if options.is_typed else cell
        elif target == "timestamp":
            event[target] = _parse_time(cell, options.zone)
        else:
            event[target] = cell
    if "metadata" in event:
        metadata = _merge_metadata(event["metadata"], metadata)
    if metadata:
        event["metadata"] = metadata
    return event


def _parse_time(cell: str, zone: ZoneInfo | None) -> str | int | float:
    """A Unix time as a number, a time without zone in the zone; anything else is for the pipeline to judge."""
    if _UNIX_TIME.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return cell if zone is None else format_zoned(cell, zone) or cell


def _merge_metadata(cell: str, others: dict[str, Any]) -> Any:
    """The JSON object in a cell with the metadata of other columns; a cell that holds none is left for the pipeline."""
    try:
        own = msgspec.json.decode(cell.encode())
    except (msgspec.MsgspecError, RecursionError):
        return cell
    return {**others, **own} if isinstance(own, dict) else cell


def parse_typed(cell: str) -> str | int | float | bool:
    """A JSON number as number (007 and 1e999 are none), true and false in any case as boolean, else the text."""
    if _NUMBER.fullmatch(cell) and len(cell) <= _MAX_DIGITS:
        if _WHOLE_NUMBER.fullmatch(cell):
            return int(cell)
        number = float(cell)
        return number if math.isfinite(number) else cell
    return {"true": True, "false": False}.get(cell.lower(), cell)
