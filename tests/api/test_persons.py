"""GET and DELETE /v1/users/<id>/data: what is held about a person, and its end."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from columns.removals import build_key
from services import clock, erasure, maintenance
from services.cache import RedisCache
from services.rejections import list_named_keys
from services.retention_policy import RetentionClock
from services.sealing import SealingProcess
from tests.cast import HOUR_MS, Installation
from tests.pipeline import Pipeline, open_pipeline
from tests.specification import check_answer


@pytest.fixture
def pipeline(tmp_path: Path) -> Any:
    with open_pipeline(tmp_path, None) as opened:
        yield opened


@pytest.fixture
def project_key(pipeline: Pipeline) -> str:
    """A person with a visit before the login and one event without a valid time; somebody else; rejected events."""
    key = pipeline.create_project()
    events: list[dict[str, Any]] = [
        {"eventId": "visit", "eventName": "seen", "anonymousId": "cookie", "timestamp": "2025-01-06T09:00:00Z"},
        {"eventId": "login", "eventName": "in", "anonymousId": "cookie", "userId": "ann", "metadata": {"n": 2**70}},
        {"eventId": "odd", "eventName": "odd", "userId": "ann", "timestamp": "never", "ip": "203.0.113.7"},
        {"eventId": "other", "eventName": "seen", "userId": "bob"},
        {"eventName": "", "userId": "ann", "note": "first"},
        {"eventName": "", "anonymousId": "cookie"},
        {"eventName": "", "userId": "bob", "note": "ann"},
    ]
    send(pipeline, key, events)
    return key


def send(pipeline: Pipeline, project_key: str, events: list[dict[str, Any]]) -> None:
    body = {"projectKey": project_key, "events": events}
    assert pipeline.client.post("/v1/events/batch", json=body).status_code in (200, 400)


def address(project_key: str, person_id: str) -> str:
    return f"/v1/users/{quote(person_id, safe='')}/data?projectKey={project_key}"


def read(pipeline: Pipeline, project_key: str, person_id: str) -> list[dict[str, Any]]:
    answer = pipeline.client.get(address(project_key, person_id))
    assert answer.status_code == 200, answer.text
    check_answer(pipeline.client.application, answer)
    return [json.loads(line) for line in answer.text.splitlines()]


def show(pipeline: Pipeline, path: str) -> Any:
    return pipeline.client.get(path).json


def erase(pipeline: Pipeline, project_key: str, person_id: str) -> Any:
    answer = pipeline.client.delete(address(project_key, person_id))
    check_answer(pipeline.client.application, answer)
    return answer


def test_all_that_is_held_about_a_person_is_shown(pipeline: Pipeline, project_key: str) -> None:
    person, *rest = read(pipeline, project_key, "ann")
    assert person == {"kind": "person", "userId": "ann", "anonymousIds": ["cookie"], "events": 3}
    events = {line["eventId"]: line for line in rest if line["kind"] == "event"}
    assert set(events) == {"visit", "login", "odd"}
    assert (events["odd"]["timestamp"], events["odd"]["ip"]) == (None, "203.0.113.7")
    assert events["login"]["metadata"] == {"n": 2**70}
    refused = [json.loads(line["event"]) for line in rest if line["kind"] == "rejection"]
    assert sorted(map(str, refused)) == sorted(map(str, [
        {"eventName": "", "userId": "ann", "note": "first"}, {"eventName": "", "anonymousId": "cookie"},
    ]))  # fmt: skip


def test_an_erased_person_is_in_nothing_any_more(pipeline: Pipeline, project_key: str) -> None:
    before = pipeline.ask(project_key, "overview", {})
    assert before["totalEvents"] == 3
    answer = erase(pipeline, project_key, "ann")
    expected = {"userId": "ann", "erasedEvents": 3, "erasedAnonymousIds": 1, "erasedRejections": 2}
    assert (answer.status_code, answer.json) == (200, expected)
    after = pipeline.ask(project_key, "overview", {})
    assert (after["totalEvents"], after["uniqueUsers"]) == (1, 1)
    assert [row["userId"] for row in pipeline.ask(project_key, "users", {})["users"]] == ["bob"]
    assert pipeline.client.get(f"/v1/reports/users/ann?projectKey={project_key}").status_code == 404
    kept = show(pipeline, f"/v1/rejections?projectKey={project_key}")["rejections"]
    assert [json.loads(each["event"])["userId"] for each in kept] == ["bob"]


def test_who_is_not_there_is_not_found_nor_twice(pipeline: Pipeline, project_key: str) -> None:
    assert erase(pipeline, project_key, "ann").status_code == 200
    for method in ("GET", "DELETE"):
        for person_id in ("ann", "cookie", "nobody", "BOB", "b"):
            answer: Any = pipeline.client.open(address(project_key, person_id), method=method)
            assert (answer.status_code, answer.json["code"]) == (404, "unknown_user"), person_id
            check_answer(pipeline.client.application, answer)


def test_an_anonymous_id_of_a_user_names_nobody_by_itself(pipeline: Pipeline, project_key: str) -> None:
    assert pipeline.client.delete(address(project_key, "cookie")).status_code == 404
    assert pipeline.store.count(project_key) == 4


def test_a_visitor_without_a_user_is_erased_by_the_anonymous_id(pipeline: Pipeline, project_key: str) -> None:
    send(pipeline, project_key, [{"eventName": "seen", "anonymousId": "v"}, {"eventName": "", "anonymousId": "v"}])
    answer = erase(pipeline, project_key, "v").json
    assert answer == {"userId": "v", "erasedEvents": 1, "erasedAnonymousIds": 1, "erasedRejections": 1}
    assert pipeline.store.count(project_key) == 4


def test_who_is_known_by_rejected_events_only_can_be_erased_too(pipeline: Pipeline, project_key: str) -> None:
    send(pipeline, project_key, [{"eventName": "", "userId": "zoe"}])
    assert [line["kind"] for line in read(pipeline, project_key, "zoe")] == ["person", "rejection"]
    answer = erase(pipeline, project_key, "zoe").json
    assert answer == {"userId": "zoe", "erasedEvents": 0, "erasedAnonymousIds": 0, "erasedRejections": 1}


@pytest.mark.parametrize("person_id", ["a/b", "/", "data", "x/data", "100%", "ü\U0001f600", "a b?c#d", "'"])
def test_an_id_may_be_any_text(pipeline: Pipeline, person_id: str) -> None:
    project_key = pipeline.create_project()
    send(pipeline, project_key, [{"eventName": "seen", "userId": person_id}])
    assert read(pipeline, project_key, person_id)[0]["userId"] == person_id
    assert erase(pipeline, project_key, person_id).json["erasedEvents"] == 1


def test_parameters_that_do_not_exist_are_refused(pipeline: Pipeline, project_key: str) -> None:
    for method in ("GET", "DELETE"):
        answer: Any = pipeline.client.open(f"{address(project_key, 'ann')}&force=true", method=method)
        assert (answer.status_code, answer.json["fields"]) == (400, ["force"])


def test_a_person_leaves_the_lists_of_cohorts(pipeline: Pipeline, project_key: str) -> None:
    for user_ids in (["ann", "bob"], ["ann"]):
        body = {"projectKey": project_key, "name": "list", "definition": {"userIds": user_ids}}
        assert pipeline.client.post("/v1/cohorts", json=body).status_code == 201
    erase(pipeline, project_key, "ann")
    listed = show(pipeline, f"/v1/cohorts?projectKey={project_key}")["cohorts"]
    paths = [f"/v1/cohorts/{each['id']}?projectKey={project_key}" for each in listed]
    definitions = [show(pipeline, path)["definition"] for path in paths]
    assert definitions == [{"userIds": ["bob"]}, {"userIds": []}]


def test_nothing_of_the_person_is_left_in_any_file(tmp_path: Path) -> None:
    with open_pipeline(tmp_path, None) as pipeline:
        key = pipeline.create_project()
        secret = "person-with-a-secret-id"
        send(pipeline, key, [
            {"eventName": "seen", "userId": secret, "anonymousId": "secret-cookie", "metadata": {"x": "secret-note"}},
            {"eventName": "seen", "anonymousId": "secret-cookie"}, {"eventName": "", "userId": secret},
            {"eventName": "seen", "userId": "bob"},
        ])  # fmt: skip
        pipeline.ask(key, "users", {})
        pipeline.copy.seal(key, force=True)
        assert find_files(tmp_path, b"secret")
        assert erase(pipeline, key, secret).status_code == 200
        assert find_files(tmp_path, b"secret") == []


def find_files(directory: Path, content: bytes) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file() and content in path.read_bytes()]


def test_logs_have_no_ids_of_persons(
    pipeline: Pipeline, project_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for method in ("GET", "DELETE", "POST"):
            pipeline.client.open(address(project_key, "ann-the-person"), method=method)
        pipeline.client.get(f"/v1/reports/users/ann-the-person?projectKey={project_key}")
        pipeline.client.get("/v1/users/ann-the-person/date")
        pipeline.client.put("/v1/reports/users/ann-the-person")
    text = "\n".join(f"{record.getMessage()} {getattr(record, 'fields', '')}" for record in caplog.records)
    assert "ann-the-person" not in text
    assert "/v1/users/<any_text:person_id>/data" in text


def test_the_audit_log_has_a_hash_in_place_of_the_id(pipeline: Pipeline, project_key: str) -> None:
    read(pipeline, project_key, "ann")
    erase(pipeline, project_key, "ann")
    answer: Any = pipeline.client.get(f"/v1/audit-log?projectKey={project_key}")
    entries = [entry for entry in answer.json["entries"] if entry["action"].startswith("person.")]
    assert sorted(entry["action"] for entry in entries) == ["person.erase", "person.read"]
    assert "ann" not in answer.text.replace('"', " ").split()


def test_a_deactivated_projects_persons_can_be_erased(pipeline: Pipeline, project_key: str) -> None:
    pipeline.client.delete(f"/v1/projects/{project_key}")
    assert erase(pipeline, project_key, "ann").status_code == 200


def test_a_cache_that_is_away_delays_the_answer_not_the_erasure(
    pipeline: Pipeline, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = pipeline.client.application.extensions["apptracker"]

    class Away:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError

    cache = RedisCache(Away(), 60)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        patch.setattr(type(context.cache), "forget", lambda _, beginning: cache.forget(beginning))
        answer = erase(pipeline, project_key, "ann")
        assert (answer.status_code, answer.json["code"]) == (503, "cache_away")
        assert int(answer.headers["Retry-After"]) > 0
        assert pipeline.ask(project_key, "overview", {})["totalEvents"] == 1
    later = clock.fetch_now_ms() + HOUR_MS
    assert erasure.resume_removals(context, now_ms=later) == 1
    assert erasure.resume_removals(context, now_ms=later) == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"userId":"ann"}', ["userId"]), ('{"a":{"user_id" : 7}}', ["user_id"]), ('{"userId":"\\u0061nn', []),
        ('{"userId":"\\u0061nn"', ["userId"]), ("not json", []), ('{"note":"ann"}', []),
        ('{"anonymousId":"x","sessionId":"s"}', ["anonymousId", "sessionId"]), ('{"userId":null}', []),
    ],
)  # fmt: skip
def test_ids_are_found_in_whatever_was_rejected(text: str, names: list[str]) -> None:
    assert sorted(name for name, _ in list_named_keys(text)) == names
    if names == ["userId"]:
        assert {key for _, key in list_named_keys(text)} == {build_key("ann")}


def test_rejections_of_many_pages_are_all_looked_at(
    pipeline: Pipeline, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.rejections.PAGE", 2)
    for number in range(7):
        send(pipeline, project_key, [{"eventName": "", "userId": "ann" if number % 2 else "bob"}])
    old = {"projectKey": project_key, "receivedAt": "2025", "code": "c", "error": "e", "event": '{"userId":"ann"}'}
    pipeline.store.insert_documents("rejections", {"0": old, "zzz": old})
    assert erase(pipeline, project_key, "ann").json["erasedRejections"] == 2 + 3 + 2


def test_events_older_than_retention_days_go_with_the_next_sweep(production: Installation) -> None:
    installation, context = production, production.context
    project = installation.create_project()
    key, secret = project["projectKey"], project["apiKey"]
    ages = {"young": 9, "edge": 10, "old": 11, "older": 400}
    now_ms = installation.clock.now_ms
    stamps = {name: clock.format_ms(now_ms - days * 24 * HOUR_MS) for name, days in ages.items()}
    events = [{"eventId": name, "eventName": "seen", "timestamp": stamp} for name, stamp in stamps.items()]
    body = {"projectKey": key, "events": [*events, {"eventId": "odd", "eventName": "odd", "timestamp": "never"}]}
    assert installation.call("POST", "/v1/events/batch", body, secret=secret).status_code == 200

    def list_ids() -> set[str]:
        return {row.event_id for rows in context.store.scan(key, 0) for row in rows}

    retention = RetentionClock()

    def sweep() -> None:
        sealing = SealingProcess(context.config)
        maintenance.run_round(context, sealing, is_sweep=True, retention=retention)

    sweep()
    assert list_ids() == {*ages, "odd"}, "for ever, where no days are set"
    installation.call("PATCH", f"/v1/projects/{key}", {"retentionDays": 10}, secret=secret)
    sweep()
    assert list_ids() == {"young", "edge", "odd"}
    installation.call("PATCH", f"/v1/projects/{key}", {"retentionDays": 9}, secret=secret)
    sweep()
    assert list_ids() == {"young", "odd"}, "a change is applied without waiting for the hour"
    installation.clock.advance(HOUR_MS)
    sweep()
    assert list_ids() == {"odd"}
    installation.clock.advance(9 * 24 * HOUR_MS)
    sweep()
    assert list_ids() == set(), "without a valid time an event is as old as its arrival"
