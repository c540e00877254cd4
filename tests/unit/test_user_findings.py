"""What a person's events tell does not depend on the parts they come in."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from columns.properties import COLUMNS
from services.reports.user_findings import LATEST, Findings

MINUTE_MS = 60_000
EVENTS: list[dict[str, Any]] = [
    {"event_name": "open", "ms": 0, "anonymous_id": "a2", "browser": "Firefox"},
    {"event_name": "view", "ms": 30 * MINUTE_MS, "anonymous_id": "a1", "browser": "Chrome", "os": "Linux"},
    {"event_name": "view", "ms": 60 * MINUTE_MS + 1, "user_id": "u", "os": "Windows", "passes": False},
    {"event_name": "view", "ms": 90 * MINUTE_MS + 1, "user_id": "u", "browser": "Safari"},
    {"event_name": "buy", "ms": 90 * MINUTE_MS + 1, "user_id": "u", "session_id": "s", "browser": "Edge"},
    {"event_name": "buy", "ms": 500 * MINUTE_MS, "user_id": "u", "session_id": "s"},
    {"event_name": "late", "ms": 900 * MINUTE_MS, "passes": False, "is_unnamed": False},
    {"event_name": "odd", "ms": None, "passes": False, "is_unnamed": False},
    {"event_name": "lone", "ms": 800 * MINUTE_MS, "passes": False},
]
"""Three sessions that pass: one of the first two events, half an hour apart; one of the next two, of which only the
second passes; and `s`. The lone event passes in none."""


def build_batch(events: list[dict[str, Any]]) -> pa.RecordBatch:
    """Events as DuckDB gives them."""

    def build_flags(flags: list[bool]) -> pa.Array:
        return pa.ExtensionArray.from_storage(pa.bool8(), pa.array(list(map(int, flags)), pa.int8()))

    texts = ("event_name", "anonymous_id", "user_id", "session_id", *(COLUMNS[name] for name in LATEST))
    columns = {name: pa.array([event.get(name) for event in events], pa.string()) for name in texts}
    columns["ms"] = pa.array([event["ms"] for event in events], pa.int64())
    columns["passes"] = build_flags([event.get("passes", True) for event in events])
    columns["is_unnamed"] = build_flags([event.get("is_unnamed", "session_id" not in event) for event in events])
    return pa.RecordBatch.from_pydict(columns)


@pytest.mark.parametrize("part_events", [1, 2, 5, len(EVENTS)])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_findings_are_the_same_in_whatever_parts_and_order_events_come(part_events: int, is_reversed: bool) -> None:
    events = EVENTS[::-1] if is_reversed else EVENTS
    found = Findings(moments=3, before_ms=500 * MINUTE_MS)
    for start in range(0, len(events), part_events):
        found.add(build_batch(events[start : start + part_events]))
    assert (found.events, found.is_identified, found.anonymous_ids) == (9, True, {"a1", "a2"})
    assert found.counts == {"open": 1, "view": 2, "buy": 2}
    assert (found.first_ms, found.last_ms) == (0, 500 * MINUTE_MS)
    assert found.moments == [30 * MINUTE_MS, 90 * MINUTE_MS + 1, 90 * MINUTE_MS + 1]
    assert found.list_latest() == {"browser": ["Edge", "Safari"], "os": ["Linux"]}
    assert found.count_sessions() == 3


def test_of_no_events_there_is_nothing_to_tell() -> None:
    found = Findings(moments=3, before_ms=None)
    assert (found.events, found.is_identified, found.first_ms, found.moments) == (0, False, None, [])
    assert (found.list_latest(), found.count_sessions()) == ({}, 0)
