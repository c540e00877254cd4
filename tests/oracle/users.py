"""users and users/{id}: who there is, and what one person did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests.oracle.events import Event
from tests.oracle.population import Population, sort_by_time
from tests.oracle.properties import read_property
from tests.oracle.sessions import list_sessions
from tests.oracle.times import format_utc
from tests.oracle.values import Json, Row

PROFILE = (
    "browser", "browserVersion", "os", "osVersion", "deviceType", "screen", "country", "region", "city",
)  # fmt: skip
JOURNEY = ("eventId", "eventName", "sessionId", "url", "page", "referrer")
MAX_ANONYMOUS_IDS = 100


def is_identified(population: Population, person: str) -> bool:
    """Whether the person is anywhere named by a userId."""
    return any(event.columns.get("userId") == person for event in population.everything)


def compute_users(population: Population, params: Mapping[str, Json]) -> Row:
    found = [
        (person, events)
        for person, events in population.group_by_person(population.events).items()
        if params.get("search", "") in person
    ]

    def find_rank(events: list[Event]) -> int:
        ranks = {"firstSeen": events[0].when, "lastSeen": events[-1].when, "events": len(events)}
        return ranks[params.get("sort", "lastSeen")]

    found.sort(key=lambda pair: (-find_rank(pair[1]), pair[0]))
    offset, limit = params.get("offset", 0), params.get("limit", 50)
    users = [
        {
            "userId": person,
            "isIdentified": is_identified(population, person),
            "firstSeen": format_utc(events[0].when),
            "lastSeen": format_utc(events[-1].when),
            "events": len(events),
        }
        for person, events in found[offset : offset + limit]
    ]
    return {"total": len(found), "users": users}


def find_shown_id(population: Population, given: str) -> str | None:
    """The person somebody means by an id, which may be one of his anonymous ids; None: nobody has it."""
    for event in population.everything:
        if event.columns.get("userId") == given:
            return given
    for event in population.everything:
        if event.columns.get("anonymousId") == given:
            return population.find_person(Event("", None, {"eventName": "", "anonymousId": given}))
    return None


def compute_user(population: Population, user_id: str) -> Row | None:
    """The profile and the whole journey, not cut into pages; None: nobody has the id."""
    person = find_shown_id(population, user_id)
    if person is None:
        return None
    events = population.group_by_person(population.events).get(person, [])
    own = [event for event in population.everything if population.find_person(event) == person]
    anonymous = {event.columns["anonymousId"] for event in own if "anonymousId" in event.columns}
    counts = Counter(event.name for event in events).items()
    mine = set(events)
    return {
        "userId": person,
        "isIdentified": is_identified(population, person),
        "anonymousIds": sorted(anonymous)[:MAX_ANONYMOUS_IDS],
        "firstSeen": format_utc(events[0].when) if events else None,
        "lastSeen": format_utc(events[-1].when) if events else None,
        "totalEvents": len(events),
        "sessions": sum(1 for session in list_sessions(population) if mine.intersection(session.events)),
        "eventCounts": [
            {"eventName": name, "count": count} for name, count in sorted(counts, key=lambda item: (-item[1], item[0]))
        ],
        "properties": find_latest(events),
        "events": [describe_event(event) for event in list_newest_first(events)],
    }


def find_latest(events: list[Event]) -> Row:
    """The latest value of each property that the person ever had one of."""
    latest: Row = {}
    for event in events:
        for name in PROFILE:
            value = read_property(event, name)
            if value is not None:
                latest[name] = value
    return latest


def list_newest_first(events: list[Event]) -> list[Event]:
    return sort_by_time(events)[::-1]


def describe_event(event: Event) -> Row:
    fields = {name: read_property(event, name) for name in JOURNEY}
    return {**fields, "timestamp": format_utc(event.when), "metadata": event.metadata}
