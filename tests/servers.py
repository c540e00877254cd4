"""A pytest plugin: real MongoDB and Redis servers for the tests, and stores on them.

The servers that tests share are started by the process that runs the session when a test first asks for one, also if
that test runs in an xdist worker, and end with that process however it ends. Where a program is missing, tests that
need it are skipped with the reason; with REQUIRE_SERVERS=1 they fail.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pymongo import MongoClient

from stores.base import Store
from stores.mongo import MongoStore
from stores.sqlite import SQLiteStore
from tests.server_programs import (
    MongoReplicaSet,
    MongoServer,
    ProgramMissing,
    RedisServer,
    Server,
    find_mongod,
    lease_port,
    wait_until,
)

__all__ = [
    "MongoReplicaSet", "MongoServer", "ProgramMissing", "RedisServer", "Server", "fetch_shared_uri", "find_mongod",
    "open_mongo_store", "require", "wait_until",
]  # fmt: skip

ADDRESS_VARIABLE = "APPTRACKER_TEST_SERVERS"

S = TypeVar("S", MongoServer, RedisServer, MongoReplicaSet)


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
            server.close()
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


def open_mongo_store(uri: str, database: str, *, patience_ms: int = 20_000, **options: Any) -> MongoStore:
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
def unused_port() -> Iterator[int]:
    """A port that nobody listens on while the test runs."""
    lease = lease_port()
    yield lease.port
    lease.release()


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
        server.close()
