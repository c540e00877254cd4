"""Users: registering, logging in, tokens that work, expire and are revoked, and who may change whom."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import jwt
import pytest

from services import registration, tokens, user_names, users
from services.auth import Caller
from services.errors import Conflict
from tests.cast import MINUTE_MS, SECRET_TOKEN, Installation, MakeApp, install
from tests.people import PASSWORD, log_in, register, register_superuser

# The example of reference 4.
EXAMPLE = {
    "username": "analyst", "email": "analyst@example.com", "password": "secure123", "full_name": "Data Analyst"
}  # fmt: skip


def show_me(installation: Installation, token: str) -> Any:
    return installation.call("GET", "/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_the_example_of_the_reference_registers_logs_in_and_is_shown(development: Installation) -> None:
    created = development.call("POST", "/api/auth/register", EXAMPLE)
    assert created.status_code == 201
    user_id = created.json["id"]
    assert re.fullmatch("[0-9a-f]{32}", user_id)
    assert created.json == {
        "id": user_id,
        "email": "analyst@example.com",
        "username": "analyst",
        "full_name": "Data Analyst",
        "is_active": True,
        "is_superuser": True,
        "created_at": "2025-01-06T10:00:00Z",
    }
    answer = development.call("POST", "/api/auth/login", {"username": "analyst", "password": "secure123"})
    assert answer.status_code == 200
    assert {name: answer.json[name] for name in ("token_type", "expires_in")} == {
        "token_type": "bearer", "expires_in": 1800
    }  # fmt: skip
    assert answer.headers["Cache-Control"] == "no-store"
    assert show_me(development, answer.json["access_token"]).json == created.json


def test_the_first_user_is_superuser_and_the_second_is_not(production: Installation) -> None:
    assert [register(production, name)["is_superuser"] for name in ("first", "second")] == [True, False]


def test_where_registration_is_open_in_production_the_first_who_comes_is_not_superuser(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install(make_app, "production", monkeypatch, registration="open")
    answer = installation.call("POST", "/api/auth/register", EXAMPLE)
    assert (answer.status_code, answer.json["is_superuser"]) == (201, False)
    assert register(installation, "operator")["is_superuser"]


@pytest.mark.parametrize("env", ["development", "production"])
def test_by_invitation_only_nobody_registers_without_one(
    env: Any, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install(make_app, env, monkeypatch, registration="invite")
    superuser = register_superuser(installation)
    body = {"username": "new", "password": PASSWORD}
    register(installation, "plain")
    plain = log_in(installation, "plain")
    assert code_of(installation.call("POST", "/api/auth/register", body)) == (401, "missing_credentials")
    assert code_of(installation.call("POST", "/api/auth/register", body, secret=plain)) == (403, "registration_closed")
    wrong = {**body, "invitation": "x" * 43}
    assert code_of(installation.call("POST", "/api/auth/register", wrong)) == (403, "invalid_invitation")
    assert installation.call("POST", "/api/auth/register", body, secret=superuser).status_code == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "has blank"}, "username"),
        ({"username": "some@where"}, "username"),
        ({"username": "x" * 101}, "username"),
        ({"username": "nul\0"}, "username"),
        ({"username": 5}, "username"),
        ({"password": "seven77"}, "password"),
        ({"password": "x" * 201}, "password"),
        ({"password": "with\0nul!"}, "password"),
        ({"password": None}, "password"),
        ({"email": "nowhere"}, "email"),
        ({"email": "a@b c"}, "email"),
        ({"email": "a@" + "b" * 300}, "email"),
        ({"full_name": ""}, "full_name"),
        ({"full_name": 1}, "full_name"),
        ({"is_superuser": True}, "is_superuser"),
        ({"invitation": 5}, "invitation"),
    ],
)
def test_a_wrong_field_is_named_and_nobody_is_registered(
    production: Installation, change: dict[str, Any], field: str
) -> None:
    answer = production.call("POST", "/api/auth/register", {**EXAMPLE, **change}, secret=SECRET_TOKEN)
    assert (answer.status_code, answer.json["fields"]) == (400, [field])
    assert production.as_root("GET", "/api/auth/users") == {"users": []}
    assert register(production, "analyst")["username"] == "analyst"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "other@example.com"}, "username"),
        ({"username": "ANALYST", "email": None}, "username"),
        ({"username": "ａｎａｌｙｓｔ", "email": None}, "username"),
        ({"username": "other"}, "email"),
        ({"username": "other", "email": " Analyst@EXAMPLE.com "}, "email"),
    ],
)
def test_a_name_is_given_once_whatever_its_case(
    production: Installation, change: dict[str, Any], field: str
) -> None:  # fmt: skip
    production.as_root("POST", "/api/auth/register", EXAMPLE)
    answer = production.call("POST", "/api/auth/register", {**EXAMPLE, **change}, secret=SECRET_TOKEN)
    assert (*code_of(answer), answer.json["fields"]) == (409, f"{field}_taken", [field])
    # what was not taken stays free
    assert register(production, "other", email="other@example.com")


def test_a_name_whose_registration_was_cut_short_is_free_again_after_ten_minutes(production: Installation) -> None:
    unborn = users.build_user("analyst", now_ms=production.clock.now_ms, email="analyst@example.com")
    users.reserve_names(production.context, unborn, now_ms=production.clock.now_ms)
    production.clock.advance(user_names.ORPHAN_MS)
    assert production.call("POST", "/api/auth/register", EXAMPLE, secret=SECRET_TOKEN).status_code == 409
    production.clock.advance(1)
    assert production.call("POST", "/api/auth/register", EXAMPLE, secret=SECRET_TOKEN).status_code == 201
    with pytest.raises(Conflict):
        users.reserve_names(production.context, unborn, now_ms=production.clock.now_ms)


def test_username_and_email_both_log_in_whatever_their_case(production: Installation) -> None:
    production.as_root("POST", "/api/auth/register", EXAMPLE)
    for name in ("analyst", "Analyst", "analyst@example.com", "ANALYST@example.com"):
        assert log_in(production, name, "secure123")


def test_an_unknown_user_and_a_wrong_password_get_the_same_answer_after_the_same_work(
    production: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    production.as_root("POST", "/api/auth/register", EXAMPLE)
    worked = []
    verify = users.passwords.verify_password
    monkeypatch.setattr(users.passwords, "verify_password", lambda *given: worked.append(given) or verify(*given))
    tried = [("analyst", "wrong password"), ("nobody", "secure123"), ("analyst", "short"), ("nobody@example.com", "x")]
    for username, password in tried:
        answer = production.call("POST", "/api/auth/login", {"username": username, "password": password})
        assert code_of(answer) == (401, "invalid_credentials")
        assert answer.json["error"] == "The username or the password is wrong"
    assert len(worked) == len(tried)


@pytest.mark.parametrize("body", [{}, {"username": "analyst"}, {"username": 1, "password": "secure123"}])
def test_a_login_without_both_names_what_is_missing(production: Installation, body: dict[str, Any]) -> None:
    answer = production.call("POST", "/api/auth/login", body)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_field")


def test_passwords_are_stored_as_argon2id_and_never_shown(production: Installation) -> None:
    created = production.call("POST", "/api/auth/register", EXAMPLE, secret=SECRET_TOKEN)
    stored = production.context.store.fetch_document("users", created.json["id"])
    assert stored is not None
    assert stored["passwordHash"].startswith("$argon2id$")
    listed = production.call("GET", "/api/auth/users", secret=SECRET_TOKEN)
    for text in (created.text, listed.text):
        assert "secure123" not in text
        assert "argon2" not in text


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def forge(installation: Installation, claims: dict[str, Any], purpose: str = tokens.ACCESS) -> str:
    """A token with these claims, signed by the service's own key for `purpose`."""
    key = hmac.new(installation.context.config.secret_key.encode(), f"apptracker {purpose}".encode(), hashlib.sha256)
    return jwt.encode(claims, key.digest(), algorithm="HS256")


