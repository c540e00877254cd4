"""/v1/projects: what each request does to the project."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from services import keys, projects
from stores.base import Event, StoreUnavailable
from tests.cast import SECRET_TOKEN, Installation


def test_the_reference_example_creates_a_project_without_a_key(development: Installation) -> None:
    response = development.call("POST", "/v1/projects", {"name": "Demo App"})
    created = response.json
    assert response.status_code == 201
    assert re.fullmatch("[0-9a-f]{12}", created.pop("projectKey"))
    assert re.fullmatch("ak_live_[A-Za-z0-9_-]{43}", created.pop("apiKey"))
    assert created == {
        "name": "Demo App",
        "createdAt": "2025-01-06T10:00:00Z",
        "isActive": True,
        "domain": None,
        "timezone": "UTC",
        "retentionDays": None,
        "allowPublicIngest": True,
        "ipPolicy": "store",
        "organisationId": None,
    }


def test_all_fields_are_kept_and_shown_again_without_the_secret(production: Installation) -> None:
    fields = {
        "name": "Shop",
        "domain": "https://shop.example",
        "timezone": "Europe/Berlin",
        "retentionDays": 365,
        "allowPublicIngest": False,
        "ipPolicy": "anonymize",
    }
    created = production.create_project(**fields)
    shown = production.as_root("GET", f"/v1/projects/{created['projectKey']}")
    assert {name: shown[name] for name in fields} == fields
    del created["apiKey"]
    assert shown == created
    assert production.as_root("GET", "/v1/projects") == {"projects": [created]}


def test_the_first_key_may_do_everything_in_the_project(production: Installation) -> None:
    created = production.create_project()
    path = f"/v1/projects/{created['projectKey']}/keys"
    (key,) = production.call("GET", path, secret=created["apiKey"]).json["keys"]
    assert key["scopes"] == ["ingest", "read", "admin"]
    assert created["apiKey"].startswith(key["prefix"])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "   "}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"name": {"$gt": ""}}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"name": "NUL \0"}, ["name"]),
        ({"name": "x", "domain": "no host"}, ["domain"]),
        ({"name": "x", "domain": "a" * 256}, ["domain"]),
        ({"name": "x", "timezone": "Mars/Olympus"}, ["timezone"]),
        ({"name": "x", "timezone": None}, ["timezone"]),
        ({"name": "x", "retentionDays": 0}, ["retentionDays"]),
        ({"name": "x", "retentionDays": 36_501}, ["retentionDays"]),
        ({"name": "x", "retentionDays": True}, ["retentionDays"]),
        ({"name": "x", "allowPublicIngest": "yes"}, ["allowPublicIngest"]),
        ({"name": "x", "projectKey": "a1b2c3d4e5f6"}, ["projectKey"]),
        ({"name": "x", "isActive": False}, ["isActive"]),
        ({"name": "x", "dataEpoch": 5}, ["dataEpoch"]),
        ({"colour": "red", "timezone": 1}, ["colour", "name", "timezone"]),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_created(
    development: Installation, body: dict[str, Any], fields: list[str]
) -> None:
    response = development.call("POST", "/v1/projects", body)
    assert (response.status_code, response.json["code"]) == (400, "invalid_field")
    assert sorted(response.json["fields"]) == fields
    assert development.as_root("GET", "/v1/projects") == {"projects": []}


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_refused(development: Installation, body: object) -> None:
    assert development.call("POST", "/v1/projects", body).status_code == 400


def test_a_taken_project_key_is_never_given_again(production: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    first = production.create_project("First")
    drawn = iter([first["projectKey"], first["projectKey"], "0123456789ab", "key-id"])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(drawn))
    assert production.create_project("Second")["projectKey"] == "0123456789ab"
    assert production.as_root("GET", f"/v1/projects/{first['projectKey']}")["name"] == "First"


def test_the_key_of_an_erased_project_is_never_given_again(
    production: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased = production.create_project()["projectKey"]
    production.as_root("DELETE", f"/v1/projects/{erased}?erase=true")
    drawn = iter([erased, "0123456789ab", "key-id"])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(drawn))
    assert production.create_project()["projectKey"] == "0123456789ab"


def test_the_list_is_oldest_first_and_a_key_sees_its_own_project_only(production: Installation) -> None:
    created = []
    for name in ("c", "a", "b"):
        created.append(production.create_project(name))
        production.clock.advance(1)
    listed = production.as_root("GET", "/v1/projects")["projects"]
    assert [project["name"] for project in listed] == ["c", "a", "b"]
    own = production.call("GET", "/v1/projects", secret=created[1]["apiKey"]).json["projects"]
    assert [project["name"] for project in own] == ["a"]


def test_the_list_can_be_narrowed_to_one_project(production: Installation) -> None:
    created = [production.create_project(name) for name in ("a", "b")]
    path = f"/v1/projects?projectKey={created[1]['projectKey']}"
    assert [project["name"] for project in production.as_root("GET", path)["projects"]] == ["b"]
    assert production.as_root("GET", "/v1/projects?projectKey=abc123") == {"projects": []}
    assert production.call("GET", path, secret=created[0]["apiKey"]).status_code == 403


def test_an_update_changes_what_it_names_and_nothing_else(production: Installation) -> None:
    created = production.create_project(domain="example.com", retentionDays=30)
    path = f"/v1/projects/{created['projectKey']}"
    del created["apiKey"]
    changed = production.as_root("PATCH", path, {"name": "Renamed", "retentionDays": None})
    assert changed == {**created, "name": "Renamed", "retentionDays": None}
    assert production.as_root("PATCH", path, {}) == changed
    assert production.as_root("GET", path) == changed


@pytest.mark.parametrize(
    "body",
    [{"projectKey": "0123456789ab"}, {"createdAt": "2020"}, {"isActive": "false"}, {"erasedAt": None}, {"name": ""}],
)
def test_a_wrong_update_changes_nothing(production: Installation, body: dict[str, Any]) -> None:
    created = production.create_project()
    path = f"/v1/projects/{created.pop('projectKey')}"
    response = production.call("PATCH", path, {**body, "timezone": "Europe/Berlin"}, secret=SECRET_TOKEN)
    assert (response.status_code, response.json["fields"]) == (400, list(body))
    assert production.as_root("GET", path)["timezone"] == "UTC"


def test_deactivating_twice_is_the_same_as_once_and_loses_nothing(production: Installation) -> None:
    project_key = production.create_project()["projectKey"]
    production.send_event(project_key)
    path = f"/v1/projects/{project_key}"
    assert production.as_root("DELETE", path) == production.as_root("DELETE", path)
    production.as_root("PATCH", path, {"isActive": True})
    assert production.as_root("GET", f"/v1/reports/overview?projectKey={project_key}")["totalEvents"] == 1


@pytest.mark.parametrize("text", ["", "1", "True", "yes", "ture"])
def test_a_slip_in_erase_neither_erases_nor_deactivates(production: Installation, text: str) -> None:
    path = f"/v1/projects/{production.create_project()['projectKey']}"
    assert production.call("DELETE", f"{path}?erase={text}", secret=SECRET_TOKEN).status_code == 400
    assert production.as_root("GET", path)["isActive"] is True


def test_erasing_removes_events_keys_rejections_and_the_name(production: Installation) -> None:
    created = production.create_project("Secret name", domain="secret.example")
    kept = production.create_project("Kept")
    project_key, kept_key = created["projectKey"], kept["projectKey"]
    for key in (project_key, project_key, kept_key):
        production.send_event(key)
        production.send_event(key, name="")
    answer = production.call("DELETE", f"/v1/projects/{project_key}?erase=true", secret=created["apiKey"])
    assert answer.json == {"projectKey": project_key, "isActive": False, "erased": True, "erasedEvents": 2}

    assert production.context.store.count(project_key) == 0
    assert production.fetch_documents("api_keys", project_key) == []
    assert production.fetch_documents("rejections", project_key) == []
    (tombstone,) = production.fetch_documents("projects", project_key)
    assert "ecret" not in str(tombstone)

    assert production.call("GET", "/v1/projects", secret=created["apiKey"]).status_code == 401
    assert production.send_event(project_key).json["code"] == "unknown_project"
    assert production.call("GET", f"/v1/projects/{project_key}", secret=SECRET_TOKEN).json["code"] == "unknown_project"
    assert [project["name"] for project in production.as_root("GET", "/v1/projects")["projects"]] == ["Kept"]

    assert production.as_root("GET", f"/v1/reports/overview?projectKey={kept_key}")["totalEvents"] == 1
    assert len(production.fetch_documents("rejections", kept_key)) == 1


def test_erasing_deletes_the_columnar_copy_and_the_sweep_that_of_other_hosts(
    production: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_key = production.create_project()["projectKey"]
    production.send_event(project_key)
    copy = production.context.copy
    copy.seal(project_key, force=True)
    assert copy.list_copied_projects() == [project_key]
    with monkeypatch.context() as patch:
        patch.setattr(copy, "forget", lambda _: None)
        production.as_root("DELETE", f"/v1/projects/{project_key}?erase=true")
    assert copy.list_copied_projects() == [project_key]
    projects.sweep_erased_projects(production.context)
    assert copy.list_copied_projects() == []

    second = production.create_project()["projectKey"]
    production.send_event(second)
    copy.seal(second, force=True)
    production.as_root("DELETE", f"/v1/projects/{second}?erase=true")
    assert copy.list_copied_projects() == []


def test_an_erased_project_cannot_be_changed_or_brought_back(production: Installation) -> None:
    project_key = production.create_project()["projectKey"]
    path = f"/v1/projects/{project_key}"
    production.as_root("DELETE", f"{path}?erase=true")
    attempts = [
        production.call("PATCH", path, {"isActive": True}, secret=SECRET_TOKEN),
        production.call("DELETE", path, secret=SECRET_TOKEN),
        production.call("POST", f"{path}/keys", {"name": "x", "scopes": ["read"]}, secret=SECRET_TOKEN),
    ]
    assert {answer.json["code"] for answer in attempts} == {"unknown_project"}
    with pytest.raises(projects.Forbidden):
        projects.update_project(production.context, project_key, {"isActive": True})


def test_erasing_again_is_allowed_and_a_project_that_never_was_is_unknown(production: Installation) -> None:
    path = f"/v1/projects/{production.create_project()['projectKey']}?erase=true"
    production.as_root("DELETE", path)
    assert production.as_root("DELETE", path)["erasedEvents"] == 0
    assert production.call("DELETE", "/v1/projects/0123456789ab?erase=true", secret=SECRET_TOKEN).status_code == 403


def fail(*_: object, **__: object) -> Any:
    raise StoreUnavailable("away")


def fail_once_after(calls: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """`original`, except that the call after `calls` successful ones raises StoreUnavailable."""
    done = iter(range(calls + 1))

    def call(*arguments: Any, **named: Any) -> Any:
        if next(done, None) == calls:
            raise StoreUnavailable("away")
        return original(*arguments, **named)

    return call


@pytest.mark.parametrize(
    ("method", "calls"),
    [("erase_events", 0), ("delete_documents", 0), ("delete_documents", 1), ("increment_document", 0)],
)
def test_an_erasure_that_was_cut_short_is_finished_by_asking_again(
    production: Installation, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    project_key = production.create_project()["projectKey"]
    production.send_event(project_key)
    production.send_event(project_key, name="")
    store = production.context.store
    path = f"/v1/projects/{project_key}?erase=true"
    with monkeypatch.context() as patch:
        patch.setattr(store, method, fail_once_after(calls, getattr(store, method)))
        assert production.call("DELETE", path, secret=SECRET_TOKEN).status_code == 503
    assert production.send_event(project_key).json["code"] == "unknown_project"
    production.as_root("DELETE", path)
    assert store.count(project_key) == 0
    for collection in projects.COLLECTIONS_OF_A_PROJECT:
        assert production.fetch_documents(collection, project_key) == []


def test_an_erasure_that_could_not_begin_changed_nothing(
    production: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_key = production.create_project()["projectKey"]
    production.send_event(project_key)
    with monkeypatch.context() as patch:
        patch.setattr(production.context.store, "update_document", fail)
        path = f"/v1/projects/{project_key}?erase=true"
        assert production.call("DELETE", path, secret=SECRET_TOKEN).status_code == 503
    assert production.as_root("GET", f"/v1/reports/overview?projectKey={project_key}")["totalEvents"] == 1


def test_the_time_of_erasure_stays_that_of_the_first(production: Installation) -> None:
    project_key = production.create_project()["projectKey"]
    for _ in range(2):
        production.as_root("DELETE", f"/v1/projects/{project_key}?erase=true")
        production.clock.advance(1000)
    (tombstone,) = production.fetch_documents("projects", project_key)
    assert tombstone["erasedAt"] == "2025-01-06T10:00:00.000Z"


def test_the_sweep_erases_what_reached_a_project_while_it_was_erased(production: Installation) -> None:
    erased, kept = (production.create_project(name)["projectKey"] for name in ("a", "b"))
    production.send_event(kept)
    production.as_root("DELETE", f"/v1/projects/{erased}?erase=true")
    store = production.context.store
    assert projects.sweep_erased_projects(production.context) == 0
    now_ms = production.clock.now_ms
    store.append([Event(erased, "late", "app_open", now_ms, now_ms)])
    keys.issue_key(production.context, erased, name="late", scopes=[keys.Scope.READ], expires_at=None, now_ms=now_ms)
    assert projects.sweep_erased_projects(production.context) == 1
    assert (store.count(erased), store.count(kept)) == (0, 1)
    assert production.fetch_documents("api_keys", erased) == []
    assert len(production.fetch_documents("api_keys", kept)) == 1


def test_an_update_that_meets_an_erasure_does_not_bring_the_name_back(
    production: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_key = production.create_project()["projectKey"]
    original = projects.update_project

    def erase_first(*arguments: Any) -> Any:
        projects.erase_project(production.context, project_key, now_ms=production.clock.now_ms)
        return original(*arguments)

    monkeypatch.setattr(projects, "update_project", erase_first)
    answer = production.call("PATCH", f"/v1/projects/{project_key}", {"name": "Back"}, secret=SECRET_TOKEN)
    assert (answer.status_code, answer.json["code"]) == (403, "unknown_project")
    (tombstone,) = production.fetch_documents("projects", project_key)
    assert tombstone["name"] == ""


def test_answers_never_show_the_inner_fields(production: Installation) -> None:
    created = production.create_project()
    path = f"/v1/projects/{created['projectKey']}"
    answers = [created] + [production.as_root(method, path, {}) for method in ("GET", "PATCH", "DELETE")]
    assert all({"dataEpoch", "erasedAt"}.isdisjoint(answer) for answer in answers)
