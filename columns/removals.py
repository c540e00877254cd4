"""Removals: which events were taken away from a project for good, as documents that every host reads.

docs/architecture.md, Erasing persons and old events, has the protocol. A removal names persons by the keys of
`columns.writer.BUILT_COLUMNS`, never by their ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

import msgspec

from columns.properties import Parameters
from stores.base import Store

REMOVALS: Final = "removals"
KEY_DIGITS: Final = 32
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times in the copy are UTC without a zone


class Removing(Enum):
    """Whether events are being removed from a project."""

    NOT = auto()
    NOW = auto()
    DONE = auto()
    """Some were, and now they are removed from the copy too."""


class Removal(msgspec.Struct, frozen=True, rename="camel"):
    """The events with `position < stop` that are of a person, or that are older than `before_ms`."""

    project_key: str
    number: int
    """1 for the project's first; one more each."""
    begun_at: str
    stop: int
    person_key: str | None = None
    """32 hexadecimal digits: events with this userId. None: none by a userId."""
    anon_keys: str = ""
    """Such keys, one after the other: events of these anonymousIds without a userId."""
    before_ms: int | None = None
    """Events that occurred before, those without a valid time by when they were received."""
    done_at: str | None = None
    """None: begun, the store may still hold some of the events."""

    @property
    def document_id(self) -> str:
        return build_removal_id(self.project_key, self.number)

    def list_anon_keys(self) -> list[str]:
        """The keys of its anonymousIds."""
        return [self.anon_keys[start : start + KEY_DIGITS] for start in range(0, len(self.anon_keys), KEY_DIGITS)]


def build_removal_id(project_key: str, number: int) -> str:
    """Id of the document; ids sort as the numbers do."""
    return f"{project_key}:{number:010d}"


def build_key(text: str) -> str:
    """The key of an id, as the copy has it: `md5_number(text)::UUID` in SQL."""
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).digest()[::-1].hex()


def fetch_removals(store: Store, project_key: str, after: int) -> list[Removal]:
    """The project's removals of a higher number than `after`, in order. Raises StoreUnavailable."""
    found = store.find_documents(REMOVALS, {"projectKey": project_key}, after=build_removal_id(project_key, after))
    return [msgspec.convert(document, Removal) for document in found]


def take_done(removals: Sequence[Removal]) -> list[Removal]:
    """The removals that are done, up to the first that is not."""
    done: list[Removal] = []
    for removal in removals:
        if removal.done_at is None:
            break
        done.append(removal)
    return done


def build_removed_sql(removals: Sequence[Removal], parameters: Parameters) -> str:
    """SQL condition, true or false, on rows of a segment: whether one of the removals takes them away."""
    parts = []
    for removal in removals:
        taken = _list_conditions(removal, parameters)
        if taken:
            parts.append(f"(position < {parameters.bind(removal.stop)} AND ({' OR '.join(taken)}))")
    return f"coalesce({' OR '.join(parts)}, false)" if parts else "false"


def _list_conditions(removal: Removal, parameters: Parameters) -> list[str]:
    conditions = []
    if removal.person_key is not None:
        conditions.append(f"(anon_key IS NULL AND person_key = {parameters.bind(UUID(removal.person_key))})")
    if removal.anon_keys:
        keys = parameters.bind(removal.list_anon_keys())
        conditions.append(f"(anon_key IS NOT NULL AND anon_key IN (SELECT unnest({keys}::VARCHAR[])::UUID))")
    if removal.before_ms is not None:
        moment = _EPOCH + timedelta(milliseconds=removal.before_ms)
        conditions.append(f"coalesce(occurred_at, received_at) < {parameters.bind(moment)}")
    return conditions
