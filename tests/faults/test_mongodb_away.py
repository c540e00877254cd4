"""Without MongoDB everything is refused with 503, nothing is answered empty; when it is back, so is the service."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.conftest import StartService
from tests.faults.load import Load, check_each_is_there_once
from tests.servers import MongoServer, wait_until
from tests.service import PATIENCE_SECONDS, Answer, Service

LIMITS = {
    "mongo_connect_timeout_ms": 2_000, "mongo_server_selection_timeout_ms": 1_000, "mongo_timeout_ms": 3_000,
    "mongo_settle_seconds": 20,
}  # fmt: skip
"""Short, but long enough for a busy machine; and events may wait for more than one write that is given up."""
ANSWER_SECONDS = 20.0
"""What these limits add up to, and the machine's own slowness; without them it would be a minute."""


@pytest.mark.parametrize(
    ("take_away", "bring_back"),
    [(MongoServer.kill, MongoServer.start), (MongoServer.pause, MongoServer.resume)],
    ids=["killed", "hanging"],
)
def test_everything_is_503_while_mongodb_is_away_and_works_again_when_it_is_back(
    start_service: StartService,
    mongo_server: MongoServer,
    redis_url: str,
    take_away: Callable[[MongoServer], None],
    bring_back: Callable[[MongoServer], None],
) -> None:
    service = start_service(mongo_uri=mongo_server.uri, redis_url=redis_url, **LIMITS)
    project_key = service.create_project()["projectKey"]
    workers = service.list_workers()
    for worker in workers:  # at its first use the store makes sure of its indexes, which may take as long as it takes
        with service.only(worker):
            assert ask(service, project_key).status == 200
    with Load(service, project_key, clients=3) as load:
        take_away(mongo_server)
        wait_until(lambda: load.refused["503 store_unavailable"] >= 3, seconds=PATIENCE_SECONDS)
        for answer in (ask(service, project_key), post(service, project_key), service.call("GET", "/health/ready")):
            assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.seconds < ANSWER_SECONDS
        assert service.call("GET", "/health").status == 200
        bring_back(mongo_server)
        load.wait_for_progress()
    assert set(load.refused) == {"503 store_unavailable"}
    assert load.cut == 0
    check_each_is_there_once(service, project_key, load)
    assert service.list_workers() == workers


def test_a_service_that_starts_without_mongodb_works_when_it_comes(
    start_service: StartService, mongo_server: MongoServer
) -> None:
    mongo_server.stop()
    service = start_service(until="/health", mongo_uri=mongo_server.uri, **LIMITS)
    assert service.call("GET", "/health/ready").status == 503
    refused = service.call("POST", "/v1/projects", {"name": "too early"})
    assert (refused.status, refused.json["code"]) == (503, "store_unavailable")
    mongo_server.start()
    wait_until(lambda: service.call("GET", "/health/ready").status == 200, seconds=PATIENCE_SECONDS)
    project_key = service.create_project()["projectKey"]
    assert post(service, project_key).status == 200
    assert service.ask(project_key, "overview")["totalEvents"] == 1


def ask(service: Service, project_key: str) -> Answer:
    return service.call("GET", "/v1/reports/overview", query={"projectKey": project_key})


def post(service: Service, project_key: str) -> Answer:
    return service.post_events(project_key, [{"eventName": "view"}])
