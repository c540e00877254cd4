"""users/{id}: one person's profile and journey."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from columns.properties import COLUMNS as PROPERTY_COLUMNS
from columns.relation import build_events_sql
from services import clock
from services.errors import NotFound
from services.reports.population import Population, build_session_count_sql
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count

MAX_ANONYMOUS_IDS: Final = 100
MAX_CURSOR: Final = 20_000
PROFILE: Final = (
    "browser", "browserVersion", "os", "osVersion", "deviceType", "screen", "country", "region", "city",
)  # fmt: skip
COLUMNS = ("eventId", "eventName", "timestamp", "sessionId", "url", "page", "referrer", "metadata")


class Place(NamedTuple):
    """Where a page of the journey ended: time and id of its last event."""

    ms: int
    event_id: str


class Person(NamedTuple):
    """Somebody whose events there are."""

    key: UUID
    user_id: str
    is_identified: bool
    anonymous_ids: list[str]
    """Of all events, the first MAX_ANONYMOUS_IDS by text."""


class Profile(NamedTuple):
    """What is counted of a person's events."""

    numbers: dict[str, Any]
    """As the API shows them."""
    page_start: datetime | None
    """A time with a whole page of the journey since it: only row groups with some of these need to be read for their
    texts. None: there are no more events."""


@dataclass(frozen=True)
class UserParameters:
    """`after`: the journey goes on after this event."""

    user_id: str
    limit: int
    after: Place | None


def parse_user_id(value: object) -> str:
    """Any id; one that nobody has is found out later."""
    if not isinstance(value, str) or any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("must be text without lone surrogates")
    return value


def parse_cursor(value: object) -> Place:
    """What `format_cursor` made."""
    try:
        if not isinstance(value, str) or len(value) > MAX_CURSOR:
            raise ValueError
        place = msgspec.json.decode(base64.urlsafe_b64decode(value.encode("ascii")), type=tuple[int, str])
        clock.from_ms(place[0])
        return Place(*place)
    except (ValueError, OverflowError, binascii.Error, msgspec.DecodeError):
        raise ValueError("must be the nextCursor of an answer") from None


def format_cursor(place: Place) -> str:
    """A place as text that needs no escaping in a query."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode("ascii")


FIELDS: dict[str, Any] = {
    "userId": parse_user_id,
    "limit": partial(parse_count, least=0, most=1000),
    "cursor": parse_cursor,
}


def parse(values: dict[str, Any]) -> UserParameters:
    """The last 50 events by default."""
    return UserParameters(values["userId"], values.get("limit", 50), values.get("cursor"))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The person's events in the population, and a page of them, newest first. None: zeros and nulls. Raises NotFound
    where no event of the project is of somebody with this id."""
    parameters: UserParameters = request.parameters
    person = find_person(population, parameters.user_id)
    own = replace(population, person_key=person.key)
    profile = fetch_profile(own.renew(), parameters)
    return {
        "userId": person.user_id,
        "isIdentified": person.is_identified,
        "anonymousIds": person.anonymous_ids,
        **profile.numbers,
        **fetch_journey(own.renew(), parameters, since=profile.page_start),
    }


def find_person(population: Population, user_id: str) -> Person:
    """Who is shown by this id, or else whom this anonymousId belongs to. All events count, in range or not."""
    person = fetch_person(population, user_id)
    if person is not None:
        return person
    linked = population.renew()
    rows = linked.fetch(f"""
        SELECT user_id FROM ({build_events_sql(linked.snapshot, linked.parameters)})
        WHERE anonymous_id = {linked.bind(user_id)} AND user_id IS NOT NULL
        ORDER BY occurred_at NULLS LAST, user_id LIMIT 1""")
    person = fetch_person(population, rows[0][0]) if rows else None
    if person is None:
        raise NotFound("There is no event of a person with this id", code="unknown_user", fields=["userId"])
    return person


