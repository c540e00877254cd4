"""/v1/projects/{projectKey}/keys: the life of API keys."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stores.base import StoreUnavailable
from tests.cast import HOUR_MS, MINUTE_MS, SECRET_TOKEN, Installation, MakeApp, dump_documents


@pytest.fixture
def project_key(production: Installation) -> str:
    return str(production.create_project()["projectKey"])


def fetch_keys(production: Installation, project_key: str) -> dict[str, Any]:
    """The project's keys as listed, by id."""
    return {key["id"]: key for key in production.as_root("GET", f"/v1/projects/{project_key}/keys")["keys"]}


def works(production: Installation, key: dict[str, Any]) -> bool:
    return production.call("GET", "/v1/projects", secret=key["apiKey"]).status_code == 200


def which_work(production: Installation, *keys: dict[str, Any]) -> list[bool]:
    return [works(production, key) for key in keys]


def rotate(production: Installation, project_key: str, key: dict[str, Any], body: object = None) -> Any:
    return production.call("POST", f"/v1/projects/{project_key}/keys/{key['id']}/rotate", body, secret=SECRET_TOKEN)


def revoke(production: Installation, project_key: str, key: dict[str, Any]) -> Any:
    return production.call("DELETE", f"/v1/projects/{project_key}/keys/{key['id']}", secret=SECRET_TOKEN)


def test_a_new_key_is_shown_once_with_its_secret_and_later_without(production: Installation, project_key: str) -> None:
    production.clock.advance(1)
    fields = {"name": "Reader", "expiresAt": "2025-02-01T00:00:00+01:00"}
    created = production.create_key(project_key, ["read", "ingest", "read"], **fields)
    secret = created.pop("apiKey")
    assert created == {
        "id": created["id"],
        "name": "Reader",
        "prefix": secret[:12],
        "scopes": ["ingest", "read"],
        "rateLimit": None,
        "isActive": True,
        "createdAt": "2025-01-06T10:00:00.001Z",
        "expiresAt": "2025-01-31T23:00:00Z",
        "lastUsedAt": None,
        "rotatedAt": None,
        "graceEndsAt": None,
        "revokedAt": None,
    }
    assert list(fetch_keys(production, project_key).values())[-1] == created


def test_secrets_are_random_and_stored_nowhere(production: Installation, project_key: str) -> None:
    made = [production.create_key(project_key, ["read"]) for _ in range(3)]
    made.append(rotate(production, project_key, made[0]).json)
    stored = dump_documents(production)
    assert len({key["apiKey"] for key in made}) == len({key["id"] for key in made}) == 4
    for key in made:
        assert len(key["apiKey"]) == len("ak_live_") + 43
        assert key["apiKey"] not in stored
        assert key["prefix"] in stored


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"scopes": []}, ["scopes"]),
        ({"scopes": "read"}, ["scopes"]),
        ({"scopes": ["write"]}, ["scopes"]),
        ({"scopes": ["read", 1]}, ["scopes"]),
        ({"expiresAt": "2025-01-06T10:00:00Z"}, ["expiresAt"]),
        ({"expiresAt": "2020-01-01"}, ["expiresAt"]),
        ({"expiresAt": "soon"}, ["expiresAt"]),
        ({"expiresAt": 1893456000}, ["expiresAt"]),
        ({"expiresAt": "9999-12-31T23:59:59-12:00"}, ["expiresAt"]),
        ({"projectKey": "0123456789ab", "keyHash": "x"}, ["keyHash", "projectKey"]),
    ],
)
def test_a_wrong_field_is_named_and_no_key_is_made(
    production: Installation, project_key: str, change: dict[str, Any], fields: list[str]
) -> None:
    body = {"name": "key", "scopes": ["read"], **change}
    answer = production.call("POST", f"/v1/projects/{project_key}/keys", body, secret=SECRET_TOKEN)
    assert (answer.status_code, sorted(answer.json["fields"])) == (400, fields)
    assert len(fetch_keys(production, project_key)) == 1


@pytest.mark.parametrize("missing", ["name", "scopes"])
def test_name_and_scopes_are_required(production: Installation, project_key: str, missing: str) -> None:
    body = {"name": "key", "scopes": ["read"]}
    del body[missing]
    answer = production.call("POST", f"/v1/projects/{project_key}/keys", body, secret=SECRET_TOKEN)
    assert (answer.status_code, answer.json["fields"]) == (400, [missing])


