"""The reports sessions and sources, and what all reports about sessions share, against numbers worked out by hand."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.visits import EVENTS, Row, ask, event, numbers, only, post


@pytest.fixture
def project_key(client: FlaskClient) -> str:
    return post(client, EVENTS)


# --- sessions ------------------------------------------------------------------------------------------------------


def test_sessions_are_those_of_the_client_and_those_that_pauses_of_more_than_half_an_hour_end(
    client: FlaskClient, project_key: str
) -> None:
    answer = ask(client, project_key, "sessions")
    assert [(item["sessionId"], item["userId"], item["startedAt"], item["endedAt"]) for item in answer["items"]] == [
        ("s1", "bob", "2025-01-06T12:00:00Z", "2025-01-06T13:00:00Z"),
        (None, "ann", "2025-01-06T11:01:31Z", "2025-01-06T11:01:31Z"),
        (None, "ann", "2025-01-06T10:00:00Z", "2025-01-06T10:30:30Z"),
        ("s2", None, "2025-01-06T09:00:00Z", "2025-01-06T09:00:00Z"),
    ]
    assert numbers(answer, "sessions", "bounces", "bounceRate") == (4, 1, 0.25)
    # 3600 s, 0 s, 1830 s and 0 s; 5 page views and 8 events in 4 sessions
    assert numbers(answer, "averageDurationSeconds", "medianDurationSeconds") == (1357.5, 915.0)
    assert numbers(answer, "pageViews", "pagesPerSession", "eventsPerSession") == (5, 1.25, 2.0)
    assert "series" not in answer


def test_a_session_tells_where_it_came_from_and_where_it_began_and_ended(client: FlaskClient, project_key: str) -> None:
    (shown,) = ask(client, project_key, "sessions", limit=1, offset=2)["items"]
    assert shown == {
        "sessionId": None,
        "userId": "ann",
        "startedAt": "2025-01-06T10:00:00Z",
        "endedAt": "2025-01-06T10:30:30Z",
        "durationSeconds": 1830.0,
        "events": 4,
        "pageViews": 2,
        "entryPage": "/",
        "exitPage": "/thanks",
        "isBounce": False,
        "channel": "Organic Search",
        "country": None,
    }


def test_a_filter_chooses_sessions_and_leaves_them_whole(client: FlaskClient, project_key: str) -> None:
    answer = ask(client, project_key, "sessions", filters=only("purchase"))
    assert numbers(answer, "sessions", "pageViews", "eventsPerSession") == (1, 2, 4.0)
    assert [item["events"] for item in answer["items"]] == [4]


def test_a_range_cuts_sessions(client: FlaskClient, project_key: str) -> None:
    answer = ask(client, project_key, "sessions", **{"from": "2025-01-06T10:00:20Z", "to": "2025-01-06T13:00:00Z"})
    assert [(item["userId"], item["durationSeconds"], item["events"]) for item in answer["items"]] == [
        ("bob", 0.0, 1), ("ann", 0.0, 1), ("ann", 1810.0, 3),
    ]  # fmt: skip


def test_a_session_counts_in_the_bucket_in_which_it_begins(client: FlaskClient, project_key: str) -> None:
    answer = ask(client, project_key, "sessions", limit=0, interval="hour")
    assert answer["items"] == []
    assert [tuple(bucket.values()) for bucket in answer["series"]] == [
        ("2025-01-06T09:00:00Z", 1, 0, 0.0),
        ("2025-01-06T10:00:00Z", 1, 0, 1830.0),
        ("2025-01-06T11:00:00Z", 1, 1, 0.0),
        ("2025-01-06T12:00:00Z", 1, 0, 3600.0),
        ("2025-01-06T13:00:00Z", 0, 0, None),
    ]


def test_sessions_of_one_moment_are_shown_by_person_then_by_id_page_after_page(client: FlaskClient) -> None:
    ids = [("zoe", "a"), ("ann", "c"), ("ann", "b"), (None, "d")]
    own = [event("10:00:00", "ping", sessionId=session, **({"userId": user} if user else {})) for user, session in ids]
    key = post(client, [*own, event("10:00:00", "ping", userId="ann"), event("11:00:00", "ping", sessionId="late")])
    shown = [
        item["sessionId"]
        for offset in range(0, 8, 2)
        for item in ask(client, key, "sessions", limit=2, offset=offset)["items"]
    ]
    assert shown == ["late", "b", "c", None, "a", "d"]


def test_a_session_is_the_users_that_an_event_beyond_the_range_tells_of(client: FlaskClient) -> None:
    known = {"eventName": "login", "timestamp": "2025-02-01T00:00:00Z", "anonymousId": "phone", "userId": "cleo"}
    key = post(client, [event("10:00:00", "page_view", anonymousId="phone", page="/"), known])
    (shown,) = ask(client, key, "sessions", to="2025-01-31")["items"]
    assert (shown["userId"], shown["isBounce"]) == ("cleo", True)


def test_an_event_that_says_when_a_view_ended_leaves_a_bounce_one(client: FlaskClient) -> None:
    def visit(user: str, *names: str, **fields: Any) -> list[Row]:
        return [
            event(f"10:0{minute}:00", name, userId=user, page="/", **fields) for minute, name in enumerate(names)
        ]

    events = [
        *visit("ann", "page_view", "page_leave", "$pageleave"),
        *visit("bob", "page_view", "page_leave", sessionId="s1"),
        *visit("cleo", "page_leave"),
        *visit("dan", "page_view", "scroll", "page_leave"),
        *visit("eve", "page_view", "page_leave", "page_view", "page_leave"),
        *visit("fay", "page_view", "page_leave", "page_view", sessionId="s2"),
    ]
    key = post(client, events)
    answer = ask(client, key, "sessions", interval="day")
    assert numbers(answer, "sessions", "bounces") == (6, 2)
    assert answer["series"][0]["bounces"] == 2
    assert {item["userId"] for item in answer["items"] if item["isBounce"]} == {"ann", "bob"}
    assert {item["durationSeconds"] for item in answer["items"] if item["isBounce"]} == {120, 60}
    (page,) = ask(client, key, "pages")["pages"]
    assert numbers(page, "entries", "bounceRate", "averageTimeSeconds") == (6, 2 / 6, 60)
    (source,) = ask(client, key, "sources")["sources"]
    assert source["bounceRate"] == 2 / 6


def test_without_events_there_are_no_sessions_and_no_rates(client: FlaskClient, project_key: str) -> None:
    answer = ask(client, project_key, "sessions", interval="day", **{"from": "2030-01-01"})
    assert numbers(answer, "sessions", "bounces", "pageViews", "items", "series") == (0, 0, 0, [], [])
    rates = ("bounceRate", "averageDurationSeconds", "medianDurationSeconds", "pagesPerSession", "eventsPerSession")
    assert numbers(answer, *rates) == (None,) * 5
    empty = {"from": "2030-01-01", "to": "2030-01-01"}
    assert ask(client, project_key, "sessions", interval="day", **empty)["series"] == [
        {"bucket": "2030-01-01T00:00:00Z", "sessions": 0, "bounces": 0, "averageDurationSeconds": None},
    ]
    assert numbers(ask(client, project_key, "paths", **empty), "nodes", "links", "sessions") == ([], [], 0)
    for report in ("pages", "sources"):
        assert ask(client, project_key, report, **empty)[report] == []


def test_overview_and_sessions_count_the_same_sessions(client: FlaskClient, project_key: str) -> None:
    for filters in ([], only("purchase"), only("page_view")):
        counts = [ask(client, project_key, report, filters=filters)["sessions"] for report in ("overview", "sessions")]
        assert counts[0] == counts[1]


# --- sources -------------------------------------------------------------------------------------------------------


def test_a_sessions_source_is_that_of_its_first_event(client: FlaskClient, project_key: str) -> None:
    answer = ask(client, project_key, "sources", by="referrerHost")
    assert answer["by"] == "referrerHost"
    assert answer["sources"] == [
        {"source": None, "sessions": 3, "visitors": 2, "bounceRate": 1 / 3, "averageDurationSeconds": 1200.0},
        {"source": "google.com", "sessions": 1, "visitors": 1, "bounceRate": 0.0, "averageDurationSeconds": 1830.0},
    ]


def test_sources_may_be_told_apart_by_campaign(client: FlaskClient) -> None:
    pages = ["/?utm_campaign=spring", "/?utm_campaign=autumn", "/?utm_campaign=spring", "/"]
    key = post(client, [
        event("10:00:00", "page_view", sessionId=f"s{number}", page=page) for number, page in enumerate(pages)
    ])  # fmt: skip
    rows = ask(client, key, "sources", by="utmCampaign", limit=2)["sources"]
    assert [(row["source"], row["sessions"], row["visitors"]) for row in rows] == [("spring", 2, 0), ("autumn", 1, 0)]


# --- forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "rows"), [("sessions", 4), ("pages", 3), ("sources", 2), ("devices", 1), ("locations", 1), ("paths", 2)]
)
def test_each_report_is_to_be_had_as_csv(client: FlaskClient, project_key: str, report: str, rows: int) -> None:
    answer = client.get(f"/v1/reports/{report}", query_string={"projectKey": project_key, "format": "csv"})
    assert answer.mimetype == "text/csv"
    assert len(list(csv.DictReader(io.StringIO(answer.text)))) == rows


@pytest.mark.parametrize(
    ("report", "field", "value"),
    [
        ("sessions", "limit", 1001), ("sessions", "offset", -1), ("sessions", "interval", "year"),
        ("pages", "limit", 0), ("sources", "by", "country"), ("sources", "by", ["channel"]), ("devices", "limit", 1.5),
        ("locations", "limit", True), ("paths", "by", "url"), ("paths", "direction", 1), ("paths", "steps", 11),
        ("paths", "limit", 101), ("paths", "start", {}), ("paths", "start", "x" * 10_001), ("paths", "colour", "red"),
    ],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_named(
    client: FlaskClient, project_key: str, report: str, field: str, value: Any
) -> None:
    answer = client.post(f"/v1/reports/{report}", json={"projectKey": project_key, field: value})
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["fields"] == [field]
