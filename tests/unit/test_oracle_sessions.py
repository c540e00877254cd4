"""The oracle's sessions, sources, pages and paths, against values worked out by hand from docs/metrics.md."""

from __future__ import annotations

import pytest

from tests.oracle import Json, Row, compute_answer_over
from tests.oracle.events import Event
from tests.oracle.samples import ask, event, keep

VIEW = "page_view"


def visit(person: str, *rows: tuple[str, str, str], **fields: Json) -> list[Row]:
    """Events of a person: name, time and url."""
    return [event(name, at, userId=person, url=url, **fields) for name, at, url in rows]


def list_items(events: list[Row], **params: Json) -> list[Row]:
    items: list[Row] = ask("sessions", events, **params)["items"]
    return items


def list_pages(events: list[Row], **params: Json) -> dict[str, Row]:
    return {row["page"]: row for row in ask("pages", events, **params)["pages"]}


def list_nodes(answer: Row) -> list[tuple[int, str, int]]:
    return [(node["step"], node["name"], node["sessions"]) for node in answer["nodes"]]


def list_links(answer: Row) -> list[tuple[int, str, str, int]]:
    return [(link["step"], link["source"], link["target"], link["sessions"]) for link in answer["links"]]


def ask_paths(events: list[Row], **params: Json) -> Row:
    """Paths from a start."""
    return compute_answer_over("paths", keep(events), params)


# u: one session of 10 minutes (a view, a click, a view), v: a bounce, w: a single event that is no page view
THREE = [
    *visit("u", (VIEW, "10:00", "/a"), ("click", "10:04", "/a"), (VIEW, "10:10", "/b")),
    *visit("v", (VIEW, "10:01", "/a")),
    *visit("w", ("click", "10:02", "/c")),
]


def test_sessions_add_up_with_single_events_as_zero_seconds() -> None:
    answer = ask("sessions", THREE, limit=0)
    del answer["from"], answer["to"], answer["tz"]
    assert answer == {
        "sessions": 3,
        "bounces": 1,
        "bounceRate": 1 / 3,
        "averageDurationSeconds": 200.0,  # 600, 0, 0
        "medianDurationSeconds": 0.0,
        "pageViews": 3,
        "pagesPerSession": 1.0,
        "eventsPerSession": 5 / 3,
        "items": [],
    }


def test_no_sessions_have_no_rates() -> None:
    answer = ask("sessions", [event("a")])
    rates = ("bounceRate", "averageDurationSeconds", "medianDurationSeconds", "pagesPerSession", "eventsPerSession")
    assert [answer[name] for name in rates] == [None] * 5
    assert (answer["sessions"], answer["bounces"], answer["pageViews"], answer["items"]) == (0, 0, 0, [])


def test_sessions_are_listed_newest_first_with_their_first_and_last_page() -> None:
    assert list_items(THREE)[2] == {
        "sessionId": None,
        "userId": "u",
        "startedAt": "2025-01-06T10:00:00Z",
        "endedAt": "2025-01-06T10:10:00Z",
        "durationSeconds": 600.0,
        "events": 3,
        "pageViews": 2,
        "entryPage": "/a",
        "exitPage": "/b",
        "isBounce": False,
        "channel": None,
        "country": None,
    }
    assert [item["userId"] for item in list_items(THREE)] == ["w", "v", "u"]
    assert [item["userId"] for item in list_items(THREE, offset=1, limit=1)] == ["v"]


def test_a_session_id_of_two_persons_is_one_session_of_the_first_of_them() -> None:
    events = [
        event("a", "10:00", sessionId="s"),
        event("a", "10:01", sessionId="s", anonymousId="x"),
        event("a", "15:00", sessionId="s", userId="u"),
        event("a", "15:01", userId="u"),
    ]
    assert [(item["sessionId"], item["userId"], item["events"]) for item in list_items(events)] == [
        (None, "u", 1),
        ("s", "x", 3),
    ]


