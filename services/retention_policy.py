"""Retention: what is older than a project's `retentionDays` is removed, from the store and from every copy."""

from __future__ import annotations

from datetime import datetime, timedelta

from columns.properties import Parameters
from columns.relation import build_events_sql
from columns.snapshot import Snapshot
from services.clock import DAY_MS
from services.context import Context
from services.erasure import begin_removal, finish_removals, list_open
from services.projects import Project
from services.reports.run import fetch_from_snapshot

HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times in the copy are UTC without a zone


def compute_cutoff_ms(retention_days: int, now_ms: int) -> int:
    """What occurred before this moment is not kept: so many days before the whole hour."""
    return now_ms - now_ms % HOUR_MS - retention_days * DAY_MS


def apply_retention(context: Context, project: Project, *, now_ms: int) -> int:
    """Remove what the project does not keep any more; how many events that was.

    Nothing is done while another removal of the project is under way. Raises Unavailable, StoreUnavailable.
    """
    if project.retention_days is None or list_open(context, {"projectKey": project.project_key}):
        return 0
    cutoff_ms = compute_cutoff_ms(project.retention_days, now_ms)
    count, stop = _find_older(context, project, cutoff_ms)
    if count:
        begin_removal(context, project.project_key, stop, now_ms=now_ms, beforeMs=cutoff_ms)
        finish_removals(context, project, now_ms=now_ms)
    return count


def _find_older(context: Context, project: Project, before_ms: int) -> tuple[int, int]:
    """How many events are older, and a position after all that there are."""

    def find(snapshot: Snapshot) -> tuple[int, int]:
        parameters = Parameters()
        moment = parameters.bind(_EPOCH + timedelta(milliseconds=before_ms))
        events = build_events_sql(snapshot, parameters)
        sql = f"SELECT count(*) FROM ({events}) WHERE coalesce(occurred_at, received_at) < {moment}"
        return int(context.copy.query(snapshot, sql, parameters.values)[0][0]), snapshot.stop

    return fetch_from_snapshot(context, project, find)[1]


class RetentionClock:
    """Which projects' retention is due: hourly, and when `retentionDays` changed."""

    def __init__(self) -> None:
        self._applied: dict[str, tuple[int, int]] = {}

    def is_due(self, project: Project, now_ms: int) -> bool:
        """Whether it was not applied in this hour with these days."""
        days = project.retention_days
        return days is not None and self._applied.get(project.project_key) != (now_ms // HOUR_MS, days)

    def note(self, project: Project, now_ms: int) -> None:
        """It was applied."""
        if project.retention_days is not None:
            self._applied[project.project_key] = (now_ms // HOUR_MS, project.retention_days)
