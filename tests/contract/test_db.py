"""The settings decide what is opened, and opening connects to nothing."""

from __future__ import annotations

import socket
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
import redis

from config import Config
from db import open_redis, open_store
from stores.base import StoreUnavailable
from stores.mongo import MongoStore
from stores.sqlite import SQLiteStore
from tests.contract.events import PROJECT, build_event
from tests.servers import RedisServer, wait_until

FAST_SECONDS = 10
"""What a client without limits would wait is longer, and what a busy machine takes is not."""


def test_without_mongo_uri_the_store_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    store = open_store(Config(data_dir=tmp_path / "data"))
    assert isinstance(store, SQLiteStore)
    assert not (tmp_path / "data").exists()
    store.append([build_event("e1")])
    assert (tmp_path / "data" / "events.db").exists()
    store.close()


def test_with_mongo_uri_the_store_is_mongodb(tmp_path: Path, mongodb_uri: str, mongodb_database: str) -> None:
    store = open_store(Config(data_dir=tmp_path, mongo_uri=mongodb_uri, mongo_db_name=mongodb_database))
    assert isinstance(store, MongoStore)
    received_at_ms = time.time_ns() // 1_000_000
    assert store.append([build_event("e1", received_at_ms=received_at_ms)]) == [True]
    assert store.count(PROJECT) == 1
    assert store.settled_position(PROJECT, now_ms=received_at_ms) == received_at_ms - 10_000
    store.close()


def test_an_address_that_cannot_be_understood_is_a_store_that_is_away(tmp_path: Path) -> None:
    store = open_store(Config(data_dir=tmp_path, mongo_uri="mongodb://host:notaport"))
    with pytest.raises(StoreUnavailable):
        store.ping()


def test_without_redis_url_there_is_no_redis(tmp_path: Path) -> None:
    assert open_redis(Config(data_dir=tmp_path)) is None


def test_redis_connects_when_first_used(tmp_path: Path, redis_url: str) -> None:
    client = open_redis(Config(data_dir=tmp_path, redis_url=redis_url))
    assert client is not None
    client.set("a", b"\0\xff")
    assert client.get("a") == b"\0\xff"
    client.close()


def test_redis_that_is_away_fails_fast(tmp_path: Path, unused_port: int) -> None:
    client = open_redis(Config(data_dir=tmp_path, redis_url=f"redis://127.0.0.1:{unused_port}"))
    assert client is not None
    started = time.monotonic()
    with pytest.raises(redis.RedisError):
        client.get("a")
    assert time.monotonic() - started < FAST_SECONDS


def test_redis_that_hangs_is_given_up_and_used_again_when_it_goes_on(tmp_path: Path, redis_server: RedisServer) -> None:
    client = open_redis(Config(data_dir=tmp_path, redis_url=redis_server.uri))
    assert client is not None
    client.set("a", 1)
    redis_server.pause()
    started = time.monotonic()
    with pytest.raises(redis.RedisError):
        client.get("a")
    assert time.monotonic() - started < FAST_SECONDS
    redis_server.resume()

    def is_used() -> bool:
        with suppress(redis.TimeoutError):
            return bool(client.get("a") == b"1")
        return False

    wait_until(is_used)
    client.close()


def test_redis_that_hangs_is_not_asked_twice(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        client = open_redis(Config(data_dir=tmp_path, redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}"))
        assert client is not None
        with pytest.raises(redis.TimeoutError):
            client.get("a")
        client.close()
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
