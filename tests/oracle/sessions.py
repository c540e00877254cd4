"""Sessions: which there are, and the reports `sessions` and `sources` over them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from tests.oracle.events import Event
from tests.oracle.population import Population, divide, sort_by_time
from tests.oracle.properties import read_property
from tests.oracle.times import find_bucket, format_utc
from tests.oracle.values import Json, Row

SESSION_GAP_MS = 30 * 60 * 1000
PAGE_VIEWS = ("page_view", "pageview", "$pageview", "screen_view", "page")
PAGE_LEAVES = ("page_leave", "$pageleave")


@dataclass(frozen=True)
class Session:
    """All events of one session in the range, in time order, and whose it is."""

    session_id: str | None
    person: str | None
    events: list[Event]

    @property
    def start(self) -> int:
        return self.events[0].when

    @property
    def seconds(self) -> float:
        return (self.events[-1].when - self.start) / 1000

    @property
    def pages(self) -> list[str]:
        """The page of each event that has one."""
        return [event.page for event in self.events if event.page is not None]

    @property
    def page_views(self) -> list[Event]:
        return [event for event in self.events if is_page_view(event)]

    @property
    def is_bounce(self) -> bool:
        told = [event for event in self.events if event.name not in PAGE_LEAVES]
        return len(told) == 1 and is_page_view(told[0])


def is_page_view(event: Event) -> bool:
    return event.name in PAGE_VIEWS


def list_sessions(population: Population) -> list[Session]:
    """Sessions formed of the whole range, of which at least one event is in the population."""
    by_id: dict[str, list[Event]] = defaultdict(list)
    loose: list[Event] = []
    for event in sort_by_time(population.in_range):
        if "sessionId" in event.columns:
            by_id[event.columns["sessionId"]].append(event)
        else:
            loose.append(event)
    formed = [build_session(population, session_id, events) for session_id, events in by_id.items()]
    for events in population.group_by_person(loose).values():
        formed += [build_session(population, None, part) for part in split_at_gaps(events)]
    counted = set(population.events)
    return [session for session in formed if counted.intersection(session.events)]


def build_session(population: Population, session_id: str | None, events: list[Event]) -> Session:
    """It is the person's of its first event with a person."""
    persons = [person for person in map(population.find_person, events) if person is not None]
    return Session(session_id, persons[0] if persons else None, events)


def split_at_gaps(events: list[Event]) -> list[list[Event]]:
    """A person's events, cut where more than 30 minutes pass."""
    parts = [[events[0]]]
    for earlier, later in pairwise(events):
        if later.when - earlier.when > SESSION_GAP_MS:
            parts.append([])
        parts[-1].append(later)
    return parts


def compute_sessions(population: Population, params: Mapping[str, Json]) -> Row:
    sessions = list_sessions(population)
    sessions.sort(key=lambda session: (-session.start, *order_text(session.person), *order_text(session.session_id)))
    seconds = [session.seconds for session in sessions]
    views = sum(len(session.page_views) for session in sessions)
    offset, limit = params.get("offset", 0), params.get("limit", 100)
    answer = {
        **summarize(sessions),
        "medianDurationSeconds": median(seconds) if seconds else None,
        "pageViews": views,
        "pagesPerSession": divide(views, len(sessions)),
        "eventsPerSession": divide(sum(len(session.events) for session in sessions), len(sessions)),
        "items": [describe_session(session) for session in sessions[offset : offset + limit]],
    }
    if "interval" in params:
        answer["series"] = list_session_series(population, sessions, params["interval"])
    return answer


def summarize(sessions: Sequence[Session]) -> Row:
    bounces = sum(session.is_bounce for session in sessions)
    return {
        "sessions": len(sessions),
        "bounces": bounces,
        "bounceRate": divide(bounces, len(sessions)),
        "averageDurationSeconds": fmean(session.seconds for session in sessions) if sessions else None,
    }


def describe_session(session: Session) -> Row:
    pages = session.pages
    return {
        "sessionId": session.session_id,
        "userId": session.person,
        "startedAt": format_utc(session.start),
        "endedAt": format_utc(session.events[-1].when),
        "durationSeconds": session.seconds,
        "events": len(session.events),
        "pageViews": len(session.page_views),
        "entryPage": pages[0] if pages else None,
        "exitPage": pages[-1] if pages else None,
        "isBounce": session.is_bounce,
        "channel": read_property(session.events[0], "channel"),
        "country": read_property(session.events[0], "country"),
    }


def list_session_series(population: Population, sessions: list[Session], interval: str) -> list[Row]:
    """A session counts in the bucket in which it starts."""
    times = [event.when for session in sessions for event in session.events]
    buckets: dict[str, list[Session]] = {bucket: [] for bucket in population.list_buckets(interval, times)}
    for session in sessions:
        buckets[find_bucket(session.start, interval, population.zone)].append(session)
    fields = ("sessions", "bounces", "averageDurationSeconds")
    return [{"bucket": bucket, **{name: summarize(held)[name] for name in fields}} for bucket, held in buckets.items()]


def compute_sources(population: Population, params: Mapping[str, Json]) -> Row:
    """Sessions by what their first event says of where they came from."""
    by = params.get("by", "channel")
    groups: dict[str | None, list[Session]] = defaultdict(list)
    for session in list_sessions(population):
        groups[read_property(session.events[0], by)].append(session)
    rows = []
    for source, sessions in groups.items():
        summary = summarize(sessions)
        rows.append(
            {
                "source": source,
                "sessions": summary["sessions"],
                "visitors": len({session.person for session in sessions} - {None}),
                "bounceRate": summary["bounceRate"],
                "averageDurationSeconds": summary["averageDurationSeconds"],
            }
        )
    rows.sort(key=lambda row: (-row["sessions"], *order_text(row["source"])))
    return {"by": by, "sources": rows[: params.get("limit", 10)]}


def order_text(text: str | None) -> tuple[bool, str]:
    """By code point, null last."""
    return text is None, text or ""
