"""Drives the whole product as a client does: create a project, post events, ask reports; and compares answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import note
from pymongo import MongoClient
from werkzeug.test import TestResponse

from app import close_app, create_app
from config import Config
from services import clock
from stores.base import Store
from stores.mongo import MongoStore
from stores.sqlite import SQLiteStore
from tests.oracle import Event, compute_answer_over, compute_user_over, record_events

Json = Any
Row = dict[str, Any]
UNCOMPARED = ("projectKey", "cached", "generatedAt")
RELATIVE_TOLERANCE = 1e-9
"""Means may be added up in another order; nothing else may differ."""
SETTLE_MS = 1
"""Requests of these tests come one after the other: what was acknowledged a millisecond ago is settled."""


@contextmanager
def open_pipeline(data_dir: Path, mongo_uri: str | None, **settings: Any) -> Iterator[Pipeline]:
    """The product on the embedded store, or on a database of its own in MongoDB, which is dropped afterwards."""
    config = Config(data_dir=data_dir, workers=1, rate_limit_max=0, user_rate_limit_max=0, **settings)
    if mongo_uri is None:
        with serve(config, SQLiteStore(data_dir / "events.db")) as pipeline:
            yield pipeline
        return
    database_name = f"pipeline_{secrets.token_hex(6)}"
    client: MongoClient[Row] = MongoClient(mongo_uri)
    try:
        with serve(config, MongoStore(lambda: MongoClient(mongo_uri), database_name, settle_ms=SETTLE_MS)) as pipeline:
            yield pipeline
    finally:
        client.drop_database(database_name)
        client.close()


@contextmanager
def serve(config: Config, store: Store) -> Iterator[Pipeline]:
    app = create_app(config, store=store)
    yield Pipeline(app)
    close_app(app)


class Pipeline:
    """An application under test, and the events that each of its projects must hold."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        self.copy = app.extensions["apptracker"].copy
        self.store: Store = app.extensions["apptracker"].store
        self.kept: dict[str, dict[str, Event]] = {}
        self.zones: dict[str, str] = {}
        self.seen: dict[str, int] = {}

    def create_project(self, **fields: Json) -> str:
        response = self.client.post("/v1/projects", json={"name": "stream", **fields})
        assert response.status_code == 201, response.text
        project_key: str = json.loads(response.data)["projectKey"]
        self.kept[project_key] = {}
        self.zones[project_key] = fields.get("timezone", "UTC")
        return project_key

    def load(self, events: list[Row]) -> str:
        """A new project that holds the events."""
        note(repr(events))
        project_key = self.create_project()
        self.post(project_key, events)
        return project_key

    def post(self, project_key: str, events: list[Row]) -> None:
        """Post one batch and check its verdict, (accepted, duplicates, rejected)."""
        expected = record_events(self.kept[project_key], events)
        response = self.client.post("/v1/events/batch", json={"projectKey": project_key, "events": events})
        assert response.status_code == (200 if expected[2] < len(events) else 400), response.text
        answer = json.loads(response.data)
        assert (answer["accepted"], answer["duplicates"], len(answer["rejected"])) == expected, answer
        self.take_enriched(project_key)

    def take_enriched(self, project_key: str) -> None:
        """Tell the oracle what the server found out about each new event: that has tests of its own."""
        for rows in self.store.scan(project_key, self.seen.get(project_key, 0)):
            for row in rows:
                self.kept[project_key][row.event_id].enriched.update(json.loads(row.enriched or "{}"))
            self.seen[project_key] = rows[-1].position

    def change_layout(self, project_key: str, change: str) -> None:
        """Seal what is settled, merge the segments, or drop what is in memory."""
        if change == "seal":
            self.copy.seal(project_key, force=True)
        elif change == "merge":
            self.copy.merge(project_key, force=True)
        else:
            self.copy.forget_memory()

    def ask(self, project_key: str, report: str, params: Row) -> Row:
        """The report's whole answer: by GET where it has one and the parameters are short, else by POST."""
        is_long = len(params.get("filters", [])) > 1 or isinstance(params.get("by"), list)
        response = self.request(project_key, report, params, by_post=report == "funnel" or is_long)
        assert response.status_code == 200, (report, params, response.text)
        answer: Row = json.loads(response.data)
        return answer

    def request(self, project_key: str, report: str, params: Row, *, by_post: bool) -> TestResponse:
        path = f"/v1/reports/{report}"
        if by_post:
            return self.client.post(path, json={"projectKey": project_key, **params})
        query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        return self.client.get(path, query_string={"projectKey": project_key, **query})

    def check(self, project_key: str, report: str, params: Row) -> None:
        """Hold one answer to the oracle's."""
        now_ms = clock.fetch_now_ms()
        with stopped_clock(now_ms):
            answer = self.ask(project_key, report, params)
        in_zone = {"tz": self.zones[project_key], **params}
        expected = compute_answer_over(report, list(self.kept[project_key].values()), in_zone, now_ms=now_ms)
        differences = find_differences(strip(answer), expected)
        assert not differences, "\n".join([f"{report} {params!r}", *differences, f"{answer!r}"])

    def check_user(self, project_key: str, user_id: str, params: Row, *, limit: int) -> None:
        """Hold all pages of a person's profile, read one after the other, to the oracle's."""
        in_zone = {"tz": self.zones[project_key], **params}
        expected = compute_user_over(list(self.kept[project_key].values()), user_id, in_zone)
        report = f"users/{quote(user_id, safe='')}"
        response = self.request(project_key, report, {**params, "limit": limit}, by_post=False)
        if expected is None:
            assert response.status_code == 404, response.text
            return
        assert response.status_code == 200, (report, params, response.text)
        answer: Row = json.loads(response.data)
        page = answer
        while page["nextCursor"] is not None:
            assert len(page["events"]) == limit
            page = self.ask(project_key, report, {**params, "limit": limit, "cursor": page["nextCursor"]})
            answer["events"] += page["events"]
        del answer["nextCursor"]
        differences = find_differences(strip(answer), expected)
        assert not differences, "\n".join([f"{report} {params!r}", *differences, f"{answer!r}"])


@contextmanager
def stopped_clock(now_ms: int) -> Iterator[None]:
    """For the application it is this time until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "fetch_now_ms", lambda: now_ms)
        yield


def strip(answer: Row) -> Row:
    """The answer without what no oracle can know."""
    assert set(UNCOMPARED) <= answer.keys()
    return {name: value for name, value in answer.items() if name not in UNCOMPARED}


def find_differences(actual: Json, expected: Json, path: str = "") -> list[str]:
    """One line for each place where two JSON values differ; 1 and 1.0 are the same number, 1 and true are not."""
    if isinstance(actual, dict) and isinstance(expected, dict):
        names = sorted(actual.keys() | expected.keys())
        missing = object()
        pairs = [(f"{path}.{name}", actual.get(name, missing), expected.get(name, missing)) for name in names]
        return [line for name, left, right in pairs for line in find_differences(left, right, name)]
    if isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        indexed = enumerate(zip(actual, expected, strict=True))
        return [line for index, (left, right) in indexed for line in find_differences(left, right, f"{path}[{index}]")]
    return [] if are_same(actual, expected) else [f"{path}: answered {actual!r}, expected {expected!r}"]


def are_same(actual: Json, expected: Json) -> bool:
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    if isinstance(actual, int | float) and isinstance(expected, int | float):
        return abs(actual - expected) <= RELATIVE_TOLERANCE * max(abs(actual), abs(expected))
    return type(actual) is type(expected) and bool(actual == expected)
