"""Lines of an NDJSON file as events for the pipeline: with an id, and with their zone where they name none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from columns.derived import EnrichedColumns
from commands.line_ids import LineIds
from services import clock
from services.ingest import lenient_json
from services.ingest.event_fields import EVENT_ID_FIELDS, EventRejected, take_event_id
from services.ingest.timestamps import parse_timestamp_ms

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line (of CSV: one record) of a file."""

    number: int
    """Of its first line, from 1."""
    original: str
    event: bytes
    """JSON text for the pipeline; empty where the line cannot be made into any."""
    code: str = ""
    """Why it cannot."""
    error: str = ""
    enriched: dict[str, Any] | None = None
    """What an export wrote that the event had been enriched with."""


class _Members(msgspec.Struct, rename=dict(zip("abcde", EVENT_ID_FIELDS, strict=True))):
    """What an import looks at. Last of equal names counts, as in the pipeline."""

    a: Any = None
    b: Any = None
    c: Any = None
    d: Any = None
    e: Any = None
    timestamp: Any = None


class _Enriched(EnrichedColumns, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What `services.enrich` may find out about an event."""

    language: str | None = None


_decode_members = msgspec.json.Decoder(_Members).decode
_decode_raw_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_enriched = msgspec.json.Decoder(_Enriched).decode


def read_ndjson(stream: BinaryIO, *, ids: LineIds, zone: ZoneInfo | None, max_bytes: int) -> Iterator[Line]:
    """The lines that are not blank; of one longer than `max_bytes` the beginning, so that the pipeline refuses it."""
    number = 0
    while text := stream.readline(max_bytes + 1):
        number += 1
        if len(text) > max_bytes and not text.endswith(b"\n"):
            _skip_line(stream)
        if number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if text := text.strip(b" \t\r\n"):
            event, enriched = take_enriched(text)
            completed = complete_event(event, ids=ids, zone=zone)
            yield Line(number, text.decode(errors="replace"), completed, enriched=enriched)


def _skip_line(stream: BinaryIO) -> None:
    while (part := stream.readline(1 << 16)) and not part.endswith(b"\n"):
        pass


def take_enriched(text: bytes) -> tuple[bytes, dict[str, Any] | None]:
    """The event without its member `enriched`, and that, where it is what an export writes.

    Anything else of this name is the client's, an unknown field like any.
    """
    if b'"enriched"' not in text:
        return text, None
    try:
        members = _decode_raw_members(text)
        enriched = members.pop("enriched")
        _decode_enriched(enriched)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        return text, None
    found = msgspec.json.decode(enriched, type=dict[str, Any])
    return msgspec.json.encode(members), {name: value for name, value in found.items() if value}


def complete_event(text: bytes, *, ids: LineIds, zone: ZoneInfo | None) -> bytes:
    """The event with an id if it has none, its naive timestamp in the zone. What is no event stays as it is."""
    members = _read_members(text)
    if members is None:
        return text
    added: dict[str, str] = {}
    if zone is not None and (moment := format_zoned(members.timestamp, zone)) is not None:
        added["timestamp"] = moment
    if not _has_id(members):
        added["eventId"] = ids.build_id(text)
    return _append_members(text, added) if added else text


def _read_members(text: bytes) -> _Members | None:
    try:
        return _decode_members(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value, _ = lenient_json.parse_json(text)
        return msgspec.convert(value, _Members) if isinstance(value, dict) else None
    except (lenient_json.MalformedJson, lenient_json.NumberOutOfRange, lenient_json.NestedTooDeeply):
        return None


def _has_id(members: _Members) -> bool:
    if isinstance(members.a, str) and members.a:
        return True
    try:
        fields = dict(zip(EVENT_ID_FIELDS, msgspec.structs.astuple(members)[: len(EVENT_ID_FIELDS)], strict=True))
        return take_event_id(fields) is not None
    except EventRejected:
        return True  # one that the pipeline refuses


def _append_members(text: bytes, added: dict[str, str]) -> bytes:
    """Members at the end of an object, where they count more than equal ones before."""
    body = text[:-1].rstrip(b" \t\r\n")
    return body + (b"" if body.endswith(b"{") else b",") + msgspec.json.encode(added)[1:]


def format_zoned(value: object, zone: ZoneInfo) -> str | None:
    """A time that names no zone, taken in `zone`, as UTC text; None for everything else.

    A time in a repeated hour is the earlier of its two; a skipped one is read with the offset before the change.
    """
    if not isinstance(value, str) or parse_timestamp_ms(value) is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is not None:
        return None
    try:
        return clock.format_ms(clock.to_ms(moment.replace(tzinfo=zone)))
    except OverflowError:
        return None
