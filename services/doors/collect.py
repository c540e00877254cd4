"""References 2 and 5: `POST /api/analytics/collect` takes one event, or several as `{events: [...]}`.

Besides the fields of every event: `device` is the user agent where it looks like one (else it stays in metadata, where
the device type is read from), and `ipAddress` is the ip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from services.doors.members import (
    Members,
    encode,
    is_id,
    is_text,
    join_members,
    read_value,
    split_body,
    split_event,
)
from services.ingest.decode import Batch, JsonText, decode_json_batch
from services.ingest.event_fields import EVENT_ID_FIELDS
from services.ingest.event_ids import build_id_source

USER_AGENT: Final = re.compile(r"[^\s/]+/\d")
"""A product and its version, with which every user agent begins (RFC 9110); `mobile` or `iPhone 15` have none."""
OTHER_NAMES: Final = (b'"device"', b'"ipAddress"')


class _Probe(msgspec.Struct):
    events: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_probe = msgspec.json.Decoder(_Probe).decode


def has_events(body: bytes) -> bool:
    """Whether the body is a batch: an object with `events`. Raises InvalidInput for what is no JSON object."""
    try:
        return _probe(body).events is not msgspec.UNSET
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "events" in split_body(body)


def decode_collected_batch(body: bytes, *, max_events: int, max_bytes: int, project_key: str | None) -> Batch:
    """The batch of a body with `events`; `project_key` stands where the body names none. As `decode_json_batch`."""
    batch = decode_json_batch(body, max_events=max_events, max_bytes=max_bytes, project_key=project_key)
    return replace(batch, events=_rename_all(batch.events))


def decode_collected_event(
    body: bytes, *, max_bytes: int, project_key: str | None, now_ms: int
) -> tuple[Batch, str]:
    """The batch of a body that is one event, and the event's id: its own, else a new one.

    Raises InvalidInput, TooLarge over `max_bytes`.
    """
    members = rename_fields(split_body(body, max_bytes=max_bytes))
    event_id = ensure_event_id(members, now_ms=now_ms)
    return Batch(events=[join_members(members)], project_key=project_key), event_id


def ensure_event_id(members: Members, *, now_ms: int) -> str:
    """The id under which the event will be stored; an event without one gets one. Empty where what stands in its place
    is none: validation refuses that event."""
    for name in EVENT_ID_FIELDS:
        value = read_value(members[name]) if name in members else None
        if value is not None and value != "":
            return str(value) if is_id(value) else ""
    event_id = build_id_source(now_ms)()
    members["eventId"] = encode(event_id)
    return event_id


def rename_fields(members: Members) -> Members:
    """The members of an event under the names that validation knows."""
    renamed = dict(members)
    device = read_value(members.get("device", b"null"))
    if "userAgent" not in members and is_text(device) and USER_AGENT.match(device):
        renamed["userAgent"] = renamed.pop("device")
    if "ip" not in members and is_text(read_value(members.get("ipAddress", b"null"))):
        renamed["ip"] = renamed.pop("ipAddress")
    return renamed


def _rename_all(events: Sequence[JsonText]) -> list[JsonText]:
    return [_rename(bytes(event)) for event in events]


def _rename(event: bytes) -> bytes:
    if not any(name in event for name in OTHER_NAMES):
        return event
    members = split_event(event)
    return event if members is None else join_members(rename_fields(members))
