"""The cast of the tests about who may do what: an installation with a clock, two projects, a key of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from services import clock
from services.context import Context

SECRET_TOKEN = "the-operator's-own-secret-token"
START_MS = 1_736_157_600_000
"""2025-01-06T10:00:00Z."""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

Environment = Literal["development", "production"]
MakeApp = Callable[..., Flask]


@dataclass
class Clock:
    """The time that the application sees."""

    now_ms: int = START_MS

    def advance(self, ms: int) -> None:
        self.now_ms += ms


@dataclass
class Installation:
    """One application and the ways tests talk to it."""

    app: Flask
    clock: Clock

    @property
    def context(self) -> Context:
        found: Context = self.app.extensions["apptracker"]
        return found

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """The answer to one request; `secret` is sent as X-API-Key."""
        sent = dict(headers or {}) | ({"X-API-Key": secret} if secret is not None else {})
        data = None if body is None else json.dumps(body)
        content_type = None if body is None else "application/json"
        return self.app.test_client().open(path, method=method, data=data, content_type=content_type, headers=sent)

    def as_root(self, method: str, path: str, body: object = None) -> Any:
        """The JSON answer to a request of the operator, which must succeed."""
        response = self.call(method, path, body, secret=SECRET_TOKEN)
        assert response.status_code in (200, 201), response.text
        return response.json

    def create_project(self, name: str = "Demo App", **fields: object) -> dict[str, Any]:
        created: dict[str, Any] = self.as_root("POST", "/v1/projects", {"name": name, **fields})
        return created

    def create_key(self, project_key: str, scopes: list[str], **fields: object) -> dict[str, Any]:
        body = {"name": "-".join(scopes), "scopes": scopes, **fields}
        created: dict[str, Any] = self.as_root("POST", f"/v1/projects/{project_key}/keys", body)
        return created

    def send_event(self, project_key: str | None, secret: str | None = None, name: str = "app_open") -> TestResponse:
        """The answer to a batch of one event without an eventId."""
        body = {"events": [{"eventName": name, "anonymousId": "anon-1"}]}
        named = {} if project_key is None else {"projectKey": project_key}
        return self.call("POST", "/v1/events/batch", {**named, **body}, secret=secret)

    def fetch_documents(self, collection: str, project_key: str) -> list[dict[str, Any]]:
        return self.context.store.find_documents(collection, {"projectKey": project_key})


def install(
    make_app: MakeApp, env: Environment, monkeypatch: pytest.MonkeyPatch, **settings: object
) -> Installation:
    """An application on the embedded store, in this environment, at START_MS."""
    frozen = Clock()
    monkeypatch.setattr(clock, "fetch_now_ms", lambda: frozen.now_ms)
    return Installation(make_app(env=env, secret_token=SECRET_TOKEN, store="embedded", **settings), frozen)


@dataclass
class Cast:
    """Project `own`, another project, and secrets by who holds them. They were made two hours before now."""

    own: str
    other: str
    secrets: dict[str, str | None] = field(default_factory=dict)
    spare_key_ids: list[str] = field(default_factory=list)


def assemble_cast(installation: Installation) -> Cast:
    """Create everything through the API, then let two hours pass."""
    own = installation.create_project("Own")
    other = installation.create_project("Other")
    cast = Cast(own["projectKey"], other["projectKey"])
    in_an_hour = clock.format_ms(installation.clock.now_ms + HOUR_MS)
    made = {scope: installation.create_key(cast.own, [scope]) for scope in ("ingest", "read", "admin")}
    made |= {kind: installation.create_key(cast.own, ["admin"]) for kind in ("revoked", "in grace", "rotated out")}
    made["expired"] = installation.create_key(cast.own, ["admin"], expiresAt=in_an_hour)
    keys_path = f"/v1/projects/{cast.own}/keys"
    installation.as_root("DELETE", f"{keys_path}/{made['revoked']['id']}")
    installation.as_root("POST", f"{keys_path}/{made['in grace']['id']}/rotate", {"graceSeconds": 86_400})
    installation.as_root("POST", f"{keys_path}/{made['rotated out']['id']}/rotate", {"graceSeconds": 60})
    cast.secrets = {kind: key["apiKey"] for kind, key in made.items()}
    cast.secrets |= {
        "none": None,
        "public key": cast.own,
        "first key": own["apiKey"],
        "other project's key": other["apiKey"],
        "unknown key": "ak_live_" + "A" * 43,
        "root": SECRET_TOKEN,
        "wrong root": SECRET_TOKEN + "x",
    }
    cast.spare_key_ids = [installation.create_key(cast.own, ["read"])["id"] for _ in range(2)]
    installation.clock.advance(2 * HOUR_MS)
    return cast


def dump_documents(installation: Installation) -> str:
    """All projects and keys as stored, as one JSON text."""
    store = installation.context.store
    return json.dumps([store.find_documents(collection) for collection in ("projects", "api_keys")])
