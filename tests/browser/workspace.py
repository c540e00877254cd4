"""A team that uses the dashboard in production mode: one member of each role, and pages that are logged in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SECRET_TOKEN
from tests.browser.dashboard import open_dashboard
from tests.service import Service

PASSWORD = "correct horse battery"
ROLES = ("owner", "admin", "analyst", "viewer")


@dataclass
class Team:
    """An organisation with a project of three events of today, by two persons, and a member of each role."""

    service: Service
    name: str
    organisation_id: str = ""
    project_key: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    """Access tokens by role."""

    def name_member(self, role: str) -> str:
        return f"{role}-{self.name}"

    def call(self, method: str, path: str, body: object = None, *, role: str = "owner", **query: object) -> Any:
        """The JSON answer to a request of a member, which must succeed."""
        answer = self.service.call(method, path, body, query=query, secret=self.tokens[role])
        assert answer.status in (200, 201), answer.body
        return answer.json

    def send(self, *events: dict[str, Any]) -> None:
        """Store events, as a public page does."""
        assert self.service.post_events(self.project_key, events).status == 200


def found_team(service: Service) -> Team:
    """A team made through the API; none of it is superuser."""
    team = Team(service, uuid4().hex[:6])
    register(service, team.name_member("owner"), secret=SECRET_TOKEN)
    team.tokens["owner"] = log_in(service, team.name_member("owner"))
    team.organisation_id = team.call("GET", "/v1/organisations")["organisations"][0]["id"]
    team.project_key = team.call("POST", "/v1/projects", {"name": f"Shop {team.name}"})["projectKey"]
    for role in ROLES[1:]:
        invitation = team.call("POST", f"/v1/organisations/{team.organisation_id}/invitations", {"role": role})
        register(service, team.name_member(role), invitation=invitation["token"])
        team.tokens[role] = log_in(service, team.name_member(role))
    team.send({"eventName": "visit", "userId": "ann"}, {"eventName": "visit", "userId": "bob"},
              {"eventName": "buy", "userId": "ann"})  # fmt: skip
    return team


def register(service: Service, username: str, *, secret: str | None = None, **fields: object) -> None:
    body = {"username": username, "password": PASSWORD, **fields}
    answer = service.call("POST", "/api/auth/register", body, secret=secret)
    assert answer.status == 201, answer.body


def log_in(service: Service, username: str, password: str = PASSWORD) -> str:
    """The access token of a user who logs in now."""
    answer = service.call("POST", "/api/auth/login", {"username": username, "password": password})
    assert answer.status == 200, answer.body
    return str(answer.json["access_token"])


def enter(page: Page, service: Service, token: str, project_key: str | None = None, **state: object) -> None:
    """Show the dashboard to the user with this token."""
    page.goto(f"{service.url}/web/dashboard/icon.svg")
    keep = "token => localStorage.setItem('apptracker.user', JSON.stringify({ token, keptAt: Date.now() }))"
    page.evaluate(keep, token)
    open_dashboard(page, service, project_key, **state)


def list_menu(page: Page) -> list[str]:
    """The entries of the menu."""
    return page.locator("#sidebar a").all_inner_texts()


def find_row(page: Page, text: str) -> Locator:
    """The row of a list that has this text."""
    return page.locator("tbody tr").filter(has_text=text)


def read_secret(page: Page, label: str) -> str:
    """The secret that a dialog shows once; the dialog is closed then."""
    dialog = page.get_by_role("dialog")
    shown = dialog.get_by_label(label, exact=True)
    expect(shown).to_be_visible()
    secret = shown.inner_text()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    return secret
