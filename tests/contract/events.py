"""Events and rows as the contract's tests need them."""

from __future__ import annotations

from typing import Any

from stores.base import ArrivalRow, Event, Store

PROJECT = "a1b2c3d4e5f6"
OTHER_PROJECT = "0f1e2d3c4b5a"
RECEIVED_MS = 1_736_157_600_123


def build_event(event_id: str, **fields: Any) -> Event:
    """An event with the least it can have, and what is given."""
    known = {
        "project_key": PROJECT,
        "event_name": "page_view",
        "occurred_at_ms": RECEIVED_MS - 5_000,
        "received_at_ms": RECEIVED_MS,
    }
    return Event(event_id=event_id, **{**known, **fields})


def fetch_rows(store: Store, project_key: str = PROJECT, start: int = 0, stop: int | None = None) -> list[ArrivalRow]:
    """All rows of a scan."""
    return [row for batch in store.scan(project_key, start, stop) for row in batch]


def fetch_ids(store: Store, project_key: str = PROJECT, start: int = 0, stop: int | None = None) -> list[str]:
    """The event ids of a scan, in its order."""
    return [row.event_id for row in fetch_rows(store, project_key, start, stop)]
