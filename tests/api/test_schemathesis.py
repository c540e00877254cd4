"""Requests made up from the OpenAPI document, good and bad: each is answered as it says, in both environments.

A few examples of each operation here; `HYPOTHESIS_PROFILE=thorough` makes hundreds.
"""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import itertools
import json
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import brotli
import pytest
import schemathesis
import zstandard
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import Case, checks
from schemathesis.specs.openapi.schemas import OpenApiSchema

from routes.openapi import load_specification
from services import invitations, keys, organisations, project_documents, projects, saved_reports, users
from services.apps import build_app_id
from services.project_fields import fetch_timezones
from tests.conftest import SECRET_TOKEN, MakeApp

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PROJECT_KEY = "a1b2c3d4e5f6"
KEY_IDS = [f"{number:016x}" for number in range(1, 41)]
USER_ID, ORGANISATION_ID, INVITATION_TOKEN = "a" * 32, "b" * 32, "an invitation's token"
INVITATION_ID = hashlib.sha256(INVITATION_TOKEN.encode()).hexdigest()
KEPT_ID, LINK_TOKEN = "c" * 16, "t" * 43
COMPRESSORS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress, "br": brotli.compress}

BETWEEN_FIELDS = re.compile(
    r"must be before|The range is too long|compare=previous needs both|years 1 to 9999|more than \d+ buckets"
    r"|is given in the query|projectKey in the body and in the query|projectKey is required|cannot go together"
    r"|^parameters|Give date or timestamp|atLeast 0 needs|must not be less than|at most 20 different|no such cohort"
    r"|must be a date like|names at most|are not of the same project|Send apiKey, or appId|needs appId|needs regenerate"
    r"|property is required: the one|property is of no use|more than \d+ numbers"
)
"""Refusals of requests whose fields are right one by one: an OpenAPI document cannot say how fields go together, nor
that a projectKey is needed by those who have no key."""

CONFIG = {
    # Keys are not made up: nearly all of them would be wrong, and nothing else of the request would be read.
    "generation": {"with-security-parameters": False},
    # Nor are texts of the program put where a schema can only name what it wants (`format: time-zone`).
    "analysis": {"constants": {"enabled": False}},
    # More of something than is allowed is 413 here.
    "checks": {
        "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "405", "409", "413", "415"]},
    },
}

IS_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

bounded = settings(
    max_examples=300 if IS_THOROUGH else 10,
    deadline=None,
    # each example is a request to the one service of the test
    suppress_health_check=list(HealthCheck),
)

usual_dates = st.dates(date(2024, 12, 1), date(2025, 3, 1))
dates = st.one_of(usual_dates, usual_dates, usual_dates, st.dates(date(1, 1, 2), date(9999, 12, 30)))
moments = st.builds(
    lambda day, second, zone: (datetime(day.year, day.month, day.day) + timedelta(seconds=second)).replace(tzinfo=zone),
    dates, st.integers(0, 86_399), st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=-30))]),
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
events = st.fixed_dictionaries(
    {"eventName": st.text(min_size=1, max_size=200)},
    optional={
        "timestamp": moments.map(datetime.isoformat) | json_values,
        "userId": st.text(max_size=20) | st.integers() | st.none(),
        "anonymousId": st.text(max_size=20),
        "metadata": st.dictionaries(st.text(), json_values, max_size=4),
    },
)
lines = st.lists(events.map(json.dumps), min_size=1, max_size=5).map("\n".join)
batches = st.lists(events, min_size=1, max_size=5).map(
    lambda listed: json.dumps({"projectKey": PROJECT_KEY, "events": listed})
)

# What a schema can only name: what the operations are asked about has to be there.
schemathesis.openapi.format("project-key", st.sampled_from([PROJECT_KEY] * 9 + ["0" * 12]))
schemathesis.openapi.format("key-id", st.sampled_from([*KEY_IDS, "0" * 16]))
for name in ("user-id", "member-id"):
    schemathesis.openapi.format(name, st.sampled_from([USER_ID, "0" * 32]))
