"""Every request example of the five systems' documents, as it is written there: only hosts and keys are others.

The time is that of their examples, so their dates stand too. Endpoints that a document only lists are asked as listed.
"""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

import stores.mongo
from services import clock
from tests.cast import Clock
from tests.conftest import MakeApp
from tests.specification import check_answer
from tests.verbatim import send

NOW_MS = 1_763_029_800_000
"""2025-11-13T10:30:00Z, when reference 2 generates its answers."""
SECRET_TOKEN = "your_secret_token"
"""As reference 1 starts it."""


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock_of_the_test = Clock(NOW_MS)
    for module in (clock, stores.mongo):
        monkeypatch.setattr(module, "fetch_now_ms", lambda: clock_of_the_test.now_ms)
    return clock_of_the_test


@pytest.fixture(params=["embedded", "mongodb"])
def client(request: pytest.FixtureRequest, make_app: MakeApp, frozen: Clock) -> FlaskClient:
    settings = {}
    if request.param == "mongodb":
        uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("mongodb_database")
        settings = {"mongo_uri": uri, "mongo_db_name": database}
    return make_app(secret_token=SECRET_TOKEN, **settings).test_client()


def ask(client: FlaskClient, text: str, substitutes: dict[str, str] | None = None, *, key: str | None = None) -> Any:
    """The answer in JSON, which must be as our document says."""
    answer = send(client, text, substitutes, key=key)
    assert answer.status_code in (200, 201), answer.text
    check_answer(client.application, answer)
    return answer.json


class TestReference1:
    """Analytics Tracking API."""

    PAYLOAD = """
{
  "user_id": "12345",
  "event_type": "page_view",
  "timestamp": "2025-09-04T22:00:00Z",
  "metadata": {
    "page": "/home",
    "referrer": "/login"
  }
}
"""

    def test_a_payload_is_stored_and_received(self, client: FlaskClient) -> None:
        headers = {"X-API-Key": SECRET_TOKEN, "Content-Type": "application/json"}
        answer = client.post("/track", data=self.PAYLOAD, headers=headers)
        assert answer.status_code == 200
        assert answer.json == {
            "status": "ok",
            "received": {
                "user_id": "12345",
                "event_type": "page_view",
                "timestamp": "2025-09-04T22:00:00Z",
                "metadata": {"page": "/home", "referrer": "/login"},
            },
        }
        summary = client.get("/api/events?duration=1 day", headers=headers).json
        assert summary == [
            {"bucket": "2025-09-04T00:00:00Z", "page": "/home", "os": "unknown", "avg_duration": None, "count": 1}
        ]

    def test_health_is_a_sentence(self, client: FlaskClient) -> None:
        answer = client.get("/health", headers={"Accept": "text/plain"})
        assert (answer.status_code, answer.text) == (200, "API OK")

    def test_a_wrong_token_is_refused(self, client: FlaskClient) -> None:
        answer = client.post("/track", data=self.PAYLOAD, headers={"X-API-Key": "wrong"})
        assert answer.status_code == 401


