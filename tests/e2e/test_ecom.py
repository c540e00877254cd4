"""A real-sized shop: 31,106 events of 600 users, posted by the client, reported as the oracle says."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import Pipeline, open_pipeline

DATA = Path(__file__).parent.parent / "data" / "ecom.csv.gz"
BATCH_EVENTS = 2000
CHECKOUT = ["product_view", "add_to_cart", "cart", "shipping_details", "payment_details", "purchase"]
MOBILE = {"property": "metadata.platform", "operator": "eq", "value": "mobile"}
SPRING = {"from": "2024-03-01", "to": "2024-04-15", "tz": "Europe/Berlin"}

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("overview", {}),
    ("overview", {**SPRING, "compare": "previous", "filters": [MOBILE]}),
    ("top-events", {"limit": 1000}),
    ("top-events", {**SPRING, "limit": 5, "filters": [MOBILE]}),
    ("events-timeseries", {"interval": "day"}),
    ("events-timeseries", {**SPRING, "interval": "hour", "eventName": "purchase", "compare": "previous"}),
    ("events-timeseries", {"interval": "week", "tz": "America/New_York"}),
    ("events-timeseries", {"interval": "month", "tz": "Asia/Kathmandu"}),
    ("funnel", {"steps": CHECKOUT}),
    ("funnel", {"steps": CHECKOUT, "windowSeconds": 1800, "breakdown": "metadata.platform"}),
    ("funnel", {"steps": ["catalog", "product_view", "add_to_cart"], "order": "strict", **SPRING}),
    ("funnel", {"steps": CHECKOUT[:3], "order": "any", "windowSeconds": 900, "breakdown": "metadata.user_cohort"}),
    ("funnel", {"steps": ["product_view", "product_view", {"eventName": "purchase", "filters": [MOBILE]}]}),
    ("conversion", {"eventName": "purchase"}),
    ("conversion", {"eventName": "purchase", **SPRING, "filters": [MOBILE], "compare": "previous"}),
]


@cache
def read_shop_events() -> list[dict[str, Any]]:
    """The rows as events: the row number as eventId, what is no field of an event as metadata."""
    with gzip.open(DATA, "rt", newline="") as file:
        return [
            {
                "eventId": f"row-{number}",
                "eventName": row.pop("event"),
                "timestamp": row.pop("timestamp"),
                "userId": row.pop("user_id"),
                "sessionId": row.pop("session_id"),
                "metadata": row,
            }
            for number, row in enumerate(csv.DictReader(file))
        ]


@pytest.fixture(scope="module", params=["embedded", "mongodb"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pipeline, str]]:
    """The shop's project on each store; the first half sealed into segments, the rest in the tail."""
    mongo_uri = request.getfixturevalue("mongodb_uri") if request.param == "mongodb" else None
    with open_pipeline(tmp_path_factory.mktemp(request.param), mongo_uri) as pipeline:
        project_key = pipeline.create_project()
        events = read_shop_events()
        for start in range(0, len(events), BATCH_EVENTS):
            pipeline.post(project_key, events[start : start + BATCH_EVENTS])
            if start == len(events) // 2 // BATCH_EVENTS * BATCH_EVENTS:
                pipeline.change_layout(project_key, "seal")
        yield pipeline, project_key


def test_the_shop_has_the_numbers_its_description_names(shop: tuple[Pipeline, str]) -> None:
    pipeline, project_key = shop
    answer = pipeline.ask(project_key, "overview", {})
    assert (answer["totalEvents"], answer["uniqueUsers"], answer["sessions"]) == (31106, 600, 3605)
    assert (answer["firstEventAt"][:10], answer["lastEventAt"][:10]) == ("2024-01-04", "2024-06-29")


@pytest.mark.parametrize(("report", "params"), QUESTIONS, ids=[f"{n}-{q[0]}" for n, q in enumerate(QUESTIONS)])
def test_reports_of_the_shop_equal_the_oracle(shop: tuple[Pipeline, str], report: str, params: dict[str, Any]) -> None:
    pipeline, project_key = shop
    pipeline.check(project_key, report, params)