schemathesis.openapi.format("organisation-id", st.sampled_from([ORGANISATION_ID] * 9 + ["0" * 32]))
schemathesis.openapi.format("app-id", st.sampled_from([build_app_id(PROJECT_KEY)] * 9 + [build_app_id("0" * 12)]))
schemathesis.openapi.format("event-id", st.sampled_from(["e-1", "another"]))
schemathesis.openapi.format("person-id", st.sampled_from(["u", "nobody"]))
schemathesis.openapi.format("invitation-id", st.sampled_from([INVITATION_ID, "0" * 64]))
schemathesis.openapi.format("invitation-token", st.sampled_from([INVITATION_TOKEN, "another"]))
schemathesis.openapi.format("kept-id", st.sampled_from([KEPT_ID] * 4 + ["0" * 16]))
schemathesis.openapi.format("shared-token", st.sampled_from([LINK_TOKEN] * 4 + ["0" * 43]))
schemathesis.openapi.format("time-zone", st.sampled_from(sorted(fetch_timezones())))
schemathesis.openapi.format("journey-cursor", st.just("WzE3MzYxNTc2MDAwMDAsImUtMSJd"))
schemathesis.openapi.format("report-bound", st.one_of(dates, moments).map(lambda moment: moment.isoformat()))
schemathesis.openapi.format("future-date-time", st.sampled_from(["2999-01-01", "2999-12-31T23:59:59.999-12:00"]))
schemathesis.openapi.format(
    "domain-or-url", st.sampled_from(["example.com", "http://localhost:3000", "https://[::1]/a?b", "bücher.example"])
)
schemathesis.openapi.media_type("application/x-ndjson", lines.map(str.encode))
schemathesis.openapi.media_type("text/plain", batches.map(str.encode))


class Doorway:
    """WSGI application that stands before the service of the test, which is made long after the tests are.

    It compresses bodies as their header says: no generator would make one that fits.
    """

    service: WSGIApplication

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        compress = COMPRESSORS.get(environ.get("HTTP_CONTENT_ENCODING", ""))
        if compress is not None:
            body = compress(environ["wsgi.input"].read())
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return self.service(environ, start_response)


doorway = Doorway()


def load_schema(*, env: str) -> OpenApiSchema:
    """The document as it holds in an environment for callers who have no key of a project."""
    document = copy.deepcopy(load_specification())
    components = document["components"]
    components["parameters"]["ProjectOfQuery"]["required"] = True
    for name, schema in components["schemas"].items():
        if name.endswith("Request"):
            schema["required"] = [*schema.get("required", []), "projectKey"]
    if env == "production":
        document["security"].remove({})
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                # with it, a status that is not named would count as documented
                operation["responses"].pop("default", None)  # operations may share their answers
    schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(CONFIG))
    # thousands of requests, of which one environment's tell nearly as much as both
    schema.config.phases.coverage.enabled = IS_THOROUGH or env == "development"
    schema.app = doorway
    return schema


development, production = load_schema(env="development"), load_schema(env="production")