def test_a_session_that_passes_counts_with_all_its_events() -> None:
    clicks = [{"property": "eventName", "operator": "eq", "value": "click"}]
    answer = ask("sessions", THREE, filters=clicks)
    assert (answer["sessions"], answer["pageViews"], answer["eventsPerSession"]) == (2, 2, 2.0)


def test_two_page_views_or_one_other_event_are_no_bounce() -> None:
    events = visit("u", (VIEW, "10:00", "/"), (VIEW, "10:01", "/")) + visit("v", ("screen_view", "10:00", "/"))
    assert ask("sessions", [*events, *visit("w", ("click", "10:00", "/"))])["bounces"] == 1


def test_events_that_say_when_a_view_ended_leave_a_bounce_one() -> None:
    left = visit("u", (VIEW, "10:00", "/"), ("page_leave", "10:05", "/"), ("$pageleave", "10:20", "/"))
    assert ask("sessions", left)["bounces"] == 1
    assert ask("pages", left)["pages"][0]["bounceRate"] == 1
    assert ask("sessions", visit("v", ("page_leave", "10:05", "/")))["bounces"] == 0
    assert ask("sessions", [*left, *visit("u", ("click", "10:06", "/"))])["bounces"] == 0
    assert ask("sessions", [*left, *visit("u", (VIEW, "10:06", "/"))])["bounces"] == 0


def test_a_session_over_midnight_counts_in_the_day_it_begins() -> None:
    late = visit("u", (VIEW, "2025-01-06T23:50:00Z", "/"), (VIEW, "2025-01-07T00:10:00Z", "/"))
    assert ask("sessions", late, interval="day")["series"] == [
        {"bucket": "2025-01-06T00:00:00Z", "sessions": 1, "bounces": 0, "averageDurationSeconds": 1200.0},
        {"bucket": "2025-01-07T00:00:00Z", "sessions": 0, "bounces": 0, "averageDurationSeconds": None},
    ]


# Bots


def test_bots_are_in_no_session_unless_they_are_asked_for() -> None:
    events = [
        event(VIEW, "10:00", userId="u", url="/"),
        event(VIEW, "10:20", userId="u", url="/b", enriched={"isBot": True, "botName": "Googlebot"}),
        event(VIEW, "10:40", userId="u", url="/c"),
    ]
    assert ask("sessions", events)["sessions"] == 2  # 40 minutes apart
    assert ask("sessions", events, includeBots=True)["sessions"] == 1
    assert ask("overview", events)["totalEvents"] == 2


# Sources


def test_a_session_comes_from_where_its_first_event_came_from() -> None:
    events = [
        event("a", "10:00", userId="u", enriched={"channel": "Email", "utmSource": "news"}),
        event("a", "10:10", userId="u", enriched={"channel": "Direct"}),
        event("a", "12:00", userId="u", enriched={"channel": "Email"}),
        event("a", "10:00", userId="v"),
    ]
    row = {"visitors": 1, "bounceRate": 0.0}
    assert ask("sources", events)["sources"] == [
        {"source": "Email", "sessions": 2, **row, "averageDurationSeconds": 300.0},  # 600, 0
        {"source": None, "sessions": 1, **row, "averageDurationSeconds": 0.0},
    ]
    by_source = ask("sources", events, by="utmSource", limit=1)
    assert (by_source["by"], [(row["source"], row["sessions"]) for row in by_source["sources"]]) == (
        "utmSource",
        [(None, 2)],
    )


# Pages


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://shop.example/cart?x=1#top", "/cart"),
        ("https://shop.example", "/"),
        ("https://shop.example?x=/a", "/"),
        ("https://shop.example#a/b", "/"),
        ("app+x://host/a/b", "/a/b"),
        ("/cart?x=http://a/b", "/cart"),
        ("cart/2#x?y", "cart/2"),
        ("/", "/"),
        ("?x", ""),
        ("", None),
        (None, None),
    ],
)
def test_a_url_counts_by_its_path(url: str | None, page: str | None) -> None:
    columns = {"eventName": "a"} | ({} if url is None else {"url": url})
    assert Event("e", 0, columns).page == page


