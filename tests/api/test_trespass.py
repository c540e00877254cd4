"""Those who want more than they were given: what others took from them, who they are, or how often they may ask."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from routes.limits import find_network
from services import invitations, memberships
from services.roles import Role
from services.users import parse_email
from tests.cast import SECRET_TOKEN, Installation, MakeApp, install
from tests.people import PASSWORD, Team, found_team, invite, log_in, register

pytestmark = pytest.mark.usefixtures("quick_passwords")

LIMIT = 30
LOGIN_LIMIT = 3


@pytest.fixture
def team(production: Installation) -> Team:
    return found_team(production, "red")


@pytest.fixture
def limited(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Installation:
    limits = {"rate_limit_max": LIMIT, "login_rate_limit_max": LOGIN_LIMIT, "trusted_proxies": 1}
    return install(make_app, "production", monkeypatch, **limits)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def change_role(installation: Installation, team: Team, who: str, whom: str, role: str) -> Any:
    path = f"/v1/organisations/{team.organisation_id}/members/{team.user_ids[whom]}"
    return installation.call("PATCH", path, {"role": role}, secret=team.tokens[who])


def leave(installation: Installation, team: Team, who: str) -> Any:
    path = f"/v1/organisations/{team.organisation_id}/members/{team.user_ids[who]}"
    return installation.call("DELETE", path, secret=team.tokens[who])


def accept(installation: Installation, token: str, secret: str) -> Any:
    return installation.call("POST", "/v1/invitations/accept", {"token": token}, secret=secret)


def test_who_was_demoted_does_not_come_back_by_an_invitation_of_former_times(
    production: Installation, team: Team
) -> None:
    change_role(production, team, "owner", "admin", "owner")
    kept = invite(production, team.organisation_id, team.tokens["admin"], "owner")
    assert change_role(production, team, "owner", "admin", "viewer").status_code == 200
    path = f"/v1/organisations/{team.organisation_id}/invitations"
    assert production.call("GET", path, secret=team.tokens["owner"]).json == {"invitations": []}
    assert leave(production, team, "admin").status_code == 200
    assert code_of(accept(production, kept, team.tokens["admin"])) == (403, "invalid_invitation")
    body = {"username": "again", "password": PASSWORD, "invitation": kept}
    assert code_of(production.call("POST", "/api/auth/register", body)) == (403, "invalid_invitation")


def test_the_invitations_of_a_deactivated_user_let_nobody_in(production: Installation, team: Team) -> None:
    kept = invite(production, team.organisation_id, team.tokens["admin"], "admin")
    path = f"/api/auth/users/{team.user_ids['admin']}"
    production.as_root("PATCH", path, {"is_active": False})
    register(production, "accomplice")
    assert code_of(accept(production, kept, log_in(production, "accomplice"))) == (403, "invalid_invitation")


def test_an_invitation_of_the_operator_needs_no_member(production: Installation, team: Team) -> None:
    register(production, "guest")
    for secret in (SECRET_TOKEN, log_in(production, "superuser")):
        token = invite(production, team.organisation_id, secret, "viewer")
        assert accept(production, token, log_in(production, "guest")).status_code == 200
        membership = memberships.fetch(production.context, team.organisation_id, find_id(production, "guest"))
        assert membership is not None
        assert memberships.remove(production.context, membership)


def find_id(installation: Installation, username: str) -> str:
    listed = installation.as_root("GET", "/api/auth/users")["users"]
    return next(str(user["id"]) for user in listed if user["username"] == username)


def test_two_invitations_at_the_same_time_make_no_owner_of_a_viewer(
    production: Installation, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = str(register(production, "guest")["id"])
    token = invite(production, team.organisation_id, team.tokens["owner"], "owner")
    use_up = invitations.use_up

    def be_taken_in_meanwhile(*given: Any, **named: Any) -> None:
        use_up(*given, **named)
        memberships.add(production.context, team.organisation_id, user_id, Role.VIEWER, now_ms=production.clock.now_ms)

    monkeypatch.setattr(invitations, "use_up", be_taken_in_meanwhile)
    assert code_of(accept(production, token, log_in(production, "guest"))) == (409, "already_member")
    assert code_of(leave(production, team, "owner")) == (409, "last_owner")


def test_who_is_demoted_while_becoming_owner_does_not_count_as_one(
    production: Installation, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = memberships.change_role

    def be_demoted_meanwhile(context: Any, organisation_id: str, user_id: str, old: Role, new: Role) -> bool:
        is_done = change(context, organisation_id, user_id, old, new)
        return is_done and change(context, organisation_id, user_id, new, Role.VIEWER)

    with monkeypatch.context() as patched:
        patched.setattr(memberships, "change_role", be_demoted_meanwhile)
        change_role(production, team, "owner", "admin", "owner")
    assert code_of(leave(production, team, "owner")) == (409, "last_owner")


def test_an_admin_does_not_carry_a_project_off_to_an_organisation_of_his_own(
    production: Installation, team: Team
) -> None:
    own: Any = production.call("POST", "/v1/organisations", {"name": "mine"}, secret=team.tokens["admin"]).json
    path = f"/v1/projects/{team.project_key}"
    move = {"organisationId": own["id"]}
    assert code_of(production.call("PATCH", path, move, secret=team.tokens["admin"])) == (403, "missing_role")
    assert production.as_root("GET", path)["organisationId"] == team.organisation_id
    stay = {"organisationId": team.organisation_id, "name": "New name"}
    assert production.call("PATCH", path, stay, secret=team.tokens["admin"]).status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("ADA@Example.COM", "ada@example.com"), ("\u212aevin@x.example", "\u212aevin@x.example"), ("Ä@x.example",) * 2],
)
def test_only_ascii_letters_of_an_address_have_no_case(sent: str, kept: str) -> None:
    """Else the address of another mailbox would lead to a user: the Kelvin sign in lower case is a k."""
    assert parse_email(sent) == kept


def test_the_address_of_a_mailbox_that_looks_alike_logs_nobody_in(production: Installation) -> None:
    register(production, "kevin")
    body = {"username": "\u212aevin@example.com", "password": PASSWORD}
    assert code_of(production.call("POST", "/api/auth/login", body)) == (401, "invalid_credentials")


def test_guessing_the_current_password_is_an_attempt_right_or_wrong(limited: Installation) -> None:
    register(limited, "ada")
    token = log_in(limited, "ada")

    def guess(password: str) -> Any:
        body = {"current_password": password, "new_password": "another one"}
        headers = {"X-Forwarded-For": "203.0.113.9"}
        return limited.call("POST", "/api/auth/password", body, secret=token, headers=headers)

    assert [guess("wrong guess").status_code for _ in range(LOGIN_LIMIT)] == [400] * LOGIN_LIMIT
    assert code_of(guess(PASSWORD)) == (429, "too_many_requests")


@pytest.mark.parametrize(
    "path",
    ["/v1/events/batch", "/api/analytics/collect", "/api/auth/revoke", "/v1/reports/overview", "/v1/reports/export"],
)
def test_what_cannot_be_read_is_counted_like_all_else(limited: Installation, path: str) -> None:
    """Or whoever has no credentials could have the service inflate and read bodies as often as he likes."""
    first = limited.call("POST", path, [1], headers={"X-Forwarded-For": "203.0.113.9"})
    assert first.status_code == 400
    assert first.headers["RateLimit-Remaining"] == str(LIMIT - 1)


def test_a_key_that_takes_another_ones_place_shares_its_count(limited: Installation) -> None:
    project = limited.create_project()
    key = limited.create_key(project["projectKey"], ["read"], rateLimit=2)
    other = {"X-Forwarded-For": "203.0.113.9"}
    for _ in range(2):
        assert limited.call("GET", "/v1/projects", secret=key["apiKey"]).status_code == 200
    body = {"apiKey": key["apiKey"], "regenerate": True}
    renewed: Any = limited.call("POST", "/api/auth/revoke", body, headers=other)
    assert code_of(limited.call("GET", "/v1/projects", secret=renewed.json["apiKey"])) == (429, "too_many_requests")
    body["apiKey"] = renewed.json["apiKey"]
    again: Any = limited.call("POST", "/api/auth/revoke", body, headers=other)
    assert code_of(limited.call("GET", "/v1/projects", secret=again.json["apiKey"])) == (429, "too_many_requests")


@pytest.mark.parametrize("general_limit", [LIMIT, 0])
def test_a_key_that_was_throttled_gives_no_other_more_than_it_has(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, general_limit: int
) -> None:
    installation = install(make_app, "production", monkeypatch, rate_limit_max=general_limit)
    project = installation.create_project()
    key = installation.create_key(project["projectKey"], ["admin"], rateLimit=10)
    path = f"/v1/projects/{project['projectKey']}/keys"

    def create(**fields: object) -> Any:
        return installation.call("POST", path, {"name": "k", "scopes": ["read"], **fields}, secret=key["apiKey"])

    assert create(rateLimit=10).status_code == 201
    for more in (create(rateLimit=11), create(rateLimit=0), create(rateLimit=None), create()):
        assert code_of(more) == (403, "rate_limit_too_high")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "GET"])
@pytest.mark.parametrize("end", ["", "/", "/x", "//"])
def test_the_secret_of_a_link_is_not_logged_however_it_is_asked_for(
    production: Installation, caplog: pytest.LogCaptureFixture, method: str, end: str
) -> None:
    caplog.set_level("DEBUG")
    production.call(method, f"/v1/shared/c2VjcmV0LW9mLWEtbGluaw{end}")
    assert "/v1/shared/" in caplog.text
    assert "c2VjcmV0LW9mLWEtbGluaw" not in caplog.text


def test_who_comes_in_by_an_invitation_is_in_the_log_of_the_organisation(production: Installation, team: Team) -> None:
    token = invite(production, team.organisation_id, team.tokens["owner"], "viewer")
    body = {"username": "newcomer", "password": PASSWORD, "invitation": token}
    production.clock.advance(1)
    registered: Any = production.call("POST", "/api/auth/register", body)
    user_id = registered.json["id"]
    path = f"/v1/audit-log?organisationId={team.organisation_id}&limit=1"
    shown: Any = production.call("GET", path, secret=team.tokens["owner"])
    (entry,) = shown.json["entries"]
    assert (entry["action"], entry["targets"]) == ("user.register", [{"kind": "user", "id": user_id}])


@pytest.mark.parametrize("nested", ["[" * 3000, '{"a":' * 600, '{"alg":"HS256","a":' + "[" * 2900])
def test_a_token_that_is_nested_deeply_is_no_token(production: Installation, nested: str) -> None:
    head = base64.urlsafe_b64encode(nested.encode()).decode().rstrip("=")
    assert code_of(production.call("GET", "/api/auth/me", secret=f"{head}.e30.AAAA")) == (401, "invalid_token")


@pytest.mark.parametrize(
    "secret", ["..", ".e30.", "eyJhbGciOiJub25lIn0.e30.", "é.ü.ß", "a.b.c" * 900, "\x7f.\x7f.\x7f"]
)
def test_what_only_looks_like_a_token_is_none(production: Installation, secret: str) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    answer = production.call("GET", "/api/auth/me", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/v1/projects", "/v1/reports/users/ada.png", "/v1/saved-reports", "/nowhere.css"])
def test_no_proxy_keeps_what_was_answered_to_one(production: Installation, team: Team, path: str) -> None:
    answer = production.call("GET", path, secret=team.api_key)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9:50123", "203.0.113.9"),
        ("[2001:db8::1]:50123", "2001:db8::"),
        ("[2001:db8::1]", "2001:db8::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown:50123", "unknown:50123"),
    ],
)
def test_another_port_is_not_another_client(address: str, network: str) -> None:
    assert find_network(address) == network
