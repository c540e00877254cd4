"""Two hosts on one MongoDB and one Redis: what one acknowledged, the other reports at once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.conftest import StartService
from tests.servers import wait_until
from tests.service import PATIENCE_SECONDS, Service, retry_until

ROUNDS = 12
SETTLE = {"mongo_settle_seconds": 6, "mongo_timeout_ms": 3_000}
SEAL_EVENTS = 300


def test_what_one_host_acknowledged_the_other_reports_at_once(
    start_service: StartService, mongodb_uri: str, mongodb_database: str, redis_url: str
) -> None:
    settings = {"mongo_uri": mongodb_uri, "mongo_db_name": mongodb_database, "redis_url": redis_url}
    hosts = [start_service(**settings) for _ in range(2)]
    project_key = hosts[0].create_project()["projectKey"]
    for number in range(ROUNDS):
        writer, reader = hosts[number % 2], hosts[(number + 1) % 2]
        post(writer, project_key, [number])
        first = reader.ask(project_key, "top-events")
        assert count_events(first) == {"view": number + 1}
        assert first["cached"] is False
        second = writer.ask(project_key, "top-events")
        assert second == {**first, "cached": True}, "the hosts do not share the finished report"


def test_a_host_whose_copy_is_deleted_goes_on_reporting_exactly(
    start_service: StartService, mongodb_uri: str, mongodb_database: str, redis_url: str
) -> None:
    settings = {
        "mongo_uri": mongodb_uri, "mongo_db_name": mongodb_database, "redis_url": redis_url, "seal_events": SEAL_EVENTS,
        **SETTLE,
    }  # fmt: skip
    hosts = [start_service(**settings) for _ in range(2)]
    project_key = hosts[0].create_project()["projectKey"]
    for first, host in zip((0, SEAL_EVENTS), hosts, strict=True):
        post(host, project_key, range(first, first + SEAL_EVENTS))
    numbers = itertools.count(2 * SEAL_EVENTS)

    def is_sealed_by_both() -> bool:
        number = next(numbers)
        post(hosts[0], project_key, [number])
        assert [ask_for_total(host, project_key) for host in hosts] == [number + 1] * 2
        return all(any(host.columns.glob("*/segment-*.parquet")) for host in hosts)

    wait_until(is_sealed_by_both, seconds=PATIENCE_SECONDS)
    retry_until(lambda: delete_folder(hosts[0].columns), seconds=PATIENCE_SECONDS)
    for number in itertools.islice(numbers, ROUNDS):
        writer, reader = hosts[number % 2], hosts[(number + 1) % 2]
        post(writer, project_key, [number])
        assert ask_for_total(reader, project_key) == number + 1
        assert ask_for_total(writer, project_key) == number + 1


def delete_folder(folder: Path) -> bool:
    """Also while the service writes in it."""
    shutil.rmtree(folder)
    return True


def post(service: Service, project_key: str, numbers: Sequence[int]) -> None:
    events = [{"eventId": f"e-{number}", "eventName": "view", "userId": f"u-{number}"} for number in numbers]
    answer = service.post_events(project_key, events)
    assert (answer.status, answer.json["accepted"]) == (200, len(events))


def count_events(answer: dict[str, Any]) -> dict[str, int]:
    return {row["eventName"]: row["count"] for row in answer["events"]}


def ask_for_total(service: Service, project_key: str) -> int:
    """totalEvents, which must be the number of persons too: everyone did one thing."""
    answer = service.ask(project_key, "overview")
    assert answer["uniqueUsers"] == answer["totalEvents"]
    return int(answer["totalEvents"])