class TestReference2:
    """Analytics Backend."""

    HEALTH = "curl http://localhost:3000/health"
    WITH_A_KEY = """curl -H "X-API-Key: your_api_key_here" \\
  https://api.example.com/api/analytics/event-summary
"""
    REGISTER = """POST /api/auth/register
Content-Type: application/json

{
  "name": "My Website",
  "domain": "https://example.com"
}
"""
    REVOKE = """POST /api/auth/revoke
Content-Type: application/json

{
  "apiKey": "ak_live_1234567890abcdef"
}
"""
    SUBMIT = """POST /api/analytics/collect
X-API-Key: your_api_key
Content-Type: application/json

{
  "eventName": "page_view",
  "url": "https://example.com/products",
  "referrer": "https://google.com",
  "userId": "user_123",
  "metadata": {
    "category": "electronics",
    "price": 299.99
  }
}
"""
    BATCH = """{
  "events": [
    { "eventName": "click", "url": "/button", ... },
    { "eventName": "page_view", "url": "/home", ... }
  ]
}
"""
    SUMMARY = """GET /api/analytics/event-summary?startDate=2025-11-01&endDate=2025-11-13
X-API-Key: your_api_key
"""
    USER_STATS = """GET /api/analytics/user-stats?userId=user_123
X-API-Key: your_api_key
"""

    @pytest.fixture
    def key(self, client: FlaskClient) -> str:
        return str(ask(client, self.REGISTER)["apiKey"])

    @pytest.fixture
    def sent(self, client: FlaskClient, key: str) -> None:
        submitted = ask(client, self.SUBMIT, {"your_api_key": key})
        assert (submitted["accepted"], submitted["duplicates"], submitted["rejected"]) == (1, 0, [])
        batch = f"POST /api/analytics/collect\nContent-Type: application/json\n\n{self.BATCH}"
        assert ask(client, batch, {", ... }": ', "userId": "user_4" }'}, key=key)["accepted"] == 2

    def test_health_has_status_and_timestamp(self, client: FlaskClient) -> None:
        assert ask(client, self.HEALTH) == {"status": "ok", "timestamp": "2025-11-13T10:30:00Z"}

    def test_an_app_is_registered(self, client: FlaskClient) -> None:
        app = ask(client, self.REGISTER)
        assert len(app["appId"]) == len("550e8400-e29b-41d4-a716-446655440000")
        assert app["apiKey"].startswith("ak_live_")
        assert app["expiresAt"] == "2026-11-13T10:30:00Z"

    def test_a_revoked_key_does_not_work(self, client: FlaskClient, key: str) -> None:
        ask(client, self.WITH_A_KEY, {"your_api_key_here": key})
        assert ask(client, self.REVOKE, {"ak_live_1234567890abcdef": key})["revoked"] is True
        assert send(client, self.WITH_A_KEY, {"your_api_key_here": key}).status_code == 401

    @pytest.mark.usefixtures("sent")
    def test_the_summary_counts_what_was_sent(self, client: FlaskClient, key: str) -> None:
        expected = {
            "totalEvents": 3,
            "uniqueUsers": 2,
            "eventBreakdown": {"page_view": 2, "click": 1},
            "deviceBreakdown": {"unknown": 3, "desktop": 0, "mobile": 0, "tablet": 0},
            "cached": False,
            "generatedAt": "2025-11-13T10:30:00Z",
        }
        assert ask(client, self.SUMMARY, {"your_api_key": key}) == expected
        assert ask(client, self.SUMMARY, {"your_api_key": key}) == {**expected, "cached": True}

    @pytest.mark.usefixtures("sent")
    def test_the_statistics_of_a_user_show_the_events(self, client: FlaskClient, key: str) -> None:
        assert ask(client, self.USER_STATS, {"your_api_key": key}) == {
            "userId": "user_123",
            "totalEvents": 1,
            "firstSeen": "2025-11-13T10:30:00Z",
            "lastSeen": "2025-11-13T10:30:00Z",
            "recentEvents": [
                {
                    "eventName": "page_view",
                    "url": "https://example.com/products",
                    "timestamp": "2025-11-13T10:30:00Z",
                    "metadata": {"category": "electronics", "price": 299.99},
                }
            ],
        }

    def test_the_documentation_is_where_it_says(self, client: FlaskClient) -> None:
        assert client.get("/api/docs", follow_redirects=True).status_code == 200


