"""Reference 1: `POST /track` takes any JSON object. What it names in one of the usual ways becomes a field of the
event, everything else is kept in its metadata."""

from __future__ import annotations

import logging
from typing import Final

from services.doors.members import Members, encode, is_id, is_text, join_members, read_value, split_event, take_first
from services.ingest.decode import Batch
from services.ingest.event_fields import EVENT_ID_FIELDS

DEFAULT_EVENT_NAME: Final = "track"
NAME_FIELDS: Final = ("event_type", "eventName", "event_name", "event", "name", "type")

ID_FIELDS: Final = {
    "eventId": (*EVENT_ID_FIELDS, "event_id", "message_id"),
    "userId": ("user_id", "userId"),
    "anonymousId": ("anonymous_id", "anonymousId"),
    "sessionId": ("session_id", "sessionId"),
}
TEXT_FIELDS: Final = {
    "url": ("url", "page"),
    "referrer": ("referrer", "referer"),
    "userAgent": ("user_agent", "userAgent"),
    "ip": ("ip", "ip_address", "ipAddress"),
}
FIELDS_OF_METADATA: Final = {"url": ("page", "url"), "referrer": ("referrer",)}
"""What is also looked for in metadata, where it stays."""
RESERVED_FIELDS: Final = frozenset({"eventName", *ID_FIELDS, *TEXT_FIELDS, *EVENT_ID_FIELDS})
"""What would be taken for a field of the event if it stayed where it is."""

_logger = logging.getLogger("apptracker.track")


def build_tracked_batch(payload: Members) -> Batch:
    """The payload as a batch of one event. A value that cannot be what its name says is kept in metadata."""
    rest = dict(payload)
    event: Members = {"eventName": take_first(rest, NAME_FIELDS, is_text) or encode(DEFAULT_EVENT_NAME)}
    if "timestamp" in rest:
        event["timestamp"] = rest.pop("timestamp")
    for fields, is_usable in ((ID_FIELDS, is_id), (TEXT_FIELDS, is_text)):
        for field, names in fields.items():
            value = take_first(rest, names, is_usable)
            if value is not None:
                event[field] = value
    event["metadata"] = _take_metadata(rest, event)
    return Batch(events=[join_members({**rest, **event})])


def _take_metadata(rest: Members, event: Members) -> bytes:
    """The event's metadata, with what bears a field's name and is none. Fields that metadata tells are added to the
    event, which has no other."""
    text = rest.pop("metadata", b"null")
    metadata = read_value(text)
    own = split_event(text) if isinstance(metadata, dict) else None
    misfits = {name: rest.pop(name) for name in RESERVED_FIELDS & rest.keys()}
    if own is None:
        return join_members(misfits if text == b"null" else {**misfits, "metadata": text})
    for field, names in FIELDS_OF_METADATA.items():
        if field not in event:
            found = next((own[name] for name in names if name in own and is_text(metadata[name])), None)
            if found is not None:
                event[field] = found
    return join_members({**misfits, **own})


def log_payload(body: bytes, payload: Members) -> None:
    """Log what was stored, as it came and as it was read. Keys are redacted like in every line; what is refused is with
    the project's rejections."""
    parsed = {name: read_value(text) for name, text in payload.items()}
    # a key whose characters are written as escapes would not be found, so such a body is logged as it reads
    raw = encode(parsed) if b"\\u" in body else body
    _logger.info("Payload received", extra={"fields": {"payload": {"raw": raw.decode(), "parsed": parsed}}})
