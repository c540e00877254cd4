"""The events a report counts, and whose each is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from tests.oracle.events import Event
from tests.oracle.times import find_bucket, list_buckets
from tests.oracle.values import Row

FindPerson = Callable[[Event], str | None]


def link_persons(events: Sequence[Event]) -> FindPerson:
    """A function that tells whose an event is; None: nobody's."""
    first_seen: dict[str, tuple[bool, int, str]] = {}
    for event in events:
        anonymous, user = event.columns.get("anonymousId"), event.columns.get("userId")
        if anonymous is not None and user is not None:
            seen = (event.at_ms is None, event.at_ms or 0, user)
            first_seen[anonymous] = min(seen, first_seen.get(anonymous, seen))

    def find_person(event: Event) -> str | None:
        anonymous = event.columns.get("anonymousId")
        if "userId" in event.columns:
            return event.columns["userId"]
        return first_seen[anonymous][2] if anonymous in first_seen else anonymous

    return find_person


@dataclass(frozen=True)
class Population:
    """What a report looks at, and whose each event is."""

    everything: list[Event]
    """All events of the project."""
    history: list[Event]
    """Those with a valid time that pass the filters, inside the range and outside of it; without bots."""
    in_range: list[Event]
    """Those of the range, before filters; without bots."""
    events: list[Event]
    """The population: those of the range that pass the filters; without bots."""
    find_person: FindPerson
    start: int | None
    end: int | None
    zone: ZoneInfo
    now_ms: int | None
    """The present; None: everything is over."""

    def count_users(self, events: Iterable[Event]) -> int:
        return len(self.find_users(events))

    def find_users(self, events: Iterable[Event]) -> set[str]:
        """The distinct persons of events."""
        return {person for event in events if (person := self.find_person(event)) is not None}

    def group_by_person(self, events: Iterable[Event]) -> dict[str, list[Event]]:
        """Each person's events, in time order; those of nobody are left out."""
        grouped: dict[str, list[Event]] = defaultdict(list)
        for event in sort_by_time(events):
            person = self.find_person(event)
            if person is not None:
                grouped[person].append(event)
        return grouped

    def count(self, events: Sequence[Event]) -> Row:
        return {"count": len(events), "uniqueUsers": self.count_users(events)}

    def list_buckets(self, interval: str, times: Iterable[int] | None = None) -> list[str]:
        """The buckets of the range; the first or last of the times (default: the population's) for an open bound."""
        times = [event.when for event in self.events] if times is None else list(times)
        start = self.start if self.start is not None else min(times, default=None)
        end = self.end if self.end is not None else max(times, default=-1) + 1 if times else None
        return [] if start is None or end is None else list_buckets(start, end, interval, self.zone)

    def find_bucket(self, event: Event, interval: str) -> str:
        return find_bucket(event.when, interval, self.zone)


def sort_by_time(events: Iterable[Event]) -> list[Event]:
    """In time order, at the same time by id."""
    return sorted(events, key=lambda event: (event.when, event.event_id))


def divide(part: float, whole: float) -> float | None:
    return part / whole if whole else None