@pytest.fixture
def open_service(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, quick_passwords: None
) -> Callable[[str], None]:
    """`open_service("production")` puts a service behind the doorway, with what the examples are about."""

    def open_in(env: str) -> None:
        app = make_app(env=env)
        client = app.test_client()
        client.environ_base["HTTP_X_API_KEY"] = SECRET_TOKEN if env == "production" else ""
        drawn = itertools.chain(["f" * 16], KEY_IDS)
        with monkeypatch.context() as patch:
            patch.setattr(projects, "secrets", SimpleNamespace(token_hex=lambda size: PROJECT_KEY))
            patch.setattr(
                keys,
                "secrets",
                SimpleNamespace(token_hex=lambda size: next(drawn), token_urlsafe=secrets.token_urlsafe),
            )
            assert client.post("/v1/projects", json={"name": "Demo App"}).status_code == 201
            for key_id in KEY_IDS:
                body = {"name": key_id, "scopes": ["read"]}
                assert client.post(f"/v1/projects/{PROJECT_KEY}/keys", json=body).json["id"] == key_id
            patch.setattr(users, "uuid4", lambda: SimpleNamespace(hex=USER_ID))
            patch.setattr(organisations, "uuid4", lambda: SimpleNamespace(hex=ORGANISATION_ID))
            patch.setattr(invitations, "secrets", SimpleNamespace(token_urlsafe=lambda size: INVITATION_TOKEN))
            person = {"username": "analyst", "password": "secure123"}
            assert client.post("/api/auth/register", json=person).json["id"] == USER_ID
            path = f"/v1/organisations/{ORGANISATION_ID}/invitations"
            assert client.post(path, json={"role": "viewer"}).json["id"] == INVITATION_ID
            keep_things(client, patch)
        named = [{"eventName": name, "userId": "u", "timestamp": "2025-01-06T10:00:00Z"} for name in ("a", "b")]
        assert client.post("/v1/events/batch", json={"projectKey": PROJECT_KEY, "events": named}).status_code == 200
        doorway.service = app.wsgi_app

    return open_in


def keep_things(client: FlaskClient, patch: pytest.MonkeyPatch) -> None:
    """One of each kind that analysts keep, all with the same id, and a link to the report."""
    bodies: dict[str, dict[str, Any]] = {
        "cohorts": {"name": "People", "definition": {"conditions": [{"eventName": "a"}]}},
        "annotations": {"text": "Launch", "date": "2025-01-06"},
        "saved-reports": {"name": "Total", "report": "overview"},
    }
    with patch.context() as inner:
        inner.setattr(project_documents, "secrets", SimpleNamespace(token_hex=lambda size: KEPT_ID))
        for kind, body in bodies.items():
            made = client.post(f"/v1/{kind}", json={"projectKey": PROJECT_KEY, **body})
            assert made.json["id"] == KEPT_ID
        inner.setattr(saved_reports, "secrets", SimpleNamespace(token_urlsafe=lambda size: LINK_TOKEN))
        shared = client.post(f"/v1/saved-reports/{KEPT_ID}/share", json={"projectKey": PROJECT_KEY})
        assert shared.json["token"] == LINK_TOKEN


@pytest.fixture
def in_development(open_service: Callable[[str], None]) -> None:
    open_service("development")


@pytest.fixture
def in_production(open_service: Callable[[str], None]) -> None:
    open_service("production")


@development.parametrize()
@bounded
def test_a_made_up_request_is_answered_as_documented(case: Case, in_development: None) -> None:
    check(case, {})


@production.parametrize()
@bounded
def test_a_made_up_request_of_the_operator_is_answered_as_documented(case: Case, in_production: None) -> None:
    check(case, {"X-API-Key": SECRET_TOKEN})


def check(case: Case, headers: dict[str, str]) -> None:
    response = case.call(headers=headers)
    excluded = list(list_exceptions(case, response))
    case.validate_response(response, excluded_checks=excluded, headers=headers)


def list_exceptions(case: Case, response: schemathesis.Response) -> Iterator[Any]:
    is_json = response.headers.get("content-type", [""])[0] == "application/json"
    answer = response.json() if is_json else {}
    answer = answer if isinstance(answer, dict) else {}
    if response.status_code == 400 and BETWEEN_FIELDS.search(answer["error"]):
        yield checks.positive_data_acceptance
    if response.status_code in (200, 201) and (answer.get("rejected") or answer.get("warnings")):
        # One bad event never sinks its batch: the answer names it.
        yield checks.negative_data_rejection
    query = case.query or {}
    if "projectKey" not in query and ("appId" in query or case.path == "/v1/audit-log"):
        # An app is a project by another name, and the audit log without one is that of everything.
        yield checks.negative_data_rejection
    if (case.headers or {}).get("Content-Encoding", "?").strip().lower() in ("", "identity", *COMPRESSORS):
        # Nothing in a header is no header, and the names of encodings are the same in capitals.
        yield checks.negative_data_rejection
