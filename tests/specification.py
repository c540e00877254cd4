"""Holds answers of the service to its OpenAPI document."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask import Flask
from openapi_schema_validator import OAS30Validator
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from routes.openapi import load_specification

METHODS = ("get", "post", "put", "patch", "delete")


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What a node says, behind its references."""
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


@lru_cache(maxsize=1)
def list_operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """operationId -> method, path and the operation with its references resolved one level deep."""
    document = load_specification()
    operations = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = dict(item[method])
                parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
                operation["parameters"] = [resolve(document, parameter) for parameter in parameters]
                responses = operation["responses"].items()
                operation["responses"] = {status: resolve(document, response) for status, response in responses}
                operations[operation["operationId"]] = (method.upper(), path, operation)
    return operations


def find_errors(schema: dict[str, Any], value: object) -> list[str]:
    """What of a value is not as a schema of the document says."""
    validator = OAS30Validator({**schema, "components": load_specification()["components"]})
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def check_answer(app: Flask, answer: TestResponse) -> None:
    """Fail unless the document says of this route that it may answer so: status, type, headers, body."""
    document = load_specification()
    operation = find_operation(app, answer)
    if operation is None:
        # an address or a method that does not exist is not in the document
        assert answer.status_code in (404, 405)
        check_content(document["components"]["responses"]["Error"], answer)
        return
    responses = operation["responses"]
    assert str(answer.status_code) in responses, (operation["operationId"], answer.status_code, answer.text[:300])
    check_content(responses[str(answer.status_code)], answer)


def check_content(response: dict[str, Any], answer: TestResponse) -> None:
    for name in response["headers"]:
        assert name in answer.headers, name
    assert answer.mimetype in response["content"]
    # files may be binary
    value = answer.json if answer.mimetype == "application/json" else answer.get_data().decode(errors="replace")
    assert find_errors(response["content"][answer.mimetype]["schema"], value) == []


def find_operation(app: Flask, answer: TestResponse) -> dict[str, Any] | None:
    """The operation that the answered request was meant for."""
    request = answer.request
    try:
        asked = request.path.rstrip("/") or "/"  # as the service reads it
        rule, _ = app.url_map.bind("localhost").match(asked, request.method, return_rule=True)
    except HTTPException:
        return None
    for method, path, operation in list_operations().values():
        if method == request.method and is_rule_of(rule, path):
            return operation
    return None


def is_rule_of(rule: Rule, path: str) -> bool:
    """Whether a rule (`/v1/projects/<project_key>`) is what the document writes as `/v1/projects/{projectKey}`."""
    parts, documented = rule.rule.split("/"), path.split("/")
    return len(parts) == len(documented) and all(
        part == other or (part.startswith("<") and other.startswith("{"))
        for part, other in zip(parts, documented, strict=True)
    )
