"""Every example of the OpenAPI document is true: requests are answered as it says, and answers fit its schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from routes.openapi import load_specification
from services.apps import build_app_id
from tests.conftest import MakeApp
from tests.specification import check_answer, find_errors, list_operations

EXAMPLE_KEY, EXAMPLE_KEY_ID = "a1b2c3d4e5f6", "5f0c1e6b9a3d4c2b"
EXAMPLE_APP = build_app_id(EXAMPLE_KEY)
EXAMPLE_USER = {"username": "analyst", "email": "analyst@example.com", "password": "secure123"}
EXAMPLE_USER_ID, EXAMPLE_MEMBER_ID = "3f0e8f6a4c1d4b0e9a57f2c1d8b6e4a0", "5d2c7b1e9f3a4c6d8e0f1a2b3c4d5e6f"
EXAMPLE_ORGANISATION = "7c9e6679f0d24f3f8a1b2c3d4e5f6a7b"
EXAMPLE_INVITATION = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
EXAMPLE_TOKEN = "Zk3v0nJ0b4Jv2m8bq9s1YQe7hT5uK6wRz0cF1dG2aLs"
EXAMPLE_EVENT = "e-1"
EXAMPLE_COHORT, EXAMPLE_ANNOTATION, EXAMPLE_REPORT = "9b1d4a0f8f2f4d1c", "1c6b1d4a0f8f2f4d", "4a0f8f2f4d1c6b1d"
EXAMPLE_LINK = "Qk0nJ0b4Jv2m8bq9s1YQe7hT5uK6wRz0cF1dG2aLs4c"
NEEDS_A_PROVIDER = {"startGoogleSignIn", "finishGoogleSignIn"}
"""Answered in test_google."""
FROM_PAGES = {"postBatch", "collect", "createVisit", "showPixel", "track"}
"""May come from a page, which has no key: in production it is the example's project that is not there."""
REPORTS = sorted(name for name, (_, _, operation) in list_operations().items() if operation["tags"] == ["Reports"])
by_operation = pytest.mark.parametrize("operation_id", sorted(list_operations()))
by_request = pytest.mark.parametrize("operation_id", sorted(set(list_operations()) - NEEDS_A_PROVIDER))

Query = dict[str, str | list[str]]


def list_examples(node: dict[str, Any]) -> list[Any]:
    """The examples of a parameter, a body or an answer."""
    found = [node["example"]] if "example" in node else []
    return found + [example["value"] for example in node.get("examples", {}).values()]


def list_queries(operation: dict[str, Any]) -> list[Query]:
    """Only what is required; everything at once; and each further example among everything. A parameter that stands in
    the place of others (`x-in-place-of`) is among everything but those."""
    choices, replaced = {}, {}
    for parameter in operation["parameters"]:
        if parameter["in"] == "query":
            is_json = "content" in parameter
            examples = list_examples(parameter["content"]["application/json"] if is_json else parameter)
            assert examples, parameter["name"]
            values = [json.dumps(example) if is_json else format_value(example) for example in examples]
            choices[parameter["name"]] = (values, parameter.get("required", False) or parameter["name"] == "projectKey")
            replaced[parameter["name"]] = parameter.get("x-in-place-of", [])
    least = {name: values[0] for name, (values, is_required) in choices.items() if is_required}
    most = {name: values[0] for name, (values, _) in choices.items() if not replaced[name]}
    further = [
        {**{other: most[other] for other in most if other not in replaced[name]}, name: value}
        for name, (values, _) in choices.items() for value in values[0 if replaced[name] else 1 :]
    ]  # fmt: skip
    return [query for number, query in enumerate([least, most]) if number == 0 or query != least] + further


def format_value(example: Any) -> str | list[str]:
    """A parameter's value as it stands in a query; that of a list is given once for each item."""
    if isinstance(example, list):
        return [str(item) for item in example]
    return str(example).lower() if isinstance(example, bool) else str(example)


