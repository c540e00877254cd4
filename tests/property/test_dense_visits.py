"""Seeded visits, dense enough that sessions touch, cohorts have sizes, paths branch and every tie decides something.

Few persons over ten weeks around a clock change, most of their events on pages, some of them of bots; asked at a
moment inside those weeks too, so that what is not over yet must be null.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from services import clock
from tests.pipeline import Pipeline
from tests.questions import LAYOUT_CHANGES, SOURCES
from tests.streams import ADDRESSES, ANCHORS, BOT, BROWSERS, REFERRERS, URLS, Row

SEEDS = range(300 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 5)
QUESTIONS = 24
NAMES = ["page_view", "page_view", "screen_view", "page_leave", "$pageleave", "a", "a", "b"]
MINUTES = [0, 1, 2, 10, 29, 30, 31, 60, 61]
DAYS = [0, 0, 0, 1, -1, 2, -2, 6, 7, 8, -7, 14, 28, 29, 30, 31, -30, -29, 36]


def make_event(random: Random, anchor: datetime) -> Row:
    moment = anchor + timedelta(days=random.choice(DAYS), minutes=random.choice(MINUTES) * random.choice([1, 1, -1]))
    event: Row = {
        "eventId": f"e{random.randrange(900)}",
        "eventName": random.choice(NAMES),
        "timestamp": (moment + timedelta(milliseconds=random.choice([0, 0, 0, 1, -1]))).isoformat(),
        "metadata": {"amount": random.choice([1, 2, 3.5, 40, "5", None]), "plan": random.choice(["pro", "free", 1])},
    }
    if random.random() < 0.8:
        event["url"] = random.choice(URLS)
    if random.random() < 0.3:
        event["referrer"] = random.choice(REFERRERS)
    if random.random() < 0.6:
        event |= {"userAgent": random.choice([*BROWSERS, *BROWSERS, BOT]), "ip": random.choice(ADDRESSES)}
    person = random.random()
    if person < 0.7:
        event["anonymousId"] = random.choice("pqrstxyz")
    if 0.55 < person < 0.97:
        event["userId"] = random.choice("uvwpq")
    if random.random() < 0.2:
        event["sessionId"] = random.choice("123")
    return event


def make_filter(random: Random) -> Row:
    return random.choice(
        [
            {"property": "page", "operator": random.choice(["eq", "neq"]), "value": "/a"},
            {"property": "deviceType", "operator": "eq", "value": random.choice(["mobile", "desktop"])},
            {"property": "userId", "operator": random.choice(["exists", "not_exists"])},
            {"property": "eventName", "operator": random.choice(["eq", "neq"]), "value": "page_view"},
            {"property": "metadata.plan", "operator": "in", "value": ["pro", 1]},
            {"property": "channel", "operator": "neq", "value": "Direct"},
        ]
    )


def make_own(random: Random, report: str) -> Row:
    """Values for all of a report's own parameters."""
    limit = random.choice([1, 2, 5, 100])
    interval = random.choice(["day", "week", "month"])
    own: dict[str, Row] = {
        "sessions": {"limit": limit, "offset": random.choice([0, 3]), "interval": random.choice([interval, "hour"])},
        "pages": {"limit": limit},
        "sources": {"by": random.choice(SOURCES), "limit": limit},
        "devices": {"limit": limit},
        "locations": {"limit": limit},
        "paths": {
            "by": random.choice(["page", "page", "event"]),
            "direction": random.choice(["after", "before"]),
            "steps": random.randint(1, 10),
            "limit": limit,
        },
        "retention": {
            "interval": interval,
            "intervals": random.choice([1, 3, 12, 40]),
            "cohort": random.choice(["first", "recurring"]),
            "mode": random.choice(["on", "on_or_after"]),
        },
        "lifecycle": {"interval": interval},
        "breakdown": {
            "by": random.choice(["page", "metadata.plan", "browser", ["country", "deviceType"], ["userId", "page"]]),
            "measure": random.choice(["events", "users", "sessions"]),
            "limit": limit,
        },
        "users": {"sort": random.choice(["lastSeen", "firstSeen", "events"]), "limit": limit},
    }
    return own.get(report, {})


def make_more(random: Random, report: str) -> Row:
    """Parameters that are given now and then."""
    more: Row = {}
    if report == "paths":
        more = {"start": random.choice(["/a", "/", "page_view", "a"])}
    if report == "retention":
        more = {"startEvent": random.choice(["a", "page_view"]), "returnEvent": random.choice(["b", "page_view"])}
    if report == "breakdown":
        more = {"measure": random.choice(["sum", "average", "min", "max", "median"]), "property": "metadata.amount"}
    return more if random.random() < 0.5 else {}


REPORTS = [
    "overview", "sessions", "sessions", "pages", "pages", "sources", "devices", "locations", "paths", "paths",
    "retention", "retention", "retention", "active-users", "stickiness", "lifecycle", "lifecycle", "breakdown", "users",
]  # fmt: skip


def make_question(random: Random, zone: str, anchor: datetime) -> tuple[str, Row]:
    report = random.choice(REPORTS)
    params: Row = {"tz": zone} if random.random() < 0.7 else {}
    start, end = anchor + timedelta(days=random.choice([-8, -1, 0])), anchor + timedelta(days=random.choice([1, 8, 29]))
    if random.random() < 0.6:
        params["from"] = random.choice([start.isoformat(), start.date().isoformat()])
    if random.random() < 0.6:
        params["to"] = random.choice([end.isoformat(), end.date().isoformat()])
    if {"from", "to"} <= params.keys() and random.random() < 0.3:
        params["compare"] = "previous"
    if random.random() < 0.4:
        params["filters"] = [make_filter(random) for _ in range(random.randint(1, 2))]
    if random.random() < 0.2:
        params["includeBots"] = True
    return report, params | make_own(random, report) | make_more(random, report)


@pytest.mark.parametrize("seed", SEEDS)
def test_reports_of_dense_visits_equal_the_oracle(
    pipeline: Pipeline, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    zone = random.choice(sorted(ANCHORS))
    anchor = datetime.fromisoformat(random.choice(ANCHORS[zone])).replace(tzinfo=UTC)
    project_key = pipeline.create_project(timezone=zone)
    for _ in range(4):
        pipeline.post(project_key, [make_event(random, anchor) for _ in range(random.choice([20, 80]))])
        for change in random.choices(LAYOUT_CHANGES, k=random.randint(0, 2)):
            pipeline.change_layout(project_key, change)
        for _ in range(QUESTIONS // 4):
            with monkeypatch.context() as patched:
                now_ms = make_now_ms(random, anchor)
                if now_ms is not None:
                    patched.setattr(clock, "fetch_now_ms", lambda now_ms=now_ms: now_ms)
                pipeline.check(project_key, *make_question(random, zone, anchor))


def make_now_ms(random: Random, anchor: datetime) -> int | None:
    """A moment in between, a whole minute; None: the real time."""
    if random.random() < 0.7:
        return None
    moment = anchor + timedelta(days=random.choice([1, 7, 30]), minutes=random.choice([-1, 0, 1, 300]))
    return int(moment.timestamp() * 1000)
