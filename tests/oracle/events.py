"""What is kept of what was posted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.oracle.times import EPOCH, to_ms
from tests.oracle.values import Json, Row, find_kind

ID_FIELDS = ("eventId", "messageId", "insert_id", "$insert_id", "uuid")
TEXT_FIELDS = ("anonymousId", "userId", "sessionId", "url", "referrer", "userAgent", "ip")


@dataclass(frozen=True, eq=False)
class Event:
    """A stored event: `columns` by API name (missing ones absent), `at_ms` None where the timestamp was invalid."""

    event_id: str
    at_ms: int | None
    columns: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Json] = field(default_factory=dict)
    enriched: dict[str, Json] = field(default_factory=dict)
    """What the server found out about it: not computed here, but taken from what is stored."""

    @property
    def name(self) -> str:
        return self.columns["eventName"]

    @property
    def when(self) -> int:
        assert self.at_ms is not None, "only events with a valid timestamp are in a population"
        return self.at_ms

    @property
    def page(self) -> str | None:
        """The url's path: without scheme, host, query and fragment; None where there is no url."""
        url = self.columns.get("url")
        if not url:
            return None
        path = re.split("[?#]", url, maxsplit=1)[0]
        host = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*", path)
        return path[host.end() :] or "/" if host else path

    @property
    def is_bot(self) -> bool:
        return bool(self.enriched.get("isBot"))


def keep_events(posted: Iterable[Row]) -> list[Event]:
    """The events that are stored: each id once, the first copy; refused events use up no id."""
    kept: dict[str, Event] = {}
    record_events(kept, posted)
    return list(kept.values())


def record_events(kept: dict[str, Event], batch: Iterable[Row]) -> tuple[int, int, int]:
    """Add a batch to the events kept so far, by id; how many are accepted, duplicates and rejected."""
    accepted = duplicates = rejected = 0
    for raw in batch:
        event = parse_event(raw)
        if event is None:
            rejected += 1
        elif event.event_id in kept:
            duplicates += 1
        else:
            kept[event.event_id] = event
            accepted += 1
    return accepted, duplicates, rejected


def parse_event(raw: Row) -> Event | None:
    """The event as it is stored, or None where it is refused."""
    fields = clean_unicode(raw)
    name, metadata = fields.pop("eventName", None), fields.pop("metadata", None)
    if not isinstance(name, str) or not name or not isinstance(metadata, dict | None):
        return None
    metadata = dict(metadata or {})
    id_field = next(alias for alias in ID_FIELDS if fields.get(alias) not in (None, ""))
    columns = {"eventName": name, "eventId": str(fields.pop(id_field))}
    for column in TEXT_FIELDS:
        value = fields.pop(column, None)
        if value is not None and not (value == "" and column.endswith("Id")):
            columns[column] = str(value)
    fields.pop("eventId", None)
    timestamp = fields.pop("timestamp")
    at_ms = parse_timestamp(timestamp)
    if at_ms is None:
        metadata.setdefault("timestamp", timestamp)
    return Event(columns["eventId"], at_ms, columns, {**fields, **metadata})


def clean_unicode(value: Json) -> Json:
    """The value with lone surrogates, which are no characters, as U+FFFD."""
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in value)
    if isinstance(value, list):
        return [clean_unicode(element) for element in value]
    if isinstance(value, dict):
        return {clean_unicode(key): clean_unicode(child) for key, child in value.items()}
    return value


def parse_timestamp(value: Json) -> int | None:
    """Milliseconds since 1970, fractions dropped; None where the value is no instant of the years 1 to 9999."""
    try:
        if find_kind(value) == "number":
            return to_ms(EPOCH + timedelta(seconds=value / 1000 if abs(value) >= 1e11 else value))
        if not isinstance(value, str):
            return None
        moment = datetime.fromisoformat(value)
        return to_ms((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None