def test_tokens_that_are_forged_or_altered_are_refused_everywhere(production: Installation) -> None:
    register_superuser(production)
    good = log_in(production, "superuser")
    head, body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    now = production.clock.now_ms // 1000
    forgeries = {
        "alg none": f"{encode({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "alg none, signed": f"{encode({'alg': 'none', 'typ': 'JWT'})}.{body}.{signature}",
        "signature cut": f"{head}.{body}.",
        "signature of another": f"{head}.{encode({**claims, 'exp': now + 999_999})}.{signature}",
        "another key": jwt.encode(claims, "k" * 32, algorithm="HS256"),
        "SECRET_KEY itself": jwt.encode(claims, production.context.config.secret_key, algorithm="HS256"),
        "another algorithm": jwt.encode(claims, "k" * 64, algorithm="HS512"),
        "another purpose": forge(production, claims, tokens.SIGN_IN),
        "no exp": forge(production, {name: value for name, value in claims.items() if name != "exp"}),
        "exp is text": forge(production, {**claims, "exp": str(now + 60)}),
        "another issuer": forge(production, {**claims, "iss": "somebody"}),
        "no user": forge(production, {**claims, "sub": 5}),
        "no generation": forge(production, {name: value for name, value in claims.items() if name != "gen"}),
        "not base64": "a.b.c",
        "empty parts": "..",
        "too long": f"{head}.{'A' * 5000}.{signature}",
    }
    assert forge(production, claims) == good
    for kind, token in forgeries.items():
        for path in ("/api/auth/me", "/v1/projects", "/v1/organisations"):
            answer = production.call("GET", path, headers={"Authorization": f"Bearer {token}"})
            assert code_of(answer) == (401, "invalid_token"), kind
            assert token not in answer.text or kind == "empty parts"


