"""The fields of an event, and what a value of each may be."""

from __future__ import annotations

from typing import Any, NamedTuple

from services.ingest.verdicts import RejectionCode

MAX_NAME_LENGTH = 200
MAX_EVENT_ID_LENGTH = 200
MAX_ID_LENGTH = 512

EVENT_ID_FIELDS = ("eventId", "messageId", "insert_id", "$insert_id", "uuid")
"""The first that has a value is the event's id; the others are unknown fields like any."""


class EventRejected(Exception):
    """The event cannot be stored."""

    def __init__(self, code: RejectionCode, error: str, *, field: str | None = None) -> None:
        super().__init__(error)
        self.code = code
        self.error = error
        self.field = field


class InheritedFields(NamedTuple):
    """The fields that an event can inherit from the batch's context, but for metadata."""

    anonymous_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    url: str | None = None
    referrer: str | None = None
    user_agent: str | None = None
    ip: str | None = None


NOTHING_INHERITED = InheritedFields()


def parse_event_name(value: object) -> str:
    """A name of 1 to 200 characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME_LENGTH:
        raise EventRejected(
            RejectionCode.INVALID_EVENT_NAME,
            f"eventName must be a text of 1 to {MAX_NAME_LENGTH} characters", field="eventName",
        )
    return value


def parse_id(name: str, value: object, max_length: int) -> str | None:
    """The id as text, integers as their digits; None for null and the empty text."""
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise EventRejected(RejectionCode.INVALID_FIELD, f"{name} must be a text or an integer", field=name)
    if len(value) > max_length:
        error = f"{name} must have at most {max_length} characters"
        raise EventRejected(RejectionCode.INVALID_FIELD, error, field=name)
    return value


def parse_text(name: str, value: object) -> str | None:
    """The text as it came, also when it is empty; None for null."""
    if value is None or isinstance(value, str):
        return value
    raise EventRejected(RejectionCode.INVALID_FIELD, f"{name} must be a text", field=name)


def take_inherited_fields(fields: dict[str, Any]) -> InheritedFields:
    """The ids and texts, removed from the fields."""
    return InheritedFields(
        anonymous_id=parse_id("anonymousId", fields.pop("anonymousId", None), MAX_ID_LENGTH),
        user_id=parse_id("userId", fields.pop("userId", None), MAX_ID_LENGTH),
        session_id=parse_id("sessionId", fields.pop("sessionId", None), MAX_ID_LENGTH),
        url=parse_text("url", fields.pop("url", None)),
        referrer=parse_text("referrer", fields.pop("referrer", None)),
        user_agent=parse_text("userAgent", fields.pop("userAgent", None)),
        ip=parse_text("ip", fields.pop("ip", None)),
    )


def parse_metadata(value: object) -> dict[str, Any]:
    """The object as it came; empty for null."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise EventRejected(RejectionCode.INVALID_METADATA, "metadata must be an object", field="metadata")
    return value


def take_event_id(fields: dict[str, Any]) -> str | None:
    """The event's id, removed from the fields together with an `eventId` that is empty."""
    for name in EVENT_ID_FIELDS:
        event_id = parse_id(name, fields.get(name), MAX_EVENT_ID_LENGTH)
        if event_id is not None:
            del fields[name]
            break
    if fields.get("eventId") in (None, ""):
        fields.pop("eventId", None)
    return event_id
