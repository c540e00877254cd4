"""How hosts tell each other that they stored something; and that ingest neither waits for it nor fails with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from services.live import bell
from services.live.bell import CHANNEL, RETRY_SECONDS, WATCHED, RedisBell, SilentBell, open_bell
from tests.servers import wait_until

WATCHED_KEY, OTHER_KEY = "a1b2c3d4e5f6", "0f1e2d3c4b5a"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


@pytest.fixture
def heard(client: redis.Redis) -> Iterator[list[str]]:
    """The keys of this test's projects that were published since."""
    found: list[str] = []
    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(CHANNEL)

    def listen() -> None:
        with suppress(redis.RedisError, ValueError, OSError, AttributeError):
            for message in subscription.listen():
                found.append(message["data"].decode())

    threading.Thread(target=listen, daemon=True).start()
    yield found
    subscription.close()


def test_only_projects_that_are_watched_are_published(client: redis.Redis, heard: list[str]) -> None:
    client.set(WATCHED + WATCHED_KEY, 1)
    ringing = RedisBell(client)

    def ring() -> bool:
        ringing.ring(OTHER_KEY)
        ringing.ring(WATCHED_KEY)
        return heard.count(WATCHED_KEY) >= 2

    wait_until(ring)
    assert OTHER_KEY not in heard
    ringing.close()


def test_a_project_that_is_watched_from_now_on_is_published_soon(client: redis.Redis, heard: list[str]) -> None:
    ringing = RedisBell(client)
    for _ in range(50):
        ringing.ring(WATCHED_KEY)
    client.set(WATCHED + WATCHED_KEY, 1)

    def ring() -> bool:
        ringing.ring(WATCHED_KEY)
        return WATCHED_KEY in heard

    wait_until(ring)
    ringing.close()


def test_ringing_costs_nothing_where_redis_is_away(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    failures: list[Exception] = []
    monkeypatch.setattr(bell, "note_failure", failures.append)
    ringing = RedisBell(redis.Redis(port=unused_port))
    started = time.perf_counter()
    for number in range(1_000):
        ringing.ring(f"{number:012x}")
    assert time.perf_counter() - started < RETRY_SECONDS
    wait_until(lambda: bool(failures))
    ringing.close()


def test_without_redis_nobody_is_told() -> None:
    silent = open_bell(None)
    assert isinstance(silent, SilentBell)
    silent.ring(WATCHED_KEY)
    silent.close()