def test_a_token_expires_at_its_second(production: Installation) -> None:
    register_superuser(production)
    token = log_in(production, "superuser")
    production.clock.advance(30 * MINUTE_MS - 1)
    assert show_me(production, token).status_code == 200
    production.clock.advance(1)
    assert code_of(show_me(production, token)) == (401, "expired_token")


def test_the_setting_says_how_long_a_token_works(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = install(make_app, "production", monkeypatch, access_token_expire_minutes=1)
    register(installation, "analyst")
    answer = installation.call("POST", "/api/auth/login", {"username": "analyst", "password": PASSWORD})
    assert answer.json["expires_in"] == 60
    installation.clock.advance(MINUTE_MS)
    assert show_me(installation, answer.json["access_token"]).status_code == 401


def test_a_deactivated_user_is_out_at_once_and_old_tokens_stay_out(production: Installation) -> None:
    user_id = register(production, "analyst")["id"]
    old = log_in(production, "analyst")
    path = f"/api/auth/users/{user_id}"
    assert production.as_root("PATCH", path, {"is_active": False})["is_active"] is False
    assert code_of(show_me(production, old)) == (401, "revoked_token")
    refused = production.call("POST", "/api/auth/login", {"username": "analyst", "password": PASSWORD})
    assert code_of(refused) == (403, "inactive_user")
    production.as_root("PATCH", path, {"is_active": True})
    assert code_of(show_me(production, old)) == (401, "revoked_token")
    assert show_me(production, log_in(production, "analyst")).status_code == 200


def test_logging_out_everywhere_voids_every_token_and_only_ones_own(production: Installation) -> None:
    for name in ("analyst", "other"):
        register(production, name)
    mine, also_mine, other = (log_in(production, name) for name in ("analyst", "analyst", "other"))
    answer = production.call("POST", "/api/auth/logout-everywhere", secret=mine)
    assert (answer.status_code, answer.json) == (200, {"logged_out": True})
    statuses = [show_me(production, token).status_code for token in (mine, also_mine, other)]
    assert statuses == [401, 401, 200]
    # in the very same millisecond
    assert show_me(production, log_in(production, "analyst")).status_code == 200


def test_a_changed_password_voids_the_old_one_and_every_token(production: Installation) -> None:
    register(production, "analyst")
    old = log_in(production, "analyst")
    body = {"current_password": PASSWORD, "new_password": "  another one  "}
    answer = production.call("POST", "/api/auth/password", body, secret=old)
    assert answer.status_code == 200
    assert show_me(production, old).status_code == 401
    assert show_me(production, answer.json["access_token"]).status_code == 200
    refused = production.call("POST", "/api/auth/login", {"username": "analyst", "password": PASSWORD})
    assert refused.status_code == 401
    assert production.call(
        "POST", "/api/auth/login", {"username": "analyst", "password": "another one"}
    ).status_code == 401  # fmt: skip
    assert log_in(production, "analyst", "  another one  ")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"current_password": "not the one", "new_password": "long enough"}, "wrong_password", "current_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "invalid_field", "new_password"),
        ({"new_password": "long enough"}, "invalid_field", "current_password"),
        ({"current_password": PASSWORD}, "invalid_field", "new_password"),
    ],
)
def test_a_password_is_not_changed_without_the_current_and_a_good_new_one(
    production: Installation, body: dict[str, Any], code: str, field: str
) -> None:
    register(production, "analyst")
    token = log_in(production, "analyst")
    answer = production.call("POST", "/api/auth/password", body, secret=token)
    assert (*code_of(answer), answer.json["fields"]) == (400, code, [field])
    assert show_me(production, token).status_code == 200
    assert log_in(production, "analyst")


