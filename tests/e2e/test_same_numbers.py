"""The same question through /v1 and through the doors of references 2, 4 and 5 gives the same numbers, on the shop.

It is midnight after the file's last day, so that what reference 4 asks as the last 720 hours are the last 30 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from services import clock
from tests.pipeline import Pipeline, Row, open_pipeline
from tests.shop import NOW_MS, import_file, write_web_events

DAYS = 30
HOURS = DAYS * 24
RANGE = {"from": "2024-05-31", "to": "2024-06-29"}
DATES = {"startDate": RANGE["from"], "endDate": RANGE["to"]}
PAGES = ["/product_view", "/cart", "/shipping_details", "/payment_details"]


class Doors:
    """The shop as a website, asked through any door."""

    def __init__(self, pipeline: Pipeline, project_key: str) -> None:
        self.pipeline, self.project_key = pipeline, project_key

    def get(self, path: str, **query: Any) -> Any:
        answer = self.pipeline.client.get(path, query_string={"projectKey": self.project_key, **query})
        assert answer.status_code == 200, answer.text
        return answer.json

    def report(self, name: str, **params: Any) -> Row:
        """The answer of /v1 over the same time."""
        return self.pipeline.ask(self.project_key, name, {**RANGE, **params})

    def recent(self, name: str, **query: Any) -> list[Row]:
        """The answer of reference 4."""
        rows: list[Row] = self.get(f"/api/analytics/{name}", **{"hours": HOURS, **query})
        return rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "fetch_now_ms", lambda: NOW_MS)
        with open_pipeline(tmp_path_factory.mktemp("doors"), None) as pipeline:
            path, _ = write_web_events(tmp_path_factory.mktemp("web"))
            yield Doors(pipeline, import_file(pipeline, path))


def percent(rate: float | None) -> float | None:
    """A rate as reference 4 writes it."""
    return None if rate is None else round(100 * rate, 2)


def test_totals(shop: Doors) -> None:
    overview = shop.report("overview")
    summary = shop.get("/api/analytics/event-summary", **DATES)
    days = shop.get("/api/analytics/daily-stats", **DATES)["dailyStats"]
    assert (summary["totalEvents"], summary["uniqueUsers"]) == (overview["totalEvents"], overview["uniqueUsers"])
    assert overview["totalEvents"] > 5000
    assert sum(day["totalEvents"] for day in days) == overview["totalEvents"]
    assert sum(row["visits"] for row in shop.recent("devices")) == overview["totalEvents"]
    assert sum(row["visits"] for row in shop.recent("traffic-sources")) == overview["sessions"]
    assert len(shop.recent("sessions", limit=1000)) == overview["sessions"]


def test_events_by_name(shop: Doors) -> None:
    events = shop.report("top-events", limit=1000)["events"]
    summary = shop.get("/api/analytics/event-summary", **DATES)
    assert list(summary["eventBreakdown"].items()) == [(event["eventName"], event["count"]) for event in events]


def test_one_event(shop: Doors) -> None:
    summary = shop.get("/api/analytics/event-summary", eventName="purchase", **DATES)
    conversion = shop.report("conversion", eventName="purchase")
    (group,) = shop.report("breakdown", by="eventName", eventName="purchase")["groups"]
    assert summary["uniqueUsers"] == conversion["convertedUsers"]
    assert summary["totalEvents"] == group["events"] == summary["eventBreakdown"]["purchase"]


def test_days(shop: Doors) -> None:
    series = shop.report("events-timeseries")["series"]
    expected = [
        {"date": each["bucket"][:10], "totalEvents": each["count"], "uniqueUsers": each["uniqueUsers"]}
        for each in series
    ]
    assert shop.get("/api/analytics/daily-stats", **DATES)["dailyStats"] == expected
    today_too = shop.get("/api/analytics/daily-stats", days=DAYS + 1)["dailyStats"]
    assert today_too == [*expected, {"date": "2024-06-30", "totalEvents": 0, "uniqueUsers": 0}]
    assert [each["dau"] for each in shop.report("active-users")["series"]] == [day["uniqueUsers"] for day in expected]


def test_pages(shop: Doors) -> None:
    pages = [page for page in shop.report("pages", limit=1000)["pages"] if page["views"]]
    assert len(pages) > 10
    top = shop.get("/api/analytics/top-pages", limit=1000, **DATES)["pages"]
    assert top == [
        {"url": page["page"], "views": page["views"], "uniqueUsers": page["visitors"]} for page in pages
    ]
    recent = [row for row in shop.recent("pages", limit=1000) if row["views"]]
    assert [(row["page"], row["views"], row["unique_visitors"], row["bounce_rate"]) for row in recent] == [
        (page["page"], page["views"], page["visitors"], percent(page["bounceRate"])) for page in pages
    ]
    means = [page["averageTimeSeconds"] for page in pages]
    assert [row["avg_duration"] for row in recent] == [mean if mean is None else round(mean, 2) for mean in means]
    buckets = shop.get("/api/events", hours=HOURS, duration="1 day")
    for page in pages:
        shop_page = {"property": "page", "operator": "eq", "value": page["page"]}
        counted = sum(bucket["count"] for bucket in buckets if bucket["page"] == page["page"])
        assert counted == shop.report("overview", filters=[shop_page])["totalEvents"]


def test_devices(shop: Doors) -> None:
    devices = shop.report("devices", limit=1000)
    total = shop.report("overview")["totalEvents"]
    summary = shop.get("/api/analytics/event-summary", **DATES)["deviceBreakdown"]
    assert summary == {each["value"]: each["count"] for each in devices["deviceTypes"]}
    assert shop.recent("devices") == [
        {
            "device_type": each["deviceType"],
            "browser": each["browser"],
            "os": each["os"],
            "visits": each["count"],
            "percentage": percent(each["count"] / total),
        }
        for each in devices["combinations"]
    ]


def test_sources(shop: Doors) -> None:
    sources = shop.report("sources", by="referrerHost", limit=1000)["sources"]
    total = shop.report("overview")["sessions"]
    assert shop.recent("traffic-sources") == [
        {
            "source": each["source"] or "Direct",
            "visits": each["sessions"],
            "percentage": percent(each["sessions"] / total),
        }
        for each in sources
    ]


def test_sessions(shop: Doors) -> None:
    items = shop.report("sessions", limit=1000)["items"]
    assert shop.recent("sessions", limit=1000) == [
        {
            "session_id": item["sessionId"],
            "page_count": item["pageViews"],
            "total_duration": item["durationSeconds"],
            "first_page": item["entryPage"],
            "last_page": item["exitPage"],
            "started_at": item["startedAt"],
            "ended_at": item["endedAt"],
        }
        for item in items
    ]


def test_funnel_of_pages(shop: Doors) -> None:
    steps = [
        {"eventName": "page_view", "filters": [{"property": "page", "operator": "eq", "value": page}]}
        for page in PAGES
    ]
    funnel = shop.report("funnel", steps=steps)["steps"]
    assert funnel[-1]["users"] > 0
    assert shop.recent("funnel", pages=PAGES) == [
        {
            "step": step["step"],
            "page": page,
            "visitors": step["users"],
            "conversion_rate": percent(step["conversionFromFirst"]),
        }
        for step, page in zip(funnel, PAGES, strict=True)
    ]


def test_retention(shop: Doors) -> None:
    rows = shop.report("retention", interval="week", intervals=5)["rows"]
    expected = [
        {"cohort_date": row["bucket"], "period": period, "users": users, "retention_rate": percent(rate)}
        for row in rows
        for period, (users, rate) in enumerate(zip(row["counts"], row["rates"], strict=True))
        if users is not None
    ]
    assert sum(row["users"] for row in expected if row["period"] == 0) > 0
    assert shop.get("/api/analytics/retention", days=DAYS) == expected


def test_one_person(shop: Doors) -> None:
    stats = shop.get("/api/analytics/user-stats", userId="user_0000")
    person = shop.get("/v1/reports/users/user_0000", limit=10)
    names = ("userId", "totalEvents", "firstSeen", "lastSeen")
    assert [stats[name] for name in names] == [person[name] for name in names]
    shown = ("eventName", "url", "timestamp", "metadata")
    assert stats["recentEvents"] == [{name: event[name] for name in shown} for event in person["events"]]