def test_a_key_expires_at_its_millisecond(production: Installation, project_key: str) -> None:
    key = production.create_key(project_key, ["read"], expiresAt="2025-01-06T11:00:00Z")
    production.clock.advance(HOUR_MS - 1)
    assert works(production, key)
    production.clock.advance(1)
    assert not works(production, key)
    assert fetch_keys(production, project_key)[key["id"]]["isActive"] is False


def test_a_revoked_key_stops_at_once_and_stays_listed(production: Installation, project_key: str) -> None:
    key = production.create_key(project_key, ["read"])
    assert works(production, key)
    assert revoke(production, project_key, key).json["revokedAt"] == "2025-01-06T10:00:00Z"
    assert not works(production, key)
    production.clock.advance(HOUR_MS)
    assert revoke(production, project_key, key).json["revokedAt"] == "2025-01-06T10:00:00Z"
    assert fetch_keys(production, project_key)[key["id"]]["isActive"] is False


def test_a_revocation_holds_in_the_other_worker_at_once(
    production: Installation, project_key: str, make_app: MakeApp
) -> None:
    key = production.create_key(project_key, ["read"])
    settings = {"env": "production", "secret_token": SECRET_TOKEN, "store": "embedded"}
    other_worker = Installation(make_app(**settings), production.clock)
    assert works(other_worker, key)
    revoke(production, project_key, key)
    assert not works(other_worker, key)


def test_after_a_rotation_both_keys_work_until_the_grace_ends(production: Installation, project_key: str) -> None:
    old = production.create_key(project_key, ["read"], name="App", expiresAt="2025-06-01T00:00:00Z")
    answer = rotate(production, project_key, old, {"graceSeconds": 3600})
    new = answer.json
    assert answer.status_code == 201
    assert [new[name] for name in ("name", "scopes", "expiresAt")] == ["App", ["read"], "2025-06-01T00:00:00Z"]
    assert new["id"] != old["id"]
    assert new["apiKey"] != old["apiKey"]
    listed = fetch_keys(production, project_key)[old["id"]]
    assert (listed["rotatedAt"], listed["graceEndsAt"]) == ("2025-01-06T10:00:00Z", "2025-01-06T11:00:00Z")
    production.clock.advance(HOUR_MS - 1)
    assert which_work(production, old, new) == [True, True]
    production.clock.advance(1)
    assert which_work(production, old, new) == [False, True]


def test_without_grace_the_old_key_stops_at_once(production: Installation, project_key: str) -> None:
    old = production.create_key(project_key, ["read"])
    new = rotate(production, project_key, old, {"graceSeconds": 0}).json
    assert which_work(production, old, new) == [False, True]


def test_the_grace_is_a_day_when_the_request_has_no_body(production: Installation, project_key: str) -> None:
    old = production.create_key(project_key, ["read"])
    assert rotate(production, project_key, old).status_code == 201
    assert fetch_keys(production, project_key)[old["id"]]["graceEndsAt"] == "2025-01-07T10:00:00Z"


def test_revoking_a_rotated_key_ends_its_grace(production: Installation, project_key: str) -> None:
    old = production.create_key(project_key, ["read"])
    new = rotate(production, project_key, old).json
    revoke(production, project_key, old)
    assert which_work(production, old, new) == [False, True]


@pytest.mark.parametrize(
    "body",
    [{"graceSeconds": -1}, {"graceSeconds": 2_592_001}, {"graceSeconds": "60"}, {"graceSeconds": True}, {"grace": 60}],
)
def test_a_wrong_grace_rotates_nothing(production: Installation, project_key: str, body: dict[str, Any]) -> None:
    old = production.create_key(project_key, ["read"])
    answer = rotate(production, project_key, old, body)
    assert (answer.status_code, answer.json["fields"]) == (400, list(body))
    assert fetch_keys(production, project_key)[old["id"]]["rotatedAt"] is None
    assert len(fetch_keys(production, project_key)) == 2


def test_a_key_that_is_gone_or_going_is_not_rotated(production: Installation, project_key: str) -> None:
    made = {kind: production.create_key(project_key, ["read"]) for kind in ("rotated", "revoked")}
    made["expired"] = production.create_key(project_key, ["read"], expiresAt="2025-01-06T10:01:00Z")
    rotate(production, project_key, made["rotated"])
    revoke(production, project_key, made["revoked"])
    production.clock.advance(MINUTE_MS)
    count = len(fetch_keys(production, project_key))
    for kind, key in made.items():
        answer = rotate(production, project_key, key)
        assert (answer.status_code, answer.json["code"]) == (409, f"{kind}_api_key")
    assert len(fetch_keys(production, project_key)) == count


