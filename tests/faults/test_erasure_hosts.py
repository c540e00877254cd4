"""A person is erased on one of two hosts that serve: neither reports, caches, logs or keeps anything of him."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import quote

import duckdb
from redis import Redis

from tests.faults.conftest import StartService
from tests.servers import wait_until
from tests.service import PATIENCE_SECONDS, Service

SETTLE = {"mongo_settle_seconds": 6, "mongo_timeout_ms": 3_000}
SEAL_EVENTS = 100
PERSON = "secret-person"


def test_no_host_has_anything_of_a_person_that_one_erased(
    start_service: StartService, mongodb_uri: str, mongodb_database: str, redis_url: str
) -> None:
    settings = {"mongo_uri": mongodb_uri, "mongo_db_name": mongodb_database, "redis_url": redis_url, **SETTLE}
    hosts = [start_service(seal_events=SEAL_EVENTS, **settings) for _ in range(2)]
    project_key: str = hosts[0].create_project()["projectKey"]
    post(hosts[0], project_key, [PERSON, *(f"u{number}" for number in range(3 * SEAL_EVENTS))])
    redis: Redis = Redis.from_url(redis_url)

    def is_sealed() -> bool:
        return all(ask_users(host, project_key) >= 1 and has_files(host) for host in hosts)

    wait_until(is_sealed, seconds=PATIENCE_SECONDS)
    assert any(PERSON in str(redis.get(key)) for key in redis.keys("*"))
    assert all(PERSON in read_files(host) for host in hosts)
    stop, problems = threading.Event(), []

    def keep_asking() -> None:
        while not stop.is_set():
            answer = hosts[1].call("GET", "/v1/reports/users", query={"projectKey": project_key, "search": "u2"})
            if answer.status != 200:
                problems.append(answer)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    answer = hosts[0].call("DELETE", f"/v1/users/{PERSON}/data", query={"projectKey": project_key})
    after = [ask_users(host, project_key, search=PERSON) for host in (*hosts, *hosts)]
    stop.set()
    asking.join()
    assert (answer.status, answer.json["erasedEvents"]) == (200, 1)
    assert after == [0, 0, 0, 0]
    assert problems == []
    assert PERSON not in read_files(hosts[0])
    assert not any(PERSON in str(redis.get(key)) for key in redis.keys("*"))
    wait_until(lambda: PERSON not in read_files(hosts[1]), seconds=PATIENCE_SECONDS)
    for host in hosts:
        assert PERSON not in host.read_log()
        assert ask_users(host, project_key) == 3 * SEAL_EVENTS


def test_a_host_that_was_down_does_not_report_who_was_erased_meanwhile(
    start_service: StartService, mongodb_uri: str, mongodb_database: str
) -> None:
    settings = {"mongo_uri": mongodb_uri, "mongo_db_name": mongodb_database, **SETTLE}
    hosts = [start_service(seal_events=SEAL_EVENTS, **settings) for _ in range(2)]
    project_key: str = hosts[0].create_project()["projectKey"]
    post(hosts[0], project_key, [PERSON, *(f"u{number}" for number in range(SEAL_EVENTS))])
    wait_until(lambda: ask_users(hosts[1], project_key) > 0 and has_files(hosts[1]), seconds=PATIENCE_SECONDS)
    hosts[1].kill()
    assert hosts[0].call("DELETE", f"/v1/users/{PERSON}/data", query={"projectKey": project_key}).status == 200
    hosts[1].start()
    assert ask_users(hosts[1], project_key, search=PERSON) == 0
    assert PERSON not in read_files(hosts[1])


def post(host: Service, project_key: str, users: list[str]) -> None:
    events = [{"eventName": "seen", "userId": user, "anonymousId": f"visitor-of-{quote(user)}"} for user in users]
    assert host.post_events(project_key, events).json["accepted"] == len(events)


def ask_users(host: Service, project_key: str, **parameters: Any) -> int:
    """How many persons the host reports."""
    return int(host.ask(project_key, "users", **parameters)["total"])


def has_files(host: Service) -> bool:
    return any(host.columns.glob("*/segment-*.parquet")) and not host.list_sealing()


def read_files(host: Service) -> str:
    """The texts in all Parquet files of a host, as far as they can be read: they come and go meanwhile."""
    found = ""
    for path in host.columns.rglob("*.parquet"):
        try:
            found += str(duckdb.execute(f"SELECT * FROM read_parquet('{path}')").fetchall())
        except duckdb.IOException:
            continue
    return found
