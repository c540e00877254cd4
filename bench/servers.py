"""The processes that the benchmarks start: the service, an empty one, MongoDB, Redis. All end with the benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, TypeVar

from config import PROJECT_ROOT, Config
from tests.server_programs import lease_port
from tests.servers import MongoServer, ProgramMissing, RedisServer, wait_until
from tests.service import Service, build_environment, list_processes

EMPTY_CONFIGURATION = Path(__file__).resolve().parent / "empty_gunicorn.py"
START_SECONDS = 60


class LargeMongoServer(MongoServer):
    """A mongod with room for what it is asked about."""

    def __init__(self, directory: Path, *, cache_gb: float) -> None:
        super().__init__(directory)
        self._cache_gb = cache_gb

    def build_command(self) -> list[str]:
        command = super().build_command()
        command[command.index("--wiredTigerCacheSizeGB") + 1] = str(self._cache_gb)
        return command


ServerT = TypeVar("ServerT", MongoServer, RedisServer)


@contextmanager
def run_server(server: ServerT, name: str) -> Iterator[ServerT | None]:
    """The server, started, until the block ends; None, with a word about it, where its program is missing."""
    try:
        server.start()
    except ProgramMissing as exc:
        print(f"Without {name}: {exc}")
        yield None
        return
    try:
        yield server
    finally:
        server.close()


@contextmanager
def run_mongo(directory: Path, *, cache_gb: float) -> Iterator[MongoServer | None]:
    """A mongod of its own, journaled; None where the program is missing."""
    with run_server(LargeMongoServer(directory, cache_gb=cache_gb), "MongoDB") as server:
        yield server


@contextmanager
def run_redis(directory: Path) -> Iterator[RedisServer | None]:
    """A redis-server of its own; None where the program is missing."""
    with run_server(RedisServer(directory), "Redis") as server:
        yield server


@contextmanager
def run_service(data_dir: Path, **settings: Any) -> Iterator[Service]:
    """The service with the settings that `make run` has, but for those given, and without limits."""
    service = Service(data_dir, **{"report_memory_mb": Config().report_memory_mb, **settings})
    try:
        service.start()
        yield service
    finally:
        service.close()


@contextmanager
def run_empty_service(config: Config) -> Iterator[tuple[int, list[int]]]:
    """Port and workers of a gunicorn with these settings whose application does nothing."""
    lease = lease_port()
    environment = build_environment(config) | {"PORT": str(lease.port)}
    command = [sys.executable, "-m", "gunicorn", "-c", str(EMPTY_CONFIGURATION), "bench.empty_app:app"]
    process = subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: answers(lease.port, "/"), seconds=START_SECONDS)
        yield lease.port, [each.pid for each in list_processes(process.pid) if each.parent == process.pid]
    finally:
        _end(process)
        lease.release()


def measure_first_answer(data_dir: Path) -> float:
    """Seconds from starting the service, as `make run` does on a machine that is set up, to its first answer."""
    lease = lease_port()
    config = Config(data_dir=data_dir, port=lease.port)
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=PROJECT_ROOT, env=build_environment(config), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not answers(lease.port, "/health"):
            if time.monotonic() - started > START_SECONDS:
                raise TimeoutError("the service did not start")
            time.sleep(0.005)
        return time.monotonic() - started
    finally:
        _end(process)
        lease.release()


def answers(port: int, path: str) -> bool:
    """Whether anything is answered there now."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def count_cpu_seconds(process_ids: list[int]) -> float:
    """Processor time that processes used so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum(_read_ticks(process_id) for process_id in process_ids) / ticks


def _read_ticks(process_id: int) -> int:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
