"""Group commit: requests that wait at the same moment share one write of the store.

Leader and followers, without a thread of its own: the first request to find nobody committing is the leader and
commits all that is queued; those that come meanwhile queue, and the first of them leads the next commit. A durable
write costs about the same for one event as for hundreds, so the slower the disk, the larger the groups. Requests that
take turns on one thread all queue before the first of them leads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from services.errors import Unavailable
from services.turns import give_way
from stores.base import Event, Store, StoreUnavailable


class CommitFailed(Exception):
    """The store failed in a way it does not document, while it stored the events of this request."""


class _Ticket:
    """What one request wants stored, and then what became of it."""

    __slots__ = ("error", "events", "is_done", "queued_at", "signal", "stored")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.queued_at = time.monotonic()
        self.is_done = False
        self.stored: list[bool] = []
        self.error: Exception | None = None
        # Held from the start; released once, when the ticket is done or its request is to lead.
        self.signal = threading.Lock()
        self.signal.acquire()


class GroupCommitter:
    """Stores the events of many threads together; `submit` returns when they are committed.

    At most `max_queued_events` wait or are being stored, and about `max_batch_events` go into one write (a request
    with more is written by itself). With `max_wait_seconds`, events that waited longer are refused, not stored: a
    store that orders events by the time of receipt needs a bound on how late one can surface.
    """

    def __init__(
        self, store: Store, *, max_queued_events: int, max_batch_events: int, max_wait_seconds: float | None = None
    ) -> None:
        self._store = store
        self._max_queued_events = max_queued_events
        self._max_batch_events = max_batch_events
        self._max_wait_seconds = max_wait_seconds
        self._mutex = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._is_led = False
        self._queued_events = 0

    @property
    def queued_events(self) -> int:
        """Events that wait or are being stored now."""
        return self._queued_events

    def submit(self, events: Sequence[Event]) -> list[bool]:
        """Commit the events; for each, True where it is stored now, False for a duplicate. Nothing to do for none.

        Raises Unavailable (`ingest_queue_full`) with nothing stored, StoreUnavailable as the store does.
        """
        if not events:
            return []
        ticket = _Ticket(events)
        leads = self._enqueue(ticket)
        try:
            give_way()
        finally:
            # Whatever happened to this request: those behind it rely on it.
            if not leads:
                ticket.signal.acquire()
            if not ticket.is_done:
                self._lead()
        if ticket.error is not None:
            raise _copy_error(ticket.error) from ticket.error
        return ticket.stored

    def _enqueue(self, ticket: _Ticket) -> bool:
        """Whether the ticket's request is to lead."""
        with self._mutex:
            if self._queued_events and self._queued_events + len(ticket.events) > self._max_queued_events:
                raise Unavailable("Too many events are waiting to be stored", code="ingest_queue_full")
            self._queue.append(ticket)
            self._queued_events += len(ticket.events)
            leads = not self._is_led
            self._is_led = True
            return leads

    def _lead(self) -> None:
        """Commit the tickets at the head of the queue, the caller's first among them, and appoint a successor."""
        tickets: list[_Ticket] = []
        try:
            tickets = self._take_tickets()
            self._commit(tickets)
        finally:
            self._hand_over(tickets)

    def _take_tickets(self) -> list[_Ticket]:
        with self._mutex:
            tickets = [self._queue.popleft()]
            room = self._max_batch_events - len(tickets[0].events)
            while self._queue and len(self._queue[0].events) <= room:
                tickets.append(self._queue.popleft())
                room -= len(tickets[-1].events)
            return tickets

    def _commit(self, tickets: list[_Ticket]) -> None:
        tickets = self._refuse_stale(tickets)
        if not tickets:
            return
        try:
            stored = self._store.append([event for ticket in tickets for event in ticket.events])
        except StoreUnavailable as exc:
            _fail(tickets, exc)
        except Exception as exc:  # noqa: BLE001 - nobody may be left waiting
            if len(tickets) == 1:
                _fail(tickets, exc)
            else:
                # One request's events upset the store: the others must not suffer for it.
                for ticket in tickets:
                    self._commit([ticket])
        else:
            start = 0
            for ticket in tickets:
                stop = start + len(ticket.events)
                ticket.stored = stored[start:stop]
                start = stop

    def _refuse_stale(self, tickets: list[_Ticket]) -> list[_Ticket]:
        if self._max_wait_seconds is None:
            return tickets
        oldest = time.monotonic() - self._max_wait_seconds
        stale = [ticket for ticket in tickets if ticket.queued_at < oldest]
        _fail(stale, Unavailable("The events waited too long to be stored", code="ingest_queue_full"))
        return [ticket for ticket in tickets if ticket.queued_at >= oldest]

    def _hand_over(self, tickets: list[_Ticket]) -> None:
        with self._mutex:
            self._queued_events -= sum(len(ticket.events) for ticket in tickets)
            successor = self._queue[0] if self._queue else None
            self._is_led = successor is not None
        for ticket in tickets:
            if not ticket.stored and ticket.error is None:
                ticket.error = CommitFailed("The commit was interrupted")
            ticket.is_done = True
        if successor is not None:
            successor.signal.release()
        # The first is the leader itself, which waits for nothing.
        for ticket in tickets[1:]:
            ticket.signal.release()


def _fail(tickets: list[_Ticket], error: Exception) -> None:
    for ticket in tickets:
        ticket.error = error


def _copy_error(error: Exception) -> Exception:
    """An error of the same meaning for each waiter: a shared one would gather the tracebacks of all threads."""
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(str(error))
    if isinstance(error, Unavailable):
        return Unavailable(error.message, code=error.code, retry_after_seconds=error.retry_after_seconds)
    return CommitFailed(str(error))
