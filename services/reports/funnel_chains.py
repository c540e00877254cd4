"""How far persons get in a funnel: all entries of a part of the persons are followed at once, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from services.reports.event_order import OrderedEvents
from services.reports.funnel_steps import FunnelParameters, Order

if TYPE_CHECKING:
    from services.reports.event_order import Flags, Marks, Whole, Words


@dataclass(frozen=True)
class Chains:
    """Of each person who entered, the chain of events that reaches furthest; of several the one that enters first."""

    owner_keys: Words
    entered_ms: Whole
    entry_places: Whole
    """Which one the entry is, from 1 on, of the person's events at its time that may be one."""
    lengths: Whole
    """How many steps it reaches."""
    waits_ms: Whole
    """Of each chain after the other the times between its steps: one fewer than it reaches."""


class Journeys:
    """A part of the persons, and what following them looks up. Events are named by their indexes; the number of events
    stands for none."""

    def __init__(self, events: OrderedEvents, window_ms: int) -> None:
        import numpy as np

        self.events = events
        self.window_ms = window_ms
        self.count = len(events.times_ms)
        pauses_ms = np.diff(events.times_ms, prepend=0)
        np.minimum(pauses_ms, window_ms + 1, out=pauses_ms)
        pauses_ms[events.starts[:-1]] = window_ms + 1
        self.clock_ms = np.append(np.cumsum(pauses_ms), np.iinfo(np.int64).max)
        """One clock for all persons, one after the other: within the window it counts as time does, and nothing of
        another person is within it."""
        self._moments = np.append(np.flatnonzero(pauses_ms), self.count)
        self.moment_starts = np.repeat(self._moments[:-1], np.diff(self._moments))
        """Index of the person's first event at the time of each."""

    @property
    def has_shared(self) -> bool:
        """Whether an event matches several steps."""
        return bool(matches_several(self.events.marks).any())

    def find_next(self, step: int) -> Whole:
        """For each index the first event from there on that matches the step, of whomever."""
        import numpy as np

        places = np.flatnonzero((self.events.marks & (1 << step)) != 0)
        return np.repeat(np.append(places, self.count), np.diff(places, prepend=-1, append=self.count))

    def find_moment_ends(self) -> Whole:
        """For each event the first one after its time, of whomever."""
        import numpy as np

        return np.repeat(self._moments[1:], np.diff(self._moments))


def matches_several(marks: Marks) -> Flags:
    """Of events, by the steps they match as bits: whether these are several."""
    several: Flags = (marks & (marks - 1)) != 0
    return several


class Following:
    """Entries of a part on their way: those that are still alive, in order, and the event that each reached last."""

    def __init__(self, journeys: Journeys, entries: Whole) -> None:
        import numpy as np

        self.journeys = journeys
        self.entries = entries
        self.current = entries
        self.alive = np.arange(len(entries))
        """The indexes of those alive among all entries."""
        self.deadlines_ms = journeys.clock_ms[entries] + journeys.window_ms
        self.levels = [(self.alive, entries)]
        """For each step who reached it, and by which event."""

    def advance(self, found: Whole) -> Whole:
        """Let those alive reach these events next, where they are of the same person and in the window; the indexes of
        those who did, among those alive before."""
        import numpy as np

        kept = np.flatnonzero(self.journeys.clock_ms[found] <= self.deadlines_ms)
        self.alive, self.deadlines_ms, self.current = self.alive[kept], self.deadlines_ms[kept], found[kept]
        self.levels.append((self.alive, self.current))
        return kept

    def build_chains(self) -> Chains:
        """The best chain of each person who has an entry."""
        import numpy as np

        events, clock_ms, moment_starts = self.journeys.events, self.journeys.clock_ms, self.journeys.moment_starts
        owners, best, lengths = self._find_best()
        starts = np.cumsum(lengths - 1) - (lengths - 1)
        waits_ms = np.empty(int((lengths - 1).sum()), dtype=np.int64)
        reached = self.entries[best]
        for step, (alive, found) in enumerate(self.levels[1:], start=1):
            far = np.flatnonzero(lengths > step)
            before, reached = reached, np.zeros_like(reached)
            reached[far] = found[np.searchsorted(alive, best[far])]
            waits_ms[starts[far] + step - 1] = clock_ms[reached[far]] - clock_ms[before[far]]
        entries = self.entries[best]
        places = best - np.searchsorted(self.entries, moment_starts[entries]) + 1
        return Chains(events.owner_keys[owners], events.times_ms[entries], places, lengths, waits_ms)

    def _find_best(self) -> tuple[Whole, Whole, Whole]:
        """Persons who have an entry, which one of theirs reaches furthest, and how many steps it reaches."""
        import numpy as np

        lengths = np.ones(len(self.entries), dtype=np.uint8)
        for alive, _ in self.levels[1:]:
            lengths[alive] += 1
        bounds = np.searchsorted(self.entries, self.journeys.events.starts)
        owners = np.flatnonzero(np.diff(bounds))
        if not len(owners):
            return owners, owners, owners
        firsts = bounds[owners]
        most = np.maximum.reduceat(lengths, firsts)
        is_best = lengths == np.repeat(most, np.diff(firsts, append=len(lengths)))
        candidates = np.flatnonzero(is_best)
        return owners, candidates[np.searchsorted(candidates, firsts)], most.astype(np.int64)


