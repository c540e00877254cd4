"""Upkeep in the background: extends copies before anyone asks, and removes what has expired.

Every worker runs the thread; a file lock lets one of the host do the work. Nothing depends on it for being right: a
report reads what is not sealed from the store, and reads go past what has expired.
"""

from __future__ import annotations

import logging
import threading
import time

from columns.manifest import lock_copy
from services import audit, clock, enrich
from services.context import Context
from services.erasure import find_newest, purge_removals, resume_removals
from services.errors import Unavailable
from services.projects import Project, list_projects, sweep_erased_projects
from services.rejections import purge_rejections
from services.retention_policy import RetentionClock, apply_retention
from services.sealing import SealingProcess
from stores.base import StoreUnavailable

INTERVAL_SECONDS = 10.0
BUSY_INTERVAL_SECONDS = 1.0
"""After a round that sealed: events come fast, perhaps from an import, which starts no sealing by itself."""
SWEEP_SECONDS = 60.0

_logger = logging.getLogger("apptracker.maintenance")


def start(context: Context) -> None:
    """Start the worker's upkeep thread, and have its reports extend copies in a process of their own."""
    sealing = SealingProcess(context.config)
    context.copy.delegate_sealing(sealing.start)
    threading.Thread(target=run, args=(context, sealing), name="maintenance", daemon=True).start()
    threading.Thread(target=watch, args=(context,), name="forgetting", daemon=True).start()


def watch(context: Context) -> None:
    """Until the process ends, every `INTERVAL_SECONDS`, in each worker: forget what was removed from projects."""
    pause, seen = threading.Event(), dict[str, int]()
    while not pause.wait(INTERVAL_SECONDS):
        try:
            forget_removed(context, seen)
        except StoreUnavailable:
            _logger.warning("The store is not available; what was removed may still be in memory")
        except Exception:
            _logger.exception("What was removed may still be in memory; the next round tries again")


def forget_removed(context: Context, seen: dict[str, int]) -> None:
    """Drop what this process has in memory of projects from which events were removed since the last call, and finished
    reports also of those that it has not `seen` before."""
    context.copy.forget_removed()
    for project_key in context.cache.list_projects():
        newest = find_newest(context, project_key)
        if seen.get(project_key) != newest:
            context.cache.forget_here(f"{project_key}:")
        seen[project_key] = newest


def run(context: Context, sealing: SealingProcess) -> None:
    """Until the process ends, a round every `INTERVAL_SECONDS` by whichever worker of the host holds the lock, and
    sooner while there is much to seal."""
    # half a second of work that the first event would wait for otherwise
    enrich.prepare(context.geo)
    pause = threading.Event()
    with lock_copy(context.config.data_dir / "maintenance.lock"):
        interval, next_sweep, retention = INTERVAL_SECONDS, 0.0, RetentionClock()
        while not pause.wait(interval):
            interval, is_sweep = INTERVAL_SECONDS, time.monotonic() >= next_sweep
            if is_sweep:
                next_sweep = time.monotonic() + SWEEP_SECONDS
            try:
                if run_round(context, sealing, is_sweep=is_sweep, retention=retention):
                    interval = BUSY_INTERVAL_SECONDS
            except StoreUnavailable:
                _logger.warning("The store is not available; upkeep waits")
            except Exception:
                _logger.exception("Upkeep failed; it goes on with the next round")


def run_round(
    context: Context, sealing: SealingProcess, *, is_sweep: bool, retention: RetentionClock | None = None
) -> bool:
    """Carry out removals in the copies and extend those that have enough to seal; on a sweep also audit copies, finish
    removals that were cut short, and remove what has expired. Whether there was a copy to extend."""
    projects = list_projects(context)
    known = {project.project_key for project in projects}
    for project_key in known.intersection(context.copy.list_copied_projects()):
        context.copy.catch_up(project_key)
    has_sealed = False
    for project in projects:
        if context.copy.has_enough_to_seal(project.project_key):
            sealing.start(project.project_key, project.data_epoch)
            sealing.wait()
            has_sealed = True
    if is_sweep:
        sweep(context, projects, retention or RetentionClock(), now_ms=clock.fetch_now_ms())
    return has_sealed


def sweep(context: Context, projects: list[Project], retention: RetentionClock, *, now_ms: int) -> None:
    """Audit copies, finish removals that were cut short, and remove what has expired."""
    known = {project.project_key for project in projects}
    for project_key in context.copy.list_copied_projects():
        if project_key in known:
            context.copy.audit(project_key, force=False)
        else:
            context.copy.forget(project_key)
    sweep_erased_projects(context)
    purge_rejections(context, now_ms)
    audit.purge_entries(context, now_ms)
    resume_removals(context, now_ms=now_ms)
    purge_removals(context, sorted(known), now_ms=now_ms)
    for project in projects:
        if retention.is_due(project, now_ms):
            try:
                apply_retention(context, project, now_ms=now_ms)
            except Unavailable as exc:
                _logger.warning("Retention of project %s waits: %s", project.project_key, exc.message)
                continue
            retention.note(project, now_ms)
