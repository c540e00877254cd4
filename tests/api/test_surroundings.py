"""What surrounds every answer: ids, security headers, CORS, slashes, the log line, the counts."""

from __future__ import annotations

import logging

import pytest
from flask.testing import FlaskClient

from tests.conftest import MakeApp

PAGE = {"Origin": "https://app.example.com"}
PREFLIGHT = {
    **PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key",
}


@pytest.mark.parametrize("sent", ["abc", "a" * 128, "A.b_c-1"])
def test_a_usable_request_id_of_the_caller_is_kept(client: FlaskClient, sent: str) -> None:
    assert client.get("/health", headers={"X-Request-Id": sent}).headers["X-Request-Id"] == sent


@pytest.mark.parametrize("sent", [None, "", "a" * 129, "a b", "é", "a\tb", '"', "<script>"])
def test_any_other_request_gets_an_id_of_its_own(client: FlaskClient, sent: str | None) -> None:
    headers = {} if sent is None else {"X-Request-Id": sent}
    ids = {client.get("/health", headers=headers).headers["X-Request-Id"] for _ in range(2)}
    assert len(ids) == 2
    assert sent not in ids


@pytest.mark.parametrize("path", ["/health", "/nothing", "/metrics"])
def test_every_answer_has_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Strict-Transport-Security" not in headers


def test_production_insists_on_https(make_app: MakeApp) -> None:
    headers = make_app(env="production").test_client().get("/health").headers
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_every_origin_may_call_in_development(client: FlaskClient) -> None:
    assert client.get("/health", headers=PAGE).headers["Access-Control-Allow-Origin"] == "*"
    answer = client.options("/v1/projects", headers=PREFLIGHT)
    assert answer.status_code == 200
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"].lower() == "content-type, x-api-key"


def test_only_the_named_origins_may_call_in_production(make_app: MakeApp) -> None:
    client = make_app(env="production", cors_origins=("https://app.example.com", "http://localhost:5173")).test_client()
    answer = client.get("/health", headers=PAGE)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "Origin" in answer.headers["Vary"]
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in client.get("/health", headers={"Origin": "https://evil.example"}).headers
    lookalike = {"Origin": "https://appXexample.com"}
    assert "Access-Control-Allow-Origin" not in client.get("/health", headers=lookalike).headers


def test_no_origin_may_call_in_production_unless_named(make_app: MakeApp) -> None:
    answer = make_app(env="production").test_client().options("/v1/projects", headers=PREFLIGHT)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://shop.example"}])
@pytest.mark.parametrize("path", ["/v1/events/batch", "/v1/pixel.gif", "/t.js", "/v1/projects", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_header_is_there_twice(client: FlaskClient, method: str, path: str, headers: dict[str, str]) -> None:
    answer = client.open(path, method=method, headers=headers, json=None if method == "GET" else {})
    names = [name for name, _ in answer.headers if name != "Vary"]
    assert sorted(names) == sorted(set(names))


def test_failures_can_be_read_by_pages_too(client: FlaskClient) -> None:
    assert client.get("/nothing", headers=PAGE).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/health/", "/health///", "/db/health/", "/health/ready/", "/apispec.json/"])
def test_a_slash_at_the_end_makes_no_difference(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "//", "//health", "/health//ready"])
def test_other_slashes_are_never_redirected(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_post_keeps_its_body_whatever_the_slash(client: FlaskClient) -> None:
    assert client.post("/v1/projects/", json={"name": "Demo App"}).status_code == 201


def test_a_request_is_logged_without_its_query(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="apptracker.request"):
        client.get("/v1/nothing?apiKey=ak_live_secret", headers={"User-Agent": "tester"})
    (record,) = [record for record in caplog.records if record.name == "apptracker.request"]
    request = record.fields["httpRequest"]  # type: ignore[attr-defined]
    assert (request["requestMethod"], request["requestUrl"], request["status"]) == ("GET", "/v1/nothing", 404)
    assert request["userAgent"] == "tester"
    assert "secret" not in str(record.__dict__)


def test_metrics_count_by_template_and_hold_no_key(client: FlaskClient) -> None:
    project_key = client.post("/v1/projects", json={"name": "Demo App"}).json["projectKey"]
    client.get(f"/v1/projects/{project_key}")
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    assert 'route="/v1/projects/<project_key>"' in answer.text
    assert project_key not in answer.text
