"""What each report must answer, computed the slow and obvious way from the events as they were posted.

Written from docs/metrics.md alone, in plain Python over lists; it shares no code with the product. Tests compare the
product's answers with `compute_answer`. Assumes what the test streams guarantee: every event has a timestamp that is
not in the future, no `context`, no `sentAt`, no limit is reached, and UTC offsets are multiples of 15 minutes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from statistics import fmean, median
from typing import Any
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SESSION_GAP_MS = 30 * 60 * 1000
QUARTER_HOUR_MS = 15 * 60 * 1000
SIX_HOURS_MS = 6 * 60 * 60 * 1000
ID_FIELDS = ("eventId", "messageId", "insert_id", "$insert_id", "uuid")
TEXT_FIELDS = ("anonymousId", "userId", "sessionId", "url", "referrer", "userAgent", "ip")
SCALARS = ("text", "number", "boolean")

Json = Any
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Event:
    """A stored event: `columns` by API name (missing ones absent), `at_ms` None where the timestamp was invalid."""

    event_id: str
    at_ms: int | None
    columns: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Json] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.columns["eventName"]

    @property
    def when(self) -> int:
        assert self.at_ms is not None, "only events with a valid timestamp are in a population"
        return self.at_ms


# Events: what is kept of what was posted


def keep_events(posted: Iterable[Row]) -> list[Event]:
    """The events that are stored: each id once, the first copy; refused events use up no id."""
    kept: dict[str, Event] = {}
    record_events(kept, posted)
    return list(kept.values())


def record_events(kept: dict[str, Event], batch: Iterable[Row]) -> tuple[int, int, int]:
    """Add a batch to the events kept so far, by id; how many are accepted, duplicates and rejected."""
    accepted = duplicates = rejected = 0
    for raw in batch:
        event = parse_event(raw)
        if event is None:
            rejected += 1
        elif event.event_id in kept:
            duplicates += 1
        else:
            kept[event.event_id] = event
            accepted += 1
    return accepted, duplicates, rejected


def parse_event(raw: Row) -> Event | None:
    """The event as it is stored, or None where it is refused."""
    fields = clean_unicode(raw)
    name, metadata = fields.pop("eventName", None), fields.pop("metadata", None)
    if not isinstance(name, str) or not name or not isinstance(metadata, dict | None):
        return None
    metadata = dict(metadata or {})
    id_field = next(alias for alias in ID_FIELDS if fields.get(alias) not in (None, ""))
    columns = {"eventName": name, "eventId": str(fields.pop(id_field))}
    for column in TEXT_FIELDS:
        value = fields.pop(column, None)
        if value is not None and not (value == "" and column.endswith("Id")):
            columns[column] = str(value)
    fields.pop("eventId", None)
    timestamp = fields.pop("timestamp")
    at_ms = parse_timestamp(timestamp)
    if at_ms is None:
        metadata.setdefault("timestamp", timestamp)
    return Event(columns["eventId"], at_ms, columns, {**fields, **metadata})


def clean_unicode(value: Json) -> Json:
    """The value with lone surrogates, which are no characters, as U+FFFD."""
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in value)
    if isinstance(value, list):
        return [clean_unicode(element) for element in value]
    if isinstance(value, dict):
        return {clean_unicode(key): clean_unicode(child) for key, child in value.items()}
    return value


def parse_timestamp(value: Json) -> int | None:
    """Milliseconds since 1970, fractions dropped; None where the value is no instant of the years 1 to 9999."""
    try:
        if find_kind(value) == "number":
            return to_ms(EPOCH + timedelta(seconds=value / 1000 if abs(value) >= 1e11 else value))
        if not isinstance(value, str):
            return None
        moment = datetime.fromisoformat(value)
        return to_ms((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


# Time


def to_ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def to_local(ms: int, zone: ZoneInfo) -> datetime:
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone)


def format_utc(ms: int | None) -> str | None:
    """`2025-01-06T10:00:00Z`, milliseconds only where there are some."""
    if ms is None:
        return None
    moment = to_local(ms, ZoneInfo("UTC")).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds") + "Z"


def format_local(moment: datetime, zone: ZoneInfo) -> str:
    """With its offset; `Z` where the report's zone is UTC."""
    text = moment.isoformat(timespec="seconds")
    return text.replace("+00:00", "Z") if zone.key == "UTC" else text


@cache
def find_first_instant(first: date, after: date, zone: ZoneInfo) -> int:
    """The first instant whose local date is in `[first, after)`: not always 00:00, which some clock changes skip."""
    ms = to_ms(datetime(first.year, first.month, first.day, tzinfo=UTC)) - 64 * QUARTER_HOUR_MS
    while not first <= to_local(ms, zone).date() < after:
        ms += QUARTER_HOUR_MS
    return ms