class TestReference3:
    """AppTracker: the spine."""

    CREATE = """curl -X POST http://127.0.0.1:5000/v1/projects \\
  -H "Content-Type: application/json" \\
  -d '{"name": "Demo App"}'
"""
    SEND = """curl -X POST http://127.0.0.1:5000/v1/events/batch \\
  -H "Content-Type: application/json" \\
  -d '{
    "projectKey": "a1b2c3d4e5f6",
    "events": [
      {
        "eventName": "app_open",
        "timestamp": "2025-01-06T10:00:00Z",
        "anonymousId": "anon-1"
      },
      {
        "eventName": "purchase_success",
        "timestamp": "2025-01-06T10:05:00Z",
        "anonymousId": "anon-1",
        "userId": "user-123"
      }
    ]
  }'
"""
    OVERVIEW = 'curl "http://127.0.0.1:5000/v1/reports/overview?projectKey=a1b2c3d4e5f6"'
    TOP_EVENTS = 'curl "http://127.0.0.1:5000/v1/reports/top-events?projectKey=a1b2c3d4e5f6&limit=10"'
    TIMESERIES = (
        'curl "http://127.0.0.1:5000/v1/reports/events-timeseries?projectKey=a1b2c3d4e5f6&interval=day'
        '&from=2025-01-01T00:00:00Z&to=2025-01-10T00:00:00Z"'
    )
    FUNNEL = """curl -X POST http://127.0.0.1:5000/v1/reports/funnel \\
  -H "Content-Type: application/json" \\
  -d '{
    "projectKey": "a1b2c3d4e5f6",
    "steps": ["app_open", "screen_view", "login_success", "purchase_success"],
    "from": "2025-01-01T00:00:00Z",
    "to": "2025-01-10T00:00:00Z"
  }'
"""
    CONVERSION = (
        'curl "http://127.0.0.1:5000/v1/reports/conversion?projectKey=a1b2c3d4e5f6&eventName=purchase_success'
        '&from=2025-01-01T00:00:00Z&to=2025-01-10T00:00:00Z"'
    )

    @pytest.fixture
    def key(self, client: FlaskClient) -> dict[str, str]:
        project = ask(client, self.CREATE)
        assert (project["name"], project["isActive"]) == ("Demo App", True)
        assert project["createdAt"] == "2025-11-13T10:30:00Z"
        substitute = {"a1b2c3d4e5f6": project["projectKey"]}
        assert ask(client, self.SEND, substitute) == {"accepted": 2, "duplicates": 0, "rejected": [], "warnings": []}
        return substitute

    def test_the_overview_counts_one_user(self, client: FlaskClient, key: dict[str, str]) -> None:
        found = ask(client, self.OVERVIEW, key)
        assert (found["totalEvents"], found["uniqueUsers"], found["uniqueEventNames"]) == (2, 1, 2)

    def test_the_top_events_are_both(self, client: FlaskClient, key: dict[str, str]) -> None:
        assert ask(client, self.TOP_EVENTS, key)["events"] == [
            {"eventName": "app_open", "count": 1, "uniqueUsers": 1},
            {"eventName": "purchase_success", "count": 1, "uniqueUsers": 1},
        ]

    def test_the_series_has_nine_days(self, client: FlaskClient, key: dict[str, str]) -> None:
        series = ask(client, self.TIMESERIES, key)["series"]
        assert [each["count"] for each in series] == [0, 0, 0, 0, 0, 2, 0, 0, 0]

    def test_the_funnel_ends_at_its_second_step(self, client: FlaskClient, key: dict[str, str]) -> None:
        assert [step["users"] for step in ask(client, self.FUNNEL, key)["steps"]] == [1, 0, 0, 0]

    def test_the_conversion_is_complete(self, client: FlaskClient, key: dict[str, str]) -> None:
        found = ask(client, self.CONVERSION, key)
        assert (found["convertedUsers"], found["totalUsers"], found["conversionRate"]) == (1, 1, 1.0)

    @pytest.mark.parametrize("path", ["/swagger", "/apispec.json", "/health", "/db/health"])
    def test_what_it_lists_is_there(self, client: FlaskClient, path: str) -> None:
        assert client.get(path).status_code == 200

    def test_the_database_takes_a_write(self, client: FlaskClient) -> None:
        assert client.post("/db/test-insert").status_code == 200


