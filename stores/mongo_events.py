"""How an event is kept in MongoDB, and read back to the very text the embedded store keeps."""

from __future__ import annotations

from typing import Any

import bson
import msgspec
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.errors import InvalidDocument
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from stores.base import ArrivalRow, Event

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
"""Times are read as plain milliseconds: cheaper than datetimes, and without their bounds."""

MOST_NESTED = 90
"""MongoDB refuses documents that nest deeper than 100 or 180 levels, depending on where."""

REFERENCE_KEYS = (b"$ref\0", b"$id\0", b"$db\0")
"""Keys of a DBRef, which server and driver treat as more than data."""


def encode_event(event: Event) -> RawBSONDocument:
    """The document of an event, encoded already: one that BSON cannot hold natively is found before any is sent.

    Its metadata are then kept as JSON text in `metadataJson`: integers beyond 64 bits, NUL in a key, very deep nesting.
    """
    document = _build_document(event)
    if event.metadata:
        document["metadata"] = event.metadata
        try:
            raw = bson.encode(document)
        except (InvalidDocument, OverflowError, RecursionError):
            raw = None
        if raw is not None and not _is_treacherous(raw):
            return RawBSONDocument(raw)
        del document["metadata"]
        document["metadataJson"] = msgspec.json.encode(event.metadata).decode()
    return RawBSONDocument(bson.encode(document))


def decode_event(document: dict[str, Any]) -> ArrivalRow:
    """The row of a document that was read with CODEC."""
    get = document.get
    received_at_ms = int(document["receivedAt"])
    occurred_at = document["timestamp"]
    metadata, enriched = get("metadata"), get("enriched")
    return ArrivalRow(
        received_at_ms,
        document["eventId"],
        document["eventName"],
        None if occurred_at is None else int(occurred_at),
        received_at_ms,
        get("anonymousId"),
        get("userId"),
        get("sessionId"),
        get("url"),
        get("referrer"),
        get("userAgent"),
        get("ip"),
        get("metadataJson", "{}") if metadata is None else _JSON.encode(metadata).decode(),
        None if enriched is None else _JSON.encode(enriched).decode(),
    )


def build_event_key(project_key: str, event_id: str) -> str:
    """`_id` of an event: stored once for ever. A projectKey holds no colon."""
    return f"{project_key}:{event_id}"


def _build_document(event: Event) -> dict[str, Any]:
    occurred_at_ms = event.occurred_at_ms
    document: dict[str, Any] = {
        "_id": build_event_key(event.project_key, event.event_id),
        "projectKey": event.project_key,
        "eventId": event.event_id,
        "eventName": event.event_name,
        "timestamp": None if occurred_at_ms is None else DatetimeMS(occurred_at_ms),
        "receivedAt": DatetimeMS(event.received_at_ms),
    }
    if event.anonymous_id is not None:
        document["anonymousId"] = event.anonymous_id
    if event.user_id is not None:
        document["userId"] = event.user_id
    if event.session_id is not None:
        document["sessionId"] = event.session_id
    if event.url is not None:
        document["url"] = event.url
    if event.referrer is not None:
        document["referrer"] = event.referrer
    if event.user_agent is not None:
        document["userAgent"] = event.user_agent
    if event.ip is not None:
        document["ip"] = event.ip
    if event.enriched:
        document["enriched"] = event.enriched
    return document


def _is_treacherous(raw: bytes) -> bool:
    """Whether the document may hold what the server refuses or the driver alters. Errs on the side of True.

    Every level costs at least 7 bytes, one of them its type (3 or 4), so counting these bounds the depth from above.
    """
    if b"$" in raw and any(key in raw for key in REFERENCE_KEYS):
        return True
    return len(raw) > MOST_NESTED * 7 and raw.count(b"\3") + raw.count(b"\4") > MOST_NESTED


def _encode_foreign(value: object) -> int:
    if isinstance(value, Int64):
        return int(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


_JSON = msgspec.json.Encoder(enc_hook=_encode_foreign)
