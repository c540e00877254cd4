"""What is known of one person, all from one reading of the person's events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from columns.properties import COLUMNS
from services import clock
from services.reports.population import Population
from services.reports.user_findings import READ, Findings

MAX_ANONYMOUS_IDS: Final = 100
BATCH_EVENTS: Final = 100_000


class Profile(NamedTuple):
    """Somebody of whom there are events."""

    facts: dict[str, Any]
    """As the API shows them."""
    page_start_ms: int | None
    """A time with a whole page of the journey since it: only row groups with some of these need to be read for their
    texts. None: there are no more events."""


def fetch_profile(own: Population, user_id: str, *, page_events: int, before_ms: int | None) -> Profile | None:
    """What all of the person's events tell, in the population or not, and what those in it do; None: there are none.

    `page_events`, at least one, and `before_ms` (None: from the end on) are of the page of the journey.
    """
    found = Findings(moments=page_events, before_ms=before_ms)
    for events in own.stream_batches(f"SELECT {', '.join(READ)} FROM ({own.build_marked_sql()})", rows=BATCH_EVENTS):
        found.add(events)
    if not found.events:
        return None
    facts = {
        "userId": user_id,
        "isIdentified": found.is_identified,
        "anonymousIds": sorted(found.anonymous_ids)[:MAX_ANONYMOUS_IDS],
        "firstSeen": None if found.first_ms is None else clock.format_ms(found.first_ms),
        "lastSeen": None if found.last_ms is None else clock.format_ms(found.last_ms),
        "totalEvents": found.counts.total(),
        "sessions": found.count_sessions(),
        "eventCounts": list_counts(found.counts),
        "properties": choose_latest(own, found.list_latest()),
    }
    # where a page begins with `before_ms`, that time has events of its own
    return Profile(facts, found.moments[0] if found.moments else before_ms if found.counts else None)


def list_counts(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Events by name, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"eventName": name, "count": events} for name, events in ranked]


def choose_latest(own: Population, values: Mapping[str, list[str]]) -> dict[str, str | None]:
    """The latest value of each property; of several at its last time that of the greatest eventId."""
    tied = [name for name, several in values.items() if len(several) > 1]
    chosen = fetch_tied(own.renew(), tied) if tied else {}
    return {name: chosen.get(name, several[0]) for name, several in values.items()}


def fetch_tied(own: Population, names: list[str]) -> dict[str, str | None]:
    """The latest values of properties of which there are several at their last time: that of the greatest eventId."""
    latest = [f"arg_max({COLUMNS[name]}, (occurred_at, event_id))" for name in names]
    (values,) = own.fetch(f"SELECT {', '.join(latest)} FROM ({own.build_sql()})")
    return dict(zip(names, values, strict=True))