class TestReference4:
    """Analytics API with a real-time dashboard."""

    REGISTER = """curl -X POST http://localhost:8002/api/auth/register \\
  -H "Content-Type: application/json" \\
  -d '{
    "username": "analyst",
    "email": "analyst@example.com",
    "password": "secure123",
    "full_name": "Data Analyst"
  }'
"""
    LOGIN = """curl -X POST http://localhost:8002/api/auth/login \\
  -H "Content-Type: application/json" \\
  -d '{
    "username": "analyst",
    "password": "secure123"
  }'
"""
    TRACK = """curl -X POST http://localhost:8002/api/events/ \\
  -H "Content-Type: application/json" \\
  -d '{
    "page": "/pricing",
    "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
    "referrer": "https://google.com",
    "session_id": "abc123",
    "duration": 45
  }'
"""
    FUNNEL = 'curl "http://localhost:8002/api/analytics/funnel?pages=/&pages=/pricing&pages=/signup"'
    SESSIONS = 'curl "http://localhost:8002/api/analytics/sessions?hours=24"'
    PAGES = 'curl "http://localhost:8002/api/analytics/pages?limit=10"'

    def test_a_user_registers_logs_in_and_is_shown(self, client: FlaskClient) -> None:
        registered = ask(client, self.REGISTER)
        assert (registered["username"], registered["full_name"]) == ("analyst", "Data Analyst")
        token = ask(client, self.LOGIN)
        assert token["token_type"] == "bearer"
        me = client.get("/api/auth/me", headers={"Authorization": f"Bearer {token['access_token']}"})
        assert (me.status_code, me.json) == (200, registered)

    def test_an_event_is_stored_listed_and_shown(self, client: FlaskClient) -> None:
        created = ask(client, self.TRACK)
        assert created == {
            "id": created["id"],
            "time": "2025-11-13T10:30:00Z",
            "page": "/pricing",
            "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
            "ip_address": None,
            "referrer": "https://google.com",
            "session_id": "abc123",
            "duration": 45,
            "description": None,
        }
        assert ask(client, f"GET /api/events/{created['id']}") == created
        assert ask(client, "GET /api/events/") == [
            {"bucket": "2025-11-13T00:00:00Z", "page": "/pricing", "os": "Windows", "avg_duration": 45.0, "count": 1}
        ]

    def test_the_funnel_has_a_row_for_each_page(self, client: FlaskClient) -> None:
        self.visit(client, "/", "/pricing")
        self.visit(client, "/")
        assert ask(client, self.FUNNEL) == [
            {"step": 1, "page": "/", "visitors": 2, "conversion_rate": 100.0},
            {"step": 2, "page": "/pricing", "visitors": 1, "conversion_rate": 50.0},
            {"step": 3, "page": "/signup", "visitors": 0, "conversion_rate": 0.0},
        ]

    def test_the_sessions_show_the_visit(self, client: FlaskClient) -> None:
        ask(client, self.TRACK)
        assert ask(client, self.SESSIONS) == [
            {
                "session_id": "abc123",
                "page_count": 1,
                "total_duration": 45,
                "first_page": "/pricing",
                "last_page": "/pricing",
                "started_at": "2025-11-13T10:30:00Z",
                "ended_at": "2025-11-13T10:30:00Z",
            }
        ]

    def test_the_pages_show_the_visit(self, client: FlaskClient) -> None:
        ask(client, self.TRACK)
        assert ask(client, self.PAGES) == [
            {
                "page": "/pricing",
                "views": 1,
                "unique_visitors": 1,
                "avg_duration": 45.0,
                "bounce_rate": 100.0,
                "top_referrers": [{"referrer": "google.com", "count": 1}],
            }
        ]

    def test_retention_begins_with_the_week_of_the_visit(self, client: FlaskClient, frozen: Clock) -> None:
        ask(client, self.TRACK)
        frozen.advance(7 * 24 * 3_600_000)
        rows = ask(client, "GET /api/analytics/retention")
        assert [row for row in rows if row["users"]] == [
            {"cohort_date": "2025-11-10T00:00:00Z", "period": 0, "users": 1, "retention_rate": 100.0}
        ]

    def test_the_sources_show_where_the_visit_came_from(self, client: FlaskClient) -> None:
        ask(client, self.TRACK)
        rows = ask(client, "GET /api/analytics/traffic-sources")
        assert rows == [{"source": "google.com", "visits": 1, "percentage": 100.0}]

    def test_the_devices_show_what_the_visitor_uses(self, client: FlaskClient) -> None:
        ask(client, self.TRACK)
        (row,) = ask(client, "GET /api/analytics/devices")
        assert (row["device_type"], row["os"], row["visits"], row["percentage"]) == ("desktop", "Windows", 1, 100.0)
        assert set(row) == {"device_type", "browser", "os", "visits", "percentage"}

    @pytest.mark.parametrize("path", ["/docs", "/redoc"])
    def test_the_documentation_is_where_it_says(self, client: FlaskClient, path: str) -> None:
        assert client.get(path, follow_redirects=True).status_code == 200

    def visit(self, client: FlaskClient, *pages: str) -> None:
        session = f"session-{len(ask(client, self.SESSIONS))}"
        for page in pages:
            ask(client, self.TRACK, {"/pricing": page, "abc123": session})