def parse_bound(value: str | None, zone: ZoneInfo, *, is_end: bool) -> int | None:
    """A bare date is the start of that day in the zone, as `to` its end."""
    if value is None:
        return None
    if len(value) == len("2024-01-01"):
        day = date.fromisoformat(value) + timedelta(days=1 if is_end else 0)
        return find_first_instant(day, day + timedelta(days=7), zone)
    moment = datetime.fromisoformat(value)
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def find_previous_start(start: int, end: int, zone: ZoneInfo) -> int:
    """Where the window before begins: the same local wall-clock length, ending at `start`."""
    wall_start, wall_end = to_local(start, zone).replace(tzinfo=None), to_local(end, zone).replace(tzinfo=None)
    return to_ms((wall_start - (wall_end - wall_start)).replace(tzinfo=zone))


def find_bucket(ms: int, interval: str, zone: ZoneInfo) -> str:
    """The label of the bucket that holds the instant: where the bucket starts."""
    local = to_local(ms, zone)
    if interval == "hour":
        # The offset is the instant's own: where the clock changes inside an hour, the full hour may have had another.
        offset = timezone(local.utcoffset() or timedelta(0))
        return format_local(local.replace(minute=0, second=0, microsecond=0, tzinfo=offset), zone)
    day = local.date()
    if interval == "day":
        first, after = day, day + timedelta(days=1)
    elif interval == "week":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    return format_local(to_local(find_first_instant(first, after, zone), zone), zone)


def list_buckets(start: int, end: int, interval: str, zone: ZoneInfo) -> list[str]:
    """The labels of all buckets that hold an instant of `[start, end)`, in time order."""
    step = QUARTER_HOUR_MS if interval == "hour" else SIX_HOURS_MS
    instants = [start, *range(start - start % step + step, end, step), end - 1]
    return list(dict.fromkeys(find_bucket(ms, interval, zone) for ms in instants))


# Persons


def link_persons(events: Sequence[Event]) -> Callable[[Event], str | None]:
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


# Filters


def find_kind(value: Json) -> str:
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"


def are_equal(left: Json, right: Json) -> bool:
    """Same kind and same value; numbers as doubles; lists and objects equal nothing."""
    kind = find_kind(left)
    if kind != find_kind(right) or kind not in SCALARS:
        return False
    return float(left) == float(right) if kind == "number" else bool(left == right)


def split_path(text: str) -> list[str]:
    """The keys of a path: split at dots; a backslash makes the next character a part of the key."""
    keys, characters = [""], iter(text)
    for character in characters:
        if character == ".":
            keys.append("")
        else:
            keys[-1] += next(characters) if character == "\\" else character
    return keys


def read_property(event: Event, name: str) -> Json:
    """The property's value, None where it is absent."""
    if not name.startswith("metadata."):
        return event.columns.get(name)
    value: Json = event.metadata
    for key in split_path(name.removeprefix("metadata.")):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def contains(value: Json, sought: Json) -> bool:
    if isinstance(value, list):
        return any(are_equal(element, sought) for element in value)
    return isinstance(value, str) and isinstance(sought, str) and sought in value


def compare(value: Json, operator: str, bound: Json) -> bool:
    """Numbers with numbers as doubles, text with text by code point; nothing else compares."""
    kind = find_kind(value)
    if kind != find_kind(bound) or kind not in ("text", "number"):
        return False
    left, right = (float(value), float(bound)) if kind == "number" else (value, bound)
    outcomes: dict[str, bool] = {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}
    return outcomes[operator]


def passes(event: Event, condition: Row) -> bool:
    value: Json = read_property(event, condition["property"])
    operator: str = condition["operator"]
    sought: Json = condition.get("value")
    match operator:
        case "exists" | "not_exists":
            return (value is not None) == (operator == "exists")
        case "eq" | "neq":
            return are_equal(value, sought) == (operator == "eq")
        case "in" | "not_in":
            return any(are_equal(value, one) for one in sought) == (operator == "in")
        case "contains" | "not_contains":
            return contains(value, sought) == (operator == "contains")
        case "starts_with":
            return isinstance(value, str) and isinstance(sought, str) and value.startswith(sought)
        case _:
            return compare(value, operator, sought)


def passes_all(event: Event, conditions: Sequence[Row]) -> bool:
    return all(passes(event, condition) for condition in conditions)


# Reports


@dataclass(frozen=True)
class Population:
    """The events a report counts (`events`), those of its range before filters (`in_range`), and whose each is."""

    in_range: list[Event]
    events: list[Event]
    find_person: Callable[[Event], str | None]
    start: int | None
    end: int | None
    zone: ZoneInfo

    def count_users(self, events: Iterable[Event]) -> int:
        return len({self.find_person(event) for event in events} - {None})

    def count(self, events: Sequence[Event]) -> Row:
        return {"count": len(events), "uniqueUsers": self.count_users(events)}


def compute_answer(report: str, posted: Iterable[Row], params: Mapping[str, Json]) -> Row:
    """The report's JSON for the parameters of a JSON body, without projectKey, cached and generatedAt."""
    return compute_answer_over(report, keep_events(posted), params)


