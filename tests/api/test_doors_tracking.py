"""POST /track: what of a flexible payload becomes a field of the event, and what is kept in its metadata."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from services.logs import Redactor, configure_logging
from stores.base import ArrivalRow
from tests.cast import SECRET_TOKEN, Installation

Json = Any


def track(installation: Installation, payload: Json, secret: str = SECRET_TOKEN, **options: Any) -> Any:
    return installation.call("POST", "/track", payload, secret=secret, **options)


def fetch_only_event(installation: Installation, project_key: str) -> ArrivalRow:
    ((row,),) = installation.context.store.scan(project_key, 0)
    return row


@pytest.mark.parametrize(
    ("payload", "fields", "metadata"),
    [
        ({}, {"event_name": "track"}, {}),
        ({"event_type": "a", "name": "Bob"}, {"event_name": "a"}, {"name": "Bob"}),
        ({"event": "order", "type": "web"}, {"event_name": "order"}, {"type": "web"}),
        ({"event": {"id": 1}, "type": "web"}, {"event_name": "web"}, {"event": {"id": 1}}),
        ({"eventName": 5, "event_name": ""}, {"event_name": "track"}, {"eventName": 5, "event_name": ""}),
        ({"user_id": 12}, {"user_id": "12"}, {}),
        ({"user_id": "a", "userId": "b"}, {"user_id": "a"}, {"userId": "b"}),
        ({"userId": {"x": 1}}, {"user_id": None}, {"userId": {"x": 1}}),
        ({"anonymousId": "x", "session_id": "s"}, {"anonymous_id": "x", "session_id": "s"}, {}),
        ({"page": "/a"}, {"url": "/a"}, {}),
        ({"page": 4}, {"url": None}, {"page": 4}),
        ({"url": 4}, {"url": None}, {"url": 4}),
        ({"metadata": {"page": "/m"}}, {"url": "/m"}, {"page": "/m"}),
        ({"url": "/a", "metadata": {"page": "/m"}}, {"url": "/a"}, {"page": "/m"}),
        ({"metadata": {"referrer": "/l"}}, {"referrer": "/l"}, {"referrer": "/l"}),
        ({"referer": "https://x.org"}, {"referrer": "https://x.org"}, {}),
        ({"ip_address": "203.0.113.9", "user_agent": "curl/8"}, {"ip": "203.0.113.9", "user_agent": "curl/8"}, {}),
        ({"message_id": "m-1"}, {"event_id": "m-1"}, {}),
        ({"metadata": "text"}, {}, {"metadata": "text"}),
        ({"metadata": None, "a": [1, {"b": None}]}, {}, {"a": [1, {"b": None}]}),
        ({"a": 1, "metadata": {"a": 2}}, {}, {"a": 2}),
        ({"$where": 1, "a.b": "c", "": 0}, {}, {"$where": 1, "a.b": "c", "": 0}),
    ],
)
def test_a_payload_becomes_an_event(
    production: Installation, payload: Json, fields: dict[str, Any], metadata: Json
) -> None:
    project = production.create_project()
    assert track(production, payload, project["apiKey"]).status_code == 200
    row = fetch_only_event(production, project["projectKey"])
    assert {name: getattr(row, name) for name in fields} == fields
    assert json.loads(row.metadata) == metadata


def test_what_was_received_comes_back_as_it_was_written(production: Installation) -> None:
    key = production.create_project()["apiKey"]
    body = b'{"b": 1e2,  "a": 123456789012345678901234567890, "a": "\\u00e9"}'
    answer = production.app.test_client().post("/track", data=body, headers={"X-API-Key": key})
    assert answer.data.strip() == b'{"status":"ok","received":' + body + b"}"


def test_the_time_of_the_payload_is_that_of_the_event(production: Installation) -> None:
    project = production.create_project()
    track(production, {"timestamp": "2025-01-05T22:00:00Z"}, project["apiKey"])
    assert fetch_only_event(production, project["projectKey"]).occurred_at_ms == 1_736_114_400_000


def test_a_payload_that_is_sent_twice_under_an_id_is_stored_once(production: Installation) -> None:
    project = production.create_project()
    for _ in range(2):
        assert track(production, {"eventId": "e-1"}, project["apiKey"]).status_code == 200
    assert production.context.store.count(project["projectKey"]) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "invalid_json"), (b"[]", "invalid_body"), (b"1", "invalid_body"), (b'"a"', "invalid_body"),
     (b'{"a":', "invalid_json"), (b'{"a": NaN}', "invalid_json"), (b"\xff", "invalid_json"), (b"{} {}", "invalid_json"),
     (b'{"a": 1e999}', "all_events_rejected"), (b'{"user_id": "' + b"u" * 513 + b'"}', "all_events_rejected")],
)  # fmt: skip
def test_what_is_no_json_object_or_cannot_be_kept_is_refused(
    production: Installation, body: bytes, code: str
) -> None:
    project = production.create_project()
    headers = {"X-API-Key": project["apiKey"]}
    answer: Any = production.app.test_client().post("/track", data=body, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert production.context.store.count(project["projectKey"]) == 0


def test_a_payload_that_is_too_deep_is_refused_for_its_size(production: Installation) -> None:
    key = production.create_project()["apiKey"]
    body = b'{"a":' * 300 + b"1" + b"}" * 300
    assert production.app.test_client().post("/track", data=body, headers={"X-API-Key": key}).status_code == 413


def test_a_form_is_not_understood(production: Installation) -> None:
    key = production.create_project()["apiKey"]
    answer = production.app.test_client().post("/track", data={"a": "b"}, headers={"X-API-Key": key})
    assert answer.status_code == 415


def test_production_asks_for_a_key_that_may_send(production: Installation) -> None:
    project = production.create_project()
    reader = production.create_key(project["projectKey"], ["read"])["apiKey"]
    answers = [production.call("POST", "/track", {}, secret=secret) for secret in (None, "wrong", reader)]
    assert [answer.status_code for answer in answers] == [401, 401, 403]
    assert track(production, {}, project["projectKey"]).status_code == 200, "a page sends its public key"


def test_the_secret_token_means_the_default_project(production: Installation) -> None:
    for _ in range(2):
        assert track(production, {"event": "a"}).status_code == 200
    (project,) = production.as_root("GET", "/v1/projects")["projects"]
    assert project["name"] == "default"
    assert production.context.store.count(project["projectKey"]) == 2


def test_the_query_may_name_another_project(production: Installation) -> None:
    project_key = production.create_project()["projectKey"]
    answer = production.call("POST", f"/track?projectKey={project_key}", {}, secret=SECRET_TOKEN)
    assert answer.status_code == 200
    assert production.context.store.count(project_key) == 1


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is logged, as it is written in a service that runs."""
    stream = io.StringIO()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    redactor = Redactor(api_key_prefix="ak_live_", secrets=[SECRET_TOKEN])
    configure_logging(level="info", redactor=redactor, stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_development_logs_the_payload_raw_and_parsed_without_keys(development: Installation, lines: Any) -> None:
    secret = "ak_live_" + "A" * 43
    development.call("POST", "/track", {"event": "a", "leak": f"{secret} {SECRET_TOKEN}"})
    (payload,) = [line["payload"] for line in lines() if "payload" in line]
    assert payload["parsed"] == {"event": "a", "leak": "ak_live_[redacted] [redacted]"}
    assert json.loads(payload["raw"]) == payload["parsed"]


def test_a_key_that_is_written_as_escapes_is_redacted_too(development: Installation, lines: Any) -> None:
    body = b'{"leak": "ak_live_\\u0041' + b"A" * 42 + b'"}'
    assert development.app.test_client().post("/track", data=body).status_code == 200
    (payload,) = [line["payload"] for line in lines() if "payload" in line]
    assert payload["raw"] == '{"leak":"ak_live_[redacted]"}'


def test_production_does_not_log_the_payload(production: Installation, lines: Any) -> None:
    track(production, {"event": "a", "private": "of the visitor"})
    assert not any("of the visitor" in json.dumps(line) for line in lines())