def fill_path(path: str, operation: dict[str, Any]) -> str:
    """The path with the examples of its variable parts."""
    examples = {each["name"]: str(list_examples(each)[0]) for each in operation["parameters"] if each["in"] == "path"}
    return path.format(**examples)


def list_bodies(operation: dict[str, Any]) -> list[tuple[str, str]]:
    """Content type and text of each example body."""
    found = []
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        examples = list_examples(content)
        assert examples, content_type
        for example in examples:
            assert find_errors(content["schema"], example) == []
            found.append((content_type, json.dumps(example) if content_type == "application/json" else example))
    return found


@pytest.fixture
def stand_ins(client: FlaskClient, quick_passwords: None) -> dict[str, str]:
    """The ids of the examples, and those of what exists: a project with the events of the examples, and people."""
    project_key = client.post("/v1/projects", json={"name": "Demo App"}).json["projectKey"]
    found = {EXAMPLE_APP: build_app_id(project_key), EXAMPLE_KEY: project_key} | found_organisation(client)
    _, path, batch = list_operations()["postBatch"]
    one_event = ("application/json", json.dumps({"events": [{"eventName": "page_view", "eventId": EXAMPLE_EVENT}]}))
    for content_type, body in [*list_bodies(batch), one_event]:
        data = body.replace(EXAMPLE_KEY, project_key)
        sent = client.post(path, data=data, content_type=content_type, query_string={"projectKey": project_key})
        assert sent.status_code == 200
    return found | keep_examples(client, project_key)


def keep_examples(client: FlaskClient, project_key: str) -> dict[str, str]:
    """A cohort, an annotation, and a saved report with a link to it."""
    named = {"projectKey": project_key, "name": "Example"}
    cohort = client.post("/v1/cohorts", json={**named, "definition": {"userIds": ["user-123"]}}).json["id"]
    body = {"projectKey": project_key, "date": "2025-01-06", "text": "Example"}
    annotation = client.post("/v1/annotations", json=body).json["id"]
    report = client.post("/v1/saved-reports", json={**named, "report": "overview"}).json["id"]
    link = client.post(f"/v1/saved-reports/{report}/share", json={"projectKey": project_key}).json["token"]
    return {EXAMPLE_COHORT: cohort, EXAMPLE_ANNOTATION: annotation, EXAMPLE_REPORT: report, EXAMPLE_LINK: link}


def found_organisation(client: FlaskClient) -> dict[str, str]:
    """An organisation with a member and an open invitation, and beside it the user of the examples."""
    for name in ("owner", "colleague"):
        assert client.post("/api/auth/register", json={"username": name, "password": "secure123"}).status_code == 201
    assert client.post("/api/auth/register", json=EXAMPLE_USER).status_code == 201
    organisation_id = client.get("/v1/organisations", headers=log_in(client, "owner")).json["organisations"][0]["id"]
    path = f"/v1/organisations/{organisation_id}/invitations"
    taken, token = (client.post(path, json={"role": "analyst"}).json["token"] for _ in range(2))
    member = log_in(client, "colleague")
    assert client.post("/v1/invitations/accept", json={"token": taken}, headers=member).status_code == 200
    member_id = client.get("/api/auth/me", headers=member).json["id"]
    return {
        EXAMPLE_ORGANISATION: organisation_id,
        EXAMPLE_USER_ID: member_id,
        EXAMPLE_MEMBER_ID: member_id,
        EXAMPLE_INVITATION: client.get(path).json["invitations"][0]["id"],
        EXAMPLE_TOKEN: token,
    }