def compute_answer_over(report: str, events: list[Event], params: Mapping[str, Json]) -> Row:
    """As `compute_answer`, over events that were kept before."""
    zone = ZoneInfo(params.get("tz", "UTC"))
    start = parse_bound(params.get("from"), zone, is_end=False)
    end = parse_bound(params.get("to"), zone, is_end=True)
    answer = compute_window(report, events, params, start, end, zone)
    if params.get("compare") == "previous":
        assert start is not None, "comparing needs both bounds"
        assert end is not None, "comparing needs both bounds"
        before = find_previous_start(start, end, zone)
        answer["previous"] = compute_window(report, events, params, before, start, zone)
    answer["tz"] = zone.key
    return answer


def compute_window(
    report: str, events: list[Event], params: Mapping[str, Json], start: int | None, end: int | None, zone: ZoneInfo
) -> Row:
    in_range = [
        event
        for event in events
        if event.at_ms is not None and (start is None or event.at_ms >= start) and (end is None or event.at_ms < end)
    ]
    counted = [event for event in in_range if passes_all(event, params.get("filters", []))]
    population = Population(in_range, counted, link_persons(events), start, end, zone)
    return {"from": format_utc(start), "to": format_utc(end), **REPORTS[report](population, params)}


def compute_overview(population: Population, params: Mapping[str, Json]) -> Row:
    times = [event.when for event in population.events]
    return {
        "totalEvents": len(population.events),
        "uniqueUsers": population.count_users(population.events),
        "uniqueEventNames": len({event.name for event in population.events}),
        "sessions": count_sessions(population),
        "firstEventAt": format_utc(min(times, default=None)),
        "lastEventAt": format_utc(max(times, default=None)),
    }


def count_sessions(population: Population) -> int:
    """Sessions formed of the whole range, of which at least one event is in the population."""
    sessions: dict[str, list[Event]] = defaultdict(list)
    loose: dict[str, list[Event]] = defaultdict(list)
    for event in population.in_range:
        person = population.find_person(event)
        if "sessionId" in event.columns:
            sessions[event.columns["sessionId"]].append(event)
        elif person is not None:
            loose[person].append(event)
    formed = list(sessions.values())
    for events in loose.values():
        events.sort(key=lambda event: event.when)
        formed.append([events[0]])
        for earlier, later in pairwise(events):
            if later.when - earlier.when > SESSION_GAP_MS:
                formed.append([])
            formed[-1].append(later)
    counted = set(population.events)
    return sum(1 for session in formed if counted.intersection(session))


def compute_top_events(population: Population, params: Mapping[str, Json]) -> Row:
    by_name: dict[str, list[Event]] = defaultdict(list)
    for event in population.events:
        by_name[event.name].append(event)
    rows = [{"eventName": name, **population.count(events)} for name, events in by_name.items()]
    rows.sort(key=lambda row: (-row["count"], row["eventName"]))
    return {"events": rows[: params.get("limit", 10)]}


def compute_series(population: Population, params: Mapping[str, Json]) -> Row:
    interval, zone = params.get("interval", "day"), population.zone
    events = [event for event in population.events if params.get("eventName", event.name) == event.name]
    times = [event.when for event in events]
    start = population.start if population.start is not None else min(times, default=None)
    end = population.end if population.end is not None else max(times, default=-1) + 1 if times else None
    if start is None or end is None:
        return {"series": []}
    buckets: dict[str, list[Event]] = {bucket: [] for bucket in list_buckets(start, end, interval, zone)}
    for event in events:
        buckets[find_bucket(event.when, interval, zone)].append(event)
    return {"series": [{"bucket": bucket, **population.count(held)} for bucket, held in buckets.items()]}


def compute_conversion(population: Population, params: Mapping[str, Json]) -> Row:
    name = params["eventName"]
    converted = population.count_users(event for event in population.events if event.name == name)
    total = population.count_users(population.events)
    return {
        "eventName": name,
        "convertedUsers": converted,
        "totalUsers": total,
        "conversionRate": divide(converted, total),
    }


def divide(part: int, whole: int) -> float | None:
    return part / whole if whole else None


# Funnel


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
        kind = find_kind(value)
        shown = value if kind in (*SCALARS, "absent") else format_json(value)
        if kind == "number":  # as doubles: 1.0 and 1 are one number, -0.0 and 0 too
            shown = int(value) if abs(value) < 2**53 and value == int(value) else float(value)
        groups.setdefault((kind, shown), (shown, []))[1].append(chain)
    return sorted(groups.values(), key=lambda group: (-len(group[1]), *format_value(group[0])))


def format_value(value: Json) -> tuple[bool, str]:
    """A value as text, to sort by; an absent one comes last."""
    return value is None, value if isinstance(value, str) else format_json(value)


def format_json(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


REPORTS: dict[str, Callable[[Population, Mapping[str, Json]], Row]] = {
    "overview": compute_overview,
    "top-events": compute_top_events,
    "events-timeseries": compute_series,
    "funnel": compute_funnel,
    "conversion": compute_conversion,
}
