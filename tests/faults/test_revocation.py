"""What is revoked, deactivated or erased is so in every worker when the call returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.faults.conftest import StartService
from tests.servers import wait_until
from tests.service import PATIENCE_SECONDS, Answer, Service

ROOT = "root-token-of-the-tests"
WORKERS = 3
SEAL_EVENTS = 100
Verdict = tuple[int, str | None]


def test_revocation_deactivation_and_erasure_hold_in_every_worker_at_once(
    start_service: StartService, store_settings: dict[str, Any]
) -> None:
    production = {"env": "production", "secret_token": ROOT, "workers": WORKERS}
    store = store_settings or {"store": "embedded"}
    sealing = {"seal_events": SEAL_EVENTS, "mongo_settle_seconds": 6, "mongo_timeout_ms": 3_000}
    service = start_service(**production, **store, **sealing)
    project = service.create_project(secret=ROOT)
    project_key, first_key = project["projectKey"], project["apiKey"]
    path = f"/v1/projects/{project_key}"
    key = must(service.call("POST", f"{path}/keys", {"name": "spare", "scopes": ["read"]}, secret=ROOT)).json
    posted = 0

    def post(count: int) -> None:
        nonlocal posted
        must(service.post_events(project_key, [{"eventName": "view", "userId": "u"}] * count, secret=first_key))
        posted += count

    def read_with(secret: str) -> Callable[[], Verdict]:
        return lambda: judge(service.call("GET", "/v1/reports/overview", secret=secret))

    def ingest() -> Verdict:
        return judge(service.post_events(project_key, [{"eventName": "view"}]))

    def is_sealed() -> bool:
        post(1)
        is_there = any((service.columns / project_key).glob("segment-*.parquet"))
        # one that is still at work would find the project erased
        return read_with(first_key)() == (200, None) and is_there and not service.list_sealing()

    post(SEAL_EVENTS)
    wait_until(is_sealed, seconds=PATIENCE_SECONDS)
    assert ask_every_worker(service, read_with(key["apiKey"])) == {(200, None)}

    must(service.call("DELETE", f"{path}/keys/{key['id']}", secret=ROOT))
    assert ask_every_worker(service, read_with(key["apiKey"])) == {(401, "revoked_api_key")}
    assert ask_every_worker(service, read_with(first_key)) == {(200, None)}

    must(service.call("DELETE", path, secret=ROOT))
    assert ask_every_worker(service, read_with(first_key)) == {(403, "inactive_project")}
    assert ask_every_worker(service, ingest) == {(403, "inactive_project")}

    must(service.call("PATCH", path, {"isActive": True}, secret=ROOT))
    assert ask_every_worker(service, read_with(first_key)) == {(200, None)}

    erased = must(service.call("DELETE", path, query={"erase": "true"}, secret=ROOT)).json
    assert erased["erasedEvents"] == posted
    assert ask_every_worker(service, read_with(first_key)) == {(401, "invalid_api_key")}
    assert ask_every_worker(service, ingest) == {(403, "unknown_project")}
    assert ask_every_worker(service, read_with(ROOT)) == {(400, "missing_project_key")}
    assert not (service.columns / project_key).exists()
    assert service.fetch_event_ids(project_key) == []


def must(answer: Answer) -> Answer:
    assert answer.status in (200, 201), answer
    return answer


def judge(answer: Answer) -> Verdict:
    return answer.status, answer.json.get("code")


def ask_every_worker(service: Service, ask: Callable[[], Verdict]) -> set[Verdict]:
    """The different answers that the workers give."""
    answers = set()
    workers = service.list_workers()
    assert len(workers) == WORKERS
    for worker in workers:
        with service.only(worker):
            answers.add(ask())
    return answers
