"""The chains of a funnel, person by person, compared with the oracle's."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest

from services.reports.event_order import OrderedEvents
from services.reports.funnel_chains import find_chains
from services.reports.funnel_steps import FunnelParameters, Order, Step
from tests.oracle import funnel as oracle
from tests.oracle.events import Event

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
TEN_YEARS_MS = 10 * 366 * 86_400_000

Journey = list[tuple[int, int]]
"""(time in ms, steps matched as bits) of a person's events in order."""
Found = tuple[int, int, list[int]]
"""When a person entered, with which of the possible entries at that time, and the waits between the steps."""


def follow(journeys: list[Journey], step_count: int, order: Order, window_ms: int) -> list[Found | None]:
    """What is found for each person."""
    events = [event for journey in journeys for event in journey]
    chains = find_chains(
        OrderedEvents(
            np.array([[number, number] for number in range(len(journeys))], dtype=np.uint64),
            np.cumsum([0, *map(len, journeys)]),
            np.array([ms for ms, _ in events], dtype=np.int64),
            np.array([mark for _, mark in events], dtype=np.uint32),
        ),
        FunnelParameters((Step("e"),) * step_count, window_ms, order, breakdown=None, breakdown_limit=1),
    )
    found: list[Found | None] = [None] * len(journeys)
    waits = iter(chains.waits_ms.tolist())
    rows = zip(chains.owner_keys, chains.entered_ms, chains.entry_places, chains.lengths, strict=True)
    for key, entered_ms, place, length in rows:
        found[int(key[0])] = int(entered_ms), int(place), [next(waits) for _ in range(length - 1)]
    assert not list(waits)
    return found


def follow_plainly(journey: Journey, step_count: int, order: Order, window_ms: int) -> Found | None:
    """What the oracle finds for a person."""
    steps = [
        {"eventName": "e", "filters": [{"property": "metadata.steps", "operator": "contains", "value": step}]}
        for step in range(step_count)
    ]
    matched = [[step for step in range(step_count) if mark >> step & 1] for _, mark in journey]
    events = [
        Event(f"{number:05}", ms, {"eventName": "e"}, {"steps": matched[number]})
        for number, (ms, _) in enumerate(journey)
    ]
    ways = {
        Order.ORDERED: oracle.follow_ordered,
        Order.STRICT: oracle.follow_strict,
        Order.ANY: oracle.follow_any,
    }
    chain = oracle.find_best_chain(events, steps, window_ms, ways[order])
    if chain is None:
        return None
    enters = [mark if order is Order.ANY else mark & 1 for _, mark in journey]
    entry = events.index(chain.entry)
    place = sum(1 for other in range(entry + 1) if journey[other][0] == chain.times[0] and enters[other])
    return chain.times[0], place, [later - earlier for earlier, later in pairwise(chain.times)]


def make_journey(random: Random, step_count: int, span_ms: int) -> Journey:
    start_ms = random.choice([FIRST_MS, 0, LAST_MS - span_ms])
    times = sorted(start_ms + random.randint(0, span_ms) for _ in range(random.choice([1, 2, 5, 12, 30])))
    most = random.choice([0, 1, 1, 3, step_count])
    return [(ms, sum({1 << random.randrange(step_count) for _ in range(most)})) for ms in times]


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("step_count", [1, 2, 3, 5, 20])
def test_chains_are_the_oracles(order: Order, step_count: int) -> None:
    random = Random(f"{order} {step_count}")
    for _ in range(40):
        span_ms, window_ms = random.choice([0, 2, 10, 100, 5000]), random.choice([1, 5, 50, 10_000, TEN_YEARS_MS])
        journeys = [make_journey(random, step_count, span_ms) for _ in range(6)]
        assert follow(journeys, step_count, order, window_ms) == [
            follow_plainly(journey, step_count, order, window_ms) for journey in journeys
        ]


def test_a_window_of_years_holds_no_step_of_the_next_person() -> None:
    assert follow([[(0, 0b01)], [(5, 0b10)], [(5, 0b01), (9, 0b10)]], 2, Order.ORDERED, TEN_YEARS_MS) == [
        (0, 1, []),
        None,
        (5, 1, [4]),
    ]


def test_the_window_ends_exactly_where_it_does_also_after_a_pause_as_long_as_it() -> None:
    journeys: list[Journey] = [
        [(0, 0b01), (1000, 0b10)],
        [(0, 0b01), (1001, 0b10)],
        [(FIRST_MS, 0b01), (LAST_MS, 0b10)],
    ]
    assert follow(journeys, 2, Order.ORDERED, 1000) == [(0, 1, [1000]), (0, 1, []), (FIRST_MS, 1, [])]


def test_one_event_is_not_two_steps_even_at_one_time() -> None:
    both = [(7, 0b111)] * 2
    assert follow([both], 3, Order.ORDERED, 1000) == [(7, 1, [0])]
    assert follow([both], 3, Order.ANY, 1000) == [(7, 1, [0])]


def test_the_entry_is_the_one_that_leaves_the_events_its_steps_need() -> None:
    assert follow([[(7, 0b11), (7, 0b01)]], 2, Order.ORDERED, 1000) == [(7, 2, [0])]


def test_what_lies_between_ends_a_strict_chain_unless_it_is_at_the_time_of_a_step() -> None:
    at_the_time: Journey = [(1, 0b01), (1, 0), (5, 0), (5, 0b10)]
    between: Journey = [(1, 0b01), (3, 0), (5, 0b10)]
    assert follow([at_the_time, between], 2, Order.STRICT, 1000) == [(1, 1, [4]), (1, 1, [])]


def test_nobody_enters_where_no_event_matches_the_first_step() -> None:
    assert follow([[(1, 0b10), (2, 0b100)]], 3, Order.ORDERED, 1000) == [None]
