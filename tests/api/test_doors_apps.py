"""Apps of references 2 and 5: registering, showing and revoking keys; collect; the summaries."""

from __future__ import annotations

import gzip
import json
from typing import Any
from uuid import UUID

import pytest

from services import apps
from services.errors import Forbidden
from tests.cast import HOUR_MS, SECRET_TOKEN, Installation, MakeApp, install

Json = Any
DAY_MS = 24 * HOUR_MS
SUMMARY = "/api/analytics/event-summary"
COLLECT = "/api/analytics/collect"
REVOKE = "/api/auth/revoke"


def register(installation: Installation, **fields: Json) -> Json:
    return installation.as_root("POST", "/api/auth/register", {"name": "My Website", **fields})


def revoke(installation: Installation, body: Json, secret: str | None = None) -> Json:
    answer = installation.call("POST", REVOKE, body, secret=secret)
    assert answer.status_code == 200, answer.text
    return answer.json


def works(installation: Installation, key: str) -> bool:
    return installation.call("GET", SUMMARY, secret=key).status_code == 200


def code_of(answer: Json) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


class TestRegistering:
    def test_an_app_id_is_a_uuid_and_leads_back_to_the_project(self) -> None:
        app_id = apps.build_app_id("a1b2c3d4e5f6")
        assert app_id == "a1b2c3d4-e5f6-8000-8000-617070747263"
        assert (UUID(app_id).version, UUID(app_id).variant) == (8, "specified in RFC 4122")
        assert apps.parse_app_id(app_id.upper()) == "a1b2c3d4e5f6"

    @pytest.mark.parametrize("text", ["", "a1b2c3d4e5f6", "550e8400-e29b-41d4-a716-446655440000", "x" * 36])
    def test_what_is_no_app_id_names_no_project(self, text: str) -> None:
        with pytest.raises(Forbidden):
            apps.parse_app_id(text)

    def test_the_key_sends_and_reads_but_does_not_administer(self, production: Installation) -> None:
        app = register(production)
        path = f"/v1/projects/{app['projectKey']}"
        assert production.send_event(None, app["apiKey"]).status_code == 200
        assert production.call("GET", path, secret=app["apiKey"]).status_code == 200
        assert code_of(production.call("PATCH", path, {"name": "x"}, secret=app["apiKey"])) == (403, "missing_scope")

    def test_it_is_the_only_key(self, production: Installation) -> None:
        app = register(production)
        assert len(production.fetch_documents("api_keys", app["projectKey"])) == 1

    def test_the_key_ends_after_a_year_or_when_it_is_said(self, production: Installation) -> None:
        assert register(production)["expiresAt"] == "2026-01-06T10:00:00Z"
        assert register(production, expiresAt="2025-02-01")["expiresAt"] == "2025-02-01T00:00:00Z"
        assert register(production, expiresAt=None)["expiresAt"] is None

    def test_what_the_other_systems_send_is_accepted(self, production: Installation) -> None:
        app = register(production, domain="https://example.com", ownerEmail="a@example.com", description="Shop")
        assert (app["name"], app["domain"]) == ("My Website", "https://example.com")

    @pytest.mark.parametrize(
        ("fields", "wrong"), [({"name": ""}, "name"), ({"domain": "a b"}, "domain"), ({"colour": 1}, "colour")]
    )
    def test_a_wrong_field_is_named(self, production: Installation, fields: Json, wrong: str) -> None:
        body = {"name": "x", **fields}
        answer: Json = production.call("POST", "/api/auth/register", body, secret=SECRET_TOKEN)
        assert (answer.status_code, answer.json["fields"]) == (400, [wrong])
        assert production.context.store.find_documents("projects") == []

    def test_production_registers_nobody_without_the_secret_token(self, production: Installation) -> None:
        key = register(production)["apiKey"]
        answers = [production.call("POST", "/api/auth/register", {"name": "x"}, secret=who) for who in (None, key)]
        assert [answer.status_code for answer in answers] == [401, 403]

    def test_an_open_installation_registers_everybody(
        self, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installation = install(make_app, "production", monkeypatch, registration="open")
        assert installation.call("POST", "/api/auth/register", {"name": "x"}).status_code == 201


class TestShowingKeys:
    def test_secret_keys_are_shown_by_prefix_and_state(self, production: Installation) -> None:
        app = register(production)
        revoke(production, {"apiKey": register_key(production, app)})
        reader = production.create_key(app["projectKey"], ["read"], expiresAt="2025-01-06T11:00:00Z")
        production.clock.advance(HOUR_MS)
        answer = production.call("GET", f"/api/auth/api-key?appId={app['appId']}", secret=app["apiKey"])
        assert answer.status_code == 200
        found: Json = answer.json
        assert found["apiKey"] == app["projectKey"]
        states = {key["state"]: key["isActive"] for key in found["keys"]}
        assert states == {"active": True, "revoked": False, "expired": False}
        for secret in (app["apiKey"], reader["apiKey"]):
            assert secret not in answer.text

    def test_another_app_is_not_shown(self, production: Installation) -> None:
        app, other = register(production), register(production)
        path = f"/api/auth/api-key?appId={other['appId']}"
        assert code_of(production.call("GET", path, secret=app["apiKey"])) == (403, "wrong_project")
        assert code_of(production.call("GET", path)) == (401, "missing_credentials")
        assert code_of(production.call("GET", path, secret=other["projectKey"])) == (401, "missing_credentials")

    def test_app_and_project_must_be_the_same(self, production: Installation) -> None:
        app = register(production)
        path = f"/api/auth/api-key?appId={app['appId']}&projectKey={'0' * 12}"
        assert production.call("GET", path, secret=app["apiKey"]).status_code == 400


def register_key(installation: Installation, app: Json, scopes: tuple[str, ...] = ("ingest",), **fields: Json) -> str:
    return str(installation.create_key(app["projectKey"], list(scopes), **fields)["apiKey"])


class TestRevoking:
    def test_whoever_holds_the_key_may_end_it(self, production: Installation) -> None:
        app = register(production)
        answer = revoke(production, {"apiKey": app["apiKey"]})
        assert (answer["revoked"], answer["appId"]) == (True, app["appId"])
        assert "apiKey" not in answer
        assert not works(production, app["apiKey"])
        assert revoke(production, {"apiKey": app["apiKey"]})["revoked"] is True, "again changes nothing"

    def test_a_successor_has_the_scopes_and_the_end_of_the_key(self, production: Installation) -> None:
        app = register(production, expiresAt="2025-02-01")
        answer = revoke(production, {"apiKey": app["apiKey"], "regenerate": True})
        assert answer["expiresAt"] == "2025-02-01T00:00:00Z"
        assert (works(production, app["apiKey"]), works(production, answer["apiKey"])) == (False, True)
        old, new = production.fetch_documents("api_keys", app["projectKey"])
        assert old["scopes"] == new["scopes"] == ["ingest", "read"]

    @pytest.mark.parametrize("state", ["revoked", "expired", "rotated"])
    def test_a_key_that_is_over_gets_no_successor(self, production: Installation, state: str) -> None:
        app = register(production, expiresAt="2025-01-06T11:00:00Z")
        (key,) = production.fetch_documents("api_keys", app["projectKey"])
        path = f"/v1/projects/{app['projectKey']}/keys/{key['keyId']}"
        if state == "revoked":
            production.as_root("DELETE", path)
        elif state == "rotated":
            production.as_root("POST", f"{path}/rotate", {})
        else:
            production.clock.advance(2 * HOUR_MS)
        before = production.fetch_documents("api_keys", app["projectKey"])
        answer = production.call("POST", REVOKE, {"apiKey": app["apiKey"], "regenerate": True})
        assert code_of(answer) == (401, f"{state}_api_key")
        assert production.fetch_documents("api_keys", app["projectKey"]) == before

    def test_only_an_administrator_lets_the_successor_live_longer(self, production: Installation) -> None:
        app = register(production, expiresAt="2025-02-01")
        longer = {"regenerate": True, "expiresAt": "2025-03-01"}
        answer = production.call("POST", REVOKE, {"apiKey": app["apiKey"], **longer})
        assert code_of(answer) == (403, "missing_scope")
        assert works(production, app["apiKey"])
        shorter = revoke(production, {"apiKey": app["apiKey"], "regenerate": True, "expiresAt": "2025-01-10"})
        assert shorter["expiresAt"] == "2025-01-10T00:00:00Z"
        administrator = register_key(production, app, ("admin",), expiresAt="2025-02-01")
        assert revoke(production, {"apiKey": administrator, **longer})["expiresAt"] == "2025-03-01T00:00:00Z"

    def test_a_key_of_a_project_that_is_not_active_is_ended_but_not_replaced(self, production: Installation) -> None:
        app = register(production)
        production.as_root("DELETE", f"/v1/projects/{app['projectKey']}")
        answer = production.call("POST", REVOKE, {"apiKey": app["apiKey"], "regenerate": True})
        assert code_of(answer) == (403, "inactive_project")
        assert revoke(production, {"apiKey": app["apiKey"]})["revoked"] is True

    def test_an_administrator_ends_all_keys_that_do_not_administer(self, production: Installation) -> None:
        app = register(production)
        reader, administrator = (register_key(production, app, (scope,)) for scope in ("read", "admin"))
        answer = revoke(production, {"appId": app["appId"], "regenerate": True}, administrator)
        assert len(answer["keyIds"]) == 2
        keys = (app["apiKey"], reader, administrator, answer["apiKey"])
        assert [works(production, key) for key in keys] == [False, False, True, True]
        assert answer["expiresAt"] == "2026-01-06T10:00:00Z"

    def test_an_administrator_ends_one_key(self, production: Installation) -> None:
        app = register(production)
        (key,) = production.fetch_documents("api_keys", app["projectKey"])
        other = register_key(production, app, ("read",))
        answer = revoke(production, {"appId": app["appId"], "keyId": key["keyId"], "regenerate": True}, SECRET_TOKEN)
        assert answer["keyIds"] == [key["keyId"]]
        assert [works(production, each) for each in (app["apiKey"], other, answer["apiKey"])] == [False, True, True]
        again = production.call(
            "POST", REVOKE, {"appId": app["appId"], "keyId": key["keyId"], "regenerate": True}, secret=SECRET_TOKEN
        )
        assert code_of(again) == (409, "revoked_api_key")

    @pytest.mark.parametrize("who", ["nobody", "the app", "another app"])
    def test_nobody_else_ends_the_keys_of_an_app(self, production: Installation, who: str) -> None:
        app, other = register(production), register(production)
        administrator = register_key(production, other, ("admin",))
        secret = {"nobody": None, "the app": app["apiKey"], "another app": administrator}[who]
        answer = production.call("POST", REVOKE, {"appId": app["appId"]}, secret=secret)
        assert answer.status_code == (401 if secret is None else 403)
        assert works(production, app["apiKey"])

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({}, 400, "invalid_field"),
            ({"apiKey": "x", "appId": "y"}, 400, "invalid_field"),
            ({"apiKey": "x", "keyId": "y"}, 400, "invalid_field"),
            ({"apiKey": "x", "expiresAt": "2999-01-01"}, 400, "invalid_field"),
            ({"apiKey": "x", "regenerate": True, "expiresAt": "1999-01-01"}, 400, "invalid_field"),
            ({"apiKey": "x", "regenerate": "yes"}, 400, "invalid_field"),
            ({"apiKey": 5}, 400, "invalid_field"),
            ({"apiKey": "a1b2c3d4e5f6"}, 400, "invalid_field"),
            ({"apiKey": "ak_live_unknown"}, 401, "invalid_api_key"),
            ({"apiKey": SECRET_TOKEN}, 401, "invalid_api_key"),
            ({"appId": "550e8400-e29b-41d4-a716-446655440000"}, 403, "unknown_project"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(
        self, production: Installation, body: Json, status: int, code: str
    ) -> None:
        assert code_of(production.call("POST", REVOKE, body)) == (status, code)

    def test_a_revocation_is_in_the_audit_log_without_the_key(self, production: Installation) -> None:
        app = register(production)
        production.clock.advance(HOUR_MS)
        revoke(production, {"apiKey": app["apiKey"], "regenerate": True})
        log = production.call("GET", f"/v1/audit-log?projectKey={app['projectKey']}", secret=SECRET_TOKEN)
        entries = log.json["entries"]  # type: ignore[index]
        assert [entry["action"] for entry in entries] == ["key.revoke", "app.register"]
        assert "ak_live_" not in log.text


class TestCollecting:
    def test_one_event_gets_an_id_under_which_it_is_stored(self, production: Installation) -> None:
        app = register(production)
        answer: Json = production.call("POST", COLLECT, {"eventName": "click"}, secret=app["apiKey"]).json
        assert (answer["status"], answer["message"], answer["accepted"]) == ("ok", "Event collected", 1)
        assert production.context.store.fetch_event(app["projectKey"], answer["eventId"]) is not None

    def test_its_own_id_is_kept_and_makes_a_second_copy_a_duplicate(self, production: Installation) -> None:
        app = register(production)
        answers: list[Json] = [
            production.call("POST", COLLECT, {"eventName": "click", "messageId": 7}, secret=app["apiKey"]).json
            for _ in range(2)
        ]
        assert [(each["eventId"], each["accepted"], each["duplicates"]) for each in answers] == [
            ("7", 1, 0), ("7", 0, 1)
        ]  # fmt: skip

    def test_one_bad_event_does_not_sink_a_batch(self, production: Installation) -> None:
        app = register(production)
        answer: Json = production.call("POST", COLLECT, {"events": [{"eventName": "a"}, 5]}, secret=app["apiKey"]).json
        assert (answer["accepted"], [each["index"] for each in answer["rejected"]]) == (1, [1])
        assert "eventId" not in answer

    @pytest.mark.parametrize(
        ("event", "fields", "metadata"),
        [
            ({"device": "Mozilla/5.0 (X11)"}, {"user_agent": "Mozilla/5.0 (X11)"}, {}),
            ({"device": "mobile"}, {"user_agent": None}, {"device": "mobile"}),
            ({"device": "a/1", "userAgent": "b/2"}, {"user_agent": "b/2"}, {"device": "a/1"}),
            ({"device": {"type": "tablet"}}, {"user_agent": None}, {"device": {"type": "tablet"}}),
            ({"ipAddress": "203.0.113.9"}, {"ip": "203.0.113.9"}, {}),
            ({"ipAddress": 5}, {"ip": None}, {"ipAddress": 5}),
            ({"url": "/a", "userId": 4, "n": 2**70}, {"url": "/a", "user_id": "4"}, {"n": 2**70}),
        ],
    )
    @pytest.mark.parametrize("form", ["one", "several"])
    def test_other_names_become_fields(
        self, production: Installation, form: str, event: Json, fields: Json, metadata: Json
    ) -> None:
        app = register(production)
        sent = {"eventName": "a", **event}
        body = sent if form == "one" else {"events": [sent]}
        assert production.call("POST", COLLECT, body, secret=app["apiKey"]).status_code == 201
        ((row,),) = production.context.store.scan(app["projectKey"], 0)
        assert {name: getattr(row, name) for name in fields} == fields
        assert json.loads(row.metadata) == metadata

    def test_a_compressed_body_is_read(self, production: Installation) -> None:
        key = register(production)["apiKey"]
        headers = {"X-API-Key": key, "Content-Encoding": "gzip"}
        body = gzip.compress(b'{"eventName": "a"}')
        assert production.app.test_client().post(COLLECT, data=body, headers=headers).status_code == 201

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"", 400, "invalid_json"),
            (b"[]", 400, "invalid_body"),
            (b'{"events": 5}', 400, "invalid_body"),
            (b'{"events": []}', 400, "invalid_body"),
            (b'{"events": [{}]}', 400, "all_events_rejected"),
            (b"{}", 400, "all_events_rejected"),
            (b'{"eventName": "a", "n": 1e999}', 400, "all_events_rejected"),
            (b'{"eventName": "a", "userId": {}}', 400, "all_events_rejected"),
            (b'{"eventName": "a', 400, "invalid_json"),
            (b'{"eventName": "a", "m": "' + b"x" * 70_000 + b'"}', 413, "event_too_large"),
            (b'{"events": [{"eventName": "a", "m": "' + b"x" * 70_000 + b'"}]}', 413, "all_events_rejected"),
        ],
    )
    def test_what_cannot_be_kept_is_refused(
        self, production: Installation, body: bytes, status: int, code: str
    ) -> None:
        app = register(production)
        answer = production.app.test_client().post(COLLECT, data=body, headers={"X-API-Key": app["apiKey"]})
        assert code_of(answer) == (status, code)
        assert production.context.store.count(app["projectKey"]) == 0

    def test_a_lone_surrogate_is_stored_with_a_warning(self, production: Installation) -> None:
        key = register(production)["apiKey"]
        body = b'{"eventName": "a", "note": "\\ud800"}'
        answer: Json = production.app.test_client().post(COLLECT, data=body, headers={"X-API-Key": key})
        assert (answer.status_code, answer.json["warnings"][0]["code"]) == (201, "invalid_unicode")

    def test_the_id_in_the_answer_is_the_one_that_is_stored(self, production: Installation) -> None:
        app = register(production)
        body = b'{"eventName": "a", "eventId": "\\ud800"}'
        headers = {"X-API-Key": app["apiKey"]}
        answer: Json = production.app.test_client().post(COLLECT, data=body, headers=headers)
        assert (answer.status_code, answer.json["eventId"]) == (201, "\ufffd")
        assert production.context.store.fetch_event(app["projectKey"], "\ufffd") is not None

    def test_a_page_sends_with_the_public_key_or_names_its_app(self, production: Installation) -> None:
        app = register(production)
        event = {"eventName": "a"}
        assert production.call("POST", COLLECT, event, secret=app["projectKey"]).status_code == 201
        assert production.call("POST", f"{COLLECT}?appId={app['appId']}", event).status_code == 201
        assert code_of(production.call("POST", COLLECT, event)) == (401, "missing_credentials")

    def test_a_key_does_not_send_to_another_app(self, production: Installation) -> None:
        app, other = register(production), register(production)
        path = f"{COLLECT}?appId={other['appId']}"
        answer = production.call("POST", path, {"eventName": "a"}, secret=app["apiKey"])
        assert code_of(answer) == (403, "wrong_project")


