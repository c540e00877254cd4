"""Redis only makes reports faster: without it they are right, soon fast again, and it is used again when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from services.cache import RETRY_SECONDS
from tests.faults.conftest import StartService
from tests.servers import RedisServer, wait_until
from tests.service import PATIENCE_SECONDS, Service

AWAY_REPORTS = 5
FAILED_QUESTION = "reports are not cached"
"""In the log, each time that Redis was asked in vain."""
ANSWER_SECONDS = 10.0
"""What Redis' own limits let a report wait at most, and the machine's slowness."""
ERRORS = 'apptracker_report_cache_total{outcome="error"}'


@pytest.mark.parametrize(
    ("take_away", "bring_back"),
    [(RedisServer.stop, RedisServer.start), (RedisServer.pause, RedisServer.resume)],
    ids=["stopped", "hanging"],
)
def test_reports_do_without_redis_and_use_it_again(
    start_service: StartService,
    redis_server: RedisServer,
    take_away: Callable[[RedisServer], None],
    bring_back: Callable[[RedisServer], None],
) -> None:
    service = start_service(redis_url=redis_server.uri, workers=1)
    project_key = service.create_project()["projectKey"]
    assert ask(service, project_key, 0)[1:] == (0, False)
    assert ask(service, project_key, 0)[1:] == (0, True)

    take_away(redis_server)
    away_since = time.monotonic()
    for number in range(1, AWAY_REPORTS + 1):
        assert service.post_events(project_key, [{"eventName": "view", "userId": "u"}]).status == 200
        took, total, cached = ask(service, project_key, number)
        assert (total, cached) == (number, False)
        assert took < ANSWER_SECONDS
    questions = service.read_log().count(FAILED_QUESTION)
    assert 1 <= questions <= 1 + (time.monotonic() - away_since) // RETRY_SECONDS
    assert service.fetch_metric(ERRORS) == AWAY_REPORTS

    bring_back(redis_server)
    wait_until(lambda: ask(service, project_key, AWAY_REPORTS)[1:] == (AWAY_REPORTS, True), seconds=PATIENCE_SECONDS)


def test_a_service_that_starts_without_redis_reports(start_service: StartService, redis_server: RedisServer) -> None:
    redis_server.stop()
    service = start_service(redis_url=redis_server.uri)
    project_key = service.create_project()["projectKey"]
    assert ask(service, project_key, 0)[1:] == (0, False)


def ask(service: Service, project_key: str, expected_unique: int) -> tuple[float, int, bool]:
    """Seconds that the overview took, totalEvents, and whether it came from the cache."""
    answer = service.call("GET", "/v1/reports/overview", query={"projectKey": project_key})
    assert answer.status == 200, answer
    assert answer.json["uniqueUsers"] == min(expected_unique, 1)
    return answer.seconds, answer.json["totalEvents"], answer.json["cached"]
