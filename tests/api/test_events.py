"""POST /v1/events/batch and GET /v1/rejections, over HTTP, on the embedded store."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import Any

import brotli
import pytest
import zstandard
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services import clock, rejections
from services.context import Context
from stores.base import ArrivalRow, StoreUnavailable
from tests.conftest import SECRET_TOKEN, MakeApp

NOW_MS = 1_736_157_600_123  # 2025-01-06T10:00:00.123Z
BATCH = "/v1/events/batch"


@pytest.fixture(autouse=True)
def _frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "fetch_now_ms", lambda: NOW_MS)


@pytest.fixture
def project_key(client: FlaskClient) -> str:
    return create_project(client)


def create_project(client: FlaskClient, **fields: Any) -> str:
    created = client.post("/v1/projects", json={"name": "Demo App", **fields}, headers={"X-API-Key": SECRET_TOKEN})
    if created.status_code == 401:  # in development the token is not set
        created = client.post("/v1/projects", json={"name": "Demo App", **fields})
    assert created.status_code == 201, created.text
    return str(created.json["projectKey"])


def context_of(app: Flask) -> Context:
    context: Context = app.extensions["apptracker"]
    return context


def rows_of(app: Flask, project_key: str) -> list[ArrivalRow]:
    return [row for rows in context_of(app).store.scan(project_key, 0) for row in rows]


def send(client: FlaskClient, project_key: str | None, *events: Any, **members: Any) -> TestResponse:
    body = {"events": list(events), **members} | ({} if project_key is None else {"projectKey": project_key})
    return client.post(BATCH, json=body)


def named(**fields: Any) -> dict[str, Any]:
    return {"eventName": "app_open", **fields}


def accepted(count: int, duplicates: int = 0) -> dict[str, Any]:
    return {"accepted": count, "duplicates": duplicates, "rejected": [], "warnings": []}


class TestStoring:
    def test_the_batch_of_the_quick_start_is_stored(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        answer = send(
            client,
            project_key,
            {"eventName": "app_open", "timestamp": "2025-01-06T10:00:00Z", "anonymousId": "anon-1"},
            {
                "eventName": "purchase_success",
                "timestamp": "2025-01-06T10:05:00Z",
                "anonymousId": "anon-1",
                "userId": "user-123",
            },
        )
        assert (answer.status_code, answer.json) == (200, accepted(2))
        assert [
            (row.event_name, row.occurred_at_ms, row.received_at_ms, row.user_id) for row in rows_of(app, project_key)
        ] == [
            ("app_open", 1_736_157_600_000, NOW_MS, None),
            ("purchase_success", 1_736_157_900_000, NOW_MS, "user-123"),
        ]

    def test_every_field_arrives_in_the_store(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        event = named(
            eventId="e-1", anonymousId="a", userId=7, sessionId="s", url="/p", referrer="", userAgent="UA", ip="::1",
            plan="pro", metadata={"$gt": 1, "a.b": {"": [None, 1.0]}, "z\0": "\0", "big": 2**70},
        )  # fmt: skip
        assert send(client, project_key, event).json == accepted(1)
        (row,) = rows_of(app, project_key)
        assert row[1:12] == ("e-1", "app_open", NOW_MS, NOW_MS, "a", "7", "s", "/p", "", "UA", "::1")
        assert json.loads(row.metadata) == {"plan": "pro", **event["metadata"]}

    def test_an_event_id_is_stored_once_for_ever(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        assert send(client, project_key, named(eventId="1"), named(eventId="1", userId="u")).json == accepted(1, 1)
        assert send(client, project_key, named(messageId="1"), named(uuid="2")).json == accepted(1, 1)
        assert [(row.event_id, row.user_id) for row in rows_of(app, project_key)] == [("1", None), ("2", None)]
        other = create_project(client)
        assert send(client, other, named(eventId="1")).json == accepted(1)

    def test_events_without_an_id_are_all_stored(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        for _ in range(2):
            assert send(client, project_key, named(), named(eventId="")).json == accepted(2)
        assert len({row.event_id for row in rows_of(app, project_key)}) == 4

    def test_events_inherit_the_context(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        answer = send(client, project_key, named(), named(ip="::2"), context={"ip": "::1", "metadata": {"app": "1.2"}})
        assert answer.json == accepted(2)
        assert [(row.ip, row.metadata) for row in rows_of(app, project_key)] == [
            ("::1", '{"app":"1.2"}'),
            ("::2", '{"app":"1.2"}'),
        ]

    def test_the_clients_clock_is_corrected(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        answer = send(client, project_key, named(timestamp="2024-01-06T09:00:00Z"), sentAt="2024-01-06T10:00:00Z")
        assert answer.json == accepted(1)
        assert rows_of(app, project_key)[0].occurred_at_ms == NOW_MS - 3_600_000

    def test_warnings_say_what_was_changed(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        answer = send(client, project_key, named(), named(timestamp="soon"), sentAt="now")
        assert answer.status_code == 200
        assert [(warning.get("index"), warning["code"]) for warning in answer.json["warnings"]] == [
            (None, "invalid_sent_at"),
            (1, "invalid_timestamp"),
        ]
        assert all(warning["message"] for warning in answer.json["warnings"])
        assert "index" not in answer.json["warnings"][0]
        assert [row.occurred_at_ms for row in rows_of(app, project_key)] == [NOW_MS, None]

    def test_a_trailing_slash_is_the_same_address(self, client: FlaskClient, project_key: str) -> None:
        assert client.post(BATCH + "/", json={"projectKey": project_key, "events": [named()]}).json == accepted(1)


class TestRejecting:
    def test_one_bad_event_never_sinks_its_batch(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        answer = send(client, project_key, named(eventId="0"), {"eventName": ""}, named(eventId="2"), 5)
        assert answer.status_code == 200
        assert (answer.json["accepted"], answer.json["duplicates"]) == (2, 0)
        assert [(each["index"], each["code"]) for each in answer.json["rejected"]] == [
            (1, "invalid_event_name"),
            (3, "invalid_event"),
        ]
        assert set(answer.json["rejected"][0]) == {"index", "code", "error"}
        assert [row.event_id for row in rows_of(app, project_key)] == ["0", "2"]

    @pytest.mark.parametrize("odd", ['{"eventName":"\\ud800"}', '{"eventName":1e400}', "[" * 3000 + "]" * 3000])
    def test_an_event_that_upsets_the_decoder_does_not_either(
        self, client: FlaskClient, app: Flask, project_key: str, odd: str
    ) -> None:
        body = f'{{"projectKey":"{project_key}","events":[{{"eventName":"a"}},{odd},{{"eventName":"b"}}]}}'
        answer = client.post(BATCH, data=body, content_type="application/json")
        assert answer.status_code == 200
        assert {"a", "b"} <= {row.event_name for row in rows_of(app, project_key)}

    def test_a_batch_of_bad_events_is_an_error(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        answer = send(client, project_key, {}, named(userId={"$ne": 1}))
        assert (answer.status_code, answer.json["code"], answer.json["fields"]) == (
            400,
            "all_events_rejected",
            ["events"],
        )
        assert (answer.json["accepted"], answer.json["duplicates"], answer.json["warnings"]) == (0, 0, [])
        assert [each["code"] for each in answer.json["rejected"]] == ["invalid_event_name", "invalid_field"]
        assert answer.json["requestId"]
        assert answer.json["error"]
        assert rows_of(app, project_key) == []

    def test_a_batch_of_too_large_events_is_a_413_but_a_duplicate_beside_them_is_not(
        self, client: FlaskClient, project_key: str
    ) -> None:
        large, deep = named(url="x" * 65_536), named(metadata={"a": [[[[[[[1]]]]]]]})
        answer = send(client, project_key, large, deep)
        assert (answer.status_code, answer.json["code"]) == (413, "all_events_rejected")
        assert [each["code"] for each in answer.json["rejected"]] == ["event_too_large", "event_too_deep"]
        assert send(client, project_key, large, {}).status_code == 400
        assert send(client, project_key, large, named(eventId="1")).status_code == 200
        assert send(client, project_key, large, named(eventId="1")).json["duplicates"] == 1

    def test_rejected_events_are_kept_with_their_reasons_newest_first(
        self, client: FlaskClient, project_key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = '{"eventName":"",  "userId":"ü"}'
        client.post(BATCH, data=f'{{"projectKey":"{project_key}","events":[{bad}]}}'.encode())
        monkeypatch.setattr(clock, "fetch_now_ms", lambda: NOW_MS + 1000)
        send(client, project_key, named(), 5)
        answer = client.get("/v1/rejections", query_string={"projectKey": project_key})
        assert (answer.status_code, answer.json["projectKey"]) == (200, project_key)
        assert [(each["receivedAt"], each["code"], each["event"]) for each in answer.json["rejections"]] == [
            ("2025-01-06T10:00:01.123Z", "invalid_event", "5"),
            ("2025-01-06T10:00:00.123Z", "invalid_event_name", bad),
        ]
        latest = client.get("/v1/rejections", query_string={"projectKey": project_key, "limit": "1"})
        assert [each["event"] for each in latest.json["rejections"]] == ["5"]
        other = create_project(client)
        assert client.get("/v1/rejections", query_string={"projectKey": other}).json["rejections"] == []

    def test_of_a_huge_event_only_the_beginning_is_kept(self, client: FlaskClient, project_key: str) -> None:
        send(client, project_key, named(url="x" * 100_000))
        kept = client.get("/v1/rejections", query_string={"projectKey": project_key}).json["rejections"]
        assert [(each["code"], len(each["event"])) for each in kept] == [("event_too_large", 65_536)]

    @pytest.mark.parametrize("limit", ["0", "1001", "-1", "ten", "", "1.5", "1e2", "١", "00001", "9" * 5000])
    def test_a_limit_out_of_bounds_is_refused(self, client: FlaskClient, project_key: str, limit: str) -> None:
        answer = client.get("/v1/rejections", query_string={"projectKey": project_key, "limit": limit})
        assert (answer.status_code, answer.json["code"], answer.json["fields"]) == (400, "invalid_parameter", ["limit"])

    def test_old_rejections_are_purged(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        send(client, project_key, {}, named())
        context = context_of(app)
        thirty_days_ms = 30 * 86_400_000
        assert rejections.purge_rejections(context, NOW_MS + thirty_days_ms) == 0
        assert rejections.purge_rejections(context, NOW_MS + thirty_days_ms + 1) == 1
        assert rejections.list_rejections(context, project_key, limit=10) == []


class TestBodies:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "application/json; charset=utf-8",
            "text/plain;charset=UTF-8",
            "application/vnd.x+json",
            "TEXT/JSON",
            "",
        ],
    )
    def test_json_is_taken_by_these_names(self, client: FlaskClient, project_key: str, content_type: str) -> None:
        body = json.dumps({"projectKey": project_key, "events": [named()]})
        headers = {"Content-Type": content_type} if content_type else {}
        assert client.post(BATCH, data=body.encode(), headers=headers).json == accepted(1)

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/octet-stream",
            "text/csv",
            "nonsense",
        ],
    )
    def test_other_content_types_are_refused(self, client: FlaskClient, project_key: str, content_type: str) -> None:
        body = json.dumps({"projectKey": project_key, "events": [named()]})
        answer = client.post(BATCH, data=body.encode(), headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")

    @pytest.mark.parametrize(
        "content_type",
        ["application/x-ndjson", "application/ndjson; charset=utf-8", "application/jsonl", "application/x-jsonlines"],
    )
    def test_lines_are_events(self, client: FlaskClient, app: Flask, project_key: str, content_type: str) -> None:
        body = '{"eventName":"a","timestamp":"2025-01-06T08:00:00Z"}\r\n\n{"eventName":\n{"eventName":"b"}\n'
        query = {"projectKey": project_key, "sentAt": str(NOW_MS + 1000)}
        answer = client.post(BATCH, data=body.encode(), content_type=content_type, query_string=query)
        assert (answer.status_code, answer.json["accepted"]) == (200, 2)
        assert [(each["index"], each["code"]) for each in answer.json["rejected"]] == [(1, "invalid_json")]
        rows = rows_of(app, project_key)
        assert [(row.event_name, row.occurred_at_ms) for row in rows] == [
            ("a", 1_736_150_400_000 - 1000),
            ("b", NOW_MS),
        ]

    @pytest.mark.parametrize(
        ("encoding", "compress"),
        [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress), ("br", brotli.compress)],
    )
    def test_bodies_may_be_compressed(
        self, client: FlaskClient, project_key: str, encoding: str, compress: Any
    ) -> None:
        headers = {"Content-Encoding": encoding}
        body = json.dumps({"projectKey": project_key, "events": [named()]}).encode()
        assert client.post(BATCH, data=compress(body), headers=headers).json == accepted(1)
        lines = compress(b'{"eventName":"a"}\n' * 3)
        answer = client.post(
            BATCH,
            data=lines,
            headers=headers,
            content_type="application/x-ndjson",
            query_string={"projectKey": project_key},
        )
        assert answer.json == accepted(3)
        bomb = compress(bytes(50_000_000))
        answer = client.post(BATCH, data=bomb, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")

    @pytest.mark.parametrize(
        ("headers", "status", "code"),
        [
            ({"Content-Encoding": "gzip"}, 400, "invalid_encoding"),
            ({"Content-Encoding": "gzip, br"}, 415, "unsupported_content_encoding"),
            ({"Content-Encoding": "lzma"}, 415, "unsupported_content_encoding"),
        ],
    )
    def test_encodings_that_cannot_be_undone_are_refused(
        self, client: FlaskClient, headers: dict[str, str], status: int, code: str
    ) -> None:
        answer = client.post(BATCH, data=b'{"events":[{}]}', headers=headers)
        assert (answer.status_code, answer.json["code"]) == (status, code)

    @pytest.mark.parametrize(
        ("body", "code", "fields"),
        [
            (b"", "invalid_json", []),
            (b"{", "invalid_json", []),
            (b'{"events":[NaN]}', "invalid_json", []),
            (b"[]", "invalid_body", []),
            (b"{}", "invalid_body", ["events"]),
            (b'{"events":[]}', "invalid_body", ["events"]),
            (b'{"events":{}}', "invalid_body", ["events"]),
            (b'{"events":[1],"projectKey":{"$ne":null}}', "invalid_field", ["projectKey"]),
            (b'{"events":[1]}', "missing_project_key", ["projectKey"]),
        ],
    )
    def test_a_body_that_is_no_batch_is_refused(
        self, client: FlaskClient, body: bytes, code: str, fields: list[str]
    ) -> None:
        answer = client.post(BATCH, data=body, content_type="application/json")
        assert (answer.status_code, answer.json["code"], answer.json["fields"]) == (400, code, fields)

    def test_a_context_that_cannot_be_used_is_named(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        answer = send(client, project_key, named(), context={"userId": []})
        assert (answer.status_code, answer.json["code"], answer.json["fields"]) == (
            400,
            "invalid_context",
            ["context.userId"],
        )
        assert rows_of(app, project_key) == []

    def test_one_event_too_many_refuses_the_whole_batch(self, make_app: MakeApp) -> None:
        app = make_app(max_batch_events=3)
        client = app.test_client()
        project_key = create_project(client)
        assert send(client, project_key, *[named()] * 3).json == accepted(3)
        answer = send(client, project_key, *[named()] * 4)
        assert (answer.status_code, answer.json["code"]) == (413, "too_many_events")
        assert len(rows_of(app, project_key)) == 3

    def test_a_body_over_the_limit_is_refused(self, make_app: MakeApp) -> None:
        client = make_app(max_body_bytes=2000).test_client()
        project_key = create_project(client)
        answer = send(client, project_key, named(url="x" * 2000))
        assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")
        assert send(client, project_key, named(url="x" * 1500)).status_code == 200

    @pytest.mark.parametrize(("size", "status"), [(1500, 200), (2000, 413)])
    def test_a_body_without_a_length_is_read_to_its_end(self, make_app: MakeApp, size: int, status: int) -> None:
        client = make_app(max_body_bytes=2000).test_client()
        body = json.dumps({"projectKey": create_project(client), "events": [named(url="x" * size)]}).encode()
        answer = client.post(BATCH, input_stream=io.BytesIO(body), environ_overrides={"wsgi.input_terminated": True})
        assert (answer.status_code, answer.json.get("code")) == (status, "body_too_large" if status == 413 else None)

    def test_a_body_cut_short_on_its_way_is_not_stored(self, client: FlaskClient, app: Flask, project_key: str) -> None:
        body = json.dumps({"projectKey": project_key, "events": [named()]}).encode()
        answer = client.post(
            BATCH, input_stream=io.BytesIO(body), environ_overrides={"CONTENT_LENGTH": str(len(body) + 1)}
        )
        assert answer.status_code == 400
        assert rows_of(app, project_key) == []


class TestWhoMaySend:
    def test_an_unknown_project_and_one_that_is_not_active_are_refused(
        self, client: FlaskClient, project_key: str
    ) -> None:
        answer = send(client, "abc123", named())
        assert (answer.status_code, answer.json["code"]) == (403, "unknown_project")
        assert answer.json["error"].startswith("Project with key 'abc123' not found")
        client.delete(f"/v1/projects/{project_key}")
        answer = send(client, project_key, named())
        assert (answer.status_code, answer.json["code"]) == (403, "inactive_project")

    def test_in_production_a_public_key_may_send_but_not_read_what_was_rejected(self, make_app: MakeApp) -> None:
        client = make_app(env="production").test_client()
        project_key = create_project(client)
        assert send(client, project_key, named()).json == accepted(1)
        assert send(client, None, named()).status_code == 401
        assert client.get("/v1/rejections", query_string={"projectKey": project_key}).status_code == 401

    def test_the_key_of_a_request_decides_the_project(self, make_app: MakeApp) -> None:
        app = make_app(env="production")
        client = app.test_client()
        created = client.post("/v1/projects", json={"name": "A"}, headers={"X-API-Key": SECRET_TOKEN}).json
        other = create_project(client)
        headers = {"X-API-Key": created["apiKey"]}
        assert client.post(BATCH, json={"events": [named()]}, headers=headers).json == accepted(1)
        assert len(rows_of(app, created["projectKey"])) == 1
        answer = client.post(BATCH, json={"events": [named()], "projectKey": other}, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (403, "wrong_project")
        assert client.get("/v1/rejections", headers=headers).json["rejections"] == []
        answer = client.post(BATCH, json={"events": [named()]}, headers={"X-API-Key": created["apiKey"] + "x"})
        assert answer.status_code == 401


class TestWhenTheStoreIsAway:
    @pytest.mark.parametrize("operation", ["append", "insert_documents"])
    def test_nothing_is_acknowledged(
        self, client: FlaskClient, app: Flask, project_key: str, monkeypatch: pytest.MonkeyPatch, operation: str
    ) -> None:
        def fail(*_: object) -> None:
            raise StoreUnavailable("the disk is full: /secret/path")

        with monkeypatch.context() as patched:
            patched.setattr(context_of(app).store, operation, fail)
            answer = send(client, project_key, named(eventId="1"), {})
        assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "secret" not in answer.text
        assert rows_of(app, project_key) == []
        assert send(client, project_key, named(eventId="1"), {}).json["accepted"] == 1

    def test_a_full_queue_asks_to_come_back(
        self, client: FlaskClient, app: Flask, project_key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(context_of(app).committer, "_queued_events", 50_000)
            answer = send(client, project_key, named())
        assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (
            503,
            "ingest_queue_full",
            "1",
        )
        assert rows_of(app, project_key) == []
        assert send(client, project_key, named()).json == accepted(1)


def test_verdicts_are_counted(client: FlaskClient, project_key: str) -> None:
    def count(verdict: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(
            float(line.split()[-1])
            for line in lines
            if line.startswith(f'apptracker_ingest_events_total{{verdict="{verdict}"')
        )

    before = {verdict: count(verdict) for verdict in ("accepted", "duplicate", "rejected")}
    send(client, project_key, named(eventId="1"), named(eventId="1"), named(), {})
    assert {verdict: count(verdict) - before[verdict] for verdict in before} == {
        "accepted": 2,
        "duplicate": 1,
        "rejected": 1,
    }
