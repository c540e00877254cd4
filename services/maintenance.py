"""Upkeep in the background: extends copies before anyone asks, and removes what has expired.

Every worker runs the thread; a file lock lets one of the host do the work. Nothing depends on it for being right: a
report reads what is not sealed from the store, and reads go past what has expired.
"""

from __future__ import annotations

import logging
import threading

from columns.manifest import lock_copy
from services import clock
from services.context import Context
from services.projects import list_projects, sweep_erased_projects
from services.rejections import purge_rejections
from services.sealing import SealingProcess
from stores.base import StoreUnavailable

INTERVAL_SECONDS = 10.0
SWEEP_EVERY_ROUNDS = 6

_logger = logging.getLogger("apptracker.maintenance")


def start(context: Context) -> None:
    """Start the worker's upkeep thread, and have its reports extend copies in a process of their own."""
    sealing = SealingProcess(context.config)
    context.copy.delegate_sealing(sealing.start)
    threading.Thread(target=run, args=(context, sealing), name="maintenance", daemon=True).start()


def run(context: Context, sealing: SealingProcess) -> None:
    """Until the process ends, a round every `INTERVAL_SECONDS` by whichever worker of the host holds the lock."""
    pause = threading.Event()
    with lock_copy(context.config.data_dir / "maintenance.lock"):
        number = 0
        while not pause.wait(INTERVAL_SECONDS):
            try:
                run_round(context, sealing, is_sweep=number % SWEEP_EVERY_ROUNDS == 0)
            except StoreUnavailable:
                _logger.warning("The store is not available; upkeep waits")
            except Exception:
                _logger.exception("Upkeep failed; it goes on with the next round")
            number += 1


def run_round(context: Context, sealing: SealingProcess, *, is_sweep: bool) -> None:
    """Extend the copies that have enough to seal; on a sweep also audit copies and remove what has expired."""
    projects = list_projects(context)
    for project in projects:
        if context.copy.count_unsealed(project.project_key) >= context.config.seal_events:
            sealing.start(project.project_key, project.data_epoch)
            sealing.wait()
    if is_sweep:
        known = {project.project_key for project in projects}
        for project_key in context.copy.list_copied_projects():
            if project_key in known:
                context.copy.audit(project_key, force=False)
            else:
                context.copy.forget(project_key)
        sweep_erased_projects(context)
        purge_rejections(context, clock.fetch_now_ms())
