"""Funnels of any order, whose steps may share events, walked person by person over rows that DuckDB sorts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from statistics import fmean, median
from typing import Any

from services.reports.funnel_steps import (
    FunnelParameters,
    Order,
    StepNumbers,
    build_breakdown_key,
    build_step_condition,
    list_breakdown_columns,
)
from services.reports.population import Population
from services.reports.values import ValueKey


@dataclass(frozen=True)
class Journey:
    """One person's events by (time, event id): their times in ms, and for each which steps it matches, as bits."""

    times: list[int]
    masks: list[int]
    positions: list[list[int]]
    """For each step, the indexes of the events that match it."""

    @cached_property
    def is_distinct(self) -> bool:
        """Whether no event matches two steps."""
        return all(mask & (mask - 1) == 0 for mask in self.masks)


@dataclass(frozen=True)
class Chain:
    """The steps reached from one entry: index of the entry, and the time of each step reached, in ms."""

    entry: int
    times: list[int]


def fetch_walked_numbers(population: Population, parameters: FunnelParameters) -> dict[ValueKey, list[StepNumbers]]:
    """Breakdown value -> numbers of each step."""
    chains: dict[ValueKey, list[list[int]]] = defaultdict(list)
    keys = list_breakdown_columns(population, parameters.breakdown)
    rows = population.stream(build_walk_sql(population, parameters, keys))
    for _, events in groupby(rows, key=itemgetter(0)):
        person_rows = list(events)
        best = find_best_chain(build_journey(person_rows, len(parameters.steps)), parameters)
        if best is not None:
            chains[build_breakdown_key(person_rows[best.entry][3:])].append(best.times)
    return {key: count_steps(times, len(parameters.steps)) for key, times in chains.items()}


def build_walk_sql(population: Population, parameters: FunnelParameters, keys: list[str]) -> str:
    """Rows (person, ms, steps matched as bits, breakdown columns...), persons together, each by time and event id."""
    conditions = [build_step_condition(population, step) for step in parameters.steps]
    mask = " + ".join(
        f"CASE WHEN {condition} THEN {1 << number} ELSE 0 END" for number, condition in enumerate(conditions)
    )
    columns = "".join(f", {expression} AS key_{number}" for number, expression in enumerate(keys))
    events = (
        f"SELECT person, epoch_ms(occurred_at) AS time_ms, {mask} AS mask{columns}, event_id"
        f" FROM ({population.build_sql()}) WHERE person IS NOT NULL"
    )
    # in a strict funnel events that match no step stand between those that do
    matching = "" if parameters.order is Order.STRICT else " WHERE mask > 0"
    enters = "mask > 0" if parameters.order is Order.ANY else "mask % 2 = 1"
    return f"""
        WITH events AS ({events})
        SELECT person::VARCHAR, time_ms, mask{"".join(f", key_{number}" for number in range(len(keys)))}
        FROM (SELECT * FROM events{matching}) SEMI JOIN (SELECT person FROM events WHERE {enters}) USING (person)
        ORDER BY person, time_ms, event_id"""


def build_journey(rows: list[tuple[Any, ...]], step_count: int) -> Journey:
    """The journey of one person's rows."""
    masks = [row[2] for row in rows]
    positions = [[index for index, mask in enumerate(masks) if mask >> step & 1] for step in range(step_count)]
    return Journey([row[1] for row in rows], masks, positions)


def find_best_chain(journey: Journey, parameters: FunnelParameters) -> Chain | None:
    """The chain that reaches furthest, of those the one that enters first; None where no event enters."""
    best: Chain | None = None
    for chain in list_chains(journey, parameters):
        if best is None or len(chain.times) > len(best.times):
            best = chain
            if len(best.times) == len(parameters.steps):
                break
    return best


def list_chains(journey: Journey, parameters: FunnelParameters) -> Iterator[Chain]:
    """The chain of every possible entry, in the order of entering."""
    if parameters.order is Order.ANY:
        entries: Iterable[int] = (index for index, mask in enumerate(journey.masks) if mask)
        follow = follow_any
    else:
        entries = journey.positions[0]
        follow = follow_strict if parameters.order is Order.STRICT else follow_ordered
    for entry in entries:
        yield Chain(entry, follow(journey, entry, len(parameters.steps), parameters.window_ms))


def follow_ordered(journey: Journey, entry: int, step_count: int, window_ms: int) -> list[int]:
    """Times of the steps reached when each is the earliest unused event at or after the one before it."""
    return _follow(journey, entry, step_count, window_ms, is_strict=False)


def follow_strict(journey: Journey, entry: int, step_count: int, window_ms: int) -> list[int]:
    """As `follow_ordered`, while no event lies strictly in time between two steps."""
    return _follow(journey, entry, step_count, window_ms, is_strict=True)


def _follow(journey: Journey, entry: int, step_count: int, window_ms: int, *, is_strict: bool) -> list[int]:
    times, used = [journey.times[entry]], {entry}
    deadline_ms = times[0] + window_ms
    for step in range(1, step_count):
        index = find_next(journey, step, times[-1], used)
        if index is None or journey.times[index] > deadline_ms:
            break
        if is_strict and is_anything_between(journey, times[-1], journey.times[index]):
            break
        used.add(index)
        times.append(journey.times[index])
    return times


def find_next(journey: Journey, step: int, from_ms: int, used: set[int]) -> int | None:
    """Index of the earliest unused event at or after a time that matches the step."""
    positions = journey.positions[step]
    first = bisect_left(positions, bisect_left(journey.times, from_ms))
    return next((positions[i] for i in range(first, len(positions)) if positions[i] not in used), None)


def is_anything_between(journey: Journey, earlier_ms: int, later_ms: int) -> bool:
    """Whether the person has an event strictly between two times."""
    following = bisect_right(journey.times, earlier_ms)
    return following < len(journey.times) and journey.times[following] < later_ms


def follow_any(journey: Journey, entry: int, step_count: int, window_ms: int) -> list[int]:
    """Times at which the first, second, ... step was filled: the entry, then each event in the window, fills the
    lowest-numbered unfilled step that it matches."""
    start_ms = journey.times[entry]
    if journey.is_distinct:
        return _follow_any_distinct(journey, entry, start_ms + window_ms)
    unfilled, times = (1 << step_count) - 1, []
    first = bisect_left(journey.times, start_ms)
    last = bisect_right(journey.times, start_ms + window_ms)
    for index in [entry, *(index for index in range(first, last) if index != entry)]:
        fills = journey.masks[index] & unfilled
        if fills:
            unfilled &= ~(fills & -fills)
            times.append(journey.times[index])
            if not unfilled:
                break
    return times


def _follow_any_distinct(journey: Journey, entry: int, deadline_ms: int) -> list[int]:
    """`follow_any` where no event matches two steps: each step is filled by its own first event."""
    first = bisect_left(journey.times, journey.times[entry])
    times = []
    for positions in journey.positions:
        following = bisect_left(positions, first)
        if following < len(positions) and journey.times[positions[following]] <= deadline_ms:
            times.append(journey.times[positions[following]])
    return sorted(times)


def count_steps(chains: list[list[int]], step_count: int) -> list[StepNumbers]:
    """Numbers of each step over the best chains of persons."""
    numbers = [StepNumbers(len(chains), None, None)]
    for step in range(1, step_count):
        waits = [times[step] - times[step - 1] for times in chains if len(times) > step]
        numbers.append(StepNumbers(len(waits), median(waits), fmean(waits)) if waits else StepNumbers(0, None, None))
    return numbers
