"""The reports pages, paths, devices and locations, against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from services.reports import session
from tests.visits import EVENTS, Row, ask, event, numbers, only, post


@pytest.fixture
def project_key(client: FlaskClient) -> str:
    return post(client, EVENTS)


# --- pages ---------------------------------------------------------------------------------------------------------


def test_pages_have_views_visitors_entries_exits_and_time(client: FlaskClient, project_key: str) -> None:
    pages = {row.pop("page"): row for row in ask(client, project_key, "pages")["pages"]}
    assert list(pages) == ["/", "/bikes", "/thanks"]
    # views of ann (twice), bob and nobody; of the three sessions that began there one bounced, which also ended there
    assert pages["/"] == {
        "views": 4, "visitors": 2, "entries": 3, "exits": 1, "bounceRate": 1 / 3, "exitRate": 0.25,
        "averageTimeSeconds": (20 + 3600) / 2,
    }  # fmt: skip
    # ann scrolled 10 s later; bob's view was his last event
    assert pages["/bikes"] == {
        "views": 2, "visitors": 2, "entries": 0, "exits": 1, "bounceRate": None, "exitRate": 0.5,
        "averageTimeSeconds": 10.0,
    }  # fmt: skip
    assert pages["/thanks"] == {
        "views": 0, "visitors": 0, "entries": 0, "exits": 1, "bounceRate": None, "exitRate": None,
        "averageTimeSeconds": None,
    }  # fmt: skip


def test_pages_count_views_that_pass_and_sessions_with_an_event_that_does(
    client: FlaskClient, project_key: str
) -> None:
    rows = ask(client, project_key, "pages", filters=only("purchase"))["pages"]
    assert [numbers(row, "page", "views", "entries", "exits") for row in rows] == [("/", 0, 1, 0), ("/thanks", 0, 0, 1)]


# --- paths ---------------------------------------------------------------------------------------------------------


def test_paths_lead_from_where_sessions_begin(client: FlaskClient, project_key: str) -> None:
    answer = ask(client, project_key, "paths")
    assert answer["sessions"] == 3
    assert [tuple(node.values()) for node in answer["nodes"]] == [
        (0, "/", 3, False), (1, "/bikes", 2, False), (2, "/thanks", 1, False),
    ]  # fmt: skip
    assert [tuple(link.values()) for link in answer["links"]] == [(0, "/", "/bikes", 2), (1, "/bikes", "/thanks", 1)]


def test_paths_lead_back_from_an_event(client: FlaskClient, project_key: str) -> None:
    answer = ask(client, project_key, "paths", by="event", start="purchase", direction="before", steps=2)
    assert answer["sessions"] == 1
    assert [tuple(link.values()) for link in answer["links"]] == [
        (0, "purchase", "scroll", 1), (1, "scroll", "page_view", 1),
    ]  # fmt: skip


def test_names_beyond_the_limit_are_one_node(client: FlaskClient) -> None:
    ways = ["abc", "abd", "ace", "xy"]
    key = post(client, [
        event(f"10:00:0{second}", "page_view", sessionId=way, page=f"/{page}")
        for way in ways for second, page in enumerate(way)
    ])  # fmt: skip
    answer = ask(client, key, "paths", limit=1, steps=2)
    assert [tuple(node.values()) for node in answer["nodes"]] == [
        (0, "/a", 3, False), (0, "(other)", 1, True),
        (1, "/b", 2, False), (1, "(other)", 2, True),
        (2, "/c", 1, False), (2, "(other)", 2, True),
    ]  # fmt: skip
    assert [tuple(link.values()) for link in answer["links"]] == [
        (0, "/a", "/b", 2), (0, "/a", "(other)", 1), (0, "(other)", "(other)", 1),
        (1, "/b", "/c", 1), (1, "/b", "(other)", 1), (1, "(other)", "(other)", 1),
    ]  # fmt: skip
    assert answer["sessions"] == 4


def test_events_of_one_moment_come_in_the_order_of_their_ids(client: FlaskClient) -> None:
    def at_once(**fields: Any) -> list[Row]:
        names = {"1": "/third", "0": "/second", "2": "/fourth"}
        first = event("10:00:00", "page_view", page="/first", **fields)
        own = "-".join(fields.values())
        tied = [event("10:00:01", "page_view", page=page, eventId=own + number, **fields)
                for number, page in names.items()]  # fmt: skip
        return [first, *tied]

    key = post(
        client, [*at_once(sessionId="s"), *at_once(userId="u"), event("10:00:00", "page_view", userId="v", page="/")]
    )
    answer = ask(client, key, "paths", start="/first")
    assert [tuple(link.values()) for link in answer["links"]] == [
        (0, "/first", "/second", 2), (1, "/second", "/third", 2), (2, "/third", "/fourth", 2),
    ]  # fmt: skip
    rows = ask(client, key, "pages")["pages"]
    assert [numbers(row, "page", "entries", "exits") for row in rows] == [
        ("/first", 2, 0), ("/fourth", 0, 2), ("/second", 0, 0), ("/third", 0, 0), ("/", 1, 1),
    ]  # fmt: skip


def test_a_session_named_like_a_person_is_another_than_those_of_the_person(client: FlaskClient) -> None:
    key = post(client, [
        event("10:00:00", "page_view", userId="x", page="/a"), event("10:00:01", "page_view", sessionId="x", page="/b"),
        event("10:00:02", "page_view", userId="x", page="/c"), event("10:00:03", "page_view", sessionId="x", page="/d"),
    ])  # fmt: skip
    answer = ask(client, key, "paths")
    assert [tuple(link.values()) for link in answer["links"]] == [(0, "/a", "/c", 1), (0, "/b", "/d", 1)]
    rows = ask(client, key, "pages")["pages"]
    assert [numbers(row, "page", "entries", "exits", "averageTimeSeconds") for row in rows] == [
        ("/a", 1, 0, 2), ("/b", 1, 0, 2), ("/c", 0, 1, None), ("/d", 0, 1, None),
    ]  # fmt: skip


def test_numbers_that_do_not_fit_into_64_bits_give_the_same_answers(
    client: FlaskClient, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"from": "0001-01-02T00:00:00Z"}
    asked: list[tuple[str, Row]] = [
        ("sessions", {}), ("pages", {}), ("paths", {}), ("breakdown", {"by": "page", "measure": "sessions"}),
    ]  # fmt: skip
    before = [ask(client, project_key, report, **fields) for report, fields in asked]
    monkeypatch.setattr(session, "MAX_BITS", 0)
    after = [ask(client, project_key, report, **fields, **whole) for report, fields in asked]
    for narrow, wide in zip(before, after, strict=True):
        apart = ("from", "generatedAt")
        assert not wide["cached"]
        assert {**narrow, **dict.fromkeys(apart)} == {**wide, **dict.fromkeys(apart)}


# --- devices and locations -----------------------------------------------------------------------------------------


PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
    " Mobile/15E148 Safari/604.1"
)
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture
def visited_key(client: FlaskClient) -> str:
    """Two events of one phone, one of a server that tells nothing, and one of a crawler."""
    fields: Row = {"userAgent": PHONE, "metadata": {"screen": "390x844"}, "userId": "ann"}
    return post(client, [
        event("10:00:00", "page_view", **fields, page="/"), event("10:00:01", "buy", **fields),
        event("10:00:00", "ping"), event("10:00:00", "page_view", userAgent=CRAWLER, page="/", userId="crawler"),
    ])  # fmt: skip


def test_devices_are_counted_by_kind_and_together(client: FlaskClient, visited_key: str) -> None:
    answer = ask(client, visited_key, "devices")
    unknown = {"value": None, "count": 1, "uniqueUsers": 0}
    assert answer["deviceTypes"] == [{"value": "mobile", "count": 2, "uniqueUsers": 1}, unknown]
    assert answer["screens"] == [{"value": "390x844", "count": 2, "uniqueUsers": 1}, unknown]
    assert (
        [row["count"] for row in answer["browsers"]] == [row["count"] for row in answer["operatingSystems"]] == [2, 1]
    )
    assert [numbers(row, "deviceType", "os", "count", "uniqueUsers") for row in answer["combinations"]] == [
        ("mobile", "iOS", 2, 1), (None, None, 1, 0),
    ]  # fmt: skip


def test_crawlers_count_only_where_they_are_asked_for(client: FlaskClient, visited_key: str) -> None:
    for report, number in (("sessions", "sessions"), ("overview", "totalEvents")):
        without, included = (ask(client, visited_key, report, includeBots=bots)[number] for bots in (False, True))
        assert included == without + 1
    assert [row["views"] for row in ask(client, visited_key, "pages")["pages"]] == [1]
    assert [row["views"] for row in ask(client, visited_key, "pages", includeBots=True)["pages"]] == [2]


def test_a_place_that_is_not_known_is_listed_last_as_null(client: FlaskClient) -> None:
    addresses = ["81.2.69.142", "81.2.69.142", "10.0.0.1", "10.0.0.1"]
    key = post(client, [event("10:00:00", "ping", userId="ann", ip=address) for address in addresses])
    answer = ask(client, key, "locations")
    assert answer["countries"] == [
        {"country": "GB", "count": 2, "uniqueUsers": 1}, {"country": None, "count": 2, "uniqueUsers": 1},
    ]  # fmt: skip
    assert answer["cities"][-1] == {"country": None, "region": None, "city": None, "count": 2, "uniqueUsers": 1}
