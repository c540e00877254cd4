"""The audit log: who did what to the installation, its organisations and projects, when and from where.

An entry is stored before its act and completed after it, so that no act goes unrecorded: one whose outcome stays
`started` was cut short, and may or may not have taken effect. Entries hold ids and names of fields, never values that
were sent, and no events; they are kept for AUDIT_RETENTION_DAYS, also those of projects that were erased.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from services import clock
from services.auth import Caller
from services.context import Context
from services.errors import InvalidInput
from services.fields import format_stored_time
from stores.base import StoreUnavailable

AUDIT_LOG = "audit_log"
MAX_ENTRIES = 1000
ENTRY_ID = re.compile(r"[0-9a-f]{24}")
_LATEST_MS = 2**48 - 1

_logger = logging.getLogger("apptracker.audit")


class ActorType(StrEnum):
    """By what right somebody acted."""

    USER = "user"
    KEY = "key"
    SECRET_TOKEN = "secret_token"
    NOBODY = "nobody"


class Outcome(StrEnum):
    """How far an act came."""

    STARTED = "started"
    DONE = "done"
    REFUSED = "refused"


class Actor(msgspec.Struct, frozen=True):
    """Who acted; id and name are those of the user or of the API key."""

    type: ActorType
    id: str | None = None
    name: str | None = None


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """One act as it is stored. Ids sort the newest first; of acts in the same millisecond, in no particular order."""

    entry_id: str
    at: str
    actor: Actor
    action: str
    """What was done to what, such as `project.create`."""
    request_id: str
    address: str | None = None
    project_key: str | None = None
    organisation_id: str | None = None
    target: dict[str, Any] = {}
    """Ids of what was acted on, and `fields`, the names of those that were changed."""
    outcome: Outcome = Outcome.STARTED
    code: str | None = None
    """Of the error with which the act was refused."""


def describe_caller(caller: Caller) -> Actor:
    """The caller as the log names him."""
    if caller.user is not None:
        return Actor(ActorType.USER, caller.user.user_id, caller.user.username)
    if caller.key is not None:
        return Actor(ActorType.KEY, caller.key.key_id, caller.key.name)
    return Actor(ActorType.SECRET_TOKEN if caller.is_root else ActorType.NOBODY)


def begin_entry(
    context: Context, action: str, actor: Actor, *, request_id: str, address: str | None, now_ms: int, **about: Any
) -> Entry:
    """Store the entry of an act that is about to begin. `about`: project_key, organisation_id, target."""
    entry = Entry(
        entry_id=f"{_LATEST_MS - now_ms:012x}{secrets.token_hex(6)}",
        at=clock.format_ms_sortable(now_ms),
        actor=actor,
        action=action,
        request_id=request_id,
        address=address,
        **about,
    )
    if not context.store.insert_document(AUDIT_LOG, entry.entry_id, msgspec.to_builtins(entry)):
        raise RuntimeError("two ids with 48 random bits were equal: the source of randomness is broken")
    return entry


def complete_entry(context: Context, entry: Entry) -> None:
    """Store how the act ended. When the store is away the entry stays as it began: the act itself is over."""
    changes: Mapping[str, Any] = msgspec.to_builtins(entry)
    try:
        context.store.update_document(AUDIT_LOG, entry.entry_id, dict(changes))
    except StoreUnavailable:
        _logger.warning("The store is away: entry %s of the audit log stays 'started'", entry.entry_id)


def list_entries(
    context: Context, *, project_key: str | None, organisation_id: str | None, limit: int, before: str | None
) -> list[Entry]:
    """Entries about the project, the organisation, or everything, newest first, those after `before` in the list."""
    equals = {"projectKey": project_key, "organisationId": organisation_id}
    named = {name: value for name, value in equals.items() if value is not None}
    documents = context.store.find_documents(AUDIT_LOG, named, limit=limit, after=before)
    return [msgspec.convert(document, Entry) for document in documents]


def purge_entries(context: Context, now_ms: int) -> int:
    """Remove the entries older than AUDIT_RETENTION_DAYS; how many there were."""
    days = context.config.audit_retention_days
    if days == 0:
        return 0
    return context.store.purge_documents(AUDIT_LOG, "at", clock.format_ms_sortable(now_ms - days * clock.DAY_MS))


def parse_cursor(text: str | None) -> str | None:
    """The id of an entry."""
    if text is not None and not ENTRY_ID.fullmatch(text):
        raise InvalidInput("before must be the id of an entry", code="invalid_parameter", fields=["before"])
    return text


def list_targets(target: Mapping[str, Any]) -> list[dict[str, str]]:
    """The ids among what an act was on, each with the kind of thing it names: `keyId` and `keyIds` are of a `key`."""
    ids = {name: [value] if isinstance(value, str) else value for name, value in target.items() if name != "fields"}
    return [
        {"kind": name.removesuffix("s").removesuffix("Id"), "id": each}
        for name, values in ids.items()
        for each in values
    ]


def format_entry(entry: Entry) -> dict[str, Any]:
    """The entry as the API shows it."""
    return {
        "id": entry.entry_id,
        "at": format_stored_time(entry.at),
        "actor": msgspec.to_builtins(entry.actor),
        "action": entry.action,
        "outcome": entry.outcome.value,
        "code": entry.code,
        "projectKey": entry.project_key,
        "organisationId": entry.organisation_id,
        "targets": list_targets(entry.target),
        "fields": entry.target.get("fields", []),
        "address": entry.address,
        "requestId": entry.request_id,
    }
