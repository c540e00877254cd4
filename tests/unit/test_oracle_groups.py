"""The oracle's breakdown, devices, locations and users, against values worked out by hand."""

from __future__ import annotations

from typing import Any

from tests.oracle import Json, Row, compute_user_over
from tests.oracle.samples import ask, event, keep


def list_groups(answer: Row) -> list[tuple[Any, ...]]:
    return [(*group["values"], group["value"], group["events"]) for group in answer["groups"]]


def break_down(by: Json, **params: Json) -> Row:
    return ask("breakdown", ORDERS, by=by, **params)


ORDERS = [
    event("buy", "10:00", userId="u", metadata={"plan": "pro", "price": 10}),
    event("buy", "10:01", userId="u", metadata={"plan": "pro", "price": 2.5}),
    event("buy", "12:00", userId="v", metadata={"plan": "pro", "price": "9"}),
    event("buy", "10:02", userId="u", metadata={"plan": "free", "price": 40}),
    event("view", "10:00", userId="w", metadata={"plan": 1}),
    event("view", "10:00"),
]


def test_breakdown_counts_events_by_value_and_all_the_rest_as_other() -> None:
    answer = break_down("metadata.plan", limit=2)
    assert (answer["by"], answer["measure"]) == (["metadata.plan"], "events")
    assert list_groups(answer) == [("pro", 3, 3), (1, 1, 1)]  # "1" before "free" as text, null last
    assert answer["other"] == {"groups": 2, "value": 2, "events": 2}
    assert answer["total"] == {"value": 6, "events": 6}
    assert break_down("metadata.plan", limit=4)["other"] is None


def test_breakdown_of_users_and_sessions_counts_each_once_in_other_and_total() -> None:
    answer = break_down("metadata.plan", measure="users", limit=1)
    assert list_groups(answer) == [("pro", 2, 3)]
    assert (answer["other"]["value"], answer["total"]["value"]) == (2, 3)  # w and u; u, v, w
    sessions = break_down("metadata.plan", measure="sessions", limit=1)
    assert list_groups(sessions) == [("pro", 2, 3)]
    assert (sessions["other"]["value"], sessions["total"]["value"]) == (2, 3)


def test_breakdown_measures_numbers_only() -> None:
    measured = {
        measure: list_groups(break_down("metadata.plan", measure=measure, property="metadata.price"))
        for measure in ("sum", "average", "min", "max", "median")
    }
    assert [measured[name][1][1] for name in measured] == [12.5, 6.25, 2.5, 10.0, 6.25]  # "9" is text
    assert measured["sum"] == [("free", 40.0, 1), ("pro", 12.5, 3), (1, 0, 1), (None, 0, 1)]
    assert measured["max"] == [("free", 40.0, 1), ("pro", 10.0, 3), (1, None, 1), (None, None, 1)]


def test_breakdown_by_two_properties_of_one_event_name() -> None:
    answer = break_down(["eventName", "userId"], eventName="buy")
    assert list_groups(answer) == [("buy", "u", 3, 3), ("buy", "v", 1, 1)]
    assert answer["total"] == {"value": 4, "events": 4}


def test_breakdown_keeps_kinds_apart_and_shows_lists_as_text() -> None:
    values: list[Json] = ["1", 1, 1.0, True, None, [1], {"a": 1}]
    answer = ask("breakdown", [event("a", metadata={"k": value}) for value in values], by="metadata.k")
    assert answer["groups"][0]["values"] == [1]
    shown = {(type(group["values"][0]), group["values"][0]) for group in answer["groups"]}
    assert shown == {(int, 1), (str, "1"), (bool, True), (type(None), None), (str, "[1]"), (str, '{"a":1}')}


def test_devices_and_locations_count_events_and_persons_null_last() -> None:
    phone = {"deviceType": "mobile", "browser": "Safari", "os": "iOS", "country": "DE", "region": "Berlin"}
    events = [
        event("a", userId="u", enriched=phone),
        event("a", userId="u", enriched={**phone, "browser": "Chrome"}),
        event("a", userId="v"),
        event("a"),
    ]
    devices = ask("devices", events)
    assert devices["deviceTypes"] == [
        {"value": "mobile", "count": 2, "uniqueUsers": 1},
        {"value": None, "count": 2, "uniqueUsers": 1},
    ]
    assert [row["value"] for row in devices["browsers"]] == [None, "Chrome", "Safari"]
    assert devices["screens"] == [{"value": None, "count": 4, "uniqueUsers": 2}]
    assert devices["combinations"][1] == {
        "deviceType": "mobile", "browser": "Chrome", "os": "iOS", "count": 1, "uniqueUsers": 1,
    }  # fmt: skip
    locations = ask("locations", events, limit=1)
    assert locations["regions"] == [{"country": "DE", "region": "Berlin", "count": 2, "uniqueUsers": 1}]
    assert locations["cities"] == [{"country": "DE", "region": "Berlin", "city": None, "count": 2, "uniqueUsers": 1}]


PEOPLE = [
    event("open", "09:00", anonymousId="phone-1", url="https://a.example/x?y", enriched={"browser": "Safari"}),
    event("login", "10:00", anonymousId="phone-1", userId="ada", enriched={"os": "iOS"}),
    event("open", "11:00", userId="ada", metadata={"n": 1}, enriched={"browser": "Chrome"}),
    event("open", "08:00", anonymousId="web-2"),
    event("open", "12:00", anonymousId="web-2"),
    event("open", "soon", userId="ada"),
    event("open", "13:00"),
]


def test_users_are_listed_by_when_they_were_last_seen() -> None:
    assert ask("users", PEOPLE)["users"] == [
        {
            "userId": "web-2",
            "isIdentified": False,
            "firstSeen": "2025-01-06T08:00:00Z",
            "lastSeen": "2025-01-06T12:00:00Z",
            "events": 2,
        },
        {
            "userId": "ada",
            "isIdentified": True,
            "firstSeen": "2025-01-06T09:00:00Z",
            "lastSeen": "2025-01-06T11:00:00Z",
            "events": 3,
        },
    ]
    assert [row["userId"] for row in ask("users", PEOPLE, sort="events")["users"]] == ["ada", "web-2"]
    found = ask("users", PEOPLE, search="eb", limit=0)
    assert (found["total"], found["users"]) == (1, [])


def test_a_persons_journey_has_what_he_did_before_he_was_known() -> None:
    by_anonymous_id = compute_user_over(keep(PEOPLE), "phone-1", {})
    found = compute_user_over(keep(PEOPLE), "ada", {})
    assert found == by_anonymous_id
    assert found is not None
    journey, rest = found.pop("events"), found
    assert rest == {
        "from": None,
        "to": None,
        "tz": "UTC",
        "userId": "ada",
        "isIdentified": True,
        "anonymousIds": ["phone-1"],
        "firstSeen": "2025-01-06T09:00:00Z",
        "lastSeen": "2025-01-06T11:00:00Z",
        "totalEvents": 3,
        "sessions": 3,
        "eventCounts": [{"eventName": "open", "count": 2}, {"eventName": "login", "count": 1}],
        "properties": {"browser": "Chrome", "os": "iOS"},
    }
    assert [row["eventName"] for row in journey] == ["open", "login", "open"]
    assert journey[2]["page"] == "/x"
    assert journey[0]["metadata"] == {"n": 1}


def test_nobody_has_an_unknown_id() -> None:
    assert compute_user_over(keep(PEOPLE), "nobody", {}) is None
