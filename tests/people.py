"""Users for the tests about who may do what: they register, log in and invite each other through the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.cast import Installation

PASSWORD = "correct horse battery"
ROLES = ("owner", "admin", "analyst", "viewer")


def register(installation: Installation, username: str, **fields: object) -> dict[str, Any]:
    """A new user, made by the operator."""
    body = {"username": username, "email": f"{username}@example.com", "password": PASSWORD, **fields}
    created: dict[str, Any] = installation.as_root("POST", "/api/auth/register", body)
    return created


def log_in(installation: Installation, username: str, password: str = PASSWORD) -> str:
    """The access token of a user who logs in now."""
    answer = installation.call("POST", "/api/auth/login", {"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return str(answer.json["access_token"])


def invite(installation: Installation, organisation_id: str, secret: str, role: str, **fields: object) -> str:
    """The token of a new invitation."""
    path = f"/v1/organisations/{organisation_id}/invitations"
    answer = installation.call("POST", path, {"role": role, **fields}, secret=secret)
    assert answer.status_code == 201, answer.text
    return str(answer.json["token"])


@dataclass
class Team:
    """One organisation with a member of each role, named `<role>-of-<name>`, and a project."""

    name: str
    organisation_id: str
    project_key: str
    api_key: str
    """May do everything in the project."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Access tokens by role."""
    user_ids: dict[str, str] = field(default_factory=dict)


def found_team(installation: Installation, name: str) -> Team:
    """A team made through the API: the owner registers, the others come by invitation. None of them is superuser."""
    register_superuser(installation)
    owner = register(installation, f"owner-of-{name}")
    token = log_in(installation, f"owner-of-{name}")
    listed = installation.call("GET", "/v1/organisations", secret=token).json["organisations"]
    organisation_id = listed[0]["id"]
    project = installation.call("POST", "/v1/projects", {"name": name}, secret=token).json
    team = Team(name, organisation_id, project["projectKey"], project["apiKey"], {"owner": token})
    team.user_ids["owner"] = owner["id"]
    for role in ROLES[1:]:
        invitation = invite(installation, organisation_id, token, role)
        body = {"username": f"{role}-of-{name}", "password": PASSWORD, "invitation": invitation}
        answer = installation.call("POST", "/api/auth/register", body)
        assert answer.status_code == 201, answer.text
        team.user_ids[role] = answer.json["id"]
        team.tokens[role] = log_in(installation, f"{role}-of-{name}")
    return team


def register_superuser(installation: Installation) -> str:
    """The access token of the first user."""
    if not installation.as_root("GET", "/api/auth/users")["users"]:
        assert register(installation, "superuser")["is_superuser"]
    return log_in(installation, "superuser")


