"""All that a project holds about a person, as the lines of a file for that person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from services import clock
from services.context import Context
from services.erasure import Person
from services.projects import Project
from services.rejections import find_rejections, format_rejection
from stores.base import ArrivalRow


def stream_person(context: Context, project: Project, person: Person) -> Iterator[bytes]:
    """JSON lines: the person, then each event as it is stored, then each rejected event that names him.

    Read from the store, a few in memory at a time. Raises StoreUnavailable, also halfway.
    """
    yield _encode_line("person", format_person(person))
    batches = context.store.scan_person(project.project_key, person.user_id, person.anonymous_ids, person.stop)
    for rows in batches:
        yield b"".join(_encode_line("event", format_event(row)) for row in rows)
    for document in find_rejections(context, project.project_key, *person.rejection_keys):
        yield _encode_line("rejection", format_rejection(document))


def format_person(person: Person) -> dict[str, Any]:
    """Who is meant."""
    return {"userId": person.user_id, "anonymousIds": person.anonymous_ids, "events": person.event_count}


def format_event(row: ArrivalRow) -> dict[str, Any]:
    """The event with everything that is stored of it; `timestamp` is null where it was not valid."""
    return {
        "eventId": row.event_id,
        "eventName": row.event_name,
        "timestamp": None if row.occurred_at_ms is None else clock.format_ms(row.occurred_at_ms),
        "receivedAt": clock.format_ms(row.received_at_ms),
        "userId": row.user_id,
        "anonymousId": row.anonymous_id,
        "sessionId": row.session_id,
        "url": row.url,
        "referrer": row.referrer,
        "userAgent": row.user_agent,
        "ip": row.ip,
        "metadata": msgspec.Raw(row.metadata.encode()),
        "enriched": msgspec.Raw((row.enriched or "{}").encode()),
    }


def _encode_line(kind: str, fields: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"kind": kind, **fields}) + b"\n"
