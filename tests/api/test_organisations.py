"""Organisations: members, roles, invitations that work once, and an owner who cannot be lost."""

from __future__ import annotations

from typing import Any

import pytest

from services import invitations, memberships, organisations
from services.errors import Conflict
from services.roles import Role
from tests.cast import HOUR_MS, SECRET_TOKEN, Installation
from tests.people import PASSWORD, ROLES, Team, found_team, invite, log_in, register, register_superuser

pytestmark = pytest.mark.usefixtures("quick_passwords")

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def team(production: Installation) -> Team:
    return found_team(production, "red")


def fetch_roles(installation: Installation, team: Team) -> dict[str, str]:
    """Roles by user name, as the operator sees them."""
    members = installation.as_root("GET", f"/v1/organisations/{team.organisation_id}/members")["members"]
    return {member["username"]: member["role"] for member in members}


def change_role(installation: Installation, team: Team, by: str, whose: str, role: object) -> Any:
    path = f"/v1/organisations/{team.organisation_id}/members/{team.user_ids[whose]}"
    return installation.call("PATCH", path, {"role": role}, secret=team.tokens[by])


def remove(installation: Installation, team: Team, by: str, whose: str) -> Any:
    path = f"/v1/organisations/{team.organisation_id}/members/{team.user_ids[whose]}"
    return installation.call("DELETE", path, secret=team.tokens[by])


def accept(installation: Installation, invitation: str, secret: str) -> Any:
    return installation.call("POST", "/v1/invitations/accept", {"token": invitation}, secret=secret)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_who_registers_owns_an_organisation_named_after_them(production: Installation) -> None:
    register_superuser(production)
    register(production, "plain")
    register(production, "named", full_name="Ada Lovelace")
    shown = [
        production.call("GET", "/v1/organisations", secret=log_in(production, name)).json["organisations"]
        for name in ("plain", "named")
    ]
    assert [[(each["name"], each["role"]) for each in listed] for listed in shown] == [
        [("plain", "owner")], [("Ada Lovelace", "owner")]
    ]  # fmt: skip


def test_who_registers_by_invitation_is_a_member_there_and_owns_nothing(production: Installation, team: Team) -> None:
    listed = production.call("GET", "/v1/organisations", secret=team.tokens["viewer"]).json["organisations"]
    assert [(each["id"], each["role"]) for each in listed] == [(team.organisation_id, "viewer")]
    assert fetch_roles(production, team) == {f"{role}-of-red": role for role in ROLES}


def test_an_invitation_never_makes_a_superuser_not_even_of_the_first_user(production: Installation) -> None:
    founded = production.as_root("POST", "/v1/organisations", {"name": "Empty"})
    assert founded["role"] is None
    token = invite(production, founded["id"], SECRET_TOKEN, "owner")
    body = {"username": "first", "password": PASSWORD, "invitation": token}
    assert production.call("POST", "/api/auth/register", body).json["is_superuser"] is False
    shown = production.call("GET", f"/v1/organisations/{founded['id']}", secret=log_in(production, "first"))
    assert shown.json["role"] == "owner"


def test_the_only_project_is_meant_when_none_is_named(production: Installation, team: Team) -> None:
    viewer = team.tokens["viewer"]
    report = production.call("GET", "/v1/reports/overview", secret=viewer)
    assert (report.status_code, report.json["projectKey"]) == (200, team.project_key)
    second = production.call("POST", "/v1/projects", {"name": "Second"}, secret=team.tokens["admin"]).json
    assert second["organisationId"] == team.organisation_id
    refused = production.call("GET", "/v1/reports/overview", secret=viewer)
    assert code_of(refused) == (400, "missing_project_key")
    named = production.call("GET", f"/v1/reports/overview?projectKey={second['projectKey']}", secret=viewer)
    assert named.status_code == 200
    listed = production.call("GET", "/v1/projects", secret=viewer).json["projects"]
    assert {project["projectKey"] for project in listed} == {team.project_key, second["projectKey"]}


