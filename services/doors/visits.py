"""Reference 4's events: a visit of a page as it is sent, as it is shown, and counted in buckets of time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from services import clock
from services.context import Context
from services.doors.collect import ensure_event_id
from services.doors.durations import MAX_SECONDS
from services.doors.members import Members, encode, is_id, join_members, read_value, split_body, split_event
from services.errors import NotFound
from services.fields import FieldParser, parse_fields
from services.ingest.decode import Batch
from services.ingest.event_fields import MAX_ID_LENGTH, MAX_NAME_LENGTH
from services.projects import Project
from stores.base import ArrivalRow

DEFAULT_EVENT_NAME: Final = "page_view"
NAMES: Final = {
    "page": "url",
    "event_name": "eventName",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "session_id": "sessionId",
    "user_agent": "userAgent",
    "ip_address": "ip",
    "time": "timestamp",
}
"""What this system calls a field -> what events call it."""
KEPT_IN_METADATA: Final[tuple[str, ...]] = ("duration", "description")


def parse_seconds(value: object) -> float | None:
    """How long the page was looked at; None (JSON null) for not measured."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        raise ValueError(f"must be a number of seconds from 0 to {MAX_SECONDS}")
    return value


def _parse_optional_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError("must be text")


def _parse_id(value: object) -> object:
    if value in (None, "") or (is_id(value) and len(str(value)) <= MAX_ID_LENGTH):
        return value
    raise ValueError(f"must be text of at most {MAX_ID_LENGTH} characters, or an integer")


def _parse_required_text(value: object, *, max_length: int) -> str:
    if isinstance(value, str) and 1 <= len(value) <= max_length:
        return value
    raise ValueError(f"must be text of 1 to {max_length} characters")


def _parse_name(value: object) -> str | None:
    return None if value is None else _parse_required_text(value, max_length=MAX_NAME_LENGTH)


PARSERS: Final[dict[str, FieldParser]] = {
    "page": partial(_parse_required_text, max_length=8192),
    "event_name": _parse_name,
    **dict.fromkeys(("user_id", "anonymous_id", "session_id"), _parse_id),
    **dict.fromkeys(("user_agent", "referrer", "ip_address", "description"), _parse_optional_text),
    "duration": parse_seconds,
}


def decode_visit(body: bytes, *, max_bytes: int, now_ms: int) -> tuple[Batch, str]:
    """The batch of a body that is one event, and the event's id.

    Raises InvalidInput naming the wrong fields, TooLarge over `max_bytes`.

    A visit without a person is one of its session's, so that visitors are counted. Fields that are not known are kept
    in metadata.
    """
    members = split_body(body, max_bytes=max_bytes)
    named = {name: read_value(members[name]) for name in PARSERS if name in members}
    values = parse_fields(named, PARSERS, required=("page",))
    event = _rename(members)
    if values.get("event_name") is None:
        event["eventName"] = encode(DEFAULT_EVENT_NAME)
    if is_id(values.get("session_id")) and not any(is_id(values.get(name)) for name in ("user_id", "anonymous_id")):
        event["anonymousId"] = members["session_id"]
    event_id = ensure_event_id(event, now_ms=now_ms)
    return Batch(events=[join_members(event)]), event_id


def _rename(members: Members) -> Members:
    event = {NAMES.get(name, name): text for name, text in members.items() if name not in KEPT_IN_METADATA}
    own = {name: members[name] for name in KEPT_IN_METADATA if name in members and members[name] != b"null"}
    if own:
        # metadata that is no object is left as it is: validation refuses it
        metadata = split_event(members["metadata"]) if members.get("metadata", b"null") != b"null" else {}
        if metadata is not None:
            event["metadata"] = join_members({**metadata, **own})
    return event


def fetch_visit(context: Context, project: Project, event_id: str) -> dict[str, Any]:
    """The event with this id as this system shows it; NotFound where the project has none."""
    row = context.store.fetch_event(project.project_key, event_id)
    if row is None:
        raise NotFound("The project has no event with this id", code="unknown_event")
    return format_visit(row)


def format_visit(row: ArrivalRow) -> dict[str, Any]:
    """An event as this system shows it; what it does not have is null."""
    metadata: Mapping[str, Any] = msgspec.json.decode(row.metadata)
    duration, description = metadata.get("duration"), metadata.get("description")
    is_number = isinstance(duration, int | float) and not isinstance(duration, bool)
    return {
        "id": row.event_id,
        "time": None if row.occurred_at_ms is None else clock.format_ms(row.occurred_at_ms),
        "page": row.url,
        "user_agent": row.user_agent,
        "ip_address": row.ip,
        "referrer": row.referrer,
        "session_id": row.session_id,
        "duration": duration if is_number else None,
        "description": description if isinstance(description, str) else None,
    }