def test_a_superuser_may_do_what_the_secret_token_may_until_it_is_taken_away(production: Installation) -> None:
    superuser = register_superuser(production)
    own = production.call("POST", "/v1/projects", {"name": "Mine"}, secret=superuser)
    assert own.status_code == 201
    foreign = production.create_project("Of nobody")["projectKey"]
    assert production.call("GET", f"/v1/projects/{foreign}", secret=superuser).status_code == 200
    assert production.call("POST", "/db/test-insert", secret=superuser).status_code == 200
    listed = production.call("GET", "/api/auth/users", secret=superuser).json["users"]
    assert [user["username"] for user in listed] == ["superuser"]
    production.as_root("PATCH", f"/api/auth/users/{listed[0]['id']}", {"is_superuser": False})
    assert production.call("GET", f"/v1/projects/{foreign}", secret=superuser).status_code == 403
    assert code_of(production.call("GET", "/api/auth/users", secret=superuser)) == (403, "secret_token_required")


def test_a_superuser_with_one_project_need_not_name_it(production: Installation) -> None:
    superuser = register_superuser(production)
    assert code_of(production.call("GET", "/v1/reports/overview", secret=superuser)) == (400, "missing_project_key")
    own = production.call("POST", "/v1/projects", {"name": "Mine"}, secret=superuser).json["projectKey"]
    assert production.call("GET", "/v1/reports/overview", secret=superuser).json["projectKey"] == own


def test_an_unknown_user_is_not_found_and_a_wrong_change_is_named(production: Installation) -> None:
    user_id = register(production, "analyst")["id"]
    for change in ({"is_active": False}, {}):
        answer = production.call("PATCH", f"/api/auth/users/{'0' * 32}", change, secret=SECRET_TOKEN)
        assert code_of(answer) == (404, "unknown_user")
    answer = production.call("PATCH", f"/api/auth/users/{user_id}", {"username": "x"}, secret=SECRET_TOKEN)
    assert (answer.status_code, answer.json["fields"]) == (400, ["username"])


@pytest.mark.parametrize("secret", [SECRET_TOKEN, "key"])
def test_who_is_no_user_has_no_me(production: Installation, secret: str) -> None:
    sent = production.create_project()["apiKey"] if secret == "key" else secret
    for method, path in (("GET", "/api/auth/me"), ("POST", "/api/auth/logout-everywhere")):
        assert code_of(production.call(method, path, secret=sent)) == (403, "user_required")
        assert code_of(production.call(method, path)) == (401, "missing_credentials")


def test_a_password_hashed_with_other_parameters_is_hashed_anew_at_login(production: Installation) -> None:
    user_id = register(production, "analyst")["id"]
    weak = users.passwords.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    production.context.store.update_document("users", user_id, {"passwordHash": weak})
    log_in(production, "analyst")
    stored = production.context.store.fetch_document("users", user_id)
    assert stored is not None
    assert "m=19456,t=2,p=1" in stored["passwordHash"]


def test_of_two_who_register_a_name_at_the_same_time_one_gets_it(
    production: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"username": "analyst", "password": PASSWORD}
    reserve = users.reserve_names
    raced: list[Any] = []

    def lose(context: Any, user: Any, *, now_ms: int) -> None:
        if not raced:
            raced.append(user)
            registration.register(context, fields, caller=Caller(is_root=True), now_ms=now_ms)
        reserve(context, user, now_ms=now_ms)

    monkeypatch.setattr(users, "reserve_names", lose)
    answer = production.call("POST", "/api/auth/register", fields, secret=SECRET_TOKEN)
    assert code_of(answer) == (409, "username_taken")
    assert [user["username"] for user in production.as_root("GET", "/api/auth/users")["users"]] == ["analyst"]
    assert log_in(production, "analyst")
