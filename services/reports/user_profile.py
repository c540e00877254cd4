"""What is known of one person, all from one reading of the person's events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from columns.properties import COLUMNS
from services import clock
from services.reports.population import Population
from services.reports.session import Packing, build_parts_sql, build_passing_condition

MAX_ANONYMOUS_IDS: Final = 100
LATEST: Final = (
    "browser", "browserVersion", "os", "osVersion", "deviceType", "screen", "country", "region", "city",
)  # fmt: skip
"""Properties of which the latest value is shown."""


class Profile(NamedTuple):
    """Somebody of whom there are events."""

    facts: dict[str, Any]
    """As the API shows them."""
    page_start: datetime | None
    """A time with a whole page of the journey since it: only row groups with some of these need to be read for their
    texts. None: there are no more events."""


def fetch_profile(own: Population, user_id: str, *, page_events: int, before: datetime | None) -> Profile | None:
    """What all of the person's events tell, in the population or not, and what those in it do; None: there are none.

    `page_events`, at least one, and `before` (None: from the end on) are of the page of the journey.
    """
    # without event_id, which would take as long as all else: `fetch_tied` needs it, and hardly ever runs
    rows = own.fetch(f"""
        WITH found AS MATERIALIZED (
            SELECT {build_aggregates(own, page_events, before)} FROM ({own.build_marked_sql()}) HAVING count(*) > 0)
        SELECT ({build_formed_count_sql(own)}), * EXCLUDE (items) FROM found""")
    if not rows:
        return None
    formed, identified, anonymous_ids, named, first_ms, last_ms, events, counts, moments, latest, others = rows[0]
    tied = [name for name in LATEST if latest[name] != others[name]]
    facts = {
        "userId": user_id,
        "isIdentified": identified > 0,
        "anonymousIds": anonymous_ids or [],
        "firstSeen": None if first_ms is None else clock.format_ms(first_ms),
        "lastSeen": None if last_ms is None else clock.format_ms(last_ms),
        "totalEvents": events,
        "sessions": named + formed,
        "eventCounts": list_counts(counts or {}),
        "properties": {
            name: value
            for name, value in {**latest, **(fetch_tied(own.renew(), tied) if tied else {})}.items()
            if value is not None
        },
    }
    return Profile(facts, find_page_start(moments, before) if events else None)


def build_aggregates(own: Population, page_events: int, before: datetime | None) -> str:
    """SQL of what is computed of the rows of `build_marked_sql`; `items`: see `build_formed_count_sql`."""
    is_before = "true" if before is None else f"occurred_at < {own.bind(before)}"
    latest = build_struct("arg_max({column}, (occurred_at, {column})) FILTER (passes)")
    others = build_struct("arg_min({column}, (-epoch_us(occurred_at), {column})) FILTER (passes)")
    return f"""
        list_sort(list({Packing().build_item()}) FILTER (in_range AND session_id IS NULL)) AS items,
        count(user_id),
        list_sort(list(DISTINCT anonymous_id) FILTER (anonymous_id IS NOT NULL))[:{MAX_ANONYMOUS_IDS}],
        count(DISTINCT session_id) FILTER (passes),
        epoch_ms(min(occurred_at) FILTER (passes)), epoch_ms(max(occurred_at) FILTER (passes)),
        count(*) FILTER (passes), histogram(event_name) FILTER (passes),
        max(occurred_at, {page_events:d}) FILTER (passes AND {is_before}), {latest}, {others}"""


def build_struct(aggregate: str) -> str:
    """SQL of an aggregate of each column of `LATEST`, by name of the property."""
    return "{" + ", ".join(f"'{name}': {aggregate.format(column=COLUMNS[name])}" for name in LATEST) + "}"


def build_formed_count_sql(own: Population) -> str:
    """SELECT of how many sessions that pauses formed pass; `items` of `found` are the events not in any other."""
    packing = Packing()
    parts = build_parts_sql("SELECT NULL AS session_id, items FROM found WHERE items IS NOT NULL", packing)
    return f"SELECT count(*) FROM ({parts}) WHERE {build_passing_condition(own, packing)}"


def list_counts(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Events by name, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"eventName": name, "count": events} for name, events in ranked]


def find_page_start(moments: list[datetime] | None, before: datetime | None) -> datetime | None:
    """The earliest of the page's times; `before` has events of its own, which the page begins with."""
    return moments[-1] if moments else before


def fetch_tied(own: Population, names: list[str]) -> dict[str, str | None]:
    """The latest values of properties of which there are several at their last time: that of the greatest eventId."""
    latest = [f"arg_max({COLUMNS[name]}, (occurred_at, event_id))" for name in names]
    (values,) = own.fetch(f"SELECT {', '.join(latest)} FROM ({own.build_sql()})")
    return dict(zip(names, values, strict=True))
