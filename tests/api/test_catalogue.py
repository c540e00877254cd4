"""/v1/catalogue: what there is to ask about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from columns.notes import save_notes
from services import catalogue, catalogue_parts
from services.cache import NoCache

CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
EVENTS: list[dict[str, Any]] = [
    {"eventName": "view", "timestamp": "2025-01-06T10:00:00Z", "userId": "u1",
     "metadata": {"plan": "pro", "cart": {"total": 5, "a.b": True}, "tags": ["x"], "gone": None}},
    {"eventName": "view", "timestamp": "2025-01-07T10:00:00Z", "userId": "u1",
     "metadata": {"plan": "pro", "cart": {"total": 5.5, "back\\slash": "y"}, "big": 10**25}},
    {"eventName": "view", "timestamp": "2025-01-05T10:00:00Z", "userId": "u2", "metadata": {"plan": 7, "": "empty"}},
    {"eventName": "buy", "timestamp": "2025-01-04T10:00:00Z", "metadata": {"plan": "free", "cart": {"total": True}}},
    {"eventName": "buy", "timestamp": "never", "metadata": {"untimed": 1}},
    {"eventName": "crawl", "timestamp": "2025-01-06T10:00:00Z", "userAgent": CRAWLER, "metadata": {"crawled": 1}},
]  # fmt: skip


@pytest.fixture
def project_key(client: FlaskClient) -> str:
    return load(client, EVENTS)


def load(client: FlaskClient, events: list[dict[str, Any]]) -> str:
    made: Any = client.post("/v1/projects", json={"name": "Shop"}).json
    sent = client.post("/v1/events/batch", json={"projectKey": made["projectKey"], "events": events})
    assert sent.status_code == 200 or not events
    key: str = made["projectKey"]
    return key


def ask(client: FlaskClient, project_key: str, part: str = "", **query: Any) -> Any:
    answer = client.get(f"/v1/catalogue{part}", query_string={"projectKey": project_key, **query})
    assert answer.status_code == 200, answer.text
    return answer.json


def by_name(answer: Any) -> dict[str, Any]:
    return {each["property"]: each for each in answer["properties"]}


def types(**counts: int) -> dict[str, int]:
    return {"text": 0, "number": 0, "boolean": 0, "other": 0, **counts}


def test_it_lists_events_and_properties_with_types_examples_and_when_they_were_seen_last(
    client: FlaskClient, project_key: str
) -> None:
    answer = ask(client, project_key)
    assert answer["events"] == [
        {"eventName": "view", "count": 3, "firstSeen": "2025-01-05T10:00:00Z", "lastSeen": "2025-01-07T10:00:00Z"},
        {"eventName": "buy", "count": 1, "firstSeen": "2025-01-04T10:00:00Z", "lastSeen": "2025-01-04T10:00:00Z"},
    ]
    assert (answer["eventsAreAll"], answer["propertiesAreAll"]) == (True, True)
    found = by_name(answer)
    assert found["metadata.plan"] == {
        "property": "metadata.plan", "types": types(text=3, number=1), "events": 4,
        "examples": ["pro", 7, "free"], "lastSeen": "2025-01-07T10:00:00Z",
    }  # fmt: skip
    assert found["metadata.cart.total"]["types"] == types(number=2, boolean=1)
    assert found["metadata.cart.total"]["examples"] == [True, 5, 5.5]
    assert found["metadata.cart"]["types"] == types(other=3)
    assert found["metadata.tags"]["types"] == types(other=1)
    assert found["metadata.cart.a\\.b"]["types"] == types(boolean=1)
    assert found["metadata.cart.back\\\\slash"]["examples"] == ["y"]
    assert found["metadata."]["events"] == 1
    assert found["metadata.big"]["types"] == types(number=1)
    assert (found["userId"]["events"], found["userId"]["lastSeen"]) == (3, "2025-01-07T10:00:00Z")
    assert found["channel"]["events"] == 4
    listed = [(-each["events"], each["property"]) for each in answer["properties"]]
    assert listed == sorted(listed)
    assert not {"metadata.gone", "metadata.untimed", "metadata.crawled", "eventId"} & found.keys()


def test_it_is_the_same_however_the_events_are_kept(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = app.extensions["apptracker"].copy
    project_key = load(client, EVENTS[:2])
    copy.seal(project_key, force=True)
    ask(client, project_key)  # what is in the segment is remembered
    body = {"projectKey": project_key, "events": EVENTS[2:4]}
    assert client.post("/v1/events/batch", json=body).status_code == 200
    whole = load(client, EVENTS[:4])
    expected = {part: ask(client, whole, part)["properties"] for part in ("", "/properties")}
    for change in (None, copy.seal, copy.merge):
        if change is not None:
            change(project_key, force=True)
        monkeypatch.setitem(app.extensions, "apptracker", replace(app.extensions["apptracker"], cache=NoCache()))
        assert {part: ask(client, project_key, part)["properties"] for part in expected} == expected


def forget_parts() -> None:
    """As in a process that was just started."""
    catalogue_parts._remembered.clear()


def find_notes(app: Flask, project_key: str) -> list[Path]:
    return list((app.extensions["apptracker"].copy.directory / project_key).glob("*.notes"))


def test_what_was_found_in_a_segment_is_not_sought_again(
    app: Flask, client: FlaskClient, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = app.extensions["apptracker"].copy
    copy.seal(project_key, force=True)
    catalogue_parts.prepare(copy, project_key, epoch=0)
    assert len(find_notes(app, project_key)) == 1
    forget_parts()
    monkeypatch.setattr(catalogue_parts, "find_part", None)
    answer = ask(client, project_key)
    assert [(each["eventName"], each["count"]) for each in answer["events"]] == [("view", 3), ("buy", 1)]
    assert by_name(answer)["metadata.plan"]["types"] == types(text=3, number=1)


@pytest.mark.parametrize("notes", [b"", b"{", b'{"version":0,"events":[],"properties":[],"is_complete":true}'])
def test_notes_that_cannot_be_read_are_made_again(
    app: Flask, client: FlaskClient, project_key: str, notes: bytes
) -> None:
    app.extensions["apptracker"].copy.seal(project_key, force=True)
    expected = ask(client, project_key)["properties"]
    (path,) = find_notes(app, project_key)
    kept = path.read_bytes()
    path.write_bytes(notes)
    forget_parts()
    app.extensions["apptracker"].cache.forget_here(f"{project_key}:")
    assert ask(client, project_key)["properties"] == expected
    assert len(path.read_bytes()) == len(kept)


def test_notes_go_with_their_segment(app: Flask, client: FlaskClient, project_key: str) -> None:
    app.extensions["apptracker"].copy.seal(project_key, force=True)
    ask(client, project_key)
    old = find_notes(app, project_key)
    assert client.delete(f"/v1/users/u2/data?projectKey={project_key}").status_code == 200
    assert "metadata." not in by_name(ask(client, project_key))
    assert not {path.name for path in old} & {path.name for path in find_notes(app, project_key)}


def test_notes_on_a_segment_that_is_not_in_force_are_not_kept(app: Flask, project_key: str) -> None:
    copy = app.extensions["apptracker"].copy
    copy.seal(project_key, force=True)
    save_notes(copy.directory / project_key, "segment-00000099-00000000.parquet", b"{}")
    assert find_notes(app, project_key) == []


def test_every_property_that_is_listed_can_be_asked_about(client: FlaskClient, project_key: str) -> None:
    for name, listed in by_name(ask(client, project_key)).items():
        filters = json.dumps([{"property": name, "operator": "exists"}])
        query = {"projectKey": project_key, "filters": filters}
        report: Any = client.get("/v1/reports/overview", query_string=query).json
        assert report["totalEvents"] == listed["events"], name


def test_the_properties_of_one_event(client: FlaskClient, project_key: str) -> None:
    found = by_name(ask(client, project_key, "/properties", eventName="buy"))
    assert found["metadata.plan"] == {
        "property": "metadata.plan", "types": types(text=1), "events": 1, "examples": ["free"],
        "lastSeen": "2025-01-04T10:00:00Z",
    }  # fmt: skip
    assert "metadata.tags" not in found
    assert ask(client, project_key, "/properties", eventName="nothing")["properties"] == []


def test_the_most_frequent_values_of_a_property(client: FlaskClient, project_key: str) -> None:
    answer = ask(client, project_key, "/values", property="metadata.plan")
    assert answer["values"] == [
        {"value": "pro", "events": 2}, {"value": "free", "events": 1}, {"value": 7, "events": 1}
    ]
    assert answer["valuesAreAll"] is True
    few = ask(client, project_key, "/values", property="metadata.plan", limit=1)
    assert (few["values"], few["valuesAreAll"]) == ([{"value": "pro", "events": 2}], False)
    found = ask(client, project_key, "/values", property="metadata.plan", search="R")
    assert [each["value"] for each in found["values"]] == ["pro", "free"]
    found = ask(client, project_key, "/values", property="userId", eventName="view")
    assert [each["value"] for each in found["values"]] == ["u1", "u2"]
    assert ask(client, project_key, "/values", property="metadata.absent")["values"] == []


def test_it_is_cached_until_something_arrives(client: FlaskClient, project_key: str) -> None:
    assert [ask(client, project_key)["cached"] for _ in range(2)] == [False, True]
    event = {"eventName": "new", "timestamp": "2025-02-01T00:00:00Z", "metadata": {"fresh": 1}}
    client.post("/v1/events/batch", json={"projectKey": project_key, "events": [event]})
    assert "metadata.fresh" in by_name(ask(client, project_key))


def test_what_is_more_than_it_lists_is_told(
    client: FlaskClient, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "MAX_LISTED", 1)
    answer = ask(client, project_key)
    assert (len(answer["events"]), len(answer["properties"])) == (1, 1)
    assert (answer["eventsAreAll"], answer["propertiesAreAll"]) == (False, False)


def test_a_project_without_events_has_an_empty_one(client: FlaskClient) -> None:
    answer = ask(client, load(client, []))
    assert (answer["events"], answer["properties"], answer["eventsAreAll"]) == ([], [], True)


def test_what_it_does_not_take_is_refused_by_name(client: FlaskClient, project_key: str) -> None:
    for part, name, value in (
        ("", "from", "2025-01-01"), ("", "eventName", "a"), ("/properties", "tz", "UTC"), ("/values", "format", "csv"),
        ("/values", "limit", "0"), ("/values", "property", "nothing"), ("/values", "search", ""),
    ):  # fmt: skip
        answer = client.get(f"/v1/catalogue{part}", query_string={"projectKey": project_key, name: value})
        refused: Any = answer.json
        assert answer.status_code == 400
        assert name in refused["fields"]
    needed: Any = client.get("/v1/catalogue/values", query_string={"projectKey": project_key}).json
    assert needed["fields"] == ["property"]
