"""The OpenAPI document: valid, complete in both directions, and served with a page to try it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from tests.conftest import MakeApp
from tests.specification import resolve

UNDOCUMENTED = {
    "/swagger", "/apispec.json", "/docs", "/api/docs", "/redoc", "/oauth2-redirect.html", "/apidocs/index.html",
    "/flasgger_static/{filename}", "/t.js", "/dashboard", "/shared/{token}", "/web/{name}",
    "/api/realtime", "/api/realtime/ws",
}
"""The documentation itself, pages and their files, and what OpenAPI cannot describe."""
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/apispec.json").json
    return found


def operations_of(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items() for method, operation in item.items() if method in METHODS
    }


def routes_of(app: Flask) -> set[tuple[str, str]]:
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    return {(method, path) for method, path in routes if path not in UNDOCUMENTED}


def without_names(operations: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """A variable part of a path may be called project_key here and projectKey there."""
    return {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in operations}


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.0.3"
    validate(document)


def test_every_route_is_documented_and_every_documented_route_exists(app: Flask, document: dict[str, Any]) -> None:
    documented, existing = without_names(set(operations_of(document))), without_names(routes_of(app))
    assert sorted(existing - documented) == []
    assert sorted(documented - existing) == []


def test_every_operation_says_what_it_is_and_how_it_fails(document: dict[str, Any]) -> None:
    operations = operations_of(document)
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(set(ids)) == len(ids)
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["tags"], name
        assert "default" in operation["responses"], name


def test_every_answer_has_a_schema_an_example_and_an_id(document: dict[str, Any]) -> None:
    for name, operation in operations_of(document).items():
        for status, reference in operation["responses"].items():
            response = resolve(document, reference)
            assert "X-Request-Id" in response["headers"], (name, status)
            for content in response.get("content", {}).values():
                assert "schema" in content, (name, status)
                assert "example" in content or "examples" in content, (name, status)


def test_every_error_has_the_one_shape(document: dict[str, Any]) -> None:
    for name, operation in operations_of(document).items():
        for status, reference in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                schema = resolve(document, reference)["content"]["application/json"]["schema"]
                assert "#/components/schemas/Error" in str(schema), (name, status)


def test_both_ways_to_send_a_key_are_described(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert (schemes["ApiKey"]["in"], schemes["ApiKey"]["name"]) == ("header", "X-API-Key")
    assert (schemes["Bearer"]["type"], schemes["Bearer"]["scheme"]) == ("http", "bearer")


def test_the_page_comes_with_a_policy_under_which_it_works(client: FlaskClient) -> None:
    page = client.get("/swagger")
    assert page.status_code == 200
    assert "/apispec.json" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-inline'" in policy
    assert "default-src 'none'" in policy
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert client.get(asset).status_code == 200, asset


@pytest.mark.parametrize("path", ["/docs", "/api/docs", "/redoc", "/docs/", "/api/docs/"])
def test_the_usual_addresses_lead_to_the_page(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/swagger")


def test_the_page_needs_no_key_in_production(make_app: MakeApp) -> None:
    client = make_app(env="production").test_client()
    assert [client.get(path).status_code for path in ("/swagger", "/apispec.json")] == [200, 200]
