"""Events of an invented shop: seeded, in order of time, as stored (`Event`) and as clients send them (JSON)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from services import clock
from stores.base import Event

PROJECT_KEY = "be4c4be4c4be"
START_MS = 1_735_689_600_000
"""2025-01-01 UTC: with `DAYS` the summer time of Berlin begins within."""
DAYS = 120
EVENTS_PER_PERSON = 50
EVENTS_PER_VISIT = 8

NAMES = ("page_view", "click", "search", "product_view", "add_to_cart", "checkout", "purchase")
FUNNEL = ("page_view", "product_view", "add_to_cart", "purchase")
_CUMULATIVE_WEIGHTS = list(accumulate((50, 20, 10, 10, 5, 3, 2)))
_PLANS = ("p0", "p1", "p2", "p3", "p4")
_SYSTEMS = ("android", "ios", "linux", "windows")
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_DAY_MS = 86_400_000


def generate_events(count: int, *, project_key: str = PROJECT_KEY, batch_events: int = 5_000, seed: int = 1) -> Iterator[list[Event]]:
    """Batches of `count` events over `DAYS` days.

    A third of the persons have an account and log in during some of their visits; a quarter use an app that sends
    sessionIds. Every event has a short, a nested and a numeric metadata path.
    """
    source = random.Random(seed)
    persons = max(count // EVENTS_PER_PERSON, 10)
    number, batch = 0, []
    for day in range(DAYS):
        events: list[Event] = []
        goal = count * (day + 1) // DAYS - count * day // DAYS
        while len(events) < goal:
            events += _generate_visit(source, project_key, START_MS + day * _DAY_MS, persons)
        events = events[:goal]
        events.sort(key=_fetch_time)
        for event in events:
            batch.append(event)
            number += 1
            if len(batch) == batch_events:
                yield batch
                batch = []
    if batch:
        yield batch


def _fetch_time(event: Event) -> int:
    return event.received_at_ms


def _generate_visit(source: random.Random, project_key: str, day_ms: int, persons: int) -> list[Event]:
    draw = source.random
    person = int(draw() ** 2 * persons)
    length = 1 + int(draw() * 2 * EVENTS_PER_VISIT)
    names = source.choices(NAMES, cum_weights=_CUMULATIVE_WEIGHTS, k=length)
    logs_in_after = int(draw() * length) if person % 3 == 0 and draw() < 0.4 else length
    session_id = f"s{source.getrandbits(48):012x}" if person % 4 == 1 else None
    time_ms = day_ms + int(draw() * (_DAY_MS - 3_600_000))
    anonymous_id, user_id = f"anon-{person}", f"user-{person}"
    plan, system = _PLANS[person % 5], _SYSTEMS[person % 4]
    visit = []
    for position, name in enumerate(names):
        price = int(draw() * 1_000)
        visit.append(
            Event(
                project_key, f"{time_ms:011x}-{source.getrandbits(64):016x}", name, time_ms, time_ms, anonymous_id,
                user_id if position >= logs_in_after else None, session_id, f"https://shop.example/p/{price}",
                None, None, None,
                {"plan": plan, "price": price + 0.5, "device": {"os": system, "version": person % 7}},
            )
        )  # fmt: skip
        time_ms += int(draw() * 120_000)
    return visit


def describe_event(event: Event, *, event_id: str | None = None) -> dict[str, Any]:
    """The event as a client sends it, about 400 bytes of JSON."""
    fields = {
        "eventId": event_id,
        "eventName": event.event_name,
        "timestamp": clock.format_ms(event.occurred_at_ms or 0),
        "anonymousId": event.anonymous_id,
        "userId": event.user_id,
        "sessionId": event.session_id,
        "url": event.url,
        "userAgent": _AGENT,
        "metadata": event.metadata,
    }
    return {name: value for name, value in fields.items() if value is not None}


def pick_events(count: int) -> Sequence[Event]:
    """A few events for requests, each of another visit or another moment of one."""
    return next(generate_events(count * 120, batch_events=count))
