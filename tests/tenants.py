"""Two tenants in one installation, requests about one of them made from the OpenAPI document, and what is stored."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from services.apps import build_app_id
from tests.cast import SECRET_TOKEN, Installation
from tests.people import PASSWORD, found_team, invite, register, register_superuser
from tests.specification import is_rule_of, list_operations

# What the examples of the document are about.
EXAMPLE_PROJECT = "a1b2c3d4e5f6"
EXAMPLE_APP = build_app_id(EXAMPLE_PROJECT)
EXAMPLE_SECRET = re.compile(r"ak_live_[A-Za-z0-9_-]{20,}")
EXAMPLE_INVITATION = "Zk3v0nJ0b4Jv2m8bq9s1YQe7hT5uK6wRz0cF1dG2aLs"
EXAMPLE_USER = {"username": "analyst", "email": "analyst@example.com", "password": "secure123"}

KEPT_IN_A_PROJECT = {
    "annotation_id": "/v1/annotations",
    "cohort_id": "/v1/cohorts",
    "saved_report_id": "/v1/saved-reports",
}
"""What each tenant has one of, and where it is made."""

UNCOMPARED = ("audit_log",)
"""Refusals may be recorded there."""
Rows = list[tuple[str, str, str]]


@dataclass
class Tenant:
    """All that one tenant has, of which another must see and change nothing."""

    name: str
    project_key: str
    secrets: dict[str, str]
    """By kind of caller, as in `tests.rights.CALLERS`."""
    spare_secret: str
    invitation: str
    ids: dict[str, str] = field(default_factory=dict)
    """By the name of the variable part of a route."""

    @property
    def markers(self) -> list[str]:
        """Texts that are in nothing but what belongs to this tenant."""
        return [f"{self.name}-project", f"of-{self.name}", f"person-of-{self.name}", f"event-of-{self.name}"]


@dataclass(frozen=True)
class Request:
    """One request, and whether it names something of the tenant's."""

    method: str
    path: str
    query: dict[str, Any]
    body: str | None
    names_tenant: bool

    def send(self, installation: Installation, secret: str | None) -> TestResponse:
        headers = {} if secret is None else {"X-API-Key": secret}
        return installation.app.test_client().open(
            self.path, method=self.method, query_string=self.query, data=self.body, headers=headers,
            content_type=None if self.body is None else "application/json",
        )  # fmt: skip


def found_tenant(installation: Installation, name: str) -> Tenant:
    """A team with a project, keys, an open invitation and an event, made through the API."""
    team = found_team(installation, name)
    key = team.project_key
    installation.as_root("PATCH", f"/v1/projects/{key}", {"name": f"{name}-project"})
    made = {scope: installation.create_key(key, [scope], name=f"{scope}-of-{name}") for scope in ("ingest", "read")}
    spare = installation.create_key(key, ["read"], name=f"spare-of-{name}")
    send_event(installation, key, name)
    owner = team.tokens["owner"]
    body = {"username": f"member-of-{name}", "password": PASSWORD}
    body["invitation"] = invite(installation, team.organisation_id, owner, "viewer")
    member = installation.call("POST", "/api/auth/register", body).json
    invitation = invite(installation, team.organisation_id, owner, "viewer")
    invitations = f"/v1/organisations/{team.organisation_id}/invitations"
    secrets = {f"{scope} key": created["apiKey"] for scope, created in made.items()}
    tenant = Tenant(
        name, key, {**secrets, "admin key": team.api_key, "public key": key, **team.tokens}, spare["apiKey"], invitation
    )
    tenant.ids = {
        "project_key": key,
        "key_id": spare["id"],
        "organisation_id": team.organisation_id,
        "user_id": member["id"],
        "invitation_id": installation.as_root("GET", invitations)["invitations"][0]["id"],
        "event_id": f"event-of-{name}",
        "person_id": f"person-of-{name}",
    }
    for id_name, rule in KEPT_IN_A_PROJECT.items():
        made = build_request(installation.app, "POST", rule, tenant).send(installation, SECRET_TOKEN)
        assert made.status_code == 201, made.text
        tenant.ids[id_name] = made.json["id"]
    share = build_request(installation.app, "POST", "/v1/saved-reports/<saved_report_id>/share", tenant)
    tenant.ids["token"] = share.send(installation, SECRET_TOKEN).json["token"]
    return tenant


