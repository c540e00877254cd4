"""From the JSON text of each event to an `Event` that can be stored, or the reason why not.

There are two ways through, and both end in the same event. The fast one is for an event of the usual shape: one
typed decode in C that fails for everything unusual. The other one (`validate_odd`) reads the same text field by field.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from services.ingest.decode import Batch
from services.ingest.defaults import Defaults, parse_context
from services.ingest.event_fields import MAX_EVENT_ID_LENGTH, MAX_ID_LENGTH, MAX_NAME_LENGTH, EventRejected
from services.ingest.event_ids import build_id_source
from services.ingest.timestamps import MIN_MS, parse_timestamp_ms
from services.ingest.validate_odd import Rules, validate_odd_event
from services.ingest.verdicts import BatchWarning, Rejection, Verdicts, WarningCode
from stores.base import Event

MAX_AHEAD_MS = 24 * 3600 * 1000
"""A client's time that is further ahead of the server's is taken for a mistake."""

MAX_USUAL_LEVELS = 6
"""Levels of objects and lists inside metadata that the fast way reads; each doubles the size of its decoder."""

EventId = Annotated[str, Meta(max_length=MAX_EVENT_ID_LENGTH)]
Id = Annotated[str, Meta(max_length=MAX_ID_LENGTH)]
MetadataT = TypeVar("MetadataT")


class EventLimits(NamedTuple):
    """How large one event may be."""

    max_bytes: int
    max_depth: int
    """Levels of objects and lists, the event itself being the first."""


class _UsualEvent(msgspec.Struct, Generic[MetadataT], forbid_unknown_fields=True, rename="camel"):
    """What the fast way understands."""

    event_name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
    timestamp: str | int | float | None = None
    event_id: EventId | None = None
    anonymous_id: Id | None = None
    user_id: Id | None = None
    session_id: Id | None = None
    url: str | None = None
    referrer: str | None = None
    user_agent: str | None = None
    ip: str | None = None
    metadata: MetadataT | None = None


@lru_cache(maxsize=8)
def _build_decoder(max_depth: int) -> Callable[[bytes], _UsualEvent[dict[str, Any]]]:
    """A decoder whose type of `metadata` ends at the deepest level that is allowed, so that depth costs no check."""
    value: Any = bool | int | float | str | None
    for _ in range(min(max_depth - 2, MAX_USUAL_LEVELS)):
        value = bool | int | float | str | list[value] | dict[str, value] | None
    metadata: Any = dict[str, value] if max_depth > 1 else None
    return msgspec.json.Decoder(_UsualEvent[metadata]).decode


def validate_batch(batch: Batch, project_key: str, *, received_at_ms: int, limits: EventLimits) -> Verdicts:
    """A verdict on each event of the batch.

    Raises InvalidInput or TooLarge when the context of the batch cannot be used; nothing is to be stored then.
    """
    verdicts = Verdicts()
    defaults = parse_context(
        batch.context, verdicts.warnings, max_bytes=limits.max_bytes, max_depth=limits.max_depth
    )
    rules = Rules(
        project_key=project_key,
        received_at_ms=received_at_ms,
        clock_skew_ms=_measure_clock_skew_ms(batch.sent_at, received_at_ms, verdicts.warnings),
        latest_ms=received_at_ms + MAX_AHEAD_MS,
        max_bytes=limits.max_bytes - defaults.size_bytes,
        max_depth=limits.max_depth,
        defaults=defaults,
        next_event_id=build_id_source(received_at_ms),
    )
    _validate_events(batch, rules, verdicts)
    return verdicts


def _validate_events(batch: Batch, rules: Rules, verdicts: Verdicts) -> None:
    decode = _build_decoder(rules.max_depth)
    max_bytes = rules.max_bytes
    for index, raw in enumerate(batch.events):
        text = bytes(raw)
        try:
            event = _build_usual_event(decode(text), rules) if len(text) <= max_bytes else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            event = None
        if event is None:
            _validate_odd(index, text, rules, verdicts)
        else:
            verdicts.events.append(event)


def _build_usual_event(usual: _UsualEvent[dict[str, Any]], rules: Rules) -> Event | None:
    """The event; None when its timestamp needs a warning."""
    occurred_at_ms: int | None = rules.received_at_ms
    if usual.timestamp is not None:
        occurred_at_ms = parse_timestamp_ms(usual.timestamp)
        if occurred_at_ms is None:
            return None
        occurred_at_ms += rules.clock_skew_ms
        if not MIN_MS <= occurred_at_ms <= rules.latest_ms:
            return None
    defaults = rules.defaults
    if defaults.size_bytes:
        return _build_inheriting_event(usual, occurred_at_ms, rules, defaults)
    return Event(
        rules.project_key,
        usual.event_id or rules.next_event_id(),
        usual.event_name,
        occurred_at_ms,
        rules.received_at_ms,
        usual.anonymous_id or None,
        usual.user_id or None,
        usual.session_id or None,
        usual.url,
        usual.referrer,
        usual.user_agent,
        usual.ip,
        usual.metadata or {},
    )


def _build_inheriting_event(
    usual: _UsualEvent[dict[str, Any]], occurred_at_ms: int | None, rules: Rules, defaults: Defaults
) -> Event:
    inherited = defaults.fields
    return Event(
        rules.project_key,
        usual.event_id or rules.next_event_id(),
        usual.event_name,
        occurred_at_ms,
        rules.received_at_ms,
        usual.anonymous_id or inherited.anonymous_id,
        usual.user_id or inherited.user_id,
        usual.session_id or inherited.session_id,
        inherited.url if usual.url is None else usual.url,
        inherited.referrer if usual.referrer is None else usual.referrer,
        inherited.user_agent if usual.user_agent is None else usual.user_agent,
        inherited.ip if usual.ip is None else usual.ip,
        {**defaults.metadata, **(usual.metadata or {})},
    )


def _validate_odd(index: int, text: bytes, rules: Rules, verdicts: Verdicts) -> None:
    try:
        event, warnings = validate_odd_event(text, rules)
    except EventRejected as exc:
        verdicts.rejections.append(Rejection(index, exc.code, exc.error, text))
        return
    verdicts.events.append(event)
    verdicts.warnings.extend(BatchWarning(code, message, index) for code, message in warnings)


def _measure_clock_skew_ms(sent_at: object, received_at_ms: int, warnings: list[BatchWarning]) -> int:
    """How far the client's clock is behind; 0 when it did not tell."""
    if sent_at is None:
        return 0
    sent_at_ms = parse_timestamp_ms(sent_at)
    if sent_at_ms is None:
        message = "sentAt is not an ISO 8601 time or a Unix time; the client's clock is not corrected"
        warnings.append(BatchWarning(WarningCode.INVALID_SENT_AT, message))
        return 0
    return received_at_ms - sent_at_ms
