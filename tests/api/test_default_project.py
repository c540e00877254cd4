"""The project of those who know no projects: made when it is first needed, once, and only for who may do everything."""

from __future__ import annotations

from typing import Any

import pytest

from services import default_project
from services.default_project import fetch_default_project
from tests.cast import SECRET_TOKEN, Installation
from tests.people import found_team, log_in, register, register_superuser

VISIT = {"page": "/pricing", "session_id": "abc123"}


def send(installation: Installation, secret: str | None) -> Any:
    return installation.call("POST", "/api/events", VISIT, secret=secret)


def list_defaults(installation: Installation) -> list[str]:
    listed = installation.as_root("GET", "/v1/projects")["projects"]
    return [project["projectKey"] for project in listed if project["name"] == "default"]


def test_it_is_made_when_it_is_first_needed_and_then_stays(production: Installation) -> None:
    assert list_defaults(production) == []
    superuser = register_superuser(production)
    for secret in (SECRET_TOKEN, superuser, SECRET_TOKEN):
        assert send(production, secret).status_code in (200, 201)
    (made,) = list_defaults(production)
    assert production.context.store.count(made) == 3


def test_in_development_it_is_meant_by_who_sends_nothing(development: Installation) -> None:
    assert send(development, None).status_code in (200, 201)
    (made,) = list_defaults(development)
    assert development.context.store.count(made) == 1


def test_in_development_it_is_meant_by_users_who_have_no_project(development: Installation) -> None:
    register_superuser(development)
    register(development, "analyst")
    analyst = log_in(development, "analyst")
    assert send(development, analyst).status_code in (200, 201)
    assert send(development, None).status_code in (200, 201)
    (made,) = list_defaults(development)
    assert development.context.store.count(made) == 2
    own = development.call("POST", "/v1/projects", {"name": "Own"}, secret=analyst).json["projectKey"]
    assert send(development, analyst).status_code in (200, 201)
    assert development.context.store.count(own) == 1


def test_nobody_else_means_it(production: Installation) -> None:
    red, blue = found_team(production, "red"), found_team(production, "blue")
    production.call("POST", "/v1/projects", {"name": "Second"}, secret=blue.tokens["owner"])
    assert send(production, SECRET_TOKEN).status_code in (200, 201)
    (made,) = list_defaults(production)
    assert send(production, None).status_code == 401
    assert send(production, red.tokens["owner"]).status_code in (200, 201)
    assert send(production, blue.tokens["owner"]).json["code"] == "missing_project_key"
    assert send(production, red.api_key).status_code in (200, 201)
    assert (production.context.store.count(made), production.context.store.count(red.project_key)) == (1, 2)


def test_a_deactivated_one_refuses_and_an_erased_one_is_made_anew(production: Installation) -> None:
    send(production, SECRET_TOKEN)
    (first,) = list_defaults(production)
    production.as_root("DELETE", f"/v1/projects/{first}")
    assert send(production, SECRET_TOKEN).json["code"] == "inactive_project"
    production.as_root("DELETE", f"/v1/projects/{first}?erase=true")
    assert send(production, SECRET_TOKEN).status_code in (200, 201)
    (second,) = list_defaults(production)
    assert second != first
    assert production.context.store.count(second) == 1


@pytest.mark.parametrize("moment", ["before the key is settled", "before the project is stored"])
def test_processes_that_make_it_at_the_same_time_make_one(
    production: Installation, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    name = "_draw_free_key" if moment == "before the key is settled" else "_store_project"
    step = getattr(default_project, name)
    others: list[str] = []

    def be_overtaken(*given: Any) -> Any:
        if not others:
            others.append("")
            others.append(fetch_default_project(production.context, production.clock.now_ms).project_key)
        return step(*given)

    monkeypatch.setattr(default_project, name, be_overtaken)
    made = fetch_default_project(production.context, production.clock.now_ms)
    assert [made.project_key] == others[1:] == list_defaults(production)
