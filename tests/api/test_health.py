"""GET /health, /health/ready, /db/health, POST /db/test-insert."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from stores.base import StoreUnavailable
from stores.sqlite import SQLiteStore
from tests.conftest import SECRET_TOKEN, MakeApp


class AwayStore(SQLiteStore):
    """A database that never answers."""

    def __getattribute__(self, name: str) -> Any:
        if name in {"ensure_ready", "ping", "insert_document", "fetch_document", "find_documents"}:
            return _refuse
        return super().__getattribute__(name)


def _refuse(*_: object, **__: object) -> None:
    raise StoreUnavailable("mongodb://user:hunter2@db:27017 is away")


class ForgetfulStore(SQLiteStore):
    """A database that acknowledges and keeps nothing."""

    def fetch_document(self, collection: str, document_id: str) -> None:
        return None


@pytest.fixture
def away(make_app: MakeApp, tmp_path: Any) -> FlaskClient:
    return make_app(store_object=AwayStore(tmp_path / "away.db")).test_client()


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html", "application/json, text/plain"])
def test_health_is_json_by_default(client: FlaskClient, accept: str | None) -> None:
    response = client.get("/health", headers={"Accept": accept} if accept else {})
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.json["status"] == "ok"
    assert response.json["timestamp"].endswith("Z")


def test_health_is_a_sentence_where_plain_text_is_asked_for(client: FlaskClient) -> None:
    response = client.get("/health", headers={"Accept": "text/plain"})
    assert (response.mimetype, response.text) == ("text/plain", "API OK")


def test_ready_and_database_health_name_the_store(client: FlaskClient) -> None:
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json["status"], ready.json["store"]) == (200, "ready", "embedded")
    database = client.get("/db/health")
    assert (database.status_code, database.json["status"], database.json["store"]) == (200, "ok", "embedded")
    assert database.json["latencyMs"] >= 0


def test_the_service_starts_and_lives_without_its_database(away: FlaskClient) -> None:
    assert away.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health/ready"), ("GET", "/db/health"), ("POST", "/db/test-insert")]
)
def test_a_database_that_is_away_is_503_with_retry_after(away: FlaskClient, method: str, path: str) -> None:
    response = away.open(path, method=method)
    assert response.status_code == 503
    assert response.json["code"] == "store_unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert "hunter2" not in response.text


def test_a_test_insert_leaves_nothing_behind(make_app: MakeApp) -> None:
    app = make_app()
    response = app.test_client().post("/db/test-insert")
    assert response.status_code == 200
    assert response.json["status"] == "ok"
    assert app.extensions["apptracker"].store.find_documents("diagnostics") == []


def test_a_database_that_forgets_fails_the_test_insert(make_app: MakeApp, tmp_path: Any) -> None:
    response = make_app(store_object=ForgetfulStore(tmp_path / "f.db")).test_client().post("/db/test-insert")
    assert (response.status_code, response.json["code"]) == (503, "store_inconsistent")


def test_a_test_insert_needs_the_administrator_in_production(make_app: MakeApp) -> None:
    client = make_app(env="production").test_client()
    assert client.post("/db/test-insert").status_code == 401
    assert client.post("/db/test-insert", headers={"X-API-Key": "wrong"}).status_code == 401
    assert client.post("/db/test-insert", headers={"X-API-Key": SECRET_TOKEN}).status_code == 200
    assert client.post("/db/test-insert", headers={"Authorization": f"Bearer {SECRET_TOKEN}"}).status_code == 200