def send_event(installation: Installation, project_key: str, name: str) -> None:
    """The one event of the tenant of this name."""
    event = {"eventName": "page_view", "eventId": f"event-of-{name}", "userId": f"person-of-{name}"}
    body = {"projectKey": project_key, "events": [event]}
    assert installation.call("POST", "/v1/events/batch", body).status_code == 200


def restore_event(installation: Installation, tenant: Tenant) -> None:
    """Have the tenant's event be there again, where its person was erased."""
    if installation.context.store.fetch_event(tenant.project_key, f"event-of-{tenant.name}") is None:
        installation.context.copy.forget(tenant.project_key)
        send_event(installation, tenant.project_key, tenant.name)


def list_callers(installation: Installation, own: Tenant, other: Tenant) -> dict[str, str | None]:
    """Secrets by kind of caller, for requests about `own`. The user of the document's examples exists."""
    superuser = register_superuser(installation)
    if not installation.context.store.fetch_document("user_names", f"name:{EXAMPLE_USER['username']}"):
        register(installation, **EXAMPLE_USER)
    return {
        "nobody": None,
        **own.secrets,
        "other project's key": other.secrets["admin key"],
        "outsider": other.secrets["owner"],
        "superuser": superuser,
        "root": SECRET_TOKEN,
    }


def list_routes(app: Flask) -> list[tuple[str, str]]:
    """Method and rule of every route."""
    rules = list(app.url_map.iter_rules())
    return sorted((method, each.rule) for each in rules for method in (each.methods or set()) - {"HEAD", "OPTIONS"})


def build_request(app: Flask, method: str, rule: str, tenant: Tenant, ids: dict[str, str] | None = None) -> Request:
    """The first example that the document has for the route, about the tenant; `ids` replace ids in its path."""
    ids = tenant.ids | (ids or {})
    operation = _find_operation(app, method, rule)
    query = {
        parameter["name"]: _stand_in(_find_example(parameter), tenant)
        for parameter in operation["parameters"]
        if parameter["in"] == "query"
        and (parameter.get("required") or parameter["name"] in ("projectKey", "appId"))
    }  # fmt: skip
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = None if content is None else json.dumps(_stand_in(_find_example(content), tenant))
    if body is not None and '"projectKey"' in body:
        query.pop("projectKey", None)
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[_find_id(rule, found.group(1))], rule)
    named = (path, json.dumps(query), body or "")
    own_names = (*tenant.ids.values(), build_app_id(tenant.project_key), tenant.invitation, tenant.spare_secret)
    return Request(method, path, query, body, any(name in text for name in own_names for text in named))


def list_variables(rule: str) -> list[str]:
    """Names of the variable parts of a rule, as `Tenant.ids` has them."""
    return [_find_id(rule, name) for name in re.findall(r"<(?:\w+:)?(\w+)>", rule)]


def _find_id(rule: str, variable: str) -> str:
    # reports are about persons, who are no users of this service
    return "person_id" if rule.startswith("/v1/reports/users/") else variable


def _find_operation(app: Flask, method: str, rule: str) -> dict[str, Any]:
    (found,) = [each for each in app.url_map.iter_rules() if each.rule == rule and method in (each.methods or set())]
    for documented_method, path, operation in list_operations().values():
        if documented_method == method and is_rule_of(found, path):
            return operation
    raise AssertionError(f"{method} {rule} is not in the OpenAPI document")


def _find_example(node: dict[str, Any]) -> Any:
    if "content" in node:
        return json.dumps(_find_example(node["content"]["application/json"]))
    return node["example"] if "example" in node else next(iter(node["examples"].values()))["value"]


def _stand_in(example: Any, tenant: Tenant) -> Any:
    text = json.dumps(example).replace(EXAMPLE_PROJECT, tenant.project_key)
    text = text.replace(EXAMPLE_APP, build_app_id(tenant.project_key)).replace(EXAMPLE_INVITATION, tenant.invitation)
    return json.loads(EXAMPLE_SECRET.sub(tenant.spare_secret, text))


def dump(installation: Installation) -> Rows:
    """Every small document that is stored."""
    with installation.context.store._file.read() as connection:  # type: ignore[attr-defined]
        rows = connection.execute("SELECT collection, id, body FROM documents ORDER BY collection, id").fetchall()
    return [row for row in rows if row[0] not in UNCOMPARED]


def restore(installation: Installation, rows: Rows) -> None:
    """Have the small documents be as they were dumped."""
    with installation.context.store._file.write() as connection:  # type: ignore[attr-defined]
        connection.execute("DELETE FROM documents")
        connection.executemany("INSERT INTO documents VALUES (?, ?, ?)", rows)


