"""Who may do what: every kind of credentials on every route, in both environments."""

from __future__ import annotations

import pytest

from tests.cast import SECRET_TOKEN, Cast, Environment, Installation, MakeApp, assemble_cast, install

ROUTES = (
    *("ingest", "list", "create", "test insert"),
    *("report", "rejections", "show", "update", "keys", "new key", "rotate", "revoke", "deactivate", "erase"),
)

IN_THE_PROJECT = (200, 200, 200, 200, 200, 201, 201, 200, 200, 200)
ALL_ALLOWED = (200, 200, 201, 200, *IN_THE_PROJECT)
ALL_OF_ONE_PROJECT = (200, 200, 403, 403, *IN_THE_PROJECT)
UNKNOWN_CALLER = (401,) * 14
INGEST_ONLY = (200, *(401,) * 13)

ANY_ENVIRONMENT = {
    "ingest": (200, *(403,) * 13),
    "read": (403, 200, 403, 403, 200, 200, 200, *(403,) * 7),
    "admin": ALL_OF_ONE_PROJECT,
    "first key": ALL_OF_ONE_PROJECT,
    "in grace": ALL_OF_ONE_PROJECT,
    "other project's key": (403, 200, *(403,) * 12),
    "expired": UNKNOWN_CALLER,
    "revoked": UNKNOWN_CALLER,
    "rotated out": UNKNOWN_CALLER,
    "unknown key": UNKNOWN_CALLER,
    "wrong root": UNKNOWN_CALLER,
    "root": ALL_ALLOWED,
}
EXPECTED: dict[tuple[Environment, str], tuple[int, ...]] = {
    **{("development", kind): row for kind, row in ANY_ENVIRONMENT.items()},
    **{("production", kind): row for kind, row in ANY_ENVIRONMENT.items()},
    ("development", "none"): ALL_ALLOWED,
    ("development", "public key"): (200, 200, 401, 401, *IN_THE_PROJECT),
    ("production", "none"): INGEST_ONLY,
    ("production", "public key"): INGEST_ONLY,
}


def fetch_row(installation: Installation, cast: Cast, secret: str | None) -> tuple[int, ...]:
    """The status that each route answers; what a route did to the project is undone before the next."""
    project = f"/v1/projects/{cast.own}"
    spare, other_spare = cast.spare_key_ids
    requests: dict[str, tuple[str, str, object]] = {
        "ingest": ("POST", "/v1/events/batch", {"projectKey": cast.own, "events": [{"eventName": "app_open"}]}),
        "report": ("GET", f"/v1/reports/overview?projectKey={cast.own}", None),
        "rejections": ("GET", f"/v1/rejections?projectKey={cast.own}", None),
        "show": ("GET", project, None),
        "update": ("PATCH", project, {"name": "Renamed"}),
        "keys": ("GET", f"{project}/keys", None),
        "new key": ("POST", f"{project}/keys", {"name": "new", "scopes": ["read"]}),
        "rotate": ("POST", f"{project}/keys/{spare}/rotate", {}),
        "revoke": ("DELETE", f"{project}/keys/{other_spare}", None),
        "deactivate": ("DELETE", project, None),
        "erase": ("DELETE", f"{project}?erase=true", None),
        "list": ("GET", "/v1/projects", None),
        "create": ("POST", "/v1/projects", {"name": "New"}),
        "test insert": ("POST", "/db/test-insert", None),
    }
    statuses = {}
    for route in ROUTES:
        method, path, body = requests[route]
        statuses[route] = installation.call(method, path, body, secret=secret).status_code
        if route == "deactivate":
            installation.as_root("PATCH", project, {"isActive": True})
    return tuple(statuses[route] for route in ROUTES)


@pytest.mark.parametrize(("env", "kind"), list(EXPECTED), ids=lambda value: str(value))
def test_each_credential_opens_exactly_its_routes(
    env: Environment, kind: str, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install(make_app, env, monkeypatch)
    cast = assemble_cast(installation)
    row = fetch_row(installation, cast, cast.secrets[kind])
    assert dict(zip(ROUTES, row, strict=True)) == dict(zip(ROUTES, EXPECTED[env, kind], strict=True))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", "expired_api_key"),
        ("revoked", "revoked_api_key"),
        ("rotated out", "rotated_api_key"),
        ("unknown key", "invalid_api_key"),
        ("wrong root", "invalid_api_key"),
    ],
)
def test_a_bad_key_is_told_what_is_wrong_with_it(production: Installation, kind: str, code: str) -> None:
    cast = assemble_cast(production)
    answer = production.call("GET", "/v1/projects", secret=cast.secrets[kind])
    assert (answer.status_code, answer.json["code"]) == (401, code)
    assert str(cast.secrets[kind]) not in answer.text


def test_refusals_carry_the_slugs_that_programs_rely_on(production: Installation) -> None:
    cast = assemble_cast(production)
    show = f"/v1/projects/{cast.own}"
    secrets = cast.secrets
    codes = {
        "nobody": production.call("GET", show).json["code"],
        "wrong project": production.call("GET", show, secret=secrets["other project's key"]).json["code"],
        "scope": production.call("GET", show, secret=secrets["ingest"]).json["code"],
        "create": production.call("POST", "/v1/projects", {"name": "x"}, secret=secrets["admin"]).json["code"],
        "no project": production.call("GET", "/v1/reports/overview", secret=SECRET_TOKEN).json["code"],
    }
    assert codes == {
        "nobody": "missing_credentials",
        "wrong project": "wrong_project",
        "scope": "missing_scope",
        "create": "secret_token_required",
        "no project": "missing_project_key",
    }