def fetch_person(population: Population, user_id: str) -> Person | None:
    """The person who is shown by this id; None: no event is of such a one."""
    hashed = population.renew()
    ((key,),) = hashed.fetch(f"SELECT md5_number({hashed.bind(user_id)})::UUID")
    own = population.renew()
    events = build_events_sql(own.snapshot, own.parameters, person_key=key)
    ((count, identified, anonymous_ids),) = own.fetch(f"""
        SELECT count(*), count(user_id),
            list_sort(list(DISTINCT anonymous_id) FILTER (anonymous_id IS NOT NULL))[:{MAX_ANONYMOUS_IDS}]
        FROM ({events})""")
    return Person(key, user_id, identified > 0, anonymous_ids or []) if count else None


def fetch_profile(own: Population, parameters: UserParameters) -> Profile:
    """The numbers of the person's events in the population, all from one reading of them."""
    columns = ["event_id", "event_name", "occurred_at", "session_id", "person"]
    columns += [PROPERTY_COLUMNS[name] for name in PROFILE]
    latest = [f"arg_max({PROPERTY_COLUMNS[name]}, (occurred_at, event_id))" for name in PROFILE]
    ((first_ms, last_ms, count, sessions, counts, page_start, *values),) = own.fetch(f"""
        WITH own AS MATERIALIZED (SELECT {", ".join(columns)}, passes FROM ({own.build_unfiltered_sql()})),
        counts AS (SELECT event_name, count(*) AS count FROM own WHERE passes GROUP BY event_name),
        page AS (
            SELECT occurred_at FROM own WHERE passes AND {build_after_sql(own, parameters.after)}
            ORDER BY occurred_at DESC LIMIT {parameters.limit + 1})
        SELECT epoch_ms(min(occurred_at)), epoch_ms(max(occurred_at)), count(*),
            {build_session_count_sql(own, "SELECT * FROM own")},
            (SELECT list((event_name, count) ORDER BY count DESC, event_name) FROM counts),
            (SELECT min(occurred_at) FROM page), {", ".join(latest)}
        FROM own WHERE passes""")
    numbers = {
        "firstSeen": None if first_ms is None else clock.format_ms(first_ms),
        "lastSeen": None if last_ms is None else clock.format_ms(last_ms),
        "totalEvents": count,
        "sessions": sessions,
        "eventCounts": [{"eventName": name, "count": events} for name, events in counts or []],
        "properties": {name: value for name, value in zip(PROFILE, values, strict=True) if value is not None},
    }
    return Profile(numbers, page_start)


def fetch_journey(own: Population, parameters: UserParameters, *, since: datetime | None) -> dict[str, Any]:
    """`events`, a page of them, and `nextCursor`, null where the journey ends; `since`: `Profile.page_start`."""
    if since is None or not parameters.limit:
        return {"events": [], "nextCursor": None}
    rows = own.fetch(f"""
        SELECT event_id, event_name, epoch_ms(occurred_at), session_id, url, page, referrer, metadata
        FROM ({own.build_sql()}) WHERE occurred_at >= {own.bind(since)} AND {build_after_sql(own, parameters.after)}
        ORDER BY occurred_at DESC, event_id DESC LIMIT {parameters.limit + 1}""")
    shown = rows[: parameters.limit]
    cursor = format_cursor(Place(shown[-1][2], shown[-1][0])) if len(rows) > len(shown) else None
    return {"events": [format_event(*row) for row in shown], "nextCursor": cursor}


def build_after_sql(own: Population, place: Place | None) -> str:
    """SQL condition that an event comes after a place in the journey."""
    if place is None:
        return "true"
    moment = own.bind(clock.from_ms(place.ms).replace(tzinfo=None))
    return f"occurred_at <= {moment} AND (occurred_at < {moment} OR event_id < {own.bind(place.event_id)})"


def format_event(
    event_id: str, event_name: str, ms: int, session_id: str | None, url: str | None, page: str | None,
    referrer: str | None, metadata: str | None,
) -> dict[str, Any]:  # fmt: skip
    """An event of the journey."""
    return {
        "eventId": event_id,
        "eventName": event_name,
        "timestamp": clock.format_ms(ms),
        "sessionId": session_id,
        "url": url,
        "page": page,
        "referrer": referrer,
        "metadata": {} if metadata is None else msgspec.json.decode(metadata),
    }


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row an event of the page."""
    return list(result["events"])


REPORT = Report("user", FIELDS, parse, compute, list_rows, COLUMNS, required=("userId",))
