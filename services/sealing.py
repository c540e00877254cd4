"""Extends columnar copies in a process of its own, so that requests do not share their interpreter with it.

Run as `python -m services.sealing <projectKey> <dataEpoch>`, with the settings in the environment; it exits when every
settled event is sealed, at once if another process is at it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from columns.copy import ColumnarCopy
from config import Config
from db import open_store
from services import catalogue_parts, clock
from services.logs import configure_for
from stores.base import Store


class SealingProcess:
    """At most one sealing process of this one."""

    def __init__(self, config: Config) -> None:
        self._environment = {**os.environ, **config.as_environment()}
        # its counts would outlive it in the folder of the workers' metrics
        self._environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self, project_key: str, epoch: int) -> None:
        """Have a project's copy extended, unless this process is having one extended already. Returns at once."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            command = [sys.executable, "-m", "services.sealing", project_key, str(epoch)]
            self._process = subprocess.Popen(  # our own module
                command, env=self._environment, cwd=Path(__file__).resolve().parent.parent, stdin=subprocess.DEVNULL
            )

    def wait(self) -> None:
        """Return when no sealing process of this one runs."""
        with self._lock:
            process = self._process
        if process is not None:
            process.wait()


def open_copy(config: Config, store: Store) -> ColumnarCopy:
    """The copies of a store on this host, with the memory and threads that one worker has for reports."""
    return ColumnarCopy(
        store,
        config.data_dir / "columns",
        memory_limit_bytes=config.report_memory_mb * 1024 * 1024 // config.workers,
        threads=config.report_threads,
        seal_events=config.seal_events,
        segment_events=config.segment_events,
        clock=clock.fetch_now_ms,
    )


def main(arguments: list[str]) -> None:
    """Seal one project, and look through what was sealed, so that nobody waits for it who asks what there is."""
    project_key, epoch = arguments
    config = Config.load_or_exit()
    configure_for(config)
    copy = open_copy(config, open_store(config))
    copy.seal(project_key, epoch=int(epoch), wait=False)
    catalogue_parts.prepare(copy, project_key, epoch=int(epoch))


if __name__ == "__main__":
    main(sys.argv[1:])
