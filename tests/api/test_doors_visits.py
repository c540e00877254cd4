"""Reference 4: visits of pages as they are sent and shown, counted in buckets of time, and analysed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services import clock
from tests.cast import HOUR_MS, MINUTE_MS, SECRET_TOKEN, START_MS, Installation
from tests.people import log_in, register

Json = Any
VISITS = "/api/events"
DAY_MS = 24 * HOUR_MS
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0"
    " Mobile/15E148 Safari/604.1"
)


def visit(
    installation: Installation, page: str, session: str | None = None, *, ago_ms: int = 0, **fields: Json
) -> Json:
    """Send a visit that was some time ago; the answer."""
    time = clock.format_ms(installation.clock.now_ms - ago_ms)
    body = {"page": page, "session_id": session, "time": time, **fields}
    answer = installation.call("POST", VISITS, body, secret=SECRET_TOKEN)
    assert answer.status_code == 200, answer.text
    return answer.json


def ask(installation: Installation, path: str, secret: str = SECRET_TOKEN) -> Json:
    answer = installation.call("GET", f"/api/{path}", secret=secret)
    assert answer.status_code == 200, answer.text
    return answer.json


def find_default_project(installation: Installation) -> str:
    (project,) = installation.as_root("GET", "/v1/projects")["projects"]
    return str(project["projectKey"])


class TestSending:
    def test_a_visit_is_answered_as_it_is_stored(self, production: Installation) -> None:
        sent = {"user_agent": CHROME, "referrer": "/", "ip_address": "203.0.113.9", "duration": 4.5, "description": "d"}
        created = visit(production, "https://example.com/a?b=c", "s-1", ago_ms=250, **sent)
        assert created == {
            "id": created["id"],
            "time": "2025-01-06T09:59:59.750Z",
            "page": "https://example.com/a?b=c",
            "session_id": "s-1",
            **sent,
        }
        assert ask(production, f"events/{created['id']}") == created

    def test_it_is_an_event_like_any(self, production: Installation) -> None:
        created = visit(production, "/a", "s-1", duration=3, colour="red", metadata={"n": 1})
        row = production.context.store.fetch_event(find_default_project(production), created["id"])
        assert row is not None
        assert (row.event_name, row.url, row.session_id, row.anonymous_id) == ("page_view", "/a", "s-1", "s-1")
        assert json.loads(row.metadata) == {"colour": "red", "n": 1, "duration": 3}

    def test_a_named_visitor_is_not_the_session(self, production: Installation) -> None:
        created = visit(production, "/a", "s-1", user_id=7, event_name="signup")
        row = production.context.store.fetch_event(find_default_project(production), created["id"])
        assert row is not None
        assert (row.event_name, row.user_id, row.anonymous_id) == ("signup", "7", None)

    def test_what_is_null_or_empty_is_as_if_it_were_not_there(self, production: Installation) -> None:
        names = ("user_agent", "referrer", "duration", "ip_address", "description", "event_name")
        nothing: dict[str, Json] = dict.fromkeys(names)
        created = visit(production, "/a", "", **nothing)
        assert {name: value for name, value in created.items() if value is not None} == {
            "id": created["id"], "time": "2025-01-06T10:00:00Z", "page": "/a"
        }  # fmt: skip

    def test_the_address_is_shown_as_the_project_keeps_it(self, production: Installation) -> None:
        project = production.create_project(ipPolicy="anonymize")
        body = {"page": "/a", "ip_address": "203.0.113.9"}
        answer: Json = production.call("POST", VISITS, body, secret=project["apiKey"]).json
        assert answer["ip_address"] == "203.0.113.0"

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, ["page"]),
            ({"page": None}, ["page"]),
            ({"page": ""}, ["page"]),
            ({"page": 1, "duration": "long"}, ["page", "duration"]),
            ({"page": "/a", "duration": -1}, ["duration"]),
            ({"page": "/a", "duration": True}, ["duration"]),
            ({"page": "/a", "duration": 10**400}, ["duration"]),
            ({"page": "/a", "session_id": {}}, ["session_id"]),
            ({"page": "/a", "user_id": "u" * 513}, ["user_id"]),
            ({"page": "/a", "user_agent": 5}, ["user_agent"]),
            ({"page": "/a", "event_name": "n" * 201}, ["event_name"]),
        ],
    )
    def test_a_wrong_field_is_named_and_nothing_is_stored(
        self, production: Installation, body: Json, fields: list[str]
    ) -> None:
        project = production.create_project()
        answer: Json = production.call("POST", VISITS, body, secret=project["apiKey"])
        assert (answer.status_code, answer.json["fields"]) == (400, fields), answer.text
        assert production.context.store.count(project["projectKey"]) == 0

    def test_metadata_that_is_no_object_is_refused(self, production: Installation) -> None:
        project = production.create_project()
        body = {"page": "/a", "duration": 1, "metadata": [1]}
        answer: Json = production.call("POST", VISITS, body, secret=project["apiKey"])
        assert (answer.status_code, answer.json["code"]) == (400, "all_events_rejected")

    def test_an_empty_project_key_does_not_mean_the_default_project(self, production: Installation) -> None:
        for path in (VISITS, "/track"):
            answer: Json = production.call("POST", f"{path}?projectKey=", {"page": "/a"}, secret=SECRET_TOKEN)
            assert (answer.status_code, answer.json["fields"]) == (400, ["projectKey"])
        assert production.as_root("GET", "/v1/projects")["projects"] == []

    def test_an_event_that_is_not_there_is_not_found(self, production: Installation) -> None:
        project, other = production.create_project(), production.create_project()
        body = {"page": "/a"}
        created: Json = production.call("POST", VISITS, body, secret=other["apiKey"]).json
        for event_id in ("none", created["id"]):
            answer: Json = production.call("GET", f"{VISITS}/{event_id}", secret=project["apiKey"])
            assert (answer.status_code, answer.json["code"]) == (404, "unknown_event")

    def test_an_event_sent_otherwise_is_shown_with_what_it_has(self, production: Installation) -> None:
        project = production.create_project()
        events = [{"eventName": "a", "eventId": "e", "timestamp": "never", "metadata": {"duration": "long"}}]
        production.call("POST", "/v1/events/batch", {"events": events}, secret=project["apiKey"])
        shown = ask(production, "events/e", project["apiKey"])
        assert {name: value for name, value in shown.items() if value is not None} == {"id": "e"}

    def test_production_asks_for_credentials(self, production: Installation) -> None:
        calls = [("POST", VISITS), ("GET", VISITS), ("GET", f"{VISITS}/e"), ("GET", "/api/analytics/pages")]
        for method, path in calls:
            body = {"page": "/a"} if method == "POST" else None
            assert production.call(method, path, body).status_code == 401

    def test_a_user_sends_to_and_asks_about_the_project_of_his_organisation(self, production: Installation) -> None:
        register(production, "root")
        register(production, "ann")
        bearer = {"Authorization": f"Bearer {log_in(production, 'ann')}"}
        project = production.call("POST", "/v1/projects", {"name": "Hers"}, headers=bearer)
        assert project.status_code == 201, project.text
        assert production.call("POST", VISITS, {"page": "/a"}, headers=bearer).status_code == 200
        pages: Json = production.call("GET", "/api/analytics/pages", headers=bearer).json
        assert [page["page"] for page in pages] == ["/a"]


class TestBuckets:
    @pytest.fixture
    def visits(self, production: Installation) -> Installation:
        visit(production, "/a", user_agent=CHROME, duration=10)
        visit(production, "/a", user_agent=CHROME, duration=20, ago_ms=20 * MINUTE_MS)
        visit(production, "/a", ago_ms=20 * MINUTE_MS)
        visit(production, "/b", user_agent=CHROME, ago_ms=2 * DAY_MS)
        production.call("POST", "/v1/events/batch", {"events": [{"eventName": "no page"}]}, secret=SECRET_TOKEN)
        return production

    def test_rows_are_days_pages_and_systems_by_default(self, visits: Installation) -> None:
        assert ask(visits, "events") == [
            {"bucket": "2025-01-04T00:00:00Z", "page": "/b", "os": "Windows", "avg_duration": None, "count": 1},
            {"bucket": "2025-01-06T00:00:00Z", "page": "/a", "os": "Windows", "avg_duration": 15.0, "count": 2},
            {"bucket": "2025-01-06T00:00:00Z", "page": "/a", "os": "unknown", "avg_duration": None, "count": 1},
        ]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("duration=1 hour&hours=3", [("2025-01-06T09:00:00Z", 1), ("2025-01-06T10:00:00Z", 1)]),
            ("duration=15 minutes&hours=3", [("2025-01-06T09:30:00Z", 1), ("2025-01-06T10:00:00Z", 1)]),
            ("duration=1 month", [("2025-01-01T00:00:00Z", 2)]),
            ("duration=2 weeks", [("2024-12-30T00:00:00Z", 2)]),
            ("duration=1 week&pages=/a", [("2025-01-06T00:00:00Z", 2)]),
            ("pages=/b", []),
            ("hours=1", [("2025-01-06T00:00:00Z", 2)]),
        ],
    )
    def test_the_length_of_a_bucket_and_what_counts_can_be_said(
        self, visits: Installation, query: str, expected: list[tuple[str, int]]
    ) -> None:
        rows = ask(visits, f"events?{query}")
        found = [(row["bucket"], row["count"]) for row in rows if row["page"] == "/a" and row["os"] == "Windows"]
        assert found == expected

    def test_a_day_is_one_of_the_projects_zone(self, production: Installation) -> None:
        project = production.create_project(timezone="Asia/Kolkata")
        body = {"page": "/a", "time": "2025-01-05T20:00:00Z"}
        production.call("POST", VISITS, body, secret=project["apiKey"])
        assert ask(production, "events", project["apiKey"])[0]["bucket"] == "2025-01-06T00:00:00+05:30"

    def test_nothing_is_no_rows(self, production: Installation) -> None:
        assert ask(production, "events") == []

    @pytest.mark.parametrize(
        ("query", "field"),
        [("duration=1 parsec", "duration"), ("duration=0 days", "duration"), ("duration=2 months", "duration"),
         ("pages=", "pages"), ("hours=0", "hours"), ("page=/a", "page")],
    )  # fmt: skip
    def test_a_wrong_question_names_its_field(self, production: Installation, query: str, field: str) -> None:
        answer: Json = production.call("GET", f"{VISITS}?{query}", secret=SECRET_TOKEN)
        assert (answer.status_code, answer.json["fields"]) == (400, [field])

    def test_more_buckets_than_can_be_are_refused_in_the_words_of_the_question(self, production: Installation) -> None:
        visit(production, "/a", ago_ms=10 * 366 * DAY_MS)
        visit(production, "/a")
        answer: Json = production.call("GET", f"{VISITS}?duration=1 hour", secret=SECRET_TOKEN)
        assert (answer.status_code, answer.json["fields"]) == (400, ["hours", "duration"])


class TestAnalytics:
    @pytest.fixture
    def visits(self, production: Installation) -> Installation:
        """Two sessions of three pages and of one, an hour ago; one of yesterday."""
        first = {"user_agent": CHROME, "referrer": "https://www.google.com/search"}
        visit(production, "/", "s-1", ago_ms=60 * MINUTE_MS, **first)
        visit(production, "/pricing", "s-1", ago_ms=58 * MINUTE_MS, **first)
        visit(production, "/signup", "s-1", ago_ms=57 * MINUTE_MS, **first)
        visit(production, "/", "s-2", ago_ms=50 * MINUTE_MS, user_agent=IPHONE, duration=12)
        visit(production, "/", "s-0", ago_ms=30 * HOUR_MS)
        return production

    def test_sessions_have_their_pages_and_durations(self, visits: Installation) -> None:
        assert ask(visits, "analytics/sessions") == [
            {
                "session_id": "s-2", "page_count": 1, "total_duration": 12, "first_page": "/", "last_page": "/",
                "started_at": "2025-01-06T09:10:00Z", "ended_at": "2025-01-06T09:10:00Z",
            },
            {
                "session_id": "s-1", "page_count": 3, "total_duration": 180, "first_page": "/", "last_page": "/signup",
                "started_at": "2025-01-06T09:00:00Z", "ended_at": "2025-01-06T09:03:00Z",
            },
        ]  # fmt: skip
        assert [each["session_id"] for each in ask(visits, "analytics/sessions?hours=48&limit=2")] == ["s-2", "s-1"]
        assert len(ask(visits, "analytics/sessions?hours=48")) == 3

    def test_the_funnel_goes_from_page_to_page(self, visits: Installation) -> None:
        rows = ask(visits, "analytics/funnel?pages=/&pages=/signup&pages=/pricing")
        assert [(row["step"], row["page"], row["visitors"], row["conversion_rate"]) for row in rows] == [
            (1, "/", 2, 100.0), (2, "/signup", 1, 50.0), (3, "/pricing", 0, 0.0),
        ]  # fmt: skip
        longer = ask(visits, "analytics/funnel?pages=/&pages=/pricing&hours=48")
        assert [(row["visitors"], row["conversion_rate"]) for row in longer] == [(3, 100.0), (1, 33.33)]

    def test_a_page_that_is_twice_in_the_funnel_is_viewed_twice(self, visits: Installation) -> None:
        visit(visits, "/", "s-2")
        assert [row["visitors"] for row in ask(visits, "analytics/funnel?pages=/&pages=/")] == [2, 1]

    def test_only_views_of_a_page_are_steps(self, visits: Installation) -> None:
        visit(visits, "/late", "s-2", event_name="click")
        assert [row["visitors"] for row in ask(visits, "analytics/funnel?pages=/&pages=/late")] == [2, 0]

    def test_pages_have_views_bounces_durations_and_referrers(self, visits: Installation) -> None:
        assert ask(visits, "analytics/pages?limit=2") == [
            {
                "page": "/", "views": 2, "unique_visitors": 2, "avg_duration": 12.0, "bounce_rate": 50.0,
                "top_referrers": [{"referrer": "google.com", "count": 1}],
            },
            {
                "page": "/pricing", "views": 1, "unique_visitors": 1, "avg_duration": 60.0, "bounce_rate": None,
                "top_referrers": [{"referrer": "google.com", "count": 1}],
            },
        ]  # fmt: skip

    @pytest.mark.parametrize("duration", [-5, 10**300, "12", {"s": 1}])
    def test_a_duration_that_was_not_measured_does_not_count(self, production: Installation, duration: Json) -> None:
        event = {"eventName": "page_view", "url": "/", "sessionId": "s", "metadata": {"duration": duration}}
        project = production.create_project()
        sent = production.call("POST", "/v1/events/batch", {"events": [event]}, secret=project["apiKey"])
        assert sent.status_code == 200
        (row,) = ask(production, "events", project["apiKey"])
        (page,) = ask(production, "analytics/pages", project["apiKey"])
        (session,) = ask(production, "analytics/sessions", project["apiKey"])
        assert (row["avg_duration"], page["avg_duration"], session["total_duration"]) == (None, None, 0)

    def test_only_the_three_sites_that_most_views_came_from_are_named(self, production: Installation) -> None:
        for site, times in {"a.org": 1, "b.org": 3, "c.org": 2, "d.org": 2}.items():
            for _ in range(times):
                visit(production, "/", referrer=f"https://{site}/x")
        (page,) = ask(production, "analytics/pages")
        assert page["top_referrers"] == [
            {"referrer": "b.org", "count": 3}, {"referrer": "c.org", "count": 2}, {"referrer": "d.org", "count": 2}
        ]  # fmt: skip

    def test_sources_add_up_to_all_sessions(self, visits: Installation) -> None:
        assert ask(visits, "analytics/traffic-sources?hours=48") == [
            {"source": "Direct", "visits": 2, "percentage": 66.67},
            {"source": "google.com", "visits": 1, "percentage": 33.33},
        ]

    def test_devices_add_up_to_all_events(self, visits: Installation) -> None:
        assert ask(visits, "analytics/devices") == [
            {"device_type": "desktop", "browser": "Chrome", "os": "Windows", "visits": 3, "percentage": 75.0},
            {"device_type": "mobile", "browser": "Mobile Safari", "os": "iOS", "visits": 1, "percentage": 25.0},
        ]

    def test_retention_follows_weekly_cohorts(self, production: Installation) -> None:
        for weeks, session in ((3, "x"), (3, "y"), (2, "x"), (1, "x")):
            visit(production, "/", session, ago_ms=weeks * 7 * DAY_MS)
        rows = ask(production, "analytics/retention?days=28")
        cohort = [row for row in rows if row["cohort_date"] == "2024-12-16T00:00:00Z"]
        # the week of now, of Monday, 2025-01-06, is not over
        assert [(row["period"], row["users"], row["retention_rate"]) for row in cohort] == [
            (0, 2, 100.0), (1, 1, 50.0), (2, 1, 50.0)
        ]  # fmt: skip

    @pytest.mark.parametrize("report", ["sessions", "pages", "traffic-sources", "devices", "retention"])
    def test_nothing_is_an_empty_list(self, production: Installation, report: str) -> None:
        rows = ask(production, f"analytics/{report}")
        assert [row for row in rows if row.get("users")] == []
        assert report == "retention" or rows == []

    def test_the_numbers_are_those_of_the_reports(self, visits: Installation) -> None:
        project_key = find_default_project(visits)
        since = clock.format_ms(START_MS - DAY_MS)

        def ask_report(path: str) -> Json:
            query = f"projectKey={project_key}&from={since}"
            return visits.as_root("GET", f"/v1/reports/{path}{'&' if '?' in path else '?'}{query}")

        sessions, pages = ask_report("sessions")["items"], ask_report("pages")["pages"]
        assert [each["sessionId"] for each in sessions] == [
            each["session_id"] for each in ask(visits, "analytics/sessions")
        ]
        assert [(each["page"], each["views"], each["visitors"]) for each in pages] == [
            (each["page"], each["views"], each["unique_visitors"]) for each in ask(visits, "analytics/pages")
        ]
        sources = ask_report("sources?by=referrerHost")["sources"]
        assert [(each["source"] or "Direct", each["sessions"]) for each in sources] == [
            (each["source"], each["visits"]) for each in ask(visits, "analytics/traffic-sources")
        ]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("sessions?limit=0", "limit"),
            ("sessions?hours=x", "hours"),
            ("sessions?days=3", "days"),
            ("funnel", "pages"),
            ("funnel?hours=2", "pages"),
            ("funnel?pages=", "pages"),
            ("retention?days=0", "days"),
            ("pages?limit=10&limit=20", "limit"),
            ("devices?limit=3", "limit"),
            ("traffic-sources?hours=-1", "hours"),
        ],
    )
    def test_a_wrong_question_names_its_field(self, production: Installation, query: str, field: str) -> None:
        answer: Json = production.call("GET", f"/api/analytics/{query}", secret=SECRET_TOKEN)
        assert (answer.status_code, answer.json["fields"]) == (400, [field]), answer.text

    def test_too_many_steps_are_refused(self, production: Installation) -> None:
        query = "&".join("pages=/a" for _ in range(21))
        assert production.call("GET", f"/api/analytics/funnel?{query}", secret=SECRET_TOKEN).status_code == 400
