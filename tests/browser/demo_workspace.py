"""A project that people work with: a superuser who owns it, colleagues, notes, saved reports, a cohort, keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from playwright.sync_api import Page

from commands.demo import load_events
from services.clock import format_ms
from tests.service import Service

OWNER = "margaret"
PASSWORD = "correct horse battery"
FUNNEL = ["product_view", "add_to_cart", "checkout_started", "payment_submitted", "purchase"]
SAVED: Mapping[str, tuple[str, dict[str, Any]]] = {
    "From product to purchase": ("funnel", {"steps": FUNNEL, "last": "30d", "breakdown": "metadata.device"}),
    "Purchases by day": ("events-timeseries", {"eventName": "purchase", "interval": "day", "last": "30d"}),
    "Where buyers come from": ("sources", {"by": "channel", "last": "90d"}),
}
COHORT = {
    "name": "Loyal buyers",
    "definition": {"match": "all", "conditions": [{"eventName": "purchase", "atLeast": 2, "withinDays": 60}]},
}
COLLEAGUES = {"grace": "admin", "alan": "analyst"}
INVITED = {"edsger": "viewer"}
"""Who has not answered yet."""
NOTES = {33: "Sale begins", 20: "Payments fail on iPhones", 14: "New checkout for half of the people"}
"""Days ago, and what happened: the stories of the demo's events."""


class Workspace(NamedTuple):
    """Whom to look as, and at what."""

    service: Service
    token: str
    project_key: str

    def call(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to the owner, which must be a success."""
        answer = self.service.call(method, path, body, secret=self.token)
        assert answer.status in (200, 201), answer.body
        return answer.json

    def log_in(self, page: Page) -> None:
        """Have the page be the owner's from its first load on."""
        page.add_init_script(
            f"""localStorage.setItem("apptracker.user", JSON.stringify({{ token: "{self.token}" }}))"""
        )


def make_workspace(service: Service, secret_token: str, *, events: int) -> Workspace:
    """A workspace with the demo's events, in a service that runs in production mode."""
    token = _register(service, OWNER, secret=secret_token)
    users = service.call("GET", "/api/auth/users", secret=secret_token).json["users"]
    user_id = next(user["id"] for user in users if user["username"] == OWNER)
    assert (
        service.call("PATCH", f"/api/auth/users/{user_id}", {"is_superuser": True}, secret=secret_token).status == 200
    )
    organisations = service.call("GET", "/v1/organisations", secret=token).json["organisations"]
    organisation_id = next(each["id"] for each in organisations if each["role"] == "owner")
    project = service.create_project(secret=token, name="Demo shop", organisationId=organisation_id)
    workspace = Workspace(service, token, project["projectKey"])
    _invite(workspace, organisation_id)
    _fill(workspace, events)
    _keep(workspace)
    return workspace


def _register(service: Service, name: str, *, secret: str | None = None, **fields: str) -> str:
    """A new user's access token."""
    user = {"username": name, "email": f"{name}@shop.example", "full_name": name.title(), "password": PASSWORD}
    answer = service.call("POST", "/api/auth/register", user | fields, secret=secret)
    assert answer.status in (200, 201), answer.body
    login = service.call("POST", "/api/auth/login", {"username": name, "password": PASSWORD})
    return str(login.json["access_token"])


def _invite(workspace: Workspace, organisation_id: str) -> None:
    for name, role in {**COLLEAGUES, **INVITED}.items():
        asked = {"email": f"{name}@shop.example", "role": role}
        invitation = workspace.call("POST", f"/v1/organisations/{organisation_id}/invitations", asked)
        if name in COLLEAGUES:
            _register(workspace.service, name, invitation=invitation["token"])


def _fill(workspace: Workspace, events: int) -> None:
    def post(batch: Any) -> None:
        answer = workspace.service.post_events(workspace.project_key, batch, secret=workspace.token)
        assert answer.status == 200, answer.body

    load_events(post, created_at=format_ms(int(datetime.now(UTC).timestamp() * 1000)), count=events)


def _keep(workspace: Workspace) -> None:
    of_project = {"projectKey": workspace.project_key}
    today = datetime.now(UTC).date()
    for days_ago, text in NOTES.items():
        day = (today - timedelta(days=days_ago)).isoformat()
        workspace.call("POST", "/v1/annotations", {**of_project, "date": day, "text": text})
    for name, (report, parameters) in SAVED.items():
        body = {**of_project, "name": name, "report": report, "parameters": parameters}
        workspace.call("POST", "/v1/saved-reports", body)
    workspace.call("POST", "/v1/cohorts", {**of_project, **COHORT})
    key = {"name": "checkout server", "scopes": ["ingest"]}
    workspace.call("POST", f"/v1/projects/{workspace.project_key}/keys", key)