def test_an_inactive_project_is_not_the_one_that_is_meant(production: Installation, team: Team) -> None:
    second = production.call("POST", "/v1/projects", {"name": "Second"}, secret=team.tokens["owner"]).json
    production.as_root("DELETE", f"/v1/projects/{team.project_key}")
    report = production.call("GET", "/v1/reports/overview", secret=team.tokens["viewer"])
    assert report.json["projectKey"] == second["projectKey"]
    refused = production.call(
        "GET", f"/v1/reports/overview?projectKey={team.project_key}", secret=team.tokens["viewer"]
    )  # fmt: skip
    assert code_of(refused) == (403, "inactive_project")


def test_a_project_that_one_may_not_see_is_refused_as_one_that_does_not_exist(production: Installation) -> None:
    red, blue = found_team(production, "red"), found_team(production, "blue")
    foreign, missing = blue.project_key, "0" * 12
    production.as_root("DELETE", f"/v1/projects/{foreign}")
    answers = [production.call("GET", f"/v1/projects/{key}", secret=red.tokens["owner"]) for key in (foreign, missing)]
    assert [code_of(answer) for answer in answers] == [(403, "unknown_project")] * 2
    assert answers[0].json["error"].replace(foreign, missing) == answers[1].json["error"]


def test_a_project_of_nobodys_is_seen_by_no_member(production: Installation, team: Team) -> None:
    loose = production.create_project("Loose")["projectKey"]
    assert code_of(production.call("GET", f"/v1/projects/{loose}", secret=team.tokens["owner"])) == (
        403, "unknown_project"
    )  # fmt: skip


def test_a_new_project_goes_where_its_maker_may_make_one(production: Installation, team: Team) -> None:
    def create(role: str, **fields: object) -> Any:
        return production.call("POST", "/v1/projects", {"name": "New", **fields}, secret=team.tokens[role])

    assert code_of(create("viewer")) == (403, "missing_role")
    assert code_of(create("analyst", organisationId=team.organisation_id)) == (403, "missing_role")
    assert create("admin").json["organisationId"] == team.organisation_id
    production.call("POST", "/v1/organisations", {"name": "Another"}, secret=team.tokens["admin"])
    refused = create("admin")
    assert (*code_of(refused), refused.json["fields"]) == (400, "missing_organisation_id", ["organisationId"])
    assert create("admin", organisationId=team.organisation_id).status_code == 201
    assert code_of(create("owner", organisationId="0" * 32)) == (404, "unknown_organisation")
    wrong = create("owner", organisationId="nonsense")
    assert (wrong.status_code, wrong.json["fields"]) == (400, ["organisationId"])


def test_a_project_moves_only_between_organisations_of_who_moves_it(production: Installation) -> None:
    red, blue = found_team(production, "red"), found_team(production, "blue")
    path = f"/v1/projects/{red.project_key}"
    move = {"organisationId": blue.organisation_id}
    assert code_of(production.call("PATCH", path, move, secret=red.tokens["owner"])) == (404, "unknown_organisation")
    assert code_of(production.call("PATCH", path, move, secret=red.api_key)) == (403, "user_required")
    loose = {"organisationId": None}
    assert code_of(production.call("PATCH", path, loose, secret=red.tokens["owner"])) == (403, "secret_token_required")
    accept(production, invite(production, blue.organisation_id, blue.tokens["owner"], "admin"), red.tokens["owner"])
    assert production.call("PATCH", path, move, secret=red.tokens["owner"]).json == {
        **production.as_root("GET", path), **move
    }  # fmt: skip
    assert production.call("GET", path, secret=red.tokens["admin"]).status_code == 403
    assert production.call("GET", path, secret=blue.tokens["viewer"]).status_code == 200
    assert production.as_root("PATCH", path, loose)["organisationId"] is None