def log_in(client: FlaskClient, username: str) -> dict[str, str]:
    """The headers of a user who is logged in."""
    answer = client.post("/api/auth/login", json={"username": username, "password": EXAMPLE_USER["password"]})
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def send_examples(client: FlaskClient, operation_id: str, stand_ins: dict[str, str]) -> Iterator[TestResponse]:
    method, path, operation = list_operations()[operation_id]
    # what only has query parameters, or only a body, has one of the other: nothing
    queries = list_queries(operation)
    for content_type, body in list_bodies(operation) or [(None, None)]:
        for query in queries if body is None else queries[:1]:
            if EXAMPLE_KEY_ID in str(operation["parameters"]):
                # each example gets a key that was not used up by the one before
                keys = f"/v1/projects/{stand_ins[EXAMPLE_KEY]}/keys"
                made = client.post(keys, json={"name": "spare", "scopes": ["read"]})
                stand_ins[EXAMPLE_KEY_ID] = made.json["id"]

            def stand_in(text: str) -> str:
                return re.sub("|".join(stand_ins), lambda match: stand_ins[match.group()], text)

            yield client.open(
                stand_in(fill_path(path, operation)),
                method=method,
                query_string={
                    name: stand_in(value) if isinstance(value, str) else value for name, value in query.items()
                },
                data=None if body is None else stand_in(body),
                content_type=content_type,
                buffered=True,
                headers=log_in(client, "analyst") if operation.get("security") == [{"User": []}] else {},
            )


@by_request
def test_every_example_request_is_answered_as_documented(
    app: Flask, client: FlaskClient, stand_ins: dict[str, str], operation_id: str
) -> None:
    answers = list(send_examples(client, operation_id, stand_ins))
    assert answers
    for answer in answers:
        assert answer.status_code in (200, 201), (answer.request.url, answer.text)
        check_answer(app, answer)


@by_request
def test_every_example_request_is_refused_in_production_without_a_key_as_documented(
    make_app: MakeApp, operation_id: str
) -> None:
    app = make_app(env="production", store="embedded")
    method, path, operation = list_operations()[operation_id]
    bodies = list_bodies(operation)
    answer = app.test_client().open(
        fill_path(path, operation),
        method=method,
        query_string=list_queries(operation)[0],
        data=bodies[0][1] if bodies else None,
        content_type=bodies[0][0] if bodies else None,
    )
    # nobody is there who could log in
    is_public = operation.get("security") == [] and operation_id != "logIn"
    expected = 200 if is_public else 403 if operation_id in FROM_PAGES else 401
    if operation_id in ("showSharedReport", "describeSharedReport"):
        expected = 404  # nor is there the link
    assert answer.status_code == expected, answer.text
    check_answer(app, answer)


@by_operation
def test_every_example_answer_fits_its_schema(operation_id: str) -> None:
    _, _, operation = list_operations()[operation_id]
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            for example in list_examples(content):
                assert find_errors(content["schema"], example) == []


@pytest.mark.parametrize("operation_id", REPORTS)
def test_a_report_over_nothing_fits_its_schema(app: Flask, client: FlaskClient, operation_id: str) -> None:
    empty = client.post("/v1/projects", json={"name": "Empty"}).json["projectKey"]
    for answer in send_examples(client, operation_id, {EXAMPLE_KEY: empty}):
        assert answer.status_code == 200, answer.text
        check_answer(app, answer)


def test_the_schemas_of_answers_name_every_field() -> None:
    """So that a field which is not documented fails the tests above. Errors may add some."""
    document = load_specification()
    for operation_id, (_, _, operation) in list_operations().items():
        for status, response in operation["responses"].items():
            if status in ("200", "201"):
                content = response["content"].get("application/json", {})
                for schema in list_object_schemas(document, content.get("schema")):
                    assert schema.get("additionalProperties") is False, (operation_id, schema)


def list_object_schemas(document: dict[str, Any], node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from list_object_schemas(document, item)
    elif isinstance(node, dict):
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            yield from list_object_schemas(document, document["components"]["schemas"][name])
        if node.get("type") == "object":
            yield node
        for value in node.values():
            yield from list_object_schemas(document, value)