class TestReference5:
    """Unified Event Analytics Engine: it lists its endpoints, whose bodies are those of reference 2."""

    @pytest.fixture
    def app(self, client: FlaskClient) -> Any:
        registered = client.post("/api/auth/register", json={"name": "Test App", "ownerEmail": "test@app.com"})
        assert registered.status_code == 201
        return registered.json

    def test_the_key_of_a_registered_app_is_retrieved(self, client: FlaskClient, app: Any) -> None:
        found = ask(client, f"GET /api/auth/api-key?appId={app['appId']}", key=app["apiKey"])
        assert (found["appId"], found["apiKey"]) == (app["appId"], app["projectKey"])
        assert [key["state"] for key in found["keys"]] == ["active"]

    def test_a_key_is_revoked_with_regeneration(self, client: FlaskClient, app: Any) -> None:
        revoked: Any = client.post("/api/auth/revoke", json={"apiKey": app["apiKey"], "regenerate": True}).json
        assert revoked["revoked"] is True
        path = "/api/analytics/event-summary"
        answers = [client.get(path, headers={"X-API-Key": key}) for key in (app["apiKey"], revoked["apiKey"])]
        assert [answer.status_code for answer in answers] == [401, 200]

    def test_events_are_collected_and_counted(self, client: FlaskClient, app: Any) -> None:
        event = {"eventName": "page_view", "url": "https://example.com/home", "device": "mobile", "userId": "u"}
        collected = client.post("/api/analytics/collect", json=event, headers={"X-API-Key": app["apiKey"]})
        assert collected.status_code == 201
        summary = ask(client, "GET /api/analytics/event-summary", key=app["apiKey"])
        assert (summary["totalEvents"], summary["deviceBreakdown"]["mobile"]) == (1, 1)
        days = ask(client, "GET /api/analytics/daily-stats", key=app["apiKey"])
        assert days["dailyStats"] == [{"date": "2025-11-13", "totalEvents": 1, "uniqueUsers": 1}]
        pages = ask(client, "GET /api/analytics/top-pages", key=app["apiKey"])
        assert pages["pages"] == [{"url": "/home", "views": 1, "uniqueUsers": 1}]
        stats = ask(client, "GET /api/analytics/user-stats?userId=u", key=app["apiKey"])
        assert (stats["userId"], stats["totalEvents"]) == ("u", 1)