class TestSummaries:
    EVENTS = [
        {"eventName": "page_view", "url": "https://example.com/a?x=1", "userId": "ann", "device": "mobile"},
        {"eventName": "page_view", "url": "/b", "userId": "bob", "timestamp": "2025-01-05T23:30:00Z"},
        {"eventName": "page_view", "url": "/a", "userId": "bob", "timestamp": "2025-01-04T10:00:00Z"},
        {"eventName": "click", "url": "/c", "userId": "bob", "timestamp": "2025-01-06T09:00:00Z"},
    ]

    @pytest.fixture
    def app(self, production: Installation) -> Json:
        app = register(production, timezone="Europe/Berlin")
        answer: Json = production.call("POST", COLLECT, {"events": self.EVENTS}, secret=app["apiKey"]).json
        assert (answer["accepted"], answer["rejected"], answer["warnings"]) == (4, [], [])
        return app

    def ask(self, production: Installation, app: Json, path: str) -> Json:
        answer = production.call("GET", f"/api/analytics/{path}", secret=app["apiKey"])
        assert answer.status_code == 200, answer.text
        return answer.json

    def test_a_day_of_the_summary_is_one_of_the_projects_zone(self, production: Installation, app: Json) -> None:
        summary = self.ask(production, app, "event-summary?startDate=2025-01-06&endDate=2025-01-06")
        assert summary["totalEvents"] == 3, "23:30 UTC is past midnight in Berlin"
        assert summary["eventBreakdown"] == {"page_view": 2, "click": 1}
        assert summary["deviceBreakdown"] == {"unknown": 2, "mobile": 1, "desktop": 0, "tablet": 0}
        assert summary["uniqueUsers"] == 2

    def test_the_summary_of_one_event_counts_it_alone(self, production: Installation, app: Json) -> None:
        summary = self.ask(production, app, "event-summary?eventName=click")
        assert (summary["totalEvents"], summary["uniqueUsers"]) == (1, 1)
        assert summary["eventBreakdown"] == {"click": 1}

    def test_the_summary_of_nothing_is_zeros(self, production: Installation, app: Json) -> None:
        summary = self.ask(production, app, "event-summary?startDate=2030-01-01")
        assert (summary["totalEvents"], summary["uniqueUsers"], summary["eventBreakdown"]) == (0, 0, {})
        assert summary["deviceBreakdown"] == {"desktop": 0, "mobile": 0, "tablet": 0}

    def test_days_end_with_today_and_begin_so_many_days_before(self, production: Installation, app: Json) -> None:
        assert self.ask(production, app, "daily-stats?days=3")["dailyStats"] == [
            {"date": "2025-01-04", "totalEvents": 1, "uniqueUsers": 1},
            {"date": "2025-01-05", "totalEvents": 0, "uniqueUsers": 0},
            {"date": "2025-01-06", "totalEvents": 3, "uniqueUsers": 2},
        ]
        assert len(self.ask(production, app, "daily-stats?startDate=2025-01-05&endDate=2025-01-06")["dailyStats"]) == 2

    def test_top_pages_are_paths_by_views(self, production: Installation, app: Json) -> None:
        assert self.ask(production, app, "top-pages")["pages"] == [
            {"url": "/a", "views": 2, "uniqueUsers": 2},
            {"url": "/b", "views": 1, "uniqueUsers": 1},
        ]
        assert len(self.ask(production, app, "top-pages?limit=1")["pages"]) == 1

    def test_user_stats_show_the_newest_events_first(self, production: Installation, app: Json) -> None:
        stats = self.ask(production, app, "user-stats?userId=bob&limit=2")
        assert (stats["totalEvents"], stats["firstSeen"]) == (3, "2025-01-04T10:00:00Z")
        assert [event["timestamp"] for event in stats["recentEvents"]] == [
            "2025-01-06T09:00:00Z", "2025-01-05T23:30:00Z"
        ]  # fmt: skip

    def test_a_user_that_nobody_is_is_not_found(self, production: Installation, app: Json) -> None:
        answer = production.call("GET", "/api/analytics/user-stats?userId=eve", secret=app["apiKey"])
        assert code_of(answer) == (404, "unknown_user")

    def test_the_numbers_are_those_of_the_reports(self, production: Installation, app: Json) -> None:
        summary = self.ask(production, app, "event-summary")
        overview: Json = production.call("GET", "/v1/reports/overview", secret=app["apiKey"]).json
        top: Json = production.call("GET", "/v1/reports/top-events", secret=app["apiKey"]).json
        assert (summary["totalEvents"], summary["uniqueUsers"]) == (overview["totalEvents"], overview["uniqueUsers"])
        assert summary["eventBreakdown"] == {event["eventName"]: event["count"] for event in top["events"]}
        assert sum(summary["deviceBreakdown"].values()) == overview["totalEvents"]

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ("event-summary?startDate=yesterday", ["startDate"]),
            ("event-summary?startDate=2025-01-02&endDate=2025-01-01", ["startDate", "endDate"]),
            ("event-summary?endDate=9999-12-31", ["endDate"]),
            ("event-summary?from=2025-01-01", ["from"]),
            ("event-summary?eventName=", ["eventName"]),
            ("daily-stats?days=0", ["days"]),
            ("daily-stats?days=2&endDate=2025-01-01", ["days", "endDate"]),
            ("daily-stats?startDate=1000-01-01&endDate=2025-01-01", ["startDate", "endDate"]),
            ("top-pages?limit=1001", ["limit"]),
            ("user-stats", ["userId"]),
            ("user-stats?userId=a&limit=-1", ["limit"]),
        ],
    )
    def test_a_wrong_question_names_its_field(
        self, production: Installation, query: str, fields: list[str]
    ) -> None:
        app = register(production)
        answer: Json = production.call("GET", f"/api/analytics/{query}", secret=app["apiKey"])
        assert (answer.status_code, answer.json["fields"]) == (400, fields), answer.text
