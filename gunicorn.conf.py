"""gunicorn's settings, from the same table as the service's (`config.py`).

Nothing that a fork would break (connections, threads, DuckDB) exists in the master: the application is made in each
worker, after the fork.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

PROJECT_ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(PROJECT_ROOT))

from gunicorn.glogging import Logger  # noqa: E402

from config import Config  # noqa: E402
from services import logs  # noqa: E402

_config = Config.load_or_exit()
_metrics_root = _config.data_dir / "metrics"
_metrics_folder = _metrics_root / str(os.getpid())


class JsonLogger(Logger):  # type: ignore[misc]
    """gunicorn's own lines in the service's format. The service logs the requests itself, knowing their routes."""

    def setup(self, cfg: Any) -> None:
        logs.configure_for(_config)
        self.error_log.propagate = True

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        # a client that stopped reading or sending, and was given up: no error of the service
        if isinstance(sys.exc_info()[1], BlockingIOError):
            self.debug(msg, *args, **kwargs)
        else:
            super().exception(msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        pass


_host = _config.host.strip("[]")
bind = f"[{_host}]:{_config.port}" if ":" in _host else f"{_host}:{_config.port}"
worker_class = "worker.FairThreadWorker"
workers = _config.workers
threads = _config.threads
preload_app = False
chdir = str(PROJECT_ROOT)
# The workers see what the master saw: also `.env`, and the signing key that development mode makes up.
raw_env = [
    *(f"{variable}={value}" for variable, value in _config.as_environment().items()),
    f"PROMETHEUS_MULTIPROC_DIR={_metrics_folder}",
]
logger_class = JsonLogger
proc_name = "apptracker"

graceful_timeout = _config.graceful_timeout_seconds
# A worker that shows no life for this long is replaced. Long reports run in threads and do not count.
timeout = 60
# Longer than the usual 60 s of load balancers, so that it is they who close an idle connection.
keepalive = 75
backlog = 2048
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a heartbeat must not wait for a disk
# It would start a thread in the master.
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Start the workers' counts from zero, and remove those of masters that are gone."""
    for folder in _metrics_root.glob("*"):
        if folder == _metrics_folder or not _is_running(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    _metrics_folder.mkdir(parents=True, exist_ok=True)


def _is_running(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def post_worker_init(worker: Any) -> None:
    """Start the worker's upkeep in the background: after the fork, and only under gunicorn."""
    from services import maintenance

    # Ctrl-C reaches the workers as SIGINT and, through the master, as SIGQUIT. gunicorn's quick stop takes the thread
    # pool's lock inside the signal handler, where the second signal finds it taken and waits for ever. Its graceful
    # stop takes none, and ends as fast where nothing is being answered.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, worker.handle_exit)
    # What was loaded stays: the collector need not look through it again, nor after every few requests.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    maintenance.start(worker.wsgi.extensions["apptracker"])


def worker_exit(server: Any, worker: Any) -> None:
    """Close what the worker opened, after its last request."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        from app import close_app

        close_app(application)


def child_exit(server: Any, worker: Any) -> None:
    """Drop the gauges and the connections of a worker that is gone; its counters stay."""
    from prometheus_client import multiprocess

    from worker import COUNTS

    COUNTS.forget(worker.age)
    multiprocess.mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:
    """Leave no counts behind."""
    shutil.rmtree(_metrics_folder, ignore_errors=True)