def test_of_rotations_at_the_same_time_one_wins_and_leaves_one_successor(
    production: Installation, project_key: str
) -> None:
    old = production.create_key(project_key, ["read"])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rotate(production, project_key, old, {}), range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    listed = fetch_keys(production, project_key)
    (winner,) = (answer.json for answer in answers if answer.status_code == 201)
    assert len(listed) == 3
    assert winner["id"] in listed
    assert works(production, winner)


def test_a_rotation_that_meets_a_revocation_leaves_no_successor(
    production: Installation, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = production.create_key(project_key, ["read"])
    store = production.context.store
    insert = store.insert_document

    def revoke_then_insert(*arguments: Any) -> bool:
        revoke(production, project_key, old)
        return insert(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store, "insert_document", revoke_then_insert)
        assert rotate(production, project_key, old, {}).status_code == 409
    listed = fetch_keys(production, project_key)
    assert len(listed) == 2
    assert listed[old["id"]]["revokedAt"] is not None
    assert listed[old["id"]]["rotatedAt"] is None


def test_revocations_at_the_same_time_all_succeed_with_one_time(production: Installation, project_key: str) -> None:
    key = production.create_key(project_key, ["read"])

    def revoke_later(_: int) -> Any:
        production.clock.advance(1)
        return revoke(production, project_key, key)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(revoke_later, range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["revokedAt"] for answer in answers}) == 1


def test_an_unknown_key_or_one_of_another_project_is_not_found(production: Installation, project_key: str) -> None:
    other = production.create_project("Other")["projectKey"]
    foreign = production.create_key(other, ["read"])
    for key in (foreign, {"id": "nothing"}, {"id": "%00"}, {"id": "$ne"}):
        for answer in (rotate(production, project_key, key), revoke(production, project_key, key)):
            assert (answer.status_code, answer.json["code"]) == (404, "unknown_api_key")
    assert works(production, foreign)


def test_the_list_is_oldest_first(production: Installation, project_key: str) -> None:
    for name in ("c", "a", "b"):
        production.clock.advance(1)
        production.create_key(project_key, ["read"], name=name)
    assert [key["name"] for key in fetch_keys(production, project_key).values()] == ["First key", "c", "a", "b"]


def test_the_last_use_is_noted_at_most_once_a_minute(production: Installation, project_key: str) -> None:
    key = production.create_key(project_key, ["read"])
    noted = []
    for _ in range(3):
        works(production, key)
        noted.append(fetch_keys(production, project_key)[key["id"]]["lastUsedAt"])
        production.clock.advance(MINUTE_MS // 2)
    assert noted == ["2025-01-06T10:00:00Z", "2025-01-06T10:00:00Z", "2025-01-06T10:01:00Z"]


def test_a_refused_key_does_not_count_as_used(production: Installation, project_key: str) -> None:
    key = production.create_key(project_key, ["read"])
    revoke(production, project_key, key)
    works(production, key)
    assert fetch_keys(production, project_key)[key["id"]]["lastUsedAt"] is None


def test_a_use_that_cannot_be_noted_is_no_reason_to_refuse(
    production: Installation, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = production.create_key(project_key, ["read"])

    def fail(*_: object, **__: object) -> bool:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(production.context.store, "update_document", fail)
    assert works(production, key)


def test_while_the_store_is_away_no_key_is_called_wrong(
    production: Installation, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = production.create_key(project_key, ["read"])

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(production.context.store, "fetch_document", fail)
    answer = production.call("GET", "/v1/projects", secret=key["apiKey"])
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


def test_only_the_answers_that_make_a_key_hold_its_secret(production: Installation, project_key: str) -> None:
    key = production.create_key(project_key, ["admin"])
    path = f"/v1/projects/{project_key}"
    answers = [
        production.as_root("GET", path),
        production.as_root("GET", "/v1/projects"),
        production.as_root("GET", f"{path}/keys"),
        production.as_root("DELETE", f"{path}/keys/{key['id']}"),
    ]
    assert key["apiKey"] not in json.dumps(answers)