def test_the_key_decides_the_project_when_the_request_names_none(production: Installation) -> None:
    cast = assemble_cast(production)
    assert production.send_event(None, cast.secrets["ingest"]).json["accepted"] == 1
    report = production.call("GET", "/v1/reports/overview", secret=cast.secrets["read"]).json
    assert (report["projectKey"], report["totalEvents"]) == (cast.own, 1)


def test_a_disagreeing_project_key_in_the_request_is_refused_and_stores_nothing(production: Installation) -> None:
    cast = assemble_cast(production)
    for secret in (cast.secrets["admin"], cast.own):
        answer = production.send_event(cast.other, secret)
        assert (answer.status_code, answer.json["code"]) == (403, "wrong_project")
    assert production.context.store.count(cast.own) == production.context.store.count(cast.other) == 0


def test_bearer_is_accepted_and_x_api_key_goes_first(production: Installation) -> None:
    cast = assemble_cast(production)
    show = f"/v1/projects/{cast.own}"
    good, bad = cast.secrets["read"], cast.secrets["unknown key"]
    statuses = [
        production.call("GET", show, headers=headers).status_code
        for headers in (
            {"Authorization": f"Bearer {good}"},
            {"Authorization": f"bearer  {good} "},
            {"Authorization": f"Bearer {bad}"},
            {"Authorization": f"Basic {good}"},
            {"Authorization": "Bearer"},
            {"Authorization": f"Bearer {bad}", "X-API-Key": str(good)},
            {"Authorization": f"Bearer {good}", "X-API-Key": str(bad)},
            {"Authorization": f"Bearer {good}", "X-API-Key": ""},
        )
    ]
    assert statuses == [200, 200, 401, 401, 401, 200, 401, 200]


def test_public_ingest_can_be_switched_off_and_keys_still_ingest(production: Installation) -> None:
    cast = assemble_cast(production)
    production.as_root("PATCH", f"/v1/projects/{cast.own}", {"allowPublicIngest": False})
    assert production.send_event(cast.own).status_code == 401
    assert production.send_event(cast.own, cast.own).status_code == 401
    assert production.send_event(cast.own, cast.secrets["ingest"]).status_code == 200


def test_in_development_nobody_needs_no_permission_for_public_ingest(development: Installation) -> None:
    project_key = development.create_project(allowPublicIngest=False)["projectKey"]
    assert development.send_event(project_key).status_code == 200


@pytest.mark.parametrize("env", ["development", "production"])
def test_an_unknown_project_is_refused_in_the_words_of_the_reference(
    env: Environment, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install(make_app, env, monkeypatch)
    for project_key in ("abc123", "0123456789ab"):
        answer = installation.send_event(project_key)
        assert (answer.status_code, answer.json["code"]) == (403, "unknown_project")
        assert answer.json["error"] == f"Project with key '{project_key}' not found"
        assert installation.call("GET", f"/v1/projects/{project_key}", secret=SECRET_TOKEN).status_code == 403


@pytest.mark.parametrize("project_key", ["\ud800", "a\0b", "$ne", "x" * 5000, "é" * 12])
def test_hostile_project_keys_are_unknown_projects(development: Installation, project_key: str) -> None:
    answer = development.send_event(project_key)
    assert (answer.status_code, answer.json["code"]) == (403, "unknown_project")
    assert len(answer.json["error"]) < 200


def test_an_inactive_project_takes_nothing_from_anybody_and_root_can_bring_it_back(production: Installation) -> None:
    cast = assemble_cast(production)
    project = f"/v1/projects/{cast.own}"
    assert production.call("DELETE", project, secret=cast.secrets["admin"]).json["isActive"] is False
    report = f"/v1/reports/overview?projectKey={cast.own}"
    refused = [
        production.send_event(cast.own),
        production.send_event(cast.own, cast.secrets["ingest"]),
        production.send_event(cast.own, SECRET_TOKEN),
        production.call("GET", report, secret=cast.secrets["read"]),
        production.call("GET", report, secret=SECRET_TOKEN),
        production.call("GET", "/v1/projects", secret=cast.secrets["read"]),
        production.call("PATCH", project, {"isActive": True}, secret=cast.secrets["admin"]),
    ]
    assert {(answer.status_code, answer.json["code"]) for answer in refused} == {(403, "inactive_project")}
    assert production.as_root("GET", project)["isActive"] is False
    assert production.as_root("PATCH", project, {"isActive": True})["isActive"] is True
    assert production.send_event(cast.own, cast.secrets["ingest"]).status_code == 200


def test_the_hash_of_a_secret_is_not_a_secret(production: Installation) -> None:
    cast = assemble_cast(production)
    for document in production.fetch_documents("api_keys", cast.own):
        assert production.call("GET", "/v1/projects", secret=document["keyHash"]).status_code == 401


def test_hostile_secrets_are_unknown_keys(production: Installation) -> None:
    for secret in ("'; drop table documents; --", "\xff\xfe", "ak_live_", "ak_live_" + "x" * 5000, "null"):
        assert production.call("GET", "/v1/projects", secret=secret).status_code == 401


def test_in_production_no_route_of_the_api_answers_nobody(production: Installation) -> None:
    arguments = {"project_key": "0123456789ab", "key_id": "x"}
    answered = []
    for rule in production.app.url_map.iter_rules():
        if rule.rule.startswith("/v1/"):
            path = rule.rule
            for name in rule.arguments:
                path = path.replace(f"<{name}>", arguments.get(name, "x"))
            for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
                answered.append((method, rule.rule, production.call(method, path).status_code))
    assert len(answered) >= 12
    assert [found for found in answered if found[2] < 400] == []
