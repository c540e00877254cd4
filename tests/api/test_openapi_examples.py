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
from tests.conftest import MakeApp
from tests.specification import check_answer, find_errors, list_operations

EXAMPLE_KEY, EXAMPLE_KEY_ID = "a1b2c3d4e5f6", "5f0c1e6b9a3d4c2b"
REPORTS = sorted(name for name, (_, _, operation) in list_operations().items() if operation["tags"] == ["Reports"])
by_operation = pytest.mark.parametrize("operation_id", sorted(list_operations()))

Query = dict[str, str]


def list_examples(node: dict[str, Any]) -> list[Any]:
    """The examples of a parameter, a body or an answer."""
    found = [node["example"]] if "example" in node else []
    return found + [example["value"] for example in node.get("examples", {}).values()]


def list_queries(operation: dict[str, Any]) -> list[Query]:
    """Only what is required; everything at once; and each further example among everything."""
    choices = {}
    for parameter in operation["parameters"]:
        if parameter["in"] == "query":
            is_json = "content" in parameter
            examples = list_examples(parameter["content"]["application/json"] if is_json else parameter)
            assert examples, parameter["name"]
            values = [json.dumps(example) if is_json else str(example) for example in examples]
            choices[parameter["name"]] = (values, parameter.get("required", False) or parameter["name"] == "projectKey")
    least = {name: values[0] for name, (values, is_required) in choices.items() if is_required}
    most = {name: values[0] for name, (values, _) in choices.items()}
    further = [{**most, name: value} for name, (values, _) in choices.items() for value in values[1:]]
    return [query for number, query in enumerate([least, most]) if number == 0 or query != least] + further


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
def stand_ins(client: FlaskClient) -> dict[str, str]:
    """The ids of the examples, and those of things that exist: a project with the events of the examples."""
    project_key = client.post("/v1/projects", json={"name": "Demo App"}).json["projectKey"]
    stand_ins = {EXAMPLE_KEY: project_key}
    _, path, batch = list_operations()["postBatch"]
    for content_type, body in list_bodies(batch):
        data = body.replace(EXAMPLE_KEY, project_key)
        sent = client.post(path, data=data, content_type=content_type, query_string={"projectKey": project_key})
        assert sent.status_code == 200
    return stand_ins


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
                stand_in(path.replace("{projectKey}", EXAMPLE_KEY).replace("{keyId}", EXAMPLE_KEY_ID)),
                method=method,
                query_string={name: stand_in(value) for name, value in query.items()},
                data=None if body is None else stand_in(body),
                content_type=content_type,
            )


@by_operation
def test_every_example_request_is_answered_as_documented(
    app: Flask, client: FlaskClient, stand_ins: dict[str, str], operation_id: str
) -> None:
    answers = list(send_examples(client, operation_id, stand_ins))
    assert answers
    for answer in answers:
        assert answer.status_code in (200, 201), (answer.request.url, answer.text)
        check_answer(app, answer)


@by_operation
def test_every_example_request_is_refused_in_production_without_a_key_as_documented(
    make_app: MakeApp, operation_id: str
) -> None:
    app = make_app(env="production", store="embedded")
    method, path, operation = list_operations()[operation_id]
    bodies = list_bodies(operation)
    answer = app.test_client().open(
        path.format(projectKey=EXAMPLE_KEY, keyId=EXAMPLE_KEY_ID),
        method=method,
        query_string=list_queries(operation)[0],
        data=bodies[0][1] if bodies else None,
        content_type=bodies[0][0] if bodies else None,
    )
    is_public = operation.get("security") == []
    # a batch may come from a page, which has no key: it is its project that is not there
    expected = 200 if is_public else 403 if operation_id == "postBatch" else 401
    assert answer.status_code == expected, answer.text
    check_answer(app, answer)


@by_operation
def test_every_example_answer_fits_its_schema(operation_id: str) -> None:
    _, _, operation = list_operations()[operation_id]
    for response in operation["responses"].values():
        for content in response["content"].values():
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
