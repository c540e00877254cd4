"""An event of any shape, read field by field: what the typed decoder of `validate` does not understand ends here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from services.ingest import lenient_json
from services.ingest.defaults import Defaults
from services.ingest.event_fields import (
    EventRejected,
    parse_event_name,
    parse_metadata,
    take_event_id,
    take_inherited_fields,
)
from services.ingest.lenient_json import MalformedJson, NestedTooDeeply, NumberOutOfRange
from services.ingest.timestamps import MAX_MS, MIN_MS, parse_timestamp_ms
from services.ingest.verdicts import RejectionCode, WarningCode
from stores.base import Event

Warnings = list[tuple[WarningCode, str]]


class Rules(NamedTuple):
    """What holds for every event of a batch."""

    project_key: str
    received_at_ms: int
    clock_skew_ms: int
    """Added to every time that the client says."""
    latest_ms: int
    max_bytes: int
    max_depth: int
    defaults: Defaults
    next_event_id: Callable[[], str]


def validate_odd_event(text: bytes, rules: Rules) -> tuple[Event, Warnings]:
    """The event to store and what to tell its sender about it. Raises EventRejected."""
    warnings: Warnings = []
    fields = _read_fields(text, rules, warnings)
    event_name = parse_event_name(fields.pop("eventName", None))
    event_id = take_event_id(fields)
    own = take_inherited_fields(fields)
    own_metadata = parse_metadata(fields.pop("metadata", None))
    timestamp = fields.pop("timestamp", None)
    metadata = _merge_metadata(rules.defaults.metadata, fields, own_metadata, warnings)
    occurred_at_ms = _date_event(timestamp, rules, warnings)
    if occurred_at_ms is None:
        metadata.setdefault("timestamp", timestamp)
    inherited = rules.defaults.fields
    event = Event(
        project_key=rules.project_key,
        event_id=event_id or rules.next_event_id(),
        event_name=event_name,
        occurred_at_ms=occurred_at_ms,
        received_at_ms=rules.received_at_ms,
        anonymous_id=own.anonymous_id or inherited.anonymous_id,
        user_id=own.user_id or inherited.user_id,
        session_id=own.session_id or inherited.session_id,
        url=inherited.url if own.url is None else own.url,
        referrer=inherited.referrer if own.referrer is None else own.referrer,
        user_agent=inherited.user_agent if own.user_agent is None else own.user_agent,
        ip=inherited.ip if own.ip is None else own.ip,
        metadata=metadata,
    )
    return event, warnings


def _read_fields(text: bytes, rules: Rules, warnings: Warnings) -> dict[str, Any]:
    if len(text) > rules.max_bytes:
        error = f"The event, with its context, is larger than {rules.max_bytes + rules.defaults.size_bytes} bytes"
        raise EventRejected(RejectionCode.EVENT_TOO_LARGE, error)
    fields: Any
    try:
        fields, has_surrogates = lenient_json.parse_json(text)
        if lenient_json.is_deeper_than(fields, rules.max_depth):
            raise NestedTooDeeply
    except MalformedJson as exc:
        raise EventRejected(RejectionCode.INVALID_JSON, f"The event is not valid JSON: {exc}") from exc
    except NumberOutOfRange as exc:
        error = "The event holds a number that is out of range"
        raise EventRejected(RejectionCode.NUMBER_OUT_OF_RANGE, error) from exc
    except NestedTooDeeply as exc:
        error = f"The event is nested deeper than {rules.max_depth} levels"
        raise EventRejected(RejectionCode.EVENT_TOO_DEEP, error) from exc
    if not isinstance(fields, dict):
        raise EventRejected(RejectionCode.INVALID_EVENT, "An event must be an object")
    if has_surrogates:
        fields = lenient_json.replace_surrogates(fields)
        message = "Halves of surrogate pairs are stored as U+FFFD"
        warnings.append((WarningCode.INVALID_UNICODE, message))
    return dict(fields)


def _merge_metadata(
    inherited: dict[str, Any], unknown: dict[str, Any], own: dict[str, Any], warnings: Warnings
) -> dict[str, Any]:
    for name in unknown.keys() & own.keys():
        message = f"The field {name[:100]!r} is dropped: metadata has one of the same name"
        warnings.append((WarningCode.FIELD_CONFLICT, message))
    return {**inherited, **unknown, **own}


def _date_event(timestamp: object, rules: Rules, warnings: Warnings) -> int | None:
    """When the event happened, by the server's clock; None when the client's time is none."""
    if timestamp is None:
        return rules.received_at_ms
    client_ms = parse_timestamp_ms(timestamp)
    occurred_at_ms = None if client_ms is None else client_ms + rules.clock_skew_ms
    if occurred_at_ms is None or not MIN_MS <= occurred_at_ms <= MAX_MS:
        message = "timestamp is not an ISO 8601 time or a Unix time; the event is in no time-based report"
        warnings.append((WarningCode.INVALID_TIMESTAMP, message))
        return None
    if occurred_at_ms > rules.latest_ms:
        message = "timestamp is more than 24 hours ahead; the time of receipt is stored instead"
        warnings.append((WarningCode.TIMESTAMP_IN_FUTURE, message))
        return rules.received_at_ms
    return occurred_at_ms
