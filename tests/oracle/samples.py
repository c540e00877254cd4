"""Events to try the oracle on by hand."""

from __future__ import annotations

from itertools import count

from tests.oracle.answer import compute_answer_over
from tests.oracle.events import Event, keep_events
from tests.oracle.values import Json, Row

NUMBERS = count()


def event(name: str, at: Json = "10:00", **fields: Json) -> Row:
    """An event of 2025-01-06, a Monday, at the UTC time of day; or at any whole timestamp.

    Ids rise, so at equal times the event made first comes first. `enriched`: what the server found out about it.
    """
    timestamp = f"2025-01-06T{at}Z" if isinstance(at, str) and at[:1].isdigit() and at[2:3] == ":" else at
    return {"eventId": f"e{next(NUMBERS):04}", "eventName": name, "timestamp": timestamp, **fields}


def keep(posted: list[Row]) -> list[Event]:
    """The events as they are stored."""
    bare = [{name: value for name, value in row.items() if name != "enriched"} for row in posted]
    kept = {stored.event_id: stored for stored in keep_events(bare)}
    for row in posted:
        if str(row["eventId"]) in kept:
            kept[str(row["eventId"])].enriched.update(row.get("enriched", {}))
    return list(kept.values())


def ask(report: str, events: list[Row], *, now_ms: int | None = None, **params: Json) -> Row:
    """The oracle's answer; `start` is the parameter `from`."""
    if "start" in params:
        params["from"] = params.pop("start")
    return compute_answer_over(report, keep(events), params, now_ms=now_ms)
