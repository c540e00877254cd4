"""breakdown, users and users/{id} over HTTP; every number computed by hand."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

Json = Any


def create_project(client: FlaskClient, events: list[dict[str, Any]]) -> str:
    key: str = client.post("/v1/projects", json={"name": "Persons"}).json["projectKey"]  # type: ignore[index]
    sent = client.post("/v1/events/batch", json={"projectKey": key, "events": events}).json
    assert sent is not None
    assert sent["accepted"] == len(events), sent
    return key


def ask(client: FlaskClient, key: str, report: str, **parameters: object) -> dict[str, Any]:
    response = client.post(f"/v1/reports/{report}", json={"projectKey": key, **parameters})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json  # type: ignore[assignment]
    return found


def at(time: str) -> str:
    return f"2025-01-06T{time}Z"


ORDERS: list[dict[str, Any]] = [
    {"eventName": "buy", "userId": "ann", "timestamp": at("10:00:00"), "metadata": {"plan": "pro", "total": 10}},
    {"eventName": "buy", "userId": "ann", "timestamp": at("10:05:00"), "metadata": {"plan": "pro", "total": 20.5}},
    {"eventName": "buy", "userId": "bob", "timestamp": at("11:00:00"), "metadata": {"plan": "pro", "total": "30"}},
    {"eventName": "buy", "userId": "ann", "timestamp": at("12:00:00"), "metadata": {"plan": 1, "total": 5}},
    {"eventName": "buy", "userId": "cid", "timestamp": at("12:00:00"), "metadata": {"plan": "1"}},
    {"eventName": "buy", "timestamp": at("12:30:00"), "metadata": {"plan": ["a", 1], "total": 4}},
    {"eventName": "view", "userId": "bob", "timestamp": at("13:00:00")},
]


def list_groups(answer: dict[str, Any]) -> list[tuple[Json, ...]]:
    return [(*group["values"], group["value"], group["events"]) for group in answer["groups"]]


@pytest.fixture
def orders(client: FlaskClient) -> str:
    return create_project(client, ORDERS)


def test_a_breakdown_tells_kinds_of_values_apart(client: FlaskClient, orders: str) -> None:
    answer = ask(client, orders, "breakdown", by="metadata.plan")
    # equal ones by their text, then the text before the number, the absent one last
    assert list_groups(answer) == [("pro", 3, 3), ("1", 1, 1), (1, 1, 1), ('["a",1]', 1, 1), (None, 1, 1)]
    assert answer["by"] == ["metadata.plan"]
    assert (answer["measure"], answer["other"], answer["total"]) == ("events", None, {"value": 7, "events": 7})


def test_persons_of_several_groups_are_counted_once_in_other_and_total(client: FlaskClient, orders: str) -> None:
    answer = ask(client, orders, "breakdown", by="metadata.plan", measure="users", limit=1)
    assert list_groups(answer) == [("pro", 2, 3)]
    # of the four other groups ann, cid and bob; nobody sent the list
    assert answer["other"] == {"groups": 4, "value": 3, "events": 4}
    assert answer["total"] == {"value": 3, "events": 7}


def test_sessions_of_a_group_are_those_with_an_event_of_it(client: FlaskClient, orders: str) -> None:
    # ann has two sessions (10:00 with 10:05, and 12:00), bob two, cid one
    answer = ask(client, orders, "breakdown", by="metadata.plan", measure="sessions")
    assert list_groups(answer)[:3] == [("pro", 2, 3), ("1", 1, 1), (1, 1, 1)]
    assert list_groups(answer)[-2:] == [(None, 1, 1), ('["a",1]', 0, 1)]
    assert answer["total"] == {"value": 5, "events": 7}
    by_name = ask(client, orders, "breakdown", by="eventName", measure="sessions")
    assert list_groups(by_name) == [("buy", 4, 6), ("view", 1, 1)]


def test_a_session_counts_in_a_group_though_it_was_formed_over_others(client: FlaskClient) -> None:
    # one session of three events, at most 30 minutes apart: the two of "a" are 40 minutes apart and still in one
    events: list[dict[str, Any]] = [
        {"eventName": name, "userId": "ann", "timestamp": at(time)}
        for name, time in (("a", "10:00:00"), ("b", "10:20:00"), ("a", "10:40:00"))
    ]
    key = create_project(client, events)
    answer = ask(client, key, "breakdown", by="eventName", measure="sessions", eventName="a")
    assert list_groups(answer) == [("a", 1, 2)]


@pytest.mark.parametrize(
    ("measure", "pro", "view", "total"),
    [("sum", 30.5, 0, 39.5), ("average", 15.25, None, 9.875), ("min", 10, None, 4), ("max", 20.5, None, 20.5),
     ("median", 15.25, None, 7.5)],
)  # fmt: skip
def test_numeric_measures_look_at_numbers_alone(
    client: FlaskClient, orders: str, measure: str, pro: float, view: float | None, total: float
) -> None:
    answer = ask(client, orders, "breakdown", by="metadata.plan", measure=measure, property="metadata.total")
    groups = {group["values"][0]: group["value"] for group in answer["groups"]}
    assert (groups["pro"], groups[None], answer["total"]["value"]) == (pro, view, total)
    if measure != "sum":
        assert list_groups(answer)[-2:] == [("1", None, 1), (None, None, 1)]


def test_a_breakdown_by_two_properties(client: FlaskClient, orders: str) -> None:
    answer = client.get(f"/v1/reports/breakdown?projectKey={orders}&by=userId,metadata.plan&eventName=buy&limit=2").json
    assert answer is not None
    assert list_groups(answer) == [("ann", "pro", 2, 2), ("ann", 1, 1, 1)]
    assert answer["other"] == {"groups": 3, "value": 3, "events": 3}
    assert answer["total"] == {"value": 6, "events": 6}


def test_a_comma_in_a_name_is_escaped(client: FlaskClient) -> None:
    key = create_project(client, [{"eventName": "a", "metadata": {"x,y": {"z.w": 3}}}])
    answer = client.get("/v1/reports/breakdown", query_string={"projectKey": key, "by": r"metadata.x\,y.z\.w"}).json
    assert answer is not None
    assert list_groups(answer) == [(3, 1, 1)]


def test_a_sum_beyond_doubles_is_null(client: FlaskClient) -> None:
    key = create_project(client, [{"eventName": "a", "metadata": {"n": 1.7e308}} for _ in range(2)])
    answer = ask(client, key, "breakdown", by="eventName", measure="sum", property="metadata.n")
    assert list_groups(answer) == [("a", None, 2)]


def test_a_breakdown_as_csv_ends_with_other_and_total(client: FlaskClient, orders: str) -> None:
    query = {"projectKey": orders, "by": "eventName,metadata.plan", "limit": "1", "format": "csv"}
    rows = list(csv.reader(io.StringIO(client.get("/v1/reports/breakdown", query_string=query).text)))
    assert rows == [
        ["group", "first", "second", "value", "events"],
        ["value", "buy", "pro", "3", "3"],
        ["other", "", "", "4", "4"],
        ["total", "", "", "7", "7"],
    ]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "by"),
        ({"by": "plan"}, "by"),
        ({"by": []}, "by"),
        ({"by": ["eventName", "userId", "url"]}, "by"),
        ({"by": "eventName", "measure": "mean"}, "measure"),
        ({"by": "eventName", "measure": "sum"}, "property"),
        ({"by": "eventName", "property": "metadata.total"}, "property"),
    ],
)
def test_a_breakdown_that_cannot_be_meant_is_refused(
    client: FlaskClient, orders: str, parameters: dict[str, Any], field: str
) -> None:
    answer = client.post("/v1/reports/breakdown", json={"projectKey": orders, **parameters})
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["fields"][0] == field


ODD_ID = "Ünïcode/with slash?&#%2F\n/"
PEOPLE: list[dict[str, Any]] = [
    {"eventId": "e1", "eventName": "open", "anonymousId": "a-1", "timestamp": at("10:00:00"), "url": "https://x.org/"},
    {"eventId": "e2", "eventName": "login", "anonymousId": "a-1", "userId": ODD_ID, "timestamp": at("11:00:00")},
    {"eventId": "e3", "eventName": "open", "anonymousId": "a-2", "timestamp": at("11:00:00")},
    {"eventId": "e4", "eventName": "open", "userId": ODD_ID, "timestamp": at("11:00:00"),
     "metadata": {"big": 10**25, "list": [None, {"": 1}]}, "sessionId": "s"},
    {"eventId": "e5", "eventName": "open", "userId": "other", "timestamp": "soon"},
]  # fmt: skip


@pytest.fixture
def people(client: FlaskClient) -> str:
    return create_project(client, PEOPLE)


def list_ids(answer: dict[str, Any]) -> list[str]:
    return [user["userId"] for user in answer["users"]]


def test_users_are_shown_by_user_id_else_by_anonymous_id(client: FlaskClient, people: str) -> None:
    answer = ask(client, people, "users")
    seen = {"firstSeen": at("10:00:00"), "lastSeen": at("11:00:00")}
    assert answer["total"] == 2
    # seen last at the same time: by id
    assert answer["users"] == [
        {"userId": "a-2", "isIdentified": False, **dict.fromkeys(seen, at("11:00:00")), "events": 1},
        {"userId": ODD_ID, "isIdentified": True, **seen, "events": 3},
    ]


def test_users_are_sorted_searched_and_cut_into_pages(client: FlaskClient, people: str) -> None:
    assert list_ids(ask(client, people, "users", sort="events")) == [ODD_ID, "a-2"]
    assert list_ids(ask(client, people, "users", sort="firstSeen")) == ["a-2", ODD_ID]
    assert list_ids(ask(client, people, "users", search="slash?")) == [ODD_ID]
    assert ask(client, people, "users", search="A-")["total"] == 0  # upper and lower case are told apart
    second = ask(client, people, "users", limit=1, offset=1)
    assert (second["total"], list_ids(second)) == (2, [ODD_ID])
    assert ask(client, people, "users", offset=2)["total"] == 2


def test_a_user_of_whom_only_anonymous_events_are_in_range_keeps_the_user_id(client: FlaskClient, people: str) -> None:
    answer = ask(client, people, "users", to=at("10:30:00"))
    assert answer["users"] == [
        {"userId": ODD_ID, "isIdentified": True, "firstSeen": at("10:00:00"), "lastSeen": at("10:00:00"), "events": 1}
    ]


def fetch_user(client: FlaskClient, key: str, user_id: str, **query: str) -> Json:
    path = f"/v1/reports/users/{quote(user_id, safe='')}"
    response = client.get(path, query_string={"projectKey": key, **query})
    assert response.status_code == 200, response.text
    return response.json


def test_a_profile_has_all_that_is_known_of_a_person(client: FlaskClient, people: str) -> None:
    answer = fetch_user(client, people, ODD_ID)
    journey = answer.pop("events")
    for name in ("projectKey", "generatedAt", "cached", "tz", "from", "to"):
        answer.pop(name)
    assert answer == {
        "userId": ODD_ID,
        "isIdentified": True,
        "anonymousIds": ["a-1"],
        "firstSeen": at("10:00:00"),
        "lastSeen": at("11:00:00"),
        "totalEvents": 3,
        "sessions": 3,
        "eventCounts": [{"eventName": "open", "count": 2}, {"eventName": "login", "count": 1}],
        "properties": {},
        "nextCursor": None,
    }
    assert [event["eventId"] for event in journey] == ["e4", "e2", "e1"]
    assert journey[0]["metadata"] == {"big": 10**25, "list": [None, {"": 1}]}
    assert journey[2] == {
        "eventId": "e1",
        "eventName": "open",
        "timestamp": at("10:00:00"),
        "sessionId": None,
        "url": "https://x.org/",
        "page": "/",
        "referrer": None,
        "metadata": {},
    }


def test_an_anonymous_id_leads_to_its_user_and_anybody_else_is_not_found(client: FlaskClient, people: str) -> None:
    assert fetch_user(client, people, "a-1")["userId"] == ODD_ID
    anonymous = fetch_user(client, people, "a-2")
    assert (anonymous["userId"], anonymous["isIdentified"]) == ("a-2", False)
    without_time = fetch_user(client, people, "other")
    assert (without_time["isIdentified"], without_time["totalEvents"], without_time["firstSeen"]) == (True, 0, None)
    answer = client.get(f"/v1/reports/users/nobody?projectKey={people}")
    assert answer.status_code == 404
    assert answer.json is not None
    assert answer.json["code"] == "unknown_user"


@pytest.mark.parametrize("layout", ["tail", "sealed", "sealed before the login"])
def test_a_journey_is_read_page_by_page_whatever_the_layout(app: Flask, client: FlaskClient, layout: str) -> None:
    copy = app.extensions["apptracker"].copy
    key = create_project(client, PEOPLE[:1] if layout == "sealed before the login" else PEOPLE)
    if layout != "tail":
        copy.seal(key, force=True)
    if layout == "sealed before the login":
        later = client.post("/v1/events/batch", json={"projectKey": key, "events": PEOPLE[1:]})
        assert later.status_code == 200
        assert fetch_user(client, key, ODD_ID)["totalEvents"] == 3
        copy.seal(key, force=True)
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = fetch_user(client, key, ODD_ID, limit="1", **cursor)
        assert page["totalEvents"] == 3
        found += [event["eventId"] for event in page["events"]]
        cursor = {"cursor": page["nextCursor"]}
    assert found == ["e4", "e2", "e1"]
    assert cursor == {"cursor": None}
    nothing = fetch_user(client, key, ODD_ID, limit="0")
    assert (nothing["events"], nothing["nextCursor"]) == ([], None)


def test_filters_and_bounds_hold_for_the_whole_profile(client: FlaskClient, people: str) -> None:
    answer = fetch_user(client, people, ODD_ID, **{"from": at("10:30:00")})
    assert (answer["totalEvents"], answer["firstSeen"]) == (2, at("11:00:00"))
    assert answer["anonymousIds"] == ["a-1"]
    assert [event["eventId"] for event in answer["events"]] == ["e4", "e2"]


CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"


@pytest.mark.parametrize("is_sealed", [True, False])
def test_of_events_at_one_time_that_with_the_greatest_id_is_the_latest(
    app: Flask, client: FlaskClient, is_sealed: bool
) -> None:
    said = [("c", None), ("b", FIREFOX), ("a", CHROME)]
    key = create_project(
        client,
        [
            {"eventId": name, "eventName": "go", "userId": "ann", "timestamp": at("10:00:00"), "userAgent": agent}
            for name, agent in said
        ],
    )
    if is_sealed:
        app.extensions["apptracker"].copy.seal(key, force=True)
    first = fetch_user(client, key, "ann", limit="2")
    assert first["properties"] == {
        "browser": "Firefox", "browserVersion": "120.0", "os": "Linux", "deviceType": "desktop"
    }  # fmt: skip
    second = fetch_user(client, key, "ann", limit="2", cursor=first["nextCursor"])
    assert [event["eventId"] for event in [*first["events"], *second["events"]]] == ["c", "b", "a"]
    assert second["nextCursor"] is None


def test_a_journey_as_csv(client: FlaskClient, people: str) -> None:
    query = {"projectKey": people, "format": "csv"}
    text = client.get(f"/v1/reports/users/{quote(ODD_ID, safe='')}", query_string=query).text
    assert [row["eventId"] for row in csv.DictReader(io.StringIO(text))] == ["e4", "e2", "e1"]


@pytest.mark.parametrize("cursor", ["", "x", "e30=", "WzFd", "WzEsMl0=", "WzFlOTksImEiXQ==", "ü"])
def test_a_cursor_of_something_else_is_refused(client: FlaskClient, people: str, cursor: str) -> None:
    answer = client.get("/v1/reports/users/a-2", query_string={"projectKey": people, "cursor": cursor})
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["fields"] == ["cursor"]


def test_the_id_stands_in_the_path_alone(client: FlaskClient, people: str) -> None:
    answer = client.get(f"/v1/reports/users/a-2?projectKey={people}&userId=a-1")
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["fields"] == ["userId"]


def test_a_slash_that_was_not_encoded_ends_the_address(client: FlaskClient, people: str) -> None:
    assert client.get(f"/v1/reports/users/a-2/?projectKey={people}").status_code == 200
    assert client.get(f"/v1/reports/users/a-2%2F?projectKey={people}").status_code == 404
    assert "users" in client.get(f"/v1/reports/users/?projectKey={people}").json  # type: ignore[operator]
