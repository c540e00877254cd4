"""funnel: how many persons go through steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from tests.oracle.events import Event
from tests.oracle.population import Population, divide
from tests.oracle.properties import passes_all, read_property
from tests.oracle.values import Json, Row, find_kind, format_value, show_value


@dataclass(frozen=True)
class Chain:
    """How far one person got: the entry event, and the time at which each step was reached."""

    entry: Event
    times: list[int]


def compute_funnel(population: Population, params: Mapping[str, Json]) -> Row:
    steps = [{"eventName": step} if isinstance(step, str) else step for step in params["steps"]]
    by_person: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(population.events, key=lambda event: (event.when, event.event_id)):
        person = population.find_person(event)
        if person is not None:
            by_person[person].append(event)
    follow = {"ordered": follow_ordered, "strict": follow_strict, "any": follow_any}[params.get("order", "ordered")]
    window_ms = params.get("windowSeconds", 7 * 24 * 60 * 60) * 1000
    found = (find_best_chain(events, steps, window_ms, follow) for events in by_person.values())
    chains = [chain for chain in found if chain is not None]
    answer = describe_steps(steps, chains)
    if "breakdown" in params:
        groups = group_chains(chains, params["breakdown"])
        shown = groups[: params.get("breakdownLimit", 25)]
        answer["breakdown"] = [{"value": value, **describe_steps(steps, group)} for value, group in shown]
        answer["breakdownValues"] = len(groups)
    return answer


def matches(event: Event, step: Row) -> bool:
    return event.name == step["eventName"] and passes_all(event, step.get("filters", []))


Follow = Callable[[Event, list[Event], list[Row], int], list[int] | None]


def find_best_chain(events: list[Event], steps: list[Row], window_ms: int, follow: Follow) -> Chain | None:
    """Of all entries the one that gets furthest; `events` are in (time, id) order, so ties fall to the earliest."""
    best: Chain | None = None
    for entry in events:
        times = follow(entry, events, steps, window_ms)
        if times and (best is None or len(times) > len(best.times)):
            best = Chain(entry, times)
    return best


def follow_ordered(
    entry: Event, events: list[Event], steps: list[Row], window_ms: int, *, is_strict: bool = False
) -> list[int]:
    if not matches(entry, steps[0]):
        return []
    used, times = {entry}, [entry.when]
    for step in steps[1:]:
        later = [
            event
            for event in events
            if times[-1] <= event.when <= entry.when + window_ms and event not in used and matches(event, step)
        ]
        if not later or (is_strict and any(times[-1] < event.when < later[0].when for event in events)):
            break
        used.add(later[0])
        times.append(later[0].when)
    return times


def follow_strict(entry: Event, events: list[Event], steps: list[Row], window_ms: int) -> list[int]:
    return follow_ordered(entry, events, steps, window_ms, is_strict=True)


def follow_any(entry: Event, events: list[Event], steps: list[Row], window_ms: int) -> list[int]:
    if not any(matches(entry, step) for step in steps):
        return []
    window = [event for event in events if entry.when <= event.when <= entry.when + window_ms and event is not entry]
    unfilled, times = list(range(len(steps))), []
    for event in [entry, *window]:
        fitting = [number for number in unfilled if matches(event, steps[number])]
        if fitting:
            unfilled.remove(fitting[0])
            times.append(event.when)
    return times


def describe_steps(steps: list[Row], chains: list[Chain]) -> Row:
    users = [sum(1 for chain in chains if len(chain.times) > number) for number in range(len(steps))]
    rows = []
    for number, step in enumerate(steps):
        waits = [
            (chain.times[number] - chain.times[number - 1]) / 1000
            for chain in chains
            if number > 0 and len(chain.times) > number
        ]
        rows.append(
            {
                "step": number + 1,
                "eventName": step["eventName"],
                "users": users[number],
                "conversionFromPrevious": divide(users[number], users[number - 1]) if number else None,
                "conversionFromFirst": divide(users[number], users[0]),
                "medianSecondsFromPrevious": median(waits) if waits else None,
                "meanSecondsFromPrevious": fmean(waits) if waits else None,
            }
        )
    return {"steps": rows, "overallConversion": divide(users[-1], users[0])}


def group_chains(chains: list[Chain], name: str) -> list[tuple[Json, list[Chain]]]:
    """The chains by the property's value in their entry event, the most users first, then by the value as text."""
    groups: dict[tuple[str, Json], tuple[Json, list[Chain]]] = {}
    for chain in chains:
        value = read_property(chain.entry, name)
        kind, shown = find_kind(value), show_value(value)
        groups.setdefault((kind, shown), (shown, []))[1].append(chain)
    return sorted(groups.values(), key=lambda group: (-len(group[1]), *format_value(group[0])))
