"""The service as its user starts it: gunicorn with its workers, in processes of its own, to talk to, stop and kill.

Ports are leased through lock files, so that any number of sessions and xdist workers run side by side. Reads /proc, so
Linux only.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from config import PROJECT_ROOT, SETTINGS, Config
from db import open_store
from tests.server_programs import PATIENCE_SECONDS, end_with_parent, lease_port, wait_until

__all__ = [
    "PATIENCE_SECONDS", "Answer", "Process", "Service", "build_environment", "list_processes", "retry_until"
]  # fmt: skip


class Answer(NamedTuple):
    """What the service answered, and how long it took."""

    status: int
    headers: Message
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """gunicorn serving the application with these settings; the port is leased until `close`.

    Whoever starts it must do so from a thread that outlives it: it ends with the thread that started it. A service that
    was stopped or killed can be started again, on the same port and folder.
    """

    def __init__(self, data_dir: Path, *, application: str = "app:app", **settings: Any) -> None:
        self._application = application
        self._lease = lease_port()
        unlimited = dict.fromkeys(("rate_limit_max", "user_rate_limit_max", "login_rate_limit_max"), 0)
        defaults = {"workers": 2, "report_memory_mb": 200, **unlimited}
        self.config = Config(**(defaults | settings), data_dir=data_dir, port=self._lease.port)
        self.log_path = data_dir.with_name(f"{data_dir.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.config.port}"

    @property
    def columns(self) -> Path:
        """Folder of its columnar copies."""
        return self.config.data_dir / "columns"

    def start(self, *, until: str = "/health/ready") -> None:
        """Return when every worker is there and this address answers 200; `/health` does so without the store too."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", str(PROJECT_ROOT / "gunicorn.conf.py"), self._application],
                cwd=PROJECT_ROOT, env=build_environment(self.config), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=end_with_parent,
            )  # fmt: skip
        wait_until(lambda: self._is_up(until))
        wait_until(lambda: len(self.list_workers()) == self.config.workers)

    def stop(self) -> float:
        """Ask it to end as a deployment does, and wait: seconds that it took. Its exit status must be 0."""
        started = time.monotonic()
        self.terminate()
        self.wait(seconds=self.config.graceful_timeout_seconds + 30)
        return time.monotonic() - started

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self._running.send_signal(signal.SIGTERM)

    def wait(self, *, seconds: float) -> None:
        """Return when it has ended by itself, which must be with status 0."""
        status = self._running.wait(timeout=seconds)
        self._process = None
        assert status == 0, f"exit status {status}\n{self.read_log()[-2_000:]}"

    def kill(self) -> None:
        """SIGKILL to every process of it at once, as when the machine goes down."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not list_processes(process.pid), seconds=PATIENCE_SECONDS)

    def kill_workers(self) -> None:
        """SIGKILL to every worker; returns when gunicorn has replaced them all."""
        killed = self.list_workers()
        for pid in killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(set(self.list_workers()) - set(killed)) == len(killed), seconds=PATIENCE_SECONDS)

    def close(self) -> None:
        """Kill what still runs and give the port back."""
        self.kill()
        self._lease.release()

    def list_workers(self) -> list[int]:
        """Process ids of the workers that are there now."""
        return [process.pid for process in self._list_processes() if process.parent == self._running.pid]

    def list_sealing(self) -> list[int]:
        """Process ids of the sealing processes that run now."""
        return [process.pid for process in self._list_processes() if "services.sealing" in process.command]

    @contextmanager
    def only(self, worker: int) -> Iterator[None]:
        """Have every request of the block answered by this worker: the others are suspended."""
        others = [pid for pid in self.list_workers() if pid != worker]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: set(others) <= {process.pid for process in self._list_processes() if process.is_stopped})
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def read_log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def call(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, object] | None = None,
        secret: str | None = None, timeout_seconds: float = 60, kept: http.client.HTTPConnection | None = None,
    ) -> Answer:  # fmt: skip
        """The answer to one request, on a connection of its own or on the one that is kept. Raises OSError or
        HTTPException where there is none."""
        headers = ({} if kept else {"Connection": "close"}) | ({"X-API-Key": secret} if secret else {})
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        started = time.monotonic()
        with nullcontext(kept) if kept else closing(self.build_connection(timeout_seconds)) as connection:
            connection.request(method, f"{path}?{urlencode(query)}" if query else path, data, headers)
            response = connection.getresponse()
            content = response.read()
        return Answer(response.status, response.headers, content, time.monotonic() - started)

    def build_connection(self, timeout_seconds: float = 60) -> http.client.HTTPConnection:
        """A connection that opens when it is first used, and again after `close`."""
        return http.client.HTTPConnection("127.0.0.1", self.config.port, timeout=timeout_seconds)

    def create_project(self, *, secret: str | None = None, **fields: object) -> dict[str, Any]:
        """A new project, as the API shows it."""
        answer = self.call("POST", "/v1/projects", {"name": "test", **fields}, secret=secret)
        created: dict[str, Any] = self._succeed(answer)
        return created

    def post_events(
        self, project_key: str, events: Sequence[Mapping[str, object]], *, secret: str | None = None,
        kept: http.client.HTTPConnection | None = None,
    ) -> Answer:  # fmt: skip
        """The answer to one batch."""
        body = {"projectKey": project_key, "events": events}
        return self.call("POST", "/v1/events/batch", body, secret=secret, kept=kept)

    def ask(self, project_key: str, report: str, *, secret: str | None = None, **parameters: object) -> dict[str, Any]:
        """A report, which must be answered."""
        query = {"projectKey": project_key, **parameters}
        answer: dict[str, Any] = self._succeed(self.call("GET", f"/v1/reports/{report}", query=query, secret=secret))
        return answer

    def fetch_metric(self, sample: str) -> float:
        """The value of a sample of /metrics, such as `name_total{outcome="hit"}`; 0 where it is not there."""
        lines = self.call("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == sample)

    def fetch_event_ids(self, project_key: str) -> list[str]:
        """The eventIds in the store itself, in arrival order."""
        with closing(open_store(self.config)) as store:
            return [row.event_id for rows in store.scan(project_key, 0) for row in rows]

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the service was not started"
        return self._process

    def _list_processes(self) -> list[Process]:
        return list_processes(self._running.pid)

    def _is_up(self, address: str) -> bool:
        assert self._running.poll() is None, f"the service did not start:\n{self.read_log()[-4_000:]}"
        try:
            return self.call("GET", address, timeout_seconds=5).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def _succeed(self, answer: Answer) -> Any:
        assert answer.status in (200, 201), f"{answer.status} {answer.body[:500]!r}"
        return answer.json


class Process(NamedTuple):
    """One line of what `ps` shows."""

    pid: int
    parent: int
    command: str
    is_stopped: bool


def build_environment(config: Config) -> dict[str, str]:
    """The environment of a process with these settings and no others, whatever this one or an `.env` file has."""
    strange = {name for row in SETTINGS.values() for name in row.aliases} | {"PROMETHEUS_MULTIPROC_DIR"}
    return {name: value for name, value in os.environ.items() if name not in strange} | config.as_environment()


def list_processes(group: int) -> list[Process]:
    """The processes of a process group, zombies left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent, own_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(own_group) == group and state not in "ZX":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(Process(int(folder.name), int(parent), command, is_stopped=state == "T"))
    return found


def retry_until(action: Callable[[], bool], *, seconds: float) -> None:
    """Do this until it says that it succeeded; OSError and HTTPException count as no."""

    def attempt() -> bool:
        with suppress(OSError, http.client.HTTPException):
            return action()
        return False

    wait_until(attempt, seconds=seconds)
