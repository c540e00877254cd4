"""The stores that the contract is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import mongomock
import pytest

from stores.base import Store
from stores.mongo import MongoStore
from stores.sqlite import SQLiteStore
from tests.contract.mocked_mongo import MockedClient
from tests.servers import open_mongo_store

OpenStore = Callable[[], Store]


@pytest.fixture(params=["sqlite", "mongodb", "mongomock"])
def backend(request: pytest.FixtureRequest) -> str:
    """Which store it is."""
    return str(request.param)


@pytest.fixture
def open_another(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OpenStore]:
    """Opens a store, each time a new one, on the same data."""
    opened: list[Store] = []
    open_one = _build_opener(backend, tmp_path, request)

    def open_and_remember() -> Store:
        opened.append(open_one())
        return opened[-1]

    yield open_and_remember
    for store in opened:
        store.close()


@pytest.fixture
def store(open_another: OpenStore) -> Store:
    """An empty store."""
    return open_another()


def _build_opener(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> OpenStore:
    if backend == "sqlite":
        return lambda: SQLiteStore(tmp_path / "store" / "events.db")
    if backend == "mongodb":
        uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("mongodb_database")
        return lambda: open_mongo_store(uri, database)
    client = MockedClient(mongomock.MongoClient())
    return lambda: MongoStore(lambda: client, "test")  # type: ignore[arg-type, return-value]