def test_an_invitation_lets_one_in_once(production: Installation, team: Team) -> None:
    token = invite(production, team.organisation_id, team.tokens["admin"], "analyst")
    register(production, "guest")
    register(production, "late")
    answer = accept(production, token, log_in(production, "guest"))
    assert (answer.status_code, answer.json["role"], answer.json["id"]) == (200, "analyst", team.organisation_id)
    assert code_of(accept(production, token, log_in(production, "late"))) == (403, "invalid_invitation")
    body = {"username": "later", "password": PASSWORD, "invitation": token}
    assert code_of(production.call("POST", "/api/auth/register", body)) == (403, "invalid_invitation")
    assert fetch_roles(production, team)["guest"] == "analyst"
    assert len(fetch_roles(production, team)) == 5


def test_of_two_who_use_an_invitation_at_the_same_time_one_gets_in(
    production: Installation, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = invite(production, team.organisation_id, team.tokens["owner"], "viewer")
    register(production, "guest")
    fetched = invitations.fetch_open(production.context, token, now_ms=production.clock.now_ms)
    assert accept(production, token, log_in(production, "guest")).status_code == 200
    # the other one looked before
    monkeypatch.setattr(invitations, "fetch_open", lambda *_, **__: fetched)
    body = {"username": "later", "password": PASSWORD, "invitation": token}
    assert code_of(production.call("POST", "/api/auth/register", body)) == (403, "invalid_invitation")
    assert "later" not in fetch_roles(production, team)
    monkeypatch.undo()
    # and nothing of the attempt is left
    assert register(production, "later")


def test_an_invitation_is_listed_without_its_token_until_it_ends(production: Installation, team: Team) -> None:
    path = f"/v1/organisations/{team.organisation_id}/invitations"
    token = invite(production, team.organisation_id, team.tokens["admin"], "viewer", email="Ada@Example.com")
    listed = production.call("GET", path, secret=team.tokens["admin"])
    assert token not in listed.text
    (shown,) = listed.json["invitations"]
    assert {name: value for name, value in shown.items() if name != "id"} == {
        "role": "viewer",
        "email": "ada@example.com",
        "createdAt": "2025-01-06T10:00:00Z",
        "expiresAt": "2025-01-13T10:00:00Z",
    }
    production.clock.advance(7 * DAY_MS)
    assert production.as_root("GET", path) == {"invitations": []}
    register(production, "ada")
    assert code_of(accept(production, token, log_in(production, "ada"))) == (403, "invalid_invitation")


def test_the_token_of_an_invitation_is_stored_nowhere(production: Installation, team: Team) -> None:
    token = invite(production, team.organisation_id, team.tokens["admin"], "viewer")
    stored = production.context.store.find_documents("invitations")
    assert token not in str(stored)
    assert len(stored) == 4


def test_an_invitation_for_one_address_is_for_nobody_else(production: Installation, team: Team) -> None:
    token = invite(production, team.organisation_id, team.tokens["admin"], "viewer", email="ada@example.com")
    register(production, "eve")
    assert code_of(accept(production, token, log_in(production, "eve"))) == (403, "invitation_for_another")
    body = {"username": "mallory", "password": PASSWORD, "email": "m@example.com", "invitation": token}
    assert code_of(production.call("POST", "/api/auth/register", body)) == (403, "invitation_for_another")
    del body["email"]
    created = production.call("POST", "/api/auth/register", {**body, "username": "ada"})
    assert (created.status_code, created.json["email"]) == (201, "ada@example.com")


def test_a_withdrawn_invitation_lets_nobody_in(production: Installation, team: Team) -> None:
    path = f"/v1/organisations/{team.organisation_id}/invitations"
    token = invite(production, team.organisation_id, team.tokens["admin"], "viewer")
    invitation_id = production.as_root("GET", path)["invitations"][0]["id"]
    answer = production.call("DELETE", f"{path}/{invitation_id}", secret=team.tokens["admin"])
    assert answer.json == {"id": invitation_id, "withdrawn": True}
    register(production, "guest")
    assert code_of(accept(production, token, log_in(production, "guest"))) == (403, "invalid_invitation")
    again = production.call("DELETE", f"{path}/{invitation_id}", secret=team.tokens["admin"])
    assert code_of(again) == (404, "unknown_invitation")


def test_a_member_is_not_taken_in_twice(production: Installation, team: Team) -> None:
    token = invite(production, team.organisation_id, team.tokens["owner"], "owner")
    assert code_of(accept(production, token, team.tokens["viewer"])) == (409, "already_member")
    assert fetch_roles(production, team)["viewer-of-red"] == "viewer"


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"role": "king"}, ["role"]),
        ({"role": None}, ["role"]),
        ({"email": "nowhere"}, ["email"]),
        ({"expiresAt": "2025-01-06T10:00:00Z"}, ["expiresAt"]),
        ({"expiresAt": None}, ["expiresAt"]),
        ({"token": "mine"}, ["token"]),
    ],
)
def test_a_wrong_field_of_an_invitation_is_named(
    production: Installation, team: Team, change: dict[str, Any], fields: list[str]
) -> None:
    path = f"/v1/organisations/{team.organisation_id}/invitations"
    answer = production.call("POST", path, {"role": "viewer", **change}, secret=team.tokens["owner"])
    assert (answer.status_code, answer.json["fields"]) == (400, fields)
    assert production.as_root("GET", path) == {"invitations": []}


