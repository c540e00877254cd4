"""What becomes of each event of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from stores.base import Event


class RejectionCode(StrEnum):
    """Why an event is not stored. Clients see these values."""

    INVALID_JSON = "invalid_json"
    INVALID_EVENT = "invalid_event"
    """Not a JSON object."""
    INVALID_EVENT_NAME = "invalid_event_name"
    INVALID_FIELD = "invalid_field"
    INVALID_METADATA = "invalid_metadata"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    EVENT_TOO_LARGE = "event_too_large"
    EVENT_TOO_DEEP = "event_too_deep"


SIZE_CODES = frozenset({RejectionCode.EVENT_TOO_LARGE, RejectionCode.EVENT_TOO_DEEP})


class WarningCode(StrEnum):
    """What was changed or left out of something that is stored. Clients see these values."""

    INVALID_TIMESTAMP = "invalid_timestamp"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    INVALID_SENT_AT = "invalid_sent_at"
    INVALID_UNICODE = "invalid_unicode"
    FIELD_CONFLICT = "field_conflict"
    CONTEXT_FIELD_IGNORED = "context_field_ignored"


class Rejection(msgspec.Struct, frozen=True):
    """An event that is not stored."""

    index: int
    code: RejectionCode
    error: str
    text: bytes
    """The event as it came."""


class BatchWarning(msgspec.Struct, frozen=True):
    """Something the sender should know; `index` is None when it is about the whole batch."""

    code: WarningCode
    message: str
    index: int | None = None


@dataclass(slots=True)
class Verdicts:
    """The events of a batch that are to be stored, those that are not, and why; in the order of the batch."""

    events: list[Event] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    warnings: list[BatchWarning] = field(default_factory=list)
