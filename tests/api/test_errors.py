"""Every failure has one shape, an id, and no inside of ours."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient

from routes.requests import read_json_object
from services import errors
from stores.base import StoreUnavailable
from tests.conftest import MakeApp

RAISED = [
    (errors.InvalidInput("no", code="bad_thing", fields=["a"]), 400, "bad_thing", ["a"]),
    (errors.Unauthorized("no"), 401, "unauthorized", []),
    (errors.Forbidden("no"), 403, "forbidden", []),
    (errors.NotFound("no"), 404, "not_found", []),
    (errors.Conflict("no"), 409, "conflict", []),
    (errors.TooLarge("no"), 413, "too_large", []),
    (errors.UnsupportedMedia("no"), 415, "unsupported_media_type", []),
    (errors.Unavailable("no", retry_after_seconds=7), 503, "unavailable", []),
]


class SpecialInput(errors.InvalidInput):
    """A kind that the table of statuses does not name."""


def app_that_raises(make_app: MakeApp, failure: Exception) -> FlaskClient:
    app = make_app()

    def fail() -> str:
        raise failure

    app.add_url_rule("/fail", view_func=fail)
    return app.test_client()


@pytest.fixture
def echo(make_app: MakeApp) -> FlaskClient:
    """A service that answers with the JSON object it was sent."""
    app: Flask = make_app(max_body_bytes=2000)
    app.add_url_rule("/echo", view_func=lambda: read_json_object(), methods=["POST"])
    return app.test_client()


@pytest.mark.parametrize(("failure", "status", "code", "fields"), RAISED, ids=lambda value: type(value).__name__)
def test_a_failure_of_a_service_has_its_status_code_and_fields(
    make_app: MakeApp, failure: Exception, status: int, code: str, fields: list[str]
) -> None:
    response = app_that_raises(make_app, failure).get("/fail")
    assert response.status_code == status
    request_id = response.headers["X-Request-Id"]
    assert response.json == {"error": "no", "code": code, "requestId": request_id, "fields": fields}


def test_a_special_kind_has_the_status_of_its_general_kind(make_app: MakeApp) -> None:
    assert app_that_raises(make_app, SpecialInput("no")).get("/fail").status_code == 400


def test_what_is_not_possible_now_says_when_to_try_again(make_app: MakeApp) -> None:
    unavailable = app_that_raises(make_app, errors.Unavailable("no", retry_after_seconds=7)).get("/fail")
    assert unavailable.headers["Retry-After"] == "7"
    store_away = app_that_raises(make_app, StoreUnavailable("inside")).get("/fail")
    assert (store_away.status_code, store_away.json["code"]) == (503, "store_unavailable")
    assert "Retry-After" in store_away.headers


def test_a_caller_without_credentials_is_told_the_scheme(make_app: MakeApp) -> None:
    assert app_that_raises(make_app, errors.Unauthorized("no")).get("/fail").headers["WWW-Authenticate"] == "Bearer"


def test_an_unexpected_failure_is_logged_and_says_nothing_of_itself(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    client = app_that_raises(make_app, RuntimeError("the inside"))
    with caplog.at_level(logging.ERROR):
        response = client.get("/fail")
    assert response.status_code == 500
    assert response.json["code"] == "internal_error"
    assert "inside" not in response.text
    assert any(record.exc_info and "the inside" in str(record.exc_info[1]) for record in caplog.records)


def test_an_unknown_address_and_a_wrong_method_are_answered_in_json(client: FlaskClient) -> None:
    unknown = client.get("/nothing/here")
    assert (unknown.status_code, unknown.json["code"]) == (404, "unknown_address")
    wrong = client.delete("/health")
    assert (wrong.status_code, wrong.json["code"]) == (405, "method_not_allowed")
    assert set(wrong.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"nul", "invalid_json"),
        (b'{"a": NaN}', "invalid_json"),
        (b'{"a": Infinity}', "invalid_json"),
        (b'{"a": 1e999}', "invalid_json"),
        (b'{"a": 1,}', "invalid_json"),
        (b"{'a': 1}", "invalid_json"),
        (b'{"a": "\xff"}', "invalid_json"),
        (b'{"\xff": 1}', "invalid_json"),
        (b'{"a": "\\ud800"}', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        ('{"a": 1}'.encode("utf-16"), "invalid_json"),
        (b"{} {}", "invalid_json"),
        (b"[]", "invalid_body"),
        (b"null", "invalid_body"),
        (b'"text"', "invalid_body"),
        (b"1", "invalid_body"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(echo: FlaskClient, body: bytes, code: str) -> None:
    response = echo.post("/echo", data=body, content_type="application/json")
    assert (response.status_code, response.json["code"]) == (400, code)


def test_a_body_that_is_nested_too_deeply_is_refused(make_app: MakeApp) -> None:
    app = make_app()
    app.add_url_rule("/echo", view_func=lambda: read_json_object(), methods=["POST"])
    body = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    response = app.test_client().post("/echo", data=body, content_type="application/json")
    assert (response.status_code, response.json["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/jsonx", "odd"],
)
def test_a_body_of_another_type_is_refused(echo: FlaskClient, content_type: str) -> None:
    response = echo.post("/echo", data=b"{}", content_type=content_type)
    assert (response.status_code, response.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/json; charset=utf-8", "application/ld+json"]
)
def test_json_is_accepted_under_its_names_and_without_one(echo: FlaskClient, content_type: str | None) -> None:
    response = echo.post("/echo", data='{"b": 1, "a": "é\\u0000"}'.encode(), content_type=content_type)
    assert response.status_code == 200
    assert response.json == {"b": 1, "a": "é\0"}
    assert response.text.startswith('{"b"'), "the order of the fields is kept"


def test_a_compressed_body_is_refused_where_none_is_taken(echo: FlaskClient) -> None:
    response = echo.post("/echo", data=b"x", headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
    assert (response.status_code, response.json["code"]) == (415, "unsupported_content_encoding")


def test_a_body_over_the_limit_is_refused(echo: FlaskClient) -> None:
    assert echo.post("/echo", data=b'{"a":"' + b"x" * 1992 + b'"}').status_code == 200
    response = echo.post("/echo", data=b'{"a":"' + b"x" * 1993 + b'"}')
    assert (response.status_code, response.json["code"]) == (413, "body_too_large")
