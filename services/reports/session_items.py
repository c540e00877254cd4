"""Sessions one by one: what is to be said about those that a report shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, NamedTuple

from columns.properties import Parameters
from columns.relation import build_events_sql
from services import clock
from services.reports.population import Population
from services.reports.session import EVENT_ORDER, LAST_MS
from services.time_range import TimeRange


@dataclass(frozen=True)
class Page:
    """A part of a list: how many to leave out, how many to show then."""

    offset: int
    limit: int

    def skip(self, count: int) -> Page:
        """The same part of a list that lacks the first `count`."""
        return replace(self, offset=self.offset - count)


class Candidate(NamedTuple):
    """A session that may be shown; `person` is the key of whom it was formed of (None: the client named it)."""

    session_id: str | None
    person: str | None
    started_ms: int
    ended_ms: int
    events: int
    page_views: int
    is_bounce: bool


class Details(NamedTuple):
    """What only its events say of a session. `user_id` is whose it is, as shown; where another session's events tell,
    it is missing here, and `person` is the key to look it up by."""

    person: str | None
    user_id: str | None
    entry_page: str | None
    exit_page: str | None
    channel: str | None
    country: str | None


def list_items(population: Population, candidates: list[Candidate], page: Page) -> list[dict[str, Any]]:
    """Some of the candidates as the API shows them: the latest first, at one time by userId, then sessionId."""
    if not candidates:
        return []
    details = fetch_details(population, candidates)
    user_ids = fetch_user_ids(population, {item.person for item in details if item.person and item.user_id is None})
    items = [build_item(*pair, user_ids) for pair in zip(candidates, details, strict=True)]
    order = [
        (-session.started_ms, *order_text(item["userId"]), *order_text(item["sessionId"]))
        for session, item in zip(candidates, items, strict=True)
    ]
    ranked = [item for _, item in sorted(zip(order, items, strict=True), key=itemgetter(0))]
    return ranked[page.offset : page.offset + page.limit]


def order_text(text: str | None) -> tuple[bool, str]:
    """By code point, absent ones last."""
    return text is None, text or ""


def build_item(session: Candidate, details: Details, user_ids: dict[str, str]) -> dict[str, Any]:
    """A session as the API shows it."""
    user_id = user_ids.get(details.person) if details.person and details.user_id is None else details.user_id
    return {
        "sessionId": session.session_id,
        "userId": user_id,
        "startedAt": clock.format_ms(session.started_ms),
        "endedAt": clock.format_ms(session.ended_ms),
        "durationSeconds": (session.ended_ms - session.started_ms) / 1000,
        "events": session.events,
        "pageViews": session.page_views,
        "entryPage": details.entry_page,
        "exitPage": details.exit_page,
        "isBounce": session.is_bounce,
        "channel": details.channel,
        "country": details.country,
    }


def fetch_details(population: Population, candidates: list[Candidate]) -> list[Details]:
    """The details of each candidate, in their order. Reads only the time between their first and last event."""
    first_ms, last_ms = min(item.started_ms for item in candidates), max(item.ended_ms for item in candidates)
    narrowed = TimeRange(first_ms, last_ms + 1 if last_ms < LAST_MS else None)
    narrow = replace(population.renew(), range=narrowed, filters=(), properties=())
    wanted, events = build_wanted_sql(narrow, candidates), narrow.build_sql()
    columns = "e.person, user_id, anonymous_id, page, channel, country, occurred_at, event_id"
    user_id = "coalesce(user_id, CASE WHEN md5_number(anonymous_id)::UUID = person THEN anonymous_id END)"
    rows = narrow.fetch(f"""
        WITH wanted AS MATERIALIZED ({wanted})
        SELECT number, arg_min(person, {EVENT_ORDER})::VARCHAR,
            arg_min_null({user_id}, {EVENT_ORDER}) FILTER (person IS NOT NULL),
            arg_min(page, {EVENT_ORDER}), arg_max(page, {EVENT_ORDER}),
            arg_min_null(channel, {EVENT_ORDER}), arg_min_null(country, {EVENT_ORDER})
        FROM (
            SELECT number, {columns} FROM ({events}) e JOIN wanted w ON e.session_id = w.session_id
            UNION ALL
            SELECT number, {columns} FROM ({events}) e JOIN wanted w
                ON e.person = w.person AND e.occurred_at BETWEEN w.started_at AND w.ended_at
            WHERE e.session_id IS NULL)
        GROUP BY number""")
    found = {number: Details(*values) for number, *values in rows}
    return [found[number] for number in range(len(candidates))]


def build_wanted_sql(population: Population, candidates: list[Candidate]) -> str:
    """SELECT of the candidates, numbered from 0: `number`, `session_id`, `person`, `started_at`, `ended_at`."""
    columns = {name: population.bind([getattr(item, name) for item in candidates]) for name in Candidate._fields[:4]}
    return f"""
        SELECT unnest(range({len(candidates)})) AS number,
            unnest({columns["session_id"]}::VARCHAR[]) AS session_id, unnest({columns["person"]}::UUID[]) AS person,
            make_timestamp_ms(unnest({columns["started_ms"]}::BIGINT[])) AS started_at,
            make_timestamp_ms(unnest({columns["ended_ms"]}::BIGINT[])) AS ended_at"""


def fetch_user_ids(population: Population, persons: Collection[str]) -> dict[str, str]:
    """Key of a person -> the userId; of those keys that come from one, whenever its events were."""
    if not persons:
        return {}
    parameters = Parameters()
    events, keys = build_events_sql(population.snapshot, parameters), parameters.bind(sorted(persons))
    sql = f"""
        SELECT person::VARCHAR, any_value(user_id) FROM ({events})
        WHERE user_id IS NOT NULL AND person IN (SELECT unnest({keys}::UUID[])) GROUP BY person"""
    return dict(population.copy.query(population.snapshot, sql, parameters.values))