# Who may give the role (column) to whom (row), and take it away: (by, whose old role, new role).
MAY_CHANGE = {
    (by, old, new): by == "owner" or (by == "admin" and "owner" not in (old, new))
    for by in ROLES for old in ROLES[1:] for new in ROLES
}  # fmt: skip


@pytest.mark.parametrize("by", ROLES)
def test_members_are_managed_by_owners_and_below_owner_by_admins(
    production: Installation, team: Team, by: str
) -> None:  # fmt: skip
    register(production, "subject")
    token = log_in(production, "subject")
    accept(production, invite(production, team.organisation_id, team.tokens["owner"], "viewer"), token)
    team.user_ids["subject"] = production.call("GET", "/api/auth/me", secret=token).json["id"]
    for (who, old, new), is_allowed in MAY_CHANGE.items():
        if who == by:
            assert change_role(production, team, "owner", "subject", old).status_code == 200
            answer = change_role(production, team, by, "subject", new)
            assert answer.status_code == (200 if is_allowed else 403), (old, new)
            assert fetch_roles(production, team)["subject"] == (new if is_allowed else old)
    change_role(production, team, "owner", "subject", "owner")
    assert remove(production, team, by, "subject").status_code == (200 if by == "owner" else 403)


@pytest.mark.parametrize("role", ["admin", "analyst", "viewer"])
def test_everybody_may_leave_and_sees_nothing_more(production: Installation, team: Team, role: str) -> None:
    answer = remove(production, team, role, role)
    assert answer.json == {"userId": team.user_ids[role], "removed": True}
    path = f"/v1/organisations/{team.organisation_id}"
    assert code_of(production.call("GET", path, secret=team.tokens[role])) == (404, "unknown_organisation")
    assert production.call("GET", f"/v1/projects/{team.project_key}", secret=team.tokens[role]).status_code == 403
    assert production.call("GET", "/v1/projects", secret=team.tokens[role]).json == {"projects": []}