def find_chains(events: OrderedEvents, parameters: FunnelParameters) -> Chains:
    """The best chain of each person of a part who entered. Marks are the steps that an event matches, as bits."""
    import numpy as np

    journeys, step_count = Journeys(events, parameters.window_ms), len(parameters.steps)
    is_any = parameters.order is Order.ANY
    enters = events.marks != 0 if is_any else (events.marks & 1) != 0
    following = Following(journeys, np.flatnonzero(enters))
    if is_any:
        follow_any(following, step_count)
    else:
        follow_ordered(following, step_count, is_strict=parameters.order is Order.STRICT)
    return following.build_chains()


def follow_ordered(following: Following, step_count: int, *, is_strict: bool) -> None:
    """Each step is reached by the earliest unused event at or after the one before; `is_strict`: with no event strictly
    in time between the two."""
    import numpy as np

    journeys = following.journeys
    moment_ends = journeys.find_moment_ends() if is_strict else None
    used = [following.entries] if journeys.has_shared else None
    for step in range(1, step_count):
        next_events = journeys.find_next(step)
        found = next_events[journeys.moment_starts[following.current]]
        if used is not None:
            skip_used(found, used, next_events)
        if moment_ends is not None:
            limits = journeys.clock_ms[moment_ends[following.current]]
            found = np.where(journeys.clock_ms[found] <= limits, found, journeys.count)
        kept = following.advance(found)
        if used is not None:
            used = [*(events[kept] for events in used), following.current]


def skip_used(found: Whole, used: list[Whole], next_events: Whole) -> None:
    """Replace what was found, where it was used before, by the next that was not."""
    import numpy as np

    rows = np.arange(len(found))
    while len(rows):
        is_used = np.zeros(len(rows), dtype=bool)
        for events in used:
            is_used |= found[rows] == events[rows]
        rows = rows[is_used]
        found[rows] = next_events[found[rows] + 1]


def follow_any(following: Following, step_count: int) -> None:
    """The entry, then each event from its time on, fills the lowest-numbered unfilled step that it matches."""
    import numpy as np

    journeys, entries = following.journeys, following.entries
    next_events = [journeys.find_next(step) for step in range(step_count)]
    moments, marks = journeys.moment_starts[entries], journeys.events.marks[entries]
    filling = [find_unused(events, moments, entries) for events in next_events]
    for step, candidates in enumerate(filling):
        np.putmask(candidates, marks & -marks == 1 << step, journeys.count)
    for step in range(1, step_count):
        if step > 1:
            fill_lowest(filling, following.current, entries, next_events)
        kept = following.advance(reduce(np.minimum, filling))
        entries, filling = entries[kept], [candidates[kept] for candidates in filling]


def find_unused(next_events: Whole, places: Whole, entries: Whole) -> Whole:
    """The first event from each place on, but for the entry."""
    import numpy as np

    found = next_events[places]
    rows = np.flatnonzero(found == entries)
    found[rows] = next_events[entries[rows] + 1]
    return found


def fill_lowest(filling: list[Whole], current: Whole, entries: Whole, next_events: list[Whole]) -> None:
    """Let events fill steps. `filling`: for each step the event that may fill it next; none where it is filled."""
    import numpy as np

    is_used = np.zeros(len(current), dtype=bool)
    for candidates, events in zip(filling, next_events, strict=True):
        matches = candidates == current
        rows = np.flatnonzero(matches & is_used)
        np.putmask(candidates, matches & ~is_used, len(events) - 1)
        candidates[rows] = find_unused(events, current[rows] + 1, entries[rows])
        is_used |= matches
