"""A store that is slower than the clients: what does not fit in the queue is refused whole, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from stores.base import Event
from stores.sqlite import SQLiteStore
from tests.conftest import MakeApp
from tests.servers import wait_until

BATCH_EVENTS = 10
QUEUED_BATCHES = 4
CLIENTS = 12


class SlowStore(SQLiteStore):
    """An embedded store whose appends wait for `gate`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def append(self, events: Sequence[Event]) -> list[bool]:
        self.waiting.set()
        assert self.gate.wait(timeout=60)
        return super().append(events)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SlowStore]:
    store = SlowStore(tmp_path / "slow.db")
    yield store
    store.gate.set()


@pytest.fixture
def app(make_app: MakeApp, store: SlowStore) -> Flask:
    return make_app(store_object=store, ingest_queue_events=QUEUED_BATCHES * BATCH_EVENTS)


def test_what_does_not_fit_is_refused_whole_and_stored_once_when_it_is_sent_again(app: Flask, store: SlowStore) -> None:
    project_key = app.test_client().post("/v1/projects", json={"name": "slow"}).get_json()["projectKey"]
    committer = app.extensions["apptracker"].committer
    with ThreadPoolExecutor(CLIENTS) as clients:
        under_way = [clients.submit(post, app, project_key, number) for number in range(QUEUED_BATCHES)]
        assert store.waiting.wait(timeout=60)
        wait_until(lambda: committer.queued_events == QUEUED_BATCHES * BATCH_EVENTS)
        refused = [post(app, project_key, number) for number in range(QUEUED_BATCHES, CLIENTS)]
        assert [(answer.status_code, answer.get_json()["code"]) for answer in refused] == [
            (503, "ingest_queue_full")
        ] * len(refused)
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        store.gate.set()
        assert [read_verdict(future) for future in under_way] == [(200, BATCH_EVENTS, 0)] * QUEUED_BATCHES
        assert fetch_ids(store, project_key) == build_ids(range(QUEUED_BATCHES))
        again = [clients.submit(post_until_taken, app, project_key, number) for number in range(CLIENTS)]
        verdicts = [read_verdict(future) for future in again]
    assert verdicts[:QUEUED_BATCHES] == [(200, 0, BATCH_EVENTS)] * QUEUED_BATCHES
    assert verdicts[QUEUED_BATCHES:] == [(200, BATCH_EVENTS, 0)] * len(refused), "a refused batch was stored in part"
    assert fetch_ids(store, project_key) == build_ids(range(CLIENTS))
    overview = app.test_client().get("/v1/reports/overview", query_string={"projectKey": project_key}).get_json()
    assert overview["totalEvents"] == CLIENTS * BATCH_EVENTS


def test_a_batch_larger_than_the_queue_is_taken_when_nothing_waits(app: Flask, store: SlowStore) -> None:
    store.gate.set()
    project_key = app.test_client().post("/v1/projects", json={"name": "large"}).get_json()["projectKey"]
    events = [{"eventName": "view"}] * (2 * QUEUED_BATCHES * BATCH_EVENTS)
    answer = app.test_client().post("/v1/events/batch", json={"projectKey": project_key, "events": events})
    assert (answer.status_code, answer.get_json()["accepted"]) == (200, len(events))


def post(app: Flask, project_key: str, batch: int) -> TestResponse:
    events = [{"eventId": f"{batch}-{index}", "eventName": "view"} for index in range(BATCH_EVENTS)]
    return app.test_client().post("/v1/events/batch", json={"projectKey": project_key, "events": events})


def post_until_taken(app: Flask, project_key: str, batch: int) -> TestResponse:
    while (answer := post(app, project_key, batch)).status_code == 503:
        assert answer.get_json()["code"] == "ingest_queue_full"
    return answer


def read_verdict(future: Future[TestResponse]) -> tuple[int, Any, Any]:
    answer = future.result(timeout=60)
    return answer.status_code, answer.get_json().get("accepted"), answer.get_json().get("duplicates")


def build_ids(batches: Sequence[int]) -> list[str]:
    return sorted(f"{batch}-{index}" for batch in batches for index in range(BATCH_EVENTS))


def fetch_ids(store: SlowStore, project_key: str) -> list[str]:
    return sorted(row.event_id for rows in store.scan(project_key, 0) for row in rows)
