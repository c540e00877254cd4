"""How much is happening: exact figures of the last minutes, as the report engine finds them."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import msgspec

from columns.copy import ColumnarCopy
from columns.manifest import Segment
from columns.snapshot import Snapshot
from services import clock
from services.context import Context
from services.projects import Project
from services.reports.population import SESSION_GAP, Population
from services.reports.run import fetch_from_snapshot
from services.reports.session import IS_PAGE_VIEW
from services.time_range import TimeRange

VISITOR_WINDOW: Final = timedelta(minutes=5)
MINUTE: Final = timedelta(minutes=1)
MAX_PROJECTS_IN_MEMORY: Final = 200
READ_EVENTS_PER_SECOND: Final = 5_000
"""As many newly stored events may each process read for its figures, on average: a small part of what it can store."""


class Figures(msgspec.Struct, frozen=True, rename="camel"):
    """docs/metrics.md, Live figures. Without events all are zero."""

    current_visitors: int
    """Persons with an event in the last five minutes."""
    page_views_last_minute: int
    events_last_minute: int
    active_sessions: int
    """Sessions with an event in the last 30 minutes."""
    total_events: int
    """Of all time, as `totalEvents` of the overview."""
    as_of: str
    """The end of these minutes: now, or a little earlier while events arrive faster than they are read."""
    generated_at: str

    def show(self) -> dict[str, Any]:
        """As the API shows them."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        return shown


class FigureReader:
    """Finds the figures of one project for one process, reading at most so many events a second for it.

    Where more have arrived it takes those that are sealed, which costs no reading, and says until when they go. Used by
    one thread at a time.
    """

    def __init__(self, totals: SealedTotals, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._totals = totals
        self._monotonic = monotonic
        self._read_at = -math.inf

    def read(self, context: Context, project: Project) -> Figures:
        """The figures now. Raises Unavailable, StoreUnavailable."""
        now_ms = clock.fetch_now_ms()
        if self._is_too_much(context, project):
            sealed = compute_sealed_figures(context, project, self._totals, now_ms=now_ms)
            if sealed is not None:
                return sealed
        self._read_at = self._monotonic()
        return compute_figures(context, project, self._totals, now_ms=now_ms)

    def _is_too_much(self, context: Context, project: Project) -> bool:
        """Whether more events wait than may be read now."""
        waiting = context.copy.count_waiting(project.project_key, epoch=project.data_epoch)
        return waiting > self._compute_budget(context.config.seal_events)

    def _compute_budget(self, seal_events: int) -> int:
        """Events that may be read now. More than `seal_events` are about to be sealed, and need not be read at all."""
        seconds = self._monotonic() - self._read_at
        return round(min(seconds * READ_EVENTS_PER_SECOND, seal_events))


class SealedTotals:
    """How many events the segments of projects have that count, remembered: that changes only with the segments."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[tuple[Segment, ...], int]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, copy: ColumnarCopy, snapshot: Snapshot) -> int:
        """Of the segments of this snapshot."""
        project_key = snapshot.directory.name
        segments, count = self._known.get(project_key, ((), 0))
        if snapshot.segments != segments:
            count = count_events(copy, replace(snapshot, tail=None))
            with self._lock:
                self._known[project_key] = snapshot.segments, count
                self._known.move_to_end(project_key)
                while len(self._known) > MAX_PROJECTS_IN_MEMORY:
                    self._known.popitem(last=False)
        return count


def compute_figures(context: Context, project: Project, totals: SealedTotals, *, now_ms: int) -> Figures:
    """The figures over every event acknowledged before the call. Raises Unavailable, StoreUnavailable."""

    def compute(snapshot: Snapshot) -> Figures:
        return count_figures(context.copy, snapshot, totals, as_of_ms=now_ms)

    return fetch_from_snapshot(context, project, compute)[1]


def compute_sealed_figures(context: Context, project: Project, totals: SealedTotals, *, now_ms: int) -> Figures | None:
    """The figures over what is in segments, as of the last event of them; None while there is no segment.

    Raises Unavailable, StoreUnavailable.
    """

    def compute(snapshot: Snapshot) -> Figures | None:
        if not snapshot.segments:
            return None
        as_of_ms = find_newest_ms(context.copy, snapshot, now_ms)
        return count_figures(context.copy, snapshot, totals, as_of_ms=as_of_ms)

    return fetch_from_snapshot(context, project, compute, is_sealed=True)[1]


def count_figures(copy: ColumnarCopy, snapshot: Snapshot, totals: SealedTotals, *, as_of_ms: int) -> Figures:
    """The figures of the minutes before `as_of_ms` over the events of the snapshot."""
    total = totals.count(copy, snapshot)
    if snapshot.tail is not None:
        total += count_events(copy, replace(snapshot, segments=()))
    return Figures(
        **count_recent(copy, snapshot, as_of_ms + 1), total_events=total,
        as_of=clock.format_ms(as_of_ms), generated_at=clock.format_ms(clock.fetch_now_ms()),
    )  # fmt: skip


def find_newest_ms(copy: ColumnarCopy, snapshot: Snapshot, now_ms: int) -> int:
    """When the last event of the segments was received; now, if there is none."""
    last = sorted(snapshot.segments, key=lambda segment: segment.stop)[-1:]
    events = Population(copy, replace(snapshot, segments=tuple(last), tail=None), TimeRange(), includes_bots=True)
    ((newest_ms,),) = events.fetch(f"SELECT epoch_ms(max(received_at)) FROM ({events.build_sql(with_person=False)})")
    return now_ms if newest_ms is None else min(int(newest_ms), now_ms)


def count_events(copy: ColumnarCopy, snapshot: Snapshot) -> int:
    """The events of all time that reports count."""
    events = Population(copy, snapshot, TimeRange())
    ((count,),) = events.fetch(f"SELECT count(*) FROM ({events.build_sql(with_person=False)})")
    return int(count)


def count_recent(copy: ColumnarCopy, snapshot: Snapshot, end_ms: int) -> dict[str, int]:
    """What of `Figures` is counted of the minutes before a moment."""
    events = Population(copy, snapshot, TimeRange(end_ms - _to_ms(SESSION_GAP), end_ms))
    visitors_from = events.bind(clock.from_ms(end_ms - _to_ms(VISITOR_WINDOW)).replace(tzinfo=None))
    minute_from = events.bind(clock.from_ms(end_ms - _to_ms(MINUTE)).replace(tzinfo=None))
    # so short a time has no gap that would part somebody's events: those without a sessionId are one session
    ((visitors, views, happened, sessions),) = events.fetch(f"""
        SELECT count(DISTINCT person) FILTER (WHERE occurred_at >= {visitors_from}),
            count(*) FILTER (WHERE occurred_at >= {minute_from} AND {IS_PAGE_VIEW}),
            count(*) FILTER (WHERE occurred_at >= {minute_from}),
            count(DISTINCT session_id) + count(DISTINCT person) FILTER (WHERE session_id IS NULL)
        FROM ({events.build_sql()})""")
    return {
        "current_visitors": visitors, "page_views_last_minute": views, "events_last_minute": happened,
        "active_sessions": sessions,
    }  # fmt: skip


def _to_ms(length: timedelta) -> int:
    return length // clock.MILLISECOND
