"""Redis shares the counts of workers and hosts; without it all are admitted, and counted again when it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest
import redis

from db import REDIS_ANSWER_SECONDS, open_redis
from services.rate_ledgers import KEY_PREFIX, RedisLedger
from services.rate_limits import PortionedLedger
from services.rate_window import Claim, Ledger
from tests.conftest import build_config
from tests.faults.conftest import StartService
from tests.servers import RedisServer, wait_until
from tests.service import PATIENCE_SECONDS, Service

START_MS = 1_736_157_600_000
WINDOW_MS = 60_000
LIMIT = 50
HOUR_MS = 3_600_000
UNCOUNTED = "apptracker_uncounted_requests_total"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


def ask(ledger: Ledger, now_ms: int, *, limit: int = LIMIT, want: int = 1) -> tuple[int, int, int]:
    """Granted, remaining, and milliseconds until there is more."""
    found = ledger.take("b", Claim(limit, want, WINDOW_MS, now_ms))
    assert found is not None
    return found.granted, found.remaining, found.reset_at_ms - now_ms


def test_counts_in_redis_slide_like_those_of_a_host(client: redis.Redis) -> None:
    ledger = RedisLedger(client)
    assert ask(ledger, START_MS, want=0) == (0, 50, 0)
    assert ask(ledger, START_MS, want=30) == (30, 20, 63_000)
    assert ask(ledger, START_MS + 3_000, want=30) == (20, 0, 60_000)
    assert ask(ledger, START_MS + 62_999) == (0, 0, 1)
    assert ask(ledger, START_MS + 63_000) == (1, 29, 3_000)


def test_hosts_together_never_admit_more_than_the_limit(client: redis.Redis) -> None:
    hosts = [PortionedLedger(RedisLedger(client)) for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda turn: ask(hosts[turn % 3], START_MS, limit=700)[0], range(2000)))
    assert 698 <= sum(granted) <= 700


def test_what_a_host_did_not_use_it_gives_back(client: redis.Redis) -> None:
    idle, busy = (PortionedLedger(RedisLedger(client)) for _ in range(2))
    for _ in range(65):
        ask(idle, START_MS, limit=1000)
    # 1 + 1 + 2 + 4 + ... + 32 make 64, then a portion of (1000 - 64) / 16 = 58 of which one was used
    assert ask(busy, START_MS, limit=1000)[1] == 1000 - 64 - 58 - 1
    ask(idle, START_MS + 3_000, limit=1000)
    assert ask(busy, START_MS + 3_000, limit=1000)[1] == 1000 - 65 - 3


def test_a_host_whose_clock_is_ahead_is_counted(client: redis.Redis) -> None:
    ledger = RedisLedger(client)
    ask(ledger, START_MS + 6_000, want=LIMIT)
    assert ask(ledger, START_MS)[0] == 0


def test_counts_leave_redis_with_their_window(client: redis.Redis) -> None:
    ask(RedisLedger(client), START_MS)
    (key,) = client.keys()
    assert key.decode() == f"{KEY_PREFIX}{WINDOW_MS}:b"
    assert 0 < client.pttl(key) <= WINDOW_MS * 22 // 20


def test_a_redis_that_forgot_the_script_gets_it_again(client: redis.Redis) -> None:
    ledger = RedisLedger(client)
    ask(ledger, START_MS)
    client.script_flush()
    assert ask(ledger, START_MS)[:2] == (1, LIMIT - 2)


def test_a_redis_that_refuses_stops_nobody(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.uri) as client:
        client.config_set("maxmemory", 1)
        assert RedisLedger(client).take("b", Claim(LIMIT, 1, WINDOW_MS, START_MS)) is None


def test_two_hosts_share_a_limit(start_service: StartService, redis_server: RedisServer) -> None:
    limits = {"user_rate_limit_max": LIMIT, "rate_limit_window_ms": HOUR_MS, "redis_url": redis_server.uri}
    hosts = [start_service(workers=1, **limits) for _ in range(2)]
    statuses = [status_of(hosts[turn % 2]) for turn in range(LIMIT + 10)]
    # each host holds a portion, which is a single request near the limit, and is asked often enough to use it
    assert LIMIT - 2 <= statuses.count(200) <= LIMIT
    assert set(statuses[-6:]) == {429}


@pytest.mark.parametrize(
    ("take_away", "bring_back"),
    [(RedisServer.stop, RedisServer.start), (RedisServer.pause, RedisServer.resume)],
    ids=["stopped", "hanging"],
)
def test_without_redis_everybody_is_admitted_and_counted_again_later(
    start_service: StartService,
    redis_server: RedisServer,
    take_away: Callable[[RedisServer], None],
    bring_back: Callable[[RedisServer], None],
) -> None:
    limits = {"rate_limit_max": 5, "user_rate_limit_max": 5, "rate_limit_window_ms": HOUR_MS}
    service = start_service(redis_url=redis_server.uri, workers=1, **limits)
    assert [status_of(service) for _ in range(6)] == [200] * 5 + [429]

    take_away(redis_server)
    # what the worker knows from Redis holds for it until the slice of three minutes is over; others come in
    project_key = "0" * 12
    answers = [service.post_events(project_key, [{"eventName": "view", "userId": "u"}]) for _ in range(20)]
    assert {answer.status for answer in answers} == {403}
    assert median(answer.seconds for answer in answers) < REDIS_ANSWER_SECONDS, "each of them asked Redis"
    assert service.fetch_metric(UNCOUNTED) == 20
    assert service.read_log().count("Redis is away, requests are not counted and not limited") == 1

    bring_back(redis_server)

    def is_counted() -> bool:
        answer = service.post_events(project_key, [{"eventName": "view", "userId": "u"}])
        return "RateLimit-Remaining" in answer.headers

    wait_until(is_counted, seconds=PATIENCE_SECONDS)


def test_the_workers_of_a_host_share_a_limit_without_redis(start_service: StartService) -> None:
    service = start_service(user_rate_limit_max=LIMIT, rate_limit_window_ms=HOUR_MS, workers=2)
    statuses = [status_of(service) for _ in range(LIMIT + 10)]
    assert LIMIT - 2 <= statuses.count(200) <= LIMIT
    service.kill_workers()
    assert status_of(service) == 429


def test_a_client_of_the_settings_counts(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    client = open_redis(build_config(tmp_path_factory.mktemp("data"), redis_url=redis_url))
    assert client is not None
    assert ask(RedisLedger(client), START_MS)[:2] == (1, LIMIT - 1)
    client.close()


def status_of(service: Service) -> int:
    """Of a question without credentials, which is counted by address."""
    return service.call("GET", "/v1/projects").status
