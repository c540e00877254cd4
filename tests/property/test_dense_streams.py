"""Seeded streams, denser than Hypothesis draws them: few persons, many events each, at few times.

So funnels go deep, sessions touch, breakdowns have many values, and every rule about ties decides something.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.pipeline import Pipeline
from tests.questions import LAYOUT_CHANGES
from tests.streams import ANCHORS, NUMBERS, PATHS, TEXTS, Row

SEEDS = range(300 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 6)
QUESTIONS = 12
MINUTES = [0, 1, 2, 10, 29, 30, 31, 45, 60, 61, 90, 180, 24 * 60, 26 * 60]
VALUES: list[Any] = [
    "red",
    "blue",
    "1",
    1,
    1.0,
    2.5,
    True,
    False,
    None,
    [1, "a"],
    ["red"],
    {"b": 1},
    "",
    *TEXTS[-6:],
    *NUMBERS[:8],
]


def make_event(random: Random, anchor: datetime) -> Row:
    minutes = random.choice(MINUTES) * random.choice([1, 1, 1, -1])
    moment = anchor + timedelta(minutes=minutes, milliseconds=random.choice([0, 0, 0, 0, 1, -1]))
    event: Row = {
        "eventId": f"e{random.randrange(500)}",
        "eventName": random.choice("aaabbbccd"),
        "timestamp": moment.isoformat() if random.random() < 0.97 else "soon",
        "url": random.choice(PATHS),
        "metadata": {"color": random.choice(VALUES), "deep": {"n": random.randrange(5)}},
    }
    person = random.random()
    if person < 0.7:
        event["anonymousId"] = random.choice("xyzu")
    if person > 0.55:
        event["userId"] = random.choice("uvw")
    if person > 0.97:
        del event["userId"]
    if random.random() < 0.15:
        event["sessionId"] = random.choice("st")
    return event


def make_filter(random: Random) -> Row:
    return random.choice(
        [
            {"property": "metadata.deep.n", "operator": random.choice(["gt", "lte", "neq"]), "value": 2},
            {"property": "url", "operator": "starts_with", "value": "/a"},
            {"property": "userId", "operator": random.choice(["exists", "not_exists"])},
            {"property": "metadata.color", "operator": random.choice(["eq", "neq", "contains"]), "value": "red"},
            {"property": "eventName", "operator": "neq", "value": "d"},
        ]
    )


def make_step(random: Random) -> Any:
    name = random.choice("abc")
    return name if random.random() < 0.7 else {"eventName": name, "filters": [make_filter(random)]}


def make_funnel(random: Random) -> Row:
    params: Row = {
        "steps": [make_step(random) for _ in range(random.randint(2, 6))],
        "order": random.choice(["ordered", "strict", "any"]),
        "windowSeconds": random.choice([60, 1740, 1800, 3600, 86_400, 604_800]),
    }
    if random.random() < 0.6:
        names = ["metadata.color", "metadata.deep", "metadata.deep.n", "url", "eventId", "userId", "anonymousId"]
        params["breakdown"] = random.choice(names)
        params["breakdownLimit"] = random.choice([1, 2, 5, 1000])
    return params


def make_question(random: Random, zone: str, anchor: datetime) -> tuple[str, Row]:
    report = random.choice(["funnel", "funnel", "funnel", "overview", "top-events", "events-timeseries", "conversion"])
    params: Row = {"tz": zone} if random.random() < 0.5 else {}
    if random.random() < 0.5:
        params["from"] = (anchor + timedelta(minutes=random.choice([-90, -30, 0, 10]))).isoformat()
    if random.random() < 0.5:
        params["to"] = (anchor + timedelta(minutes=random.choice([30, 60, 24 * 60]))).isoformat()
    if {"from", "to"} <= params.keys() and random.random() < 0.4:
        params["compare"] = "previous"
    if random.random() < 0.4:
        params["filters"] = [make_filter(random) for _ in range(random.randint(1, 2))]
    own: dict[str, Row] = {
        "funnel": make_funnel(random),
        "top-events": {"limit": random.randint(1, 5)},
        "events-timeseries": {"interval": random.choice(["hour", "day", "week", "month"])},
        "conversion": {"eventName": random.choice("abcd")},
    }
    return report, params | own.get(report, {})


@pytest.mark.parametrize("seed", SEEDS)
def test_reports_of_a_dense_stream_equal_the_oracle(pipeline: Pipeline, seed: int) -> None:
    random = Random(seed)
    zone = random.choice(sorted(ANCHORS))
    anchor = datetime.fromisoformat(random.choice(ANCHORS[zone])).replace(tzinfo=UTC)
    project_key = pipeline.create_project(timezone=zone)
    for _ in range(4):
        pipeline.post(project_key, [make_event(random, anchor) for _ in range(random.choice([20, 60]))])
        for change in random.choices(LAYOUT_CHANGES, k=random.randint(0, 2)):
            pipeline.change_layout(project_key, change)
        for _ in range(QUESTIONS // 4):
            pipeline.check(project_key, *make_question(random, zone, anchor))
