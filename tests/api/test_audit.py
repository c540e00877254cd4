"""The audit log: every administrative act is in it, for those who answer for it, and nothing that is secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from routes.limits import INGEST_RULES
from services import clock, keys, projects
from services.audit import AUDIT_LOG
from stores.base import StoreUnavailable
from tests.cast import MINUTE_MS, SECRET_TOKEN, Installation
from tests.people import PASSWORD, Team, found_team, register_superuser
from tests.specification import check_answer

NO_ACTS = INGEST_RULES | {"/api/auth/login", "/api/auth/refresh", "/db/test-insert"}
"""What events come in by, logging in and staying so, and a probe that leaves nothing behind."""


@pytest.fixture
def project(production: Installation) -> dict[str, Any]:
    return production.create_project()


def read_log(installation: Installation, secret: str | None = SECRET_TOKEN, **query: object) -> Any:
    path = "/v1/audit-log?" + "&".join(f"{name}={value}" for name, value in query.items())
    return installation.call("GET", path, secret=secret)


def list_acts(installation: Installation, secret: str | None = SECRET_TOKEN, **query: object) -> list[dict[str, Any]]:
    """The entries, oldest first."""
    answer = read_log(installation, secret, **query)
    assert answer.status_code == 200, answer.text
    check_answer(installation.app, answer)
    found: list[dict[str, Any]] = answer.json["entries"]
    return found[::-1]


def name_acts(installation: Installation, **query: object) -> list[str]:
    return [f"{act['action']} {act['outcome']}" for act in list_acts(installation, **query)]


def test_every_route_that_changes_something_is_an_act_of_the_log(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if not (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            continue
        if rule.rule in NO_ACTS or rule.rule.startswith("/v1/reports/"):
            continue
        assert hasattr(app.view_functions[rule.endpoint], "audited_as"), rule


def test_an_entry_says_who_did_what_to_what_when_and_from_where(production: Installation) -> None:
    answer = production.call(
        "POST", "/v1/projects", {"name": "Shop"}, secret=SECRET_TOKEN, headers={"X-Request-Id": "request-1"}
    )
    (act,) = list_acts(production)
    assert act == {
        "id": act["id"],
        "at": "2025-01-06T10:00:00Z",
        "actor": {"type": "secret_token", "id": None, "name": None},
        "action": "project.create",
        "outcome": "done",
        "code": None,
        "projectKey": answer.json["projectKey"],
        "organisationId": None,
        "targets": [],
        "fields": [],
        "address": "127.0.0.1",
        "requestId": "request-1",
    }


def test_the_life_of_a_project_and_its_keys_is_told(production: Installation, project: dict[str, Any]) -> None:
    path = f"/v1/projects/{project['projectKey']}"
    secret = project["apiKey"]
    key = production.call("POST", f"{path}/keys", {"name": "k", "scopes": ["read"]}, secret=secret).json
    new = production.call("POST", f"{path}/keys/{key['id']}/rotate", secret=secret).json
    production.clock.advance(1)
    production.call("DELETE", f"{path}/keys/{new['id']}", secret=secret)
    production.clock.advance(1)
    production.call("PATCH", path, {"timezone": "Europe/Berlin", "domain": "example.com"}, secret=secret)
    production.clock.advance(1)
    production.call("DELETE", path, secret=secret)
    production.clock.advance(1)
    production.as_root("DELETE", f"{path}?erase=true")
    acts = list_acts(production, projectKey=project["projectKey"])
    assert sorted(act["action"] for act in acts[:3]) == ["key.create", "key.rotate", "project.create"]
    told = {act["action"]: act["targets"] for act in acts}
    assert told["key.create"] == [{"kind": "key", "id": key["id"]}]
    assert told["key.rotate"] == [{"kind": "key", "id": key["id"]}, {"kind": "newKey", "id": new["id"]}]
    assert [(act["action"], act["targets"], act["fields"]) for act in acts[3:]] == [
        ("key.revoke", [{"kind": "key", "id": new["id"]}], []),
        ("project.update", [], ["domain", "timezone"]),
        ("project.deactivate", [], []),
        ("project.erase", [], []),
    ]
    assert {act["outcome"] for act in acts} == {"done"}
    own = keys.hash_secret(secret)
    assert production.context.store.fetch_document(keys.API_KEYS, own) is None
    assert {act["actor"]["type"] for act in acts[3:6]} == {"key"}
    assert acts[3]["actor"]["name"] == "First key"


def test_the_log_of_an_erased_project_stays(production: Installation, project: dict[str, Any]) -> None:
    production.as_root("DELETE", f"/v1/projects/{project['projectKey']}?erase=true")
    projects.sweep_erased_projects(production.context)
    acts = name_acts(production, projectKey=project["projectKey"])
    assert sorted(acts) == ["project.create done", "project.erase done"]


def test_a_refused_act_is_there_with_its_reason(production: Installation, project: dict[str, Any]) -> None:
    path = f"/v1/projects/{project['projectKey']}"
    production.clock.advance(1)
    refused = production.call("PATCH", path, {"timezone": "Mars/Olympus"}, secret=project["apiKey"])
    act = list_acts(production, projectKey=project["projectKey"])[-1]
    assert refused.status_code == 400
    assert (act["outcome"], act["code"], act["fields"]) == ("refused", "invalid_field", [])


@pytest.mark.parametrize("secret", [None, "ak_live_unknown", "reader", "other"])
def test_without_permission_nothing_happened_and_nothing_is_told(
    production: Installation, project: dict[str, Any], secret: str | None
) -> None:
    made = {
        "reader": production.create_key(project["projectKey"], ["read"])["apiKey"],
        "other": production.create_project("Other")["apiKey"],
    }
    before = production.context.store.find_documents(AUDIT_LOG)
    path = f"/v1/projects/{project['projectKey']}"
    sent = made.get(secret or "", secret)
    assert production.call("DELETE", f"{path}?erase=true", secret=sent).status_code in (401, 403)
    assert production.call("POST", "/v1/projects", {"name": "x"}, secret=sent).status_code in (401, 403)
    assert production.context.store.find_documents(AUDIT_LOG) == before


def test_an_act_that_the_store_cut_short_stays_started(
    production: Installation, project: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(projects, "erase_project", go_away)
        path = f"/v1/projects/{project['projectKey']}?erase=true"
        assert production.call("DELETE", path, secret=SECRET_TOKEN).status_code == 503
    assert "project.erase started" in name_acts(production, projectKey=project["projectKey"])


def test_what_cannot_be_recorded_is_not_done(
    production: Installation, project: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = production.context.store
    insert = store.insert_document

    def refuse_entries(collection: str, *arguments: Any) -> bool:
        if collection == AUDIT_LOG:
            raise StoreUnavailable("away")
        return insert(collection, *arguments)

    path = f"/v1/projects/{project['projectKey']}"
    with monkeypatch.context() as patch:
        patch.setattr(store, "insert_document", refuse_entries)
        assert production.call("DELETE", path, secret=SECRET_TOKEN).status_code == 503
    assert production.as_root("GET", path)["isActive"] is True


def test_an_act_that_is_done_counts_as_done_when_the_entry_cannot_be_completed(
    production: Installation, project: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = production.context.store
    update = store.update_document

    def refuse_entries(collection: str, *arguments: Any, **named: Any) -> bool:
        if collection == AUDIT_LOG:
            raise StoreUnavailable("away")
        return update(collection, *arguments, **named)

    path = f"/v1/projects/{project['projectKey']}"
    with monkeypatch.context() as patch:
        patch.setattr(store, "update_document", refuse_entries)
        assert production.call("DELETE", path, secret=SECRET_TOKEN).status_code == 200
    assert "project.deactivate started" in name_acts(production, projectKey=project["projectKey"])


@pytest.fixture
def team(production: Installation) -> Team:
    return found_team(production, "team")


def test_the_acts_of_users_carry_their_names_and_organisation(production: Installation, team: Team) -> None:
    production.clock.advance(1)
    path = f"/v1/organisations/{team.organisation_id}/members/{team.user_ids['viewer']}"
    assert production.call("PATCH", path, {"role": "analyst"}, secret=team.tokens["owner"]).status_code == 200
    act = list_acts(production, team.tokens["owner"], organisationId=team.organisation_id)[-1]
    assert act["actor"] == {"type": "user", "id": team.user_ids["owner"], "name": "owner-of-team"}
    assert (act["action"], act["organisationId"]) == ("member.update", team.organisation_id)
    assert act["targets"] == [{"kind": "user", "id": team.user_ids["viewer"]}]


def test_an_organisation_reads_of_itself_and_its_projects_and_of_no_other(production: Installation, team: Team) -> None:
    other = found_team(production, "other")
    production.clock.advance(1)
    path = f"/v1/projects/{team.project_key}"
    production.call("PATCH", path, {"name": "Renamed"}, secret=team.tokens["admin"])
    acts = list_acts(production, team.tokens["owner"], organisationId=team.organisation_id)
    assert acts[-1]["action"] == "project.update"
    assert {act["organisationId"] for act in acts} == {team.organisation_id}
    about_other = list_acts(production, other.tokens["owner"], organisationId=other.organisation_id)
    assert {act["organisationId"] for act in about_other} == {other.organisation_id}
    assert len(acts) == len(about_other) + 1


@pytest.mark.parametrize(
    ("who", "about_project", "about_organisation", "about_all"),
    [
        ("owner", 200, 200, 403),
        ("admin", 200, 403, 403),
        ("analyst", 403, 403, 403),
        ("viewer", 403, 403, 403),
        ("outsider", 403, 404, 403),
        ("superuser", 200, 200, 200),
        ("SECRET_TOKEN", 200, 200, 200),
        ("project's key", 200, 403, 200),
        ("reading key", 403, 403, 403),
        ("other project's key", 403, 403, 200),
        ("nobody", 401, 401, 401),
    ],
)
def test_the_log_is_read_by_those_who_answer_for_it(
    production: Installation, team: Team, who: str, about_project: int, about_organisation: int, about_all: int
) -> None:
    other = found_team(production, "other")
    secrets = team.tokens | {
        "outsider": other.tokens["owner"],
        "superuser": register_superuser(production),
        "SECRET_TOKEN": SECRET_TOKEN,
        "project's key": team.api_key,
        "reading key": production.create_key(team.project_key, ["read"])["apiKey"],
        "other project's key": other.api_key,
        "nobody": None,
    }
    asked = [{"projectKey": team.project_key}, {"organisationId": team.organisation_id}, {}]
    answers = [read_log(production, secrets[who], **query) for query in asked]
    assert [answer.status_code for answer in answers] == [about_project, about_organisation, about_all]
    for answer in answers:
        check_answer(production.app, answer)


def test_project_and_organisation_together_are_what_is_about_both(production: Installation, team: Team) -> None:
    other = found_team(production, "other")
    about = {"projectKey": team.project_key, "organisationId": team.organisation_id}
    about_nothing = about | {"organisationId": other.organisation_id}
    acts = list_acts(production, team.tokens["owner"], **about)
    assert [act["action"] for act in acts] == ["project.create"]
    assert list_acts(production, **about_nothing) == []
    refused = read_log(production, team.tokens["admin"], **about)
    assert (refused.status_code, refused.json["code"]) == (403, "missing_role")
    refused = read_log(production, other.tokens["owner"], **about_nothing)
    assert (refused.status_code, refused.json["code"]) == (403, "unknown_project")


def test_a_key_without_a_question_reads_of_its_own_project_alone(production: Installation, team: Team) -> None:
    found_team(production, "other")
    acts = list_acts(production, team.api_key)
    assert {act["projectKey"] for act in acts} == {team.project_key}


def test_pages_follow_each_other_newest_first_without_gaps(production: Installation, project: dict[str, Any]) -> None:
    for number in range(7):
        production.clock.advance(MINUTE_MS if number % 2 else 0)
        production.create_key(project["projectKey"], ["read"])
    whole = read_log(production, projectKey=project["projectKey"]).json
    assert len(whole["entries"]) == 8
    assert whole["nextBefore"] is None
    assert [act["at"] for act in whole["entries"]] == sorted((act["at"] for act in whole["entries"]), reverse=True)
    pages, before = [], ""
    while before is not None:
        query = {"before": before} if before else {}
        page = read_log(production, projectKey=project["projectKey"], limit=3, **query).json
        pages.append(page["entries"])
        before = page["nextBefore"]
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [act for page in pages for act in page] == whole["entries"]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"limit": "0"}, ["limit"]),
        ({"limit": "1001"}, ["limit"]),
        ({"limit": "²"}, ["limit"]),
        ({"before": "yesterday"}, ["before"]),
        ({"from": "2025-01-01"}, ["from"]),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(
    production: Installation, query: dict[str, str], fields: list[str]
) -> None:
    refused = read_log(production, **query)
    assert (refused.status_code, refused.json["fields"]) == (400, fields)


def test_an_organisation_that_is_none_is_not_found(production: Installation) -> None:
    for organisation_id in ("0" * 32, "x"):
        assert read_log(production, organisationId=organisation_id).status_code == 404


def test_no_secret_reaches_the_log(production: Installation, team: Team) -> None:
    path = f"/v1/projects/{team.project_key}"
    made = production.create_key(team.project_key, ["ingest"])
    production.call("DELETE", f"{path}/keys/{made['apiKey']}", secret=SECRET_TOKEN)
    production.call("PATCH", path, {made["apiKey"]: 1}, secret=SECRET_TOKEN)
    production.call(
        "POST", "/api/auth/password", {"current_password": PASSWORD, "new_password": PASSWORD + "!"},
        secret=team.tokens["viewer"],
    )  # fmt: skip
    stored = json.dumps(production.context.store.find_documents(AUDIT_LOG))
    secrets = [SECRET_TOKEN, PASSWORD, made["apiKey"], team.api_key, *team.tokens.values()]
    assert [secret for secret in secrets if secret in stored] == []


def test_an_act_in_development_without_credentials_is_nobodys(development: Installation) -> None:
    development.call("POST", "/v1/projects", {"name": "Shop"})
    (act,) = list_acts(development, None)
    assert act["actor"] == {"type": "nobody", "id": None, "name": None}
    assert act["at"] == clock.format_ms(development.clock.now_ms)
