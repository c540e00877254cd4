"""/v1/reports/export: which events, in which order, in which form; and what becomes of an export that is disturbed."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from columns.copy import ColumnarCopy
from services.errors import AppTrackerError
from services.projects import fetch_project
from services.reports import export as exporting
from services.reports.export import ExportBroken
from services.reports.export_formats import EXPORT_FIELDS
from tests.conftest import MakeApp

EXPORT = "/v1/reports/export"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
SHOP: list[dict[str, Any]] = [
    {"eventId": "b", "eventName": "view", "anonymousId": "a1", "timestamp": "2025-01-06T10:00:00.250Z",
     "url": "https://shop.example/cart?utm_source=news", "metadata": {"plan": "pro", "n": 10**25, "list": [1, "x"]}},
    {"eventId": "a", "eventName": "view", "anonymousId": "a1", "timestamp": "2025-01-06T10:00:00.250Z"},
    {"eventId": "c", "eventName": "login", "anonymousId": "a1", "userId": "u1", "timestamp": "2025-01-08T00:00:00Z",
     "userAgent": CHROME, "sessionId": "s", "referrer": "https://other.example/"},
    {"eventId": "d", "eventName": "view", "anonymousId": "a2", "timestamp": "1969-12-31T23:59:59.999Z"},
    {"eventId": "e", "eventName": "view", "userId": "u2", "timestamp": "9999-12-31T23:59:59.999Z"},
    {"eventId": "f", "eventName": "view", "timestamp": "0001-01-01T00:00:00Z"},
    {"eventId": "y", "eventName": "view", "userId": "u1", "timestamp": "yesterday"},
    {"eventId": "x", "eventName": "view", "userId": "u1", "timestamp": "tomorrow"},
    {"eventId": "g", "eventName": "view", "userId": "u3", "timestamp": "2025-01-07T00:00:00Z", "userAgent": CRAWLER},
]  # fmt: skip
IN_ORDER = ["f", "d", "a", "b", "c", "e", "x", "y"]


@pytest.fixture
def shop(client: FlaskClient) -> str:
    return load(client, SHOP)


def read_json(answer: TestResponse) -> Any:
    return answer.json


def load(client: FlaskClient, events: list[dict[str, Any]]) -> str:
    """A new project with the events, sent in batches; its key."""
    project_key: str = read_json(client.post("/v1/projects", json={"name": "Shop"}))["projectKey"]
    for start in range(0, len(events), 2000):
        body = {"projectKey": project_key, "events": events[start : start + 2000]}
        assert read_json(client.post("/v1/events/batch", json=body))["rejected"] == []
    return project_key


def ask(client: FlaskClient, project_key: str, **parameters: Any) -> TestResponse:
    answer = client.get(EXPORT, query_string={"projectKey": project_key, **parameters})
    assert answer.status_code == 200, answer.text
    return answer


def read(client: FlaskClient, project_key: str, **parameters: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ask(client, project_key, **parameters).text.splitlines()]


def read_ids(client: FlaskClient, project_key: str, **parameters: Any) -> list[str]:
    return [event["eventId"] for event in read(client, project_key, **parameters)]


@pytest.fixture(params=["in memory", "sealed", "mixed"])
def layout(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_events_come_by_time_then_by_id_and_those_without_a_time_last(
    client: FlaskClient, copy: ColumnarCopy, layout: str
) -> None:
    project_key = load(client, SHOP[:4])
    if layout == "mixed":
        copy.seal(project_key, force=True)
    assert client.post("/v1/events/batch", json={"projectKey": project_key, "events": SHOP[4:]}).status_code == 200
    if layout == "sealed":
        copy.seal(project_key, force=True)
    assert read_ids(client, project_key) == IN_ORDER


def test_a_range_has_what_reports_count_in_it_and_no_event_without_a_time(client: FlaskClient, shop: str) -> None:
    assert read_ids(client, shop, **{"from": "2025-01-06", "to": "2025-01-06"}) == ["a", "b"]
    assert read_ids(client, shop, **{"from": "2025-01-08"}) == ["c", "e"]
    assert read_ids(client, shop, to="2025-01-06", tz="UTC") == ["f", "d", "a", "b"]
    # 2025-01-08T00:00Z is still the 7th in New York
    assert read_ids(client, shop, **{"from": "2025-01-07", "to": "2025-01-07", "tz": "America/New_York"}) == ["c"]


def test_filters_choose_events_also_among_those_without_a_time(client: FlaskClient, shop: str) -> None:
    filters = json.dumps([{"property": "userId", "operator": "eq", "value": "u1"}])
    assert read_ids(client, shop, filters=filters) == ["c", "x", "y"]
    filters = json.dumps([{"property": "metadata.plan", "operator": "exists"}])
    assert read_ids(client, shop, filters=filters) == ["b"]


def test_events_of_crawlers_are_there_only_if_they_are_asked_for(client: FlaskClient, shop: str) -> None:
    assert "g" not in read_ids(client, shop)
    (crawled,) = [event for event in read(client, shop, includeBots="true") if event["isBot"]]
    assert (crawled["eventId"], crawled["botName"]) == ("g", "Googlebot")


def test_an_event_in_ndjson_has_the_fields_that_it_has(client: FlaskClient, shop: str) -> None:
    found = {event["eventId"]: event for event in read(client, shop)}
    received = [event.pop("receivedAt") for event in found.values()]
    assert all(datetime.fromisoformat(text).tzinfo == UTC for text in received)
    assert found["b"] == {
        "eventId": "b", "eventName": "view", "timestamp": "2025-01-06T10:00:00.250Z", "anonymousId": "a1",
        "personId": "u1", "url": "https://shop.example/cart?utm_source=news", "page": "/cart",
        "hostname": "shop.example", "channel": "Referral", "utmSource": "news", "isBot": False,
        "metadata": {"plan": "pro", "n": 10**25, "list": [1, "x"]},
    }  # fmt: skip
    assert found["f"] == {
        "eventId": "f", "eventName": "view", "timestamp": "0001-01-01T00:00:00Z", "channel": "Direct", "isBot": False,
        "metadata": {},
    }  # fmt: skip
    assert (found["c"]["browser"], found["c"]["sessionId"]) == ("Chrome", "s")
    assert "timestamp" not in found["x"]
    assert found["x"]["metadata"] == {"timestamp": "tomorrow"}


def test_the_person_is_who_reports_show_whenever_it_became_known(
    client: FlaskClient, copy: ColumnarCopy, shop: str
) -> None:
    """The login is sealed with what came before it, or after that, or is in memory yet."""
    persons = {"a": "u1", "b": "u1", "c": "u1", "d": "a2", "e": "u2", "f": None, "x": "u1", "y": "u1"}
    assert {event["eventId"]: event.get("personId") for event in read(client, shop)} == persons
    copy.seal(shop, force=True)
    assert {event["eventId"]: event.get("personId") for event in read(client, shop)} == persons
    later = {"eventId": "h", "eventName": "login", "anonymousId": "a2", "userId": "u9", "timestamp": "2025-02-01"}
    assert client.post("/v1/events/batch", json={"projectKey": shop, "events": [later]}).status_code == 200
    now_known = {**persons, "d": "u9", "h": "u9"}
    assert {event["eventId"]: event.get("personId") for event in read(client, shop)} == now_known
    copy.seal(shop, force=True)
    assert {event["eventId"]: event.get("personId") for event in read(client, shop)} == now_known
    copy.merge(shop, force=True)
    assert {event["eventId"]: event.get("personId") for event in read(client, shop)} == now_known


def test_csv_has_the_same_events_and_guards_against_formulas(client: FlaskClient) -> None:
    hostile = ["=1+1", "+49", "-1", "@x", "\ttab", "\rreturn", "＝wide", "plain", 'a "b", c\n', "'quoted", "é😀"]
    events = [
        {"eventName": "view", "eventId": f"e{number:02}", "userId": text, "timestamp": "2025-01-06",
         "metadata": {"k": text}}
        for number, text in enumerate(hostile)
    ]
    project_key = load(client, events)
    answer = ask(client, project_key, format="csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.data.decode(), newline="")))
    assert list(rows[0]) == list(EXPORT_FIELDS)
    assert [row["userId"] for row in rows] == [f"'{text}" for text in hostile[:7]] + hostile[7:]
    assert [json.loads(row["metadata"])["k"] for row in rows] == hostile
    assert {(row["timestamp"], row["isBot"], row["ip"]) for row in rows} == {("2025-01-06T00:00:00Z", "false", "")}
    exact = read(client, project_key)
    assert [event["userId"] for event in exact] == hostile


def test_parquet_opens_in_arrow_and_duckdb_with_the_same_events(
    client: FlaskClient, shop: str, tmp_path: Path
) -> None:
    answer = ask(client, shop, format="parquet")
    assert answer.mimetype == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.data))
    assert table.column_names == list(EXPORT_FIELDS)
    in_lines = read(client, shop)
    rows = table.to_pylist()
    for row, line in zip(rows, in_lines, strict=True):
        times = {name: row[name] and row[name].replace(tzinfo=UTC) for name in ("timestamp", "receivedAt")}
        expected = {name: datetime.fromisoformat(line[name]) if name in line else None for name in times}
        assert times == expected
        assert json.loads(row.pop("metadata")) == line.pop("metadata")
        assert {name: row[name] for name in row if name not in times and row[name] is not None} == {
            name: line[name] for name in line if name not in times
        }
    path = tmp_path / "events.parquet"
    path.write_bytes(answer.data)
    counted = duckdb.execute(f"SELECT count(*), count(timestamp), count(metadata ->> 'plan') FROM '{path}'")
    assert counted.fetchall() == [(len(IN_ORDER), len(IN_ORDER) - 2, 1)]


def test_every_form_of_nothing_is_an_empty_file_of_that_form(client: FlaskClient) -> None:
    project_key = load(client, [])
    assert ask(client, project_key).data == b""
    assert ask(client, project_key, format="csv").text == ",".join(EXPORT_FIELDS) + "\r\n"
    assert pq.read_table(io.BytesIO(ask(client, project_key, format="parquet").data)).num_rows == 0


def test_the_file_has_a_name_and_no_length(client: FlaskClient, shop: str) -> None:
    headers = ask(client, shop, format="csv").headers
    assert headers["Content-Disposition"] == f'attachment; filename="events-{shop}.csv"'
    assert headers["Cache-Control"] == "no-store"
    assert "Content-Length" not in headers


def test_what_an_export_does_not_have_is_refused_by_name(client: FlaskClient, shop: str) -> None:
    for name, value in (("format", "xml"), ("format", "json"), ("compare", "previous"), ("limit", "5")):
        answer = client.get(EXPORT, query_string={"projectKey": shop, name: value})
        assert (answer.status_code, read_json(answer)["fields"]) == (400, [name]), answer.text


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PIECE_EVENTS", 10)
    monkeypatch.setattr(exporting, "BATCH_EVENTS", 3)


def build_crowd() -> list[dict[str, Any]]:
    """Hours apart, within an hour, within a second, many at the same millisecond, and without a time; in disorder."""
    times = [f"2025-01-{day:02}T00:00:00Z" for day in range(1, 20)]
    times += [f"2025-02-01T10:{minute:02}:30Z" for minute in range(25)]
    times += [f"2025-02-01T11:00:00.{ms:03}Z" for ms in range(0, 999, 40)]
    times += ["2025-02-01T11:00:01Z"] * 34 + ["no time"] * 23
    events = [
        {"eventId": f"e{number * 7919 % 1000:03}", "eventName": "view", "userId": f"u{number % 5}", "timestamp": moment}
        for number, moment in enumerate(times)
    ]
    random.Random(4).shuffle(events)
    return events


def sort_ids(events: list[dict[str, Any]]) -> list[str]:
    ordered = sorted(events, key=lambda event: (event["timestamp"] == "no time", event["timestamp"], event["eventId"]))
    return [event["eventId"] for event in ordered]


@pytest.mark.usefixtures("small_pieces")
def test_however_crowded_the_hours_are_no_event_is_missing_or_there_twice(
    client: FlaskClient, copy: ColumnarCopy
) -> None:
    events = build_crowd()
    project_key = load(client, events[:60])
    copy.seal(project_key, force=True)
    assert client.post("/v1/events/batch", json={"projectKey": project_key, "events": events[60:]}).status_code == 200
    assert read_ids(client, project_key) == sort_ids(events)
    bounds = {"from": "2025-02-01T10:07:00Z", "to": "2025-02-01T11:00:00.500Z"}
    within = [event for event in events if bounds["from"] <= event["timestamp"] < bounds["to"]]
    assert read_ids(client, project_key, **bounds) == sort_ids(within)


def begin(app: Flask, project_key: str) -> tuple[Iterator[bytes], exporting.Export]:
    context = app.extensions["apptracker"]
    running = exporting.start_export(context, fetch_project(context, project_key), {})
    return running.stream(), running


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("parts", [0, 1, 5, 30])
def test_files_that_go_away_meanwhile_are_replaced_without_a_gap(
    app: Flask, client: FlaskClient, copy: ColumnarCopy, parts: int
) -> None:
    events = build_crowd()
    project_key = load(client, events)
    copy.seal(project_key, force=True)
    stream, running = begin(app, project_key)
    text = b"".join(next(stream) for _ in range(parts))
    old = {segment.file for segment in running.snapshot.segments}
    copy.forget(project_key)
    late = {"eventId": "late", "eventName": "view", "timestamp": "2025-02-01T11:00:01Z", "userId": "u"}
    assert client.post("/v1/events/batch", json={"projectKey": project_key, "events": [late]}).status_code == 200
    copy.seal(project_key, force=True)
    text += b"".join(stream)
    running.close()
    found = [json.loads(line)["eventId"] for line in text.splitlines()]
    assert [event_id for event_id in found if event_id != "late"] == sort_ids(events)
    assert not old & {segment.file for segment in running.snapshot.segments}


@pytest.mark.usefixtures("small_pieces")
def test_an_export_of_a_project_that_is_erased_meanwhile_breaks(app: Flask, client: FlaskClient) -> None:
    project_key = load(client, build_crowd())
    app.extensions["apptracker"].copy.seal(project_key, force=True)
    stream, running = begin(app, project_key)
    assert next(stream)
    assert client.delete(f"/v1/projects/{project_key}?erase=true").status_code == 200
    with pytest.raises((ExportBroken, AppTrackerError)):
        list(stream)
    running.close()


@pytest.mark.usefixtures("small_pieces")
def test_an_export_whose_files_always_go_away_breaks(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_key = load(client, build_crowd())
    copy = app.extensions["apptracker"].copy
    copy.seal(project_key, force=True)
    stream, running = begin(app, project_key)
    assert next(stream)
    take = copy.fetch_snapshot

    def take_and_lose(key: str, *, epoch: int) -> Any:
        copy.seal(key, force=True)
        snapshot = take(key, epoch=epoch)
        copy.forget(key)
        return snapshot

    monkeypatch.setattr(copy, "fetch_snapshot", take_and_lose)
    copy.forget(project_key)
    with pytest.raises(ExportBroken):
        list(stream)
    running.close()


def test_only_so_many_exports_run_at_once_and_each_makes_room(make_app: MakeApp) -> None:
    app = make_app(threads=8)
    client = app.test_client()
    project_key = load(client, SHOP)
    running = [begin(app, project_key)[1] for _ in range(8 // exporting.EXPORTS_OF_THREADS)]
    answer = client.get(EXPORT, query_string={"projectKey": project_key})
    assert (answer.status_code, read_json(answer)["code"]) == (503, "exports_busy")
    assert int(answer.headers["Retry-After"]) > 0
    for each in running:
        each.close()
    for _ in range(8):
        assert ask(client, project_key).data
        with client.head(EXPORT, query_string={"projectKey": project_key}) as headers:
            assert headers.status_code == 200
        assert client.get(EXPORT, query_string={"projectKey": project_key, "tz": "x"}).status_code == 400


@pytest.mark.usefixtures("small_pieces")
def test_a_person_who_is_erased_meanwhile_is_not_in_the_rest(
    app: Flask, client: FlaskClient, copy: ColumnarCopy
) -> None:
    events = build_crowd()
    project_key = load(client, events)
    copy.seal(project_key, force=True)
    stream, running = begin(app, project_key)
    begun = next(stream).splitlines()
    assert client.delete(f"/v1/users/u1/data?projectKey={project_key}").status_code == 200
    rest = [json.loads(line) for line in b"".join(stream).splitlines()]
    running.close()
    # of the piece that was being read he may still be there
    later = rest[exporting.PIECE_EVENTS :]
    assert "u1" not in {event["userId"] for event in later}
    others = [event for event in events if event["userId"] != "u1"]
    read_first = {json.loads(line)["eventId"] for line in begun}
    assert [each["eventId"] for each in rest if each["userId"] != "u1"] == [
        event_id for event_id in sort_ids(others) if event_id not in read_first
    ]
