"""Who is in which cohort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.oracle.events import Event
from tests.oracle.population import link_persons
from tests.oracle.properties import passes_all
from tests.oracle.times import to_local, to_ms
from tests.oracle.values import Json, Row

MINUTE_MS = 60_000


def place_in_cohorts(
    events: list[Event], params: Mapping[str, Json], end: int | None, zone: ZoneInfo, now_ms: int | None
) -> list[Event]:
    """The events with the ids of the cohorts that their persons are in, of those in `params["cohorts"]`, by id."""
    find_person = link_persons(events)
    done: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        person = find_person(event)
        if person is not None and event.at_ms is not None and (params.get("includeBots") or not event.is_bot):
            done[person].append(event)
    end = find_end(end, now_ms)
    placed = []
    for event in events:
        person = find_person(event)
        ids = [
            cohort_id
            for cohort_id, definition in params["cohorts"].items()
            if person is not None and is_member(person, done[person], definition, end, zone)
        ]
        placed.append(replace(event, enriched={**event.enriched, "cohorts": ids}))
    return placed


def find_end(end: int | None, now_ms: int | None) -> int | None:
    """Where the days of a condition end: with the range, or with the present minute if that is earlier."""
    ends = [] if end is None else [end]
    if now_ms is not None:
        ends.append(now_ms - now_ms % MINUTE_MS + MINUTE_MS)
    return min(ends, default=None)


def is_member(person: str, events: list[Event], definition: Row, end: int | None, zone: ZoneInfo) -> bool:
    """Whether the person who did all of the events is in the cohort."""
    if "userIds" in definition:
        return person in definition["userIds"]
    held = [holds(condition, events, end, zone) for condition in definition["conditions"]]
    return bool(events) and (any(held) if definition.get("match") == "any" else all(held))


def holds(condition: Row, events: list[Event], end: int | None, zone: ZoneInfo) -> bool:
    counted = [event for event in events if counts(condition, event, end, zone)]
    least = condition.get("atLeast", 0 if condition.get("atMost") == 0 else 1)
    is_so = least <= len(counted) <= condition.get("atMost", len(counted))
    return is_so != condition.get("negate", False)


def counts(condition: Row, event: Event, end: int | None, zone: ZoneInfo) -> bool:
    """Whether the event is one of those whose number matters."""
    if condition.get("eventName", event.name) != event.name or not passes_all(event, condition.get("filters", [])):
        return False
    if "withinDays" not in condition:
        return True
    assert end is not None
    wall = to_local(end, zone).replace(tzinfo=None) - timedelta(days=condition["withinDays"])
    return to_ms(wall.replace(tzinfo=zone)) <= event.when < end
