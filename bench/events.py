"""The demo shop's events, as stored (`Event`) and as clients send them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from commands import demo_events
from services.enrich import GeoReader, enrich
from services.ingest.timestamps import parse_timestamp_ms
from stores.base import Event

START_MS = 1_735_689_600_000
"""2025-01-01 UTC: with `DAYS` the summer time of Berlin begins within."""
DAYS = 120
DAY_MS = 86_400_000
END_MS = START_MS + DAYS * DAY_MS
LAST_WEEK_MS = END_MS - 7 * DAY_MS
SEED = 1
SMALL_FIELDS = ("eventName", "timestamp", "anonymousId", "userId", "sessionId", "url", "metadata")

FUNNEL = ("page_view", "product_view", "add_to_cart", "purchase")


def generate_batches(count: int, project_key: str, *, batch_events: int) -> Iterator[list[Event]]:
    """`count` events of `DAYS` days, about in order of time; received when they happened."""
    events, geo = demo_events.generate_events(SEED, count, DAYS, END_MS), GeoReader()
    while fields := list(islice(events, batch_events)):
        yield [build_event(each, project_key, geo) for each in fields]


def build_event(fields: dict[str, Any], project_key: str, geo: GeoReader) -> Event:
    """As ingest would store it, but that every second device sends no sessionId: its sessions are formed by pauses.
    Its address is one of those for documentation, which are in no country."""
    time_ms = parse_timestamp_ms(fields["timestamp"])
    assert time_ms is not None
    get = fields.get
    anonymous_id: str = fields["anonymousId"]
    metadata: dict[str, Any] = fields["metadata"]
    url, referrer, user_agent, ip = get("url"), get("referrer"), get("userAgent"), get("ip")
    enriched = enrich(
        url=url, referrer=referrer, user_agent=user_agent, ip=ip, metadata=metadata, own_domain=None, geo=geo
    )
    return Event(
        project_key, fields["eventId"], fields["eventName"], time_ms, time_ms, anonymous_id, get("userId"),
        None if anonymous_id[-1] < "8" else get("sessionId"), url, referrer, user_agent, ip, metadata, enriched,
    )  # fmt: skip


def pick_events(count: int) -> Sequence[dict[str, Any]]:
    """Events for requests, each from another day or moment, as the API takes them, without eventIds."""
    chosen = islice(demo_events.generate_events(SEED, count * 7, DAYS, END_MS), 0, None, 7)
    return [{name: value for name, value in event.items() if name != "eventId"} for event in islice(chosen, count)]


def shrink_event(event: dict[str, Any]) -> dict[str, Any]:
    """The fields that most clients send: about 300 bytes of JSON, the whole event has about 500."""
    return {name: event[name] for name in SMALL_FIELDS if name in event}