def test_pages_count_views_visitors_entries_and_exits() -> None:
    pages = list_pages(THREE)
    assert list(pages) == ["/a", "/b", "/c"]
    assert pages["/a"] == {
        "page": "/a",
        "views": 2,
        "visitors": 2,
        "entries": 2,
        "exits": 1,
        "bounceRate": 0.5,
        "exitRate": 0.5,
        "averageTimeSeconds": 240.0,  # from u's view to u's click; v's view has no next event
    }
    # a click on /c is an entry and an exit, but no view
    shown = ("views", "visitors", "entries", "exits", "bounceRate", "exitRate", "averageTimeSeconds")
    assert [pages["/c"][name] for name in shown] == [0, 0, 1, 1, 0.0, None, None]
    assert [pages["/b"][name] for name in shown] == [1, 1, 0, 1, None, 1.0, None]


def test_only_views_that_pass_count_but_the_next_event_may_be_any() -> None:
    on_a = [
        {"property": "page", "operator": "eq", "value": "/a"},
        {"property": "userId", "operator": "eq", "value": "u"},
    ]
    pages = list_pages(THREE, filters=[*on_a, {"property": "eventName", "operator": "eq", "value": VIEW}])
    assert [(page, row["views"], row["exits"]) for page, row in pages.items()] == [("/a", 1, 0), ("/b", 0, 1)]
    assert pages["/a"]["averageTimeSeconds"] == 240.0


# Paths

JOURNEYS = [
    *visit("u", (VIEW, "10:00", "/a"), (VIEW, "10:01", "/a?x"), (VIEW, "10:02", "/b"), (VIEW, "10:03", "/a")),
    *visit("v", (VIEW, "10:00", "/a"), (VIEW, "10:01", "/c")),
    *visit("w", (VIEW, "10:00", "/c"), (VIEW, "10:01", "/a"), (VIEW, "10:02", "/b")),
]


def test_paths_begin_with_the_first_page_and_fold_repeats() -> None:
    answer = ask("paths", JOURNEYS, steps=2)
    assert list_nodes(answer) == [
        (0, "/a", 2),
        (0, "/c", 1),
        (1, "/a", 1),
        (1, "/b", 1),
        (1, "/c", 1),
        (2, "/a", 1),
        (2, "/b", 1),
    ]
    assert list_links(answer) == [
        (0, "/a", "/b", 1), (0, "/a", "/c", 1), (0, "/c", "/a", 1), (1, "/a", "/b", 1), (1, "/b", "/a", 1),
    ]  # fmt: skip
    assert answer["sessions"] == 3


def test_paths_from_a_start_take_its_first_occurrence_and_backwards_its_last() -> None:
    after = ask_paths(JOURNEYS, start="/a", steps=3)
    assert list_nodes(after) == [(0, "/a", 3), (1, "/b", 2), (1, "/c", 1), (2, "/a", 1)]
    before = ask_paths(JOURNEYS, start="/a", steps=3, direction="before")
    assert list_nodes(before) == [(0, "/a", 3), (1, "/b", 1), (1, "/c", 1), (2, "/a", 1)]
    assert list_links(before) == [(0, "/a", "/b", 1), (0, "/a", "/c", 1), (1, "/b", "/a", 1)]


def test_rare_names_of_a_step_are_one_node() -> None:
    answer = ask_paths(JOURNEYS, start="/a", limit=1)
    assert list_nodes(answer) == [(0, "/a", 3), (1, "/b", 2), (1, "(other)", 1), (2, "/a", 1)]
    assert [node["isOther"] for node in answer["nodes"]] == [False, False, True, False]
    assert list_links(answer) == [(0, "/a", "/b", 2), (0, "/a", "(other)", 1), (1, "/b", "/a", 1)]


def test_paths_of_events_follow_names() -> None:
    assert list_nodes(ask_paths(THREE, by="event", start="click")) == [(0, "click", 2), (1, VIEW, 1)]
