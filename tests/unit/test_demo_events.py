"""The made-up shop: the same for the same seed, up to the present, with the stories it promises."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import pytest

from commands.demo import build_demo_config
from commands.demo_events import DAY_MS, find_time_ratio, generate_events, measure_day
from services.enrich.geo import GeoReader
from services.ingest.timestamps import parse_timestamp_ms

NOW_MS = 1_750_000_000_000
"""2025-06-15T15:06:40Z, a Sunday."""


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return list(generate_events(7, 40_000, 60, NOW_MS))


def days_ago_of(event: dict[str, Any]) -> int:
    ms = parse_timestamp_ms(event["timestamp"])
    assert ms is not None
    return (NOW_MS - NOW_MS % DAY_MS - (ms - ms % DAY_MS)) // DAY_MS


def test_equal_arguments_give_equal_events_and_another_seed_gives_others() -> None:
    assert list(generate_events(1, 500, 5, NOW_MS)) == list(generate_events(1, 500, 5, NOW_MS))
    assert list(generate_events(1, 500, 5, NOW_MS)) != list(generate_events(2, 500, 5, NOW_MS))


@pytest.mark.parametrize(
    ("count", "days", "now_ms"),
    [(0, 60, NOW_MS), (1, 60, NOW_MS), (777, 1, NOW_MS), (50, 3, NOW_MS - NOW_MS % DAY_MS)],
)
def test_there_are_exactly_as_many_events_as_asked_for(count: int, days: int, now_ms: int) -> None:
    assert len(list(generate_events(3, count, days, now_ms))) == count


def test_events_reach_from_the_first_day_to_the_present_and_not_beyond(events: list[dict[str, Any]]) -> None:
    times = [parse_timestamp_ms(event["timestamp"]) or 0 for event in events]
    assert len(events) == len({event["eventId"] for event in events}) == 40_000
    assert NOW_MS - 3_600_000 < max(times) <= NOW_MS
    assert {days_ago_of(event) for event in events} >= set(range(60))
    assert min(times) >= NOW_MS - NOW_MS % DAY_MS - 59 * DAY_MS


def test_people_are_anonymous_first_and_identified_later(events: list[dict[str, Any]]) -> None:
    identified_at: dict[str, int] = {}
    for index, event in enumerate(events):
        if "userId" in event:
            identified_at.setdefault(event["anonymousId"], index)
    before = sum(1 for index, event in enumerate(events) if index < identified_at.get(event["anonymousId"], -1))
    assert len(identified_at) > 300
    assert before > 1000


def test_addresses_are_of_the_country_that_people_say(events: list[dict[str, Any]]) -> None:
    said = {event["ip"]: event["metadata"]["country"] for event in events}
    assert len(said) > 1000
    locate = GeoReader().locate
    assert [ip for ip, country in said.items() if locate(ip)["country"] != country] == []


def test_the_sale_brings_more_visitors_than_the_days_around_it(events: list[dict[str, Any]]) -> None:
    by_day = Counter(days_ago_of(event) for event in events)
    assert min(by_day[day] for day in (31, 32, 33)) > 1.6 * max(by_day[day] for day in (29, 30, 34, 35))


def test_payments_fail_only_in_the_incident_and_only_on_iphones(events: list[dict[str, Any]]) -> None:
    failed = [event for event in events if event["eventName"] == "payment_failed"]
    assert failed
    assert {event["metadata"]["device"] for event in failed} == {"iphone"}
    assert {days_ago_of(event) for event in failed} <= {17, 18, 19, 20}


def test_the_new_checkout_is_paid_more_often(events: list[dict[str, Any]]) -> None:
    counts = Counter((event["eventName"], event["metadata"].get("checkoutVersion")) for event in events)
    old, new = (counts["purchase", version] / counts["checkout_started", version] for version in "AB")
    assert new > old + 0.05


def test_the_clock_of_the_day_runs_forward_and_back() -> None:
    for time_ratio in (0.0, 0.1, 0.25, 0.5, 0.99):
        assert find_time_ratio(measure_day(time_ratio)) == pytest.approx(time_ratio)
    assert measure_day(1.0) == pytest.approx(1.0)


def test_events_come_one_by_one() -> None:
    assert len(list(islice(generate_events(1, 10**9, 60, NOW_MS), 10))) == 10


def test_the_demo_may_post_all_of_its_events_at_once() -> None:
    config = build_demo_config()
    assert (config.rate_limit_max, config.user_rate_limit_max) == (0, 0)
