"""The live stream as it is served: on every store and host, with and without Redis, and when something breaks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from services.live.viewer import PATIENCE_SECONDS as VIEWER_PATIENCE_SECONDS
from tests.faults.conftest import StartService
from tests.faults.load import Load, check_each_is_there_once
from tests.servers import RedisServer, wait_until
from tests.service import PATIENCE_SECONDS, Service, retry_until
from tests.watching import StreamWatcher, Watcher, open_stream, open_websocket

SHOWN_WITHIN_SECONDS = 4.0
"""Half a second and what a busy machine takes; less than what a process waits before it asks Redis again."""
ROUNDS = 10
THREADS = 16
VIEWERS = 3 * THREADS


@pytest.fixture(params=["sse", "websocket"])
def watch(request: pytest.FixtureRequest) -> Callable[[Service, str], Watcher]:
    """Each way to watch a project in turn."""
    return watch_stream if request.param == "sse" else watch_socket


def watch_stream(service: Service, project_key: str, **options: Any) -> StreamWatcher:
    return open_stream(service.config.port, f"/v1/live/stream?projectKey={project_key}", **options)


def watch_socket(service: Service, project_key: str) -> Watcher:
    return open_websocket(service.config.port, f"/api/realtime/ws?projectKey={project_key}")


def is_greeted(watcher: Watcher) -> bool:
    return bool(watcher.list_frames("events"))


def count_viewers(service: Service) -> float:
    """By what /metrics say."""
    return sum(service.fetch_metric(f'apptracker_live_viewers{{kind="{kind}"}}') for kind in ("sse", "websocket"))


def send_and_time(service: Service, project_key: str, watchers: list[Watcher], event_id: str) -> float:
    """Seconds from when the event was acknowledged until the last of the viewers had it."""
    event = {"eventId": event_id, "eventName": "page_view", "userId": "u"}
    assert service.post_events(project_key, [event]).status == 200
    acknowledged = time.monotonic()
    for watcher in watchers:
        watcher.wait(lambda each: event_id in each.list_ids())
    return time.monotonic() - acknowledged


def test_each_event_is_shown_soon_once_and_in_order(
    start_service: StartService, store_settings: dict[str, Any], watch: Callable[[Service, str], Watcher]
) -> None:
    service = start_service(**store_settings)
    project_key = service.create_project()["projectKey"]
    with ExitStack() as stack:
        watchers = [stack.enter_context(watch(service, project_key)) for _ in range(4)]
        for watcher in watchers:
            watcher.wait(is_greeted)
        ids = [f"e-{number}" for number in range(ROUNDS)]
        seconds = [send_and_time(service, project_key, watchers, event_id) for event_id in ids]
        assert max(seconds) < SHOWN_WITHIN_SECONDS, seconds
        assert [watcher.list_ids() for watcher in watchers] == [ids] * 4
    wait_until(lambda: count_viewers(service) == 0)


def test_viewers_take_none_of_the_threads_that_answer_requests(start_service: StartService) -> None:
    service = start_service(workers=1, threads=THREADS)
    project_key = service.create_project()["projectKey"]
    with ExitStack() as stack:
        watchers = [stack.enter_context(watch_stream(service, project_key)) for _ in range(VIEWERS)]
        for watcher in watchers:
            watcher.wait(is_greeted)
        assert count_viewers(service) == VIEWERS
        assert send_and_time(service, project_key, [*watchers], "e") < SHOWN_WITHIN_SECONDS
        assert service.ask(project_key, "overview")["totalEvents"] == 1


def test_a_viewer_who_reads_nothing_is_dropped_and_ingest_goes_on(
    start_service: StartService, store_settings: dict[str, Any]
) -> None:
    service = start_service(workers=1, **store_settings)
    project_key = service.create_project()["projectKey"]
    with watch_stream(service, project_key) as good, watch_stream(service, project_key, reads=False):
        good.wait(is_greeted)
        wait_until(lambda: count_viewers(service) == 2)
        with Load(service, project_key, clients=3) as load:
            wait_until(lambda: count_viewers(service) == 1, seconds=VIEWER_PATIENCE_SECONDS + PATIENCE_SECONDS)
        check_each_is_there_once(service, project_key, load)
        assert not good.is_closed
        assert good.list_frames("missed") == []


@pytest.mark.parametrize("has_redis", [True, False], ids=["with redis", "without"])
def test_what_one_host_stored_is_shown_by_the_other(
    start_service: StartService, mongodb_uri: str, mongodb_database: str, redis_url: str, has_redis: bool
) -> None:
    settings = {"mongo_uri": mongodb_uri, "mongo_db_name": mongodb_database}
    hosts = [start_service(**settings, **({"redis_url": redis_url} if has_redis else {})) for _ in range(2)]
    project_key = hosts[0].create_project()["projectKey"]
    with watch_stream(hosts[0], project_key) as first, watch_socket(hosts[1], project_key) as second:
        for watcher in (first, second):
            watcher.wait(is_greeted)
        for number in range(ROUNDS):
            seconds = send_and_time(hosts[number % 2], project_key, [first, second], f"e-{number}")
            assert seconds < SHOWN_WITHIN_SECONDS
        assert first.list_ids() == second.list_ids() == [f"e-{number}" for number in range(ROUNDS)]


def test_nothing_of_a_load_on_two_hosts_is_shown_twice(
    start_service: StartService, mongodb_uri: str, mongodb_database: str
) -> None:
    settings = {"mongo_uri": mongodb_uri, "mongo_db_name": mongodb_database}
    hosts = [start_service(**settings) for _ in range(2)]
    project_key = hosts[0].create_project()["projectKey"]
    with watch_stream(hosts[0], project_key) as watcher:
        watcher.wait(is_greeted)
        sent = []
        for number in range(6 * ROUNDS):
            sent.append(f"e-{number}")
            event = {"eventId": sent[-1], "eventName": "click"}
            assert hosts[number % 2].post_events(project_key, [event]).status == 200
        watcher.wait_for_events(*sent)


def test_without_redis_that_was_there_the_stream_goes_on(
    start_service: StartService, mongodb_uri: str, mongodb_database: str, redis_server: RedisServer
) -> None:
    settings = {"mongo_uri": mongodb_uri, "mongo_db_name": mongodb_database, "redis_url": redis_server.uri}
    hosts = [start_service(**settings) for _ in range(2)]
    project_key = hosts[0].create_project()["projectKey"]
    numbers = itertools.count()
    with watch_stream(hosts[0], project_key) as watcher:
        watcher.wait(is_greeted)

        def send_some() -> float:
            return max(send_and_time(hosts[1], project_key, [watcher], f"e-{next(numbers)}") for _ in range(3))

        assert send_some() < SHOWN_WITHIN_SECONDS
        redis_server.kill()
        assert send_some() < SHOWN_WITHIN_SECONDS
        assert not watcher.is_closed
        redis_server.start()
        assert send_some() < SHOWN_WITHIN_SECONDS
        assert len(watcher.list_ids()) == len(set(watcher.list_ids())) == 9


def test_a_stopping_service_says_so_and_viewers_miss_nothing_when_they_come_again(
    start_service: StartService, store_settings: dict[str, Any]
) -> None:
    service = start_service(**store_settings)
    project_key = service.create_project()["projectKey"]
    with watch_stream(service, project_key) as watcher, watch_socket(service, project_key) as other:
        for each in (watcher, other):
            each.wait(is_greeted)
        send_and_time(service, project_key, [watcher, other], "before")
        assert service.stop() < service.config.graceful_timeout_seconds
        assert [each.wait_for_end() for each in (watcher, other)] == ["service_stopping"] * 2
    service.start()
    assert service.post_events(project_key, [{"eventId": "meanwhile", "eventName": "click"}]).status == 200
    with watch_stream(service, project_key, headers={"Last-Event-ID": watcher.last_cursor or ""}) as again:
        again.wait_for_events("meanwhile")


def test_viewers_of_a_worker_that_dies_come_again_to_another(start_service: StartService) -> None:
    service = start_service()
    project_key = service.create_project()["projectKey"]
    with watch_stream(service, project_key) as watcher:
        watcher.wait(is_greeted)
        service.kill_workers()
        assert watcher.wait_for_end() is None
    cursor = {"Last-Event-ID": watcher.last_cursor or ""}
    with watch_stream(service, project_key, headers=cursor) as again:
        again.wait(is_greeted)
        retry_until(
            lambda: send_and_time(service, project_key, [again], "e") < SHOWN_WITHIN_SECONDS, seconds=PATIENCE_SECONDS
        )
