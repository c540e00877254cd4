"""The store port: what AppTracker asks of the database that holds the truth.

Thin on purpose: append, scan in arrival order, count, erase, and small documents. No analytics.
Two adapters implement it (`stores.sqlite`, `stores.mongo`); `tests/contract` holds both to one behaviour.

*Position*: an integer that orders a project's events by arrival. Ranges of positions are half-open,
`[start, stop)`. What a position counts is the adapter's business (a row id, a millisecond); several
events may share one. Position 0 is before every event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec


class StoreUnavailable(Exception):
    """The database did not answer or did not confirm. Nothing is known to be stored; trying again is safe."""


class Event(msgspec.Struct, frozen=True):
    """One accepted event, as it is written. Times are UTC milliseconds since 1970."""

    project_key: str
    event_id: str
    event_name: str
    occurred_at_ms: int | None
    """None: the client's timestamp was invalid, the event is in no time-based report."""
    received_at_ms: int
    anonymous_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    url: str | None = None
    referrer: str | None = None
    user_agent: str | None = None
    ip: str | None = None
    metadata: dict[str, Any] = {}
    enriched: dict[str, Any] = {}
    """What the service found out about it (`services.enrich`): texts, and `isBot`, true or absent."""


class ArrivalRow(NamedTuple):
    """One stored event, as `Store.scan` reads it for the columnar copy.

    `metadata` is JSON object text, and so is `enriched`, or None.
    """

    position: int
    event_id: str
    event_name: str
    occurred_at_ms: int | None
    received_at_ms: int
    anonymous_id: str | None
    user_id: str | None
    session_id: str | None
    url: str | None
    referrer: str | None
    user_agent: str | None
    ip: str | None
    metadata: str
    enriched: str | None


Document = dict[str, Any]


class Store(Protocol):
    """Every method raises StoreUnavailable when the database is away; none answers empty for a failure.

    Adapters are safe to use from many threads and are opened after the fork, never before.
    """

    name: str
    """`embedded` or `mongodb`."""

    def ensure_ready(self) -> None:
        """Create tables, collections and indexes that are missing. Idempotent, safe in several processes at once."""

    def ping(self) -> None:
        """Return when the database answers a trivial question."""

    def close(self) -> None:
        """Release connections."""

    def append(self, events: Sequence[Event]) -> list[bool]:
        """Store the events durably, each `(project_key, event_id)` once for ever; True: stored now, False: a duplicate.

        On return all of them are committed (also those that another process was storing). Events of several
        projects may be mixed. On StoreUnavailable some may be stored; appending again is safe.
        """

    def settled_position(self, project_key: str, *, now_ms: int) -> int:
        """Position below which the project's events are all visible and no event can arrive any more."""

    def scan(
        self, project_key: str, start: int, stop: int | None = None, *, batch_size: int = 10_000
    ) -> Iterator[list[ArrivalRow]]:
        """The project's committed events with `start <= position < stop` (None: to the newest), in position order.

        Includes every event whose append returned before the call. Yields lists of at most `batch_size` rows, none
        empty.
        """

    def count(self, project_key: str, start: int = 0, stop: int | None = None) -> int:
        """How many events `scan` of the same range would yield. Answered from an index."""

    def fetch_latest(self, project_key: str, limit: int) -> list[ArrivalRow]:
        """The `limit` committed events of the project with the highest positions, the highest first; fewer where there
        are no more. Includes every event whose append returned before the call. Answered by an index."""

    def fetch_event(self, project_key: str, event_id: str) -> ArrivalRow | None:
        """The project's event of this id; None where there is none."""

    def scan_person(
        self, project_key: str, user_id: str | None, anonymous_ids: Sequence[str], stop: int | None = None
    ) -> Iterator[list[ArrivalRow]]:
        """The events with `position < stop` (None: all) of this userId, and those without one of these anonymousIds.

        Each once, in no promised order, in lists of which none is empty. May read all of the project's events.
        """

    def erase_person(
        self, project_key: str, user_id: str | None, anonymous_ids: Sequence[str], stop: int | None = None
    ) -> int:
        """Remove the events of `scan_person` for good; how many. Safe to repeat, and in several processes at once."""

    def erase_before(self, project_key: str, before_ms: int, stop: int | None = None) -> int:
        """Remove for good the events with `position < stop` that occurred before a moment, those without a valid time
        by when they were received; how many. Safe to repeat, and in several processes at once."""

    def erase_events(self, project_key: str) -> int:
        """Remove every event of the project for good; how many there were."""

    def scrub(self) -> None:
        """Have no file of the store's own hold what was deleted before, as far as that is the adapter's to decide."""

    def insert_document(self, collection: str, document_id: str, document: Document) -> bool:
        """Store a small document under its id, durably; False, and nothing changed, if the id is taken."""

    def insert_documents(self, collection: str, documents: Mapping[str, Document]) -> None:
        """Store several new documents by id; ids that are taken keep what they have. Durable on return."""

    def fetch_document(self, collection: str, document_id: str) -> Document | None:
        """The document, or None where there is none."""

    def find_documents(
        self,
        collection: str,
        equals: Document | None = None,
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Document]:
        """The documents whose top-level fields equal all of `equals`, ordered by a top-level field, ties by id.

        `after`: only those whose ids sort after this one, which need not be there.
        """

    def update_document(
        self, collection: str, document_id: str, changes: Document, *, expect: Document | None = None
    ) -> bool:
        """Set top-level fields atomically; False, and nothing changed, if none has the `expect`ed fields."""

    def increment_document(self, collection: str, document_id: str, field: str) -> bool:
        """Add 1 atomically to an integer field (missing counts as 0); False if there is no such document."""

    def delete_documents(self, collection: str, equals: Document) -> int:
        """Delete the documents whose top-level fields equal all of `equals`; how many."""

    def purge_documents(self, collection: str, field: str, before: str) -> int:
        """Delete the documents whose text field sorts before `before` (ISO times in UTC); how many."""