def test_the_last_owner_stays_owner(production: Installation, team: Team) -> None:
    assert code_of(change_role(production, team, "owner", "owner", "admin")) == (409, "last_owner")
    assert code_of(remove(production, team, "owner", "owner")) == (409, "last_owner")
    path = f"/v1/organisations/{team.organisation_id}/members/{team.user_ids['owner']}"
    assert code_of(production.call("DELETE", path, secret=SECRET_TOKEN)) == (409, "last_owner")
    assert change_role(production, team, "owner", "owner", "owner").status_code == 200
    assert change_role(production, team, "owner", "admin", "owner").status_code == 200
    assert change_role(production, team, "owner", "owner", "viewer").status_code == 200
    assert code_of(remove(production, team, "admin", "admin")) == (409, "last_owner")
    assert fetch_roles(production, team)["admin-of-red"] == "owner"


def test_two_owners_who_leave_at_the_same_time_leave_one(
    production: Installation, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_role(production, team, "owner", "admin", "owner")
    remaining = memberships.fetch(production.context, team.organisation_id, team.user_ids["admin"])
    assert remaining is not None
    standing = organisations.Standing(
        organisations.fetch_organisation(production.context, team.organisation_id), Role.OWNER, team.user_ids["admin"]
    )
    left: list[Any] = []
    replace = organisations._replace_owners

    def leave_meanwhile(*given: Any) -> bool:
        if not left:
            left.append(None)
            left.append(remove(production, team, "owner", "owner").status_code)
        return replace(*given)

    monkeypatch.setattr(organisations, "_replace_owners", leave_meanwhile)
    with pytest.raises(Conflict, match="needs an owner"):
        organisations.remove_member(production.context, standing, team.user_ids["admin"])
    assert left == [None, 200]
    assert fetch_roles(production, team)["admin-of-red"] == "owner"


def test_who_is_no_member_is_not_found_among_members(production: Installation, team: Team) -> None:
    team.user_ids["stranger"] = register(production, "stranger")["id"]
    assert code_of(change_role(production, team, "owner", "stranger", "viewer")) == (404, "unknown_member")
    assert code_of(remove(production, team, "owner", "stranger")) == (404, "unknown_member")


def test_an_organisation_is_renamed_and_deleted_by_owners_once_it_is_empty(
    production: Installation, team: Team
) -> None:
    path = f"/v1/organisations/{team.organisation_id}"
    invitation = invite(production, team.organisation_id, team.tokens["owner"], "viewer")
    renamed = production.call("PATCH", path, {"name": " Red and Sons "}, secret=team.tokens["owner"])
    assert renamed.json["name"] == "Red and Sons"
    assert code_of(production.call("DELETE", path, secret=team.tokens["owner"])) == (409, "has_projects")
    production.as_root("DELETE", f"/v1/projects/{team.project_key}?erase=true")
    answer = production.call("DELETE", path, secret=team.tokens["owner"])
    assert answer.json == {"id": team.organisation_id, "deleted": True}
    assert production.call("GET", "/v1/organisations", secret=team.tokens["owner"]).json == {"organisations": []}
    register(production, "guest")
    assert code_of(accept(production, invitation, log_in(production, "guest"))) == (403, "invalid_invitation")
    for collection in ("organisations", "memberships", "invitations"):
        equals = {"organisationId": team.organisation_id}
        assert production.context.store.find_documents(collection, equals) == []


@pytest.mark.parametrize("named", ["nonsense", "%00", "A" * 32])
def test_hostile_ids_are_not_found(production: Installation, named: str) -> None:
    answer = production.call("GET", f"/v1/organisations/{named}", secret=SECRET_TOKEN)
    assert code_of(answer) == (404, "unknown_organisation")


def test_in_development_nobody_needs_a_token(development: Installation) -> None:
    founded = development.call("POST", "/v1/organisations", {"name": "Local"})
    assert (founded.status_code, founded.json["role"]) == (201, None)
    listed = development.call("GET", "/v1/organisations").json["organisations"]
    assert [each["id"] for each in listed] == [founded.json["id"]]
    path = f"/v1/organisations/{founded.json['id']}/invitations"
    assert development.call("POST", path, {"role": "owner"}).status_code == 201
