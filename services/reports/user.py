"""users/{id}: one person's profile and journey."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from columns.relation import build_owner_sql
from columns.removals import build_key
from services import clock
from services.errors import NotFound
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.user_profile import fetch_profile

MAX_CURSOR: Final = 20_000
COLUMNS = ("eventId", "eventName", "timestamp", "sessionId", "url", "page", "referrer", "metadata")


class Place(NamedTuple):
    """Where a page of the journey ended: time and id of its last event."""

    ms: int
    event_id: str


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
    before_ms = parameters.after.ms if parameters.after else None
    for user_id in list_readings(population.renew(), parameters.user_id):
        own = replace(population, person_key=UUID(build_key(user_id)))
        profile = fetch_profile(own.renew(), user_id, page_events=parameters.limit + 1, before_ms=before_ms)
        if profile is not None:
            return {**profile.facts, **fetch_journey(own.renew(), parameters, since_ms=profile.page_start_ms)}
    raise NotFound("There is no event of a person with this id", code="unknown_user", fields=["userId"])


def list_readings(population: Population, given: str) -> Iterator[str]:
    """Who may be meant by an id: the one who is shown by it, or else whom this anonymousId belongs to, in range or
    not."""
    yield given
    for (user_id,) in population.fetch(build_owner_sql(population.snapshot, population.parameters, given)):
        yield user_id


def fetch_journey(own: Population, parameters: UserParameters, *, since_ms: int | None) -> dict[str, Any]:
    """`events`, a page of them, and `nextCursor`, null where the journey ends; `since_ms`: `Profile.page_start_ms`."""
    if since_ms is None or not parameters.limit:
        return {"events": [], "nextCursor": None}
    last = replace(own, range=replace(own.range, from_ms=since_ms))
    rows = last.fetch(f"""
        SELECT event_id, event_name, epoch_ms(occurred_at), session_id, url, page, referrer, metadata
        FROM ({last.build_sql(with_person=last.needs_person)}) WHERE {build_after_sql(last, parameters.after)}
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
