"""retention, active-users, stickiness and lifecycle: who comes back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from tests.oracle.events import Event
from tests.oracle.population import Population, divide
from tests.oracle.times import find_day_of_bucket, find_day_start, format_day, step_days, to_local
from tests.oracle.values import Json, Row

WEEK_DAYS, MONTH_DAYS = 7, 30
Activity = dict[date, set[str]]
"""Who was active, by the first local date of the interval."""


def find_activity(population: Population, events: Iterable[Event], interval: str) -> Activity:
    """The persons of each interval that has any."""
    active: Activity = defaultdict(set)
    for event in events:
        person = population.find_person(event)
        if person is not None:
            active[find_interval(population, event, interval)].add(person)
    return active


def find_interval(population: Population, event: Event, interval: str) -> date:
    """The first local date of the interval that holds the event."""
    return find_day_of_bucket(to_local(event.when, population.zone).date(), interval)


def list_intervals(population: Population, interval: str) -> list[date]:
    """The intervals of the range, by their first local dates."""
    times = [event.when for event in population.events]
    start = population.start if population.start is not None else min(times, default=None)
    end = population.end if population.end is not None else max(times, default=-1) + 1 if times else None
    if start is None or end is None:
        return []
    first, last = (find_day_of_bucket(to_local(ms, population.zone).date(), interval) for ms in (start, end - 1))
    days = [first]
    while days[-1] < last:
        days.append(step_days(days[-1], interval, 1))
    return days


def is_over(population: Population, day: date, interval: str) -> bool:
    """Whether the interval that begins on the day has ended by the end of the range and by now."""
    end = find_day_start(step_days(day, interval, 1), interval, population.zone)
    return all(limit is None or end <= limit for limit in (population.end, population.now_ms))


# Retention


def compute_retention(population: Population, params: Mapping[str, Json]) -> Row:
    interval, intervals = params.get("interval", "day"), params.get("intervals", 12)
    cohort, mode = params.get("cohort", "first"), params.get("mode", "on")
    cohorts = find_cohorts(population, interval, cohort, params.get("startEvent"))
    returned = find_activity(population, select(population.events, params.get("returnEvent")), interval)
    rows = []
    for day in list_intervals(population, interval):
        persons = cohorts.get(day, set())
        counts: list[int | None] = []
        for number in range(intervals + 1):
            target = step_days(day, interval, number)
            if mode == "on":
                back = returned.get(target, set())
            else:
                back = {person for when, active in returned.items() if when >= target for person in active}
            counts.append(len(persons & back) if is_over(population, target, interval) else None)
        rates = [None if count is None else divide(count, len(persons)) for count in counts]
        bucket = format_day(day, interval, population.zone)
        rows.append({"bucket": bucket, "size": len(persons), "counts": counts, "rates": rates})
    mean = [find_mean(rows, number) for number in range(intervals + 1)]
    return {"interval": interval, "cohort": cohort, "mode": mode, "rows": rows, "mean": mean}


def select(events: list[Event], name: str | None) -> list[Event]:
    """The events of that name; None: all."""
    return [event for event in events if name in (None, event.name)]


def find_cohorts(population: Population, interval: str, cohort: str, start_event: str | None) -> Activity:
    """Who starts in which interval, by a start event in the range; `first`: by the first one there ever was."""
    if cohort == "recurring":
        return find_activity(population, select(population.events, start_event), interval)
    in_range = set(population.events)
    firsts = [events[0] for events in population.group_by_person(select(population.history, start_event)).values()]
    return find_activity(population, [event for event in firsts if event in in_range], interval)


def find_mean(rows: list[Row], number: int) -> float | None:
    """The mean of the rows' rates, weighted by size; None where no row has one yet."""
    known = [row for row in rows if row["counts"][number] is not None]
    return divide(sum(row["counts"][number] for row in known), sum(row["size"] for row in known))


# Active users, stickiness


def count_days(population: Population) -> list[tuple[str, int, int, int]]:
    """For each day of the range its label, and the persons of the day, of 7 days and of 30 days that end with it.

    The 7 and 30 days reach back before the range, but not past its end; the day itself is only what is in range.
    """
    active = find_activity(population, population.events, "day")
    before_end = [event for event in population.history if population.end is None or event.when < population.end]
    seen = find_activity(population, before_end, "day")

    def count_back(day: date, days: int) -> int:
        return len(set().union(*(seen.get(day - timedelta(days=back), set()) for back in range(days))))

    return [
        (
            format_day(day, "day", population.zone),
            len(active.get(day, set())),
            count_back(day, WEEK_DAYS),
            count_back(day, MONTH_DAYS),
        )
        for day in list_intervals(population, "day")
    ]


def compute_active_users(population: Population, params: Mapping[str, Json]) -> Row:
    rows = count_days(population)
    return {"series": [{"bucket": bucket, "dau": dau, "wau": wau, "mau": mau} for bucket, dau, wau, mau in rows]}


def compute_stickiness(population: Population, params: Mapping[str, Json]) -> Row:
    active = find_activity(population, population.events, "day")
    days_of = Counter(person for persons in active.values() for person in persons)
    users_of = Counter(days_of.values())
    return {
        "series": [
            {"bucket": bucket, "dau": dau, "mau": mau, "stickiness": divide(dau, mau)}
            for bucket, dau, _, mau in count_days(population)
        ],
        "histogram": [{"days": days, "users": users_of[days]} for days in range(1, max(users_of, default=0) + 1)],
    }


# Lifecycle


def compute_lifecycle(population: Population, params: Mapping[str, Json]) -> Row:
    """Whom each interval has; the one before it and when somebody was first seen look at all data before too."""
    interval = params.get("interval", "day")
    active = find_activity(population, population.events, interval)
    seen = find_activity(population, population.history, interval)
    firsts = {
        person: find_interval(population, events[0], interval)
        for person, events in population.group_by_person(population.history).items()
    }
    series = []
    for day in list_intervals(population, interval):
        here, before = active.get(day, set()), seen.get(step_days(day, interval, -1), set())
        new = {person for person in here if firsts[person] == day}
        series.append(
            {
                "bucket": format_day(day, interval, population.zone),
                "new": len(new),
                "returning": len(here & before),
                "resurrecting": len(here - before - new),
                "dormant": len(before - here),
            }
        )
    return {"series": series}
