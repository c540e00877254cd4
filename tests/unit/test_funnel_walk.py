"""Funnels walked person by person: what they cost. Their numbers are compared with the oracle's elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from services.reports.funnel_steps import FunnelParameters, Order, Step
from services.reports.funnel_walk import Journey, find_best_chain

EVENTS = 200


class CountedList(list[int]):
    """A list that counts the items read from it one after the other."""

    read = 0

    def __iter__(self) -> Iterator[int]:
        for item in super().__iter__():
            self.read += 1
            yield item


def test_a_person_of_many_events_is_not_read_through_for_every_entry() -> None:
    masks = CountedList([1] * EVENTS)
    journey = Journey(list(range(EVENTS)), masks, [list(range(EVENTS)), []])
    parameters = FunnelParameters((Step("a"), Step("b")), 1000, Order.ANY, breakdown=None, breakdown_limit=1)
    best = find_best_chain(journey, parameters)
    assert best is not None
    assert best.times == [0]
    assert masks.read <= 3 * EVENTS
