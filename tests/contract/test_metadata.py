"""Metadata is any JSON object and comes back as the same JSON text from every store."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores.base import Store
from tests.contract.events import build_event, fetch_rows


def nest(depth: int, *, lists: bool = False) -> dict[str, Any]:
    """An object that nests so deep."""
    value: Any = 1
    for _ in range(depth - 1):
        value = [value] if lists else {"a": value}
    return {"a": value}


HOSTILE = {
    "dollar keys": {"$set": 1, "a": {"$gt": ""}, "$": None},
    "references": {"r": {"$ref": "users", "x": 1, "$id": 2, "$db": "admin"}},
    "a lone $id": {"r": {"$id": 2}, "$db": 1},
    "a reference first": {"$ref": "a", "$id": "b"},
    "dotted keys": {"a.b": 1, ".": 2, "a": {"c.d": {"e.": 3}}, "...": 4},
    "empty keys": {"": 1, "a": {"": {"": None}}},
    "nul in keys": {"a\0b": 1, "\0": {"\0": 2}},
    "nul in values": {"a": "x\0y", "b": ["\0", "\0\0"]},
    "emoji": {"😀": "👩‍👩‍👧", "ключ": "значение", "\u202e": "\ufeff"},
    "control characters": {"a": "".join(map(chr, range(32))), "\x7f": "\x85\u2028"},
    "integers of 64 bits": {"a": 2**63 - 1, "b": -(2**63), "c": 2**31, "d": -(2**31) - 1, "e": 2**53 + 1},
    "integers beyond 64 bits": {"a": 2**63, "b": [-(2**63) - 1], "c": 10**100},
    "floats": {"a": 0.1, "b": -0.0, "c": 1e308, "d": 5e-324, "e": 1.0, "f": 1e16, "g": 123456789.123},
    "nothing": {"a": None, "b": [], "c": {}, "d": "", "e": False, "f": 0, "g": [None, [], {}]},
    "mixed lists": {"a": [1, "1", 1.0, True, None, {"b": [1]}, [[]]]},
    "names of fields": {"_id": 1, "projectKey": "x", "metadata": {"metadata": 2}, "__proto__": 3, "length": 4},
    "order": {"z": 1, "a": 2, "m": {"z": 1, "a": 2}, "0": 3},
    "many keys": {f"key{number}": number for number in range(2_000)},
    "long value": {"a": "é" * 30_000},
    "long key": {"k" * 5_000: 1},
    "8 levels": nest(8),
    "88 levels": nest(88),
    "150 levels": nest(150),
    "250 levels of lists": nest(250, lists=True),
    "wide and shallow": {"a": [{"b": [number]} for number in range(300)]},
    "text that looks like a date": {"a": "2025-01-06T10:00:00Z", "$date": 0, "b": {"$oid": "0" * 24}},
}


@pytest.mark.parametrize("metadata", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_metadata_come_back_as_they_were(store: Store, metadata: dict[str, Any]) -> None:
    batch = [build_event("before"), build_event("e1", metadata=metadata), build_event("after")]
    assert store.append(batch) == [True] * 3
    texts = {row.event_id: row.metadata for row in fetch_rows(store)}
    assert texts["e1"] == msgspec.json.encode(metadata).decode()
    assert json.dumps(json.loads(texts["e1"])) == json.dumps(metadata)
    assert texts["before"] == texts["after"] == "{}"
    assert store.append([build_event("e1", metadata=metadata)]) == [False]


def test_all_hostile_metadata_in_one_batch(store: Store) -> None:
    batch = [build_event(name, metadata=metadata) for name, metadata in HOSTILE.items()]
    assert store.append(batch) == [True] * len(batch)
    expected = {name: msgspec.json.encode(metadata).decode() for name, metadata in HOSTILE.items()}
    assert {row.event_id: row.metadata for row in fetch_rows(store)} == expected


HOSTILE_KEYS = st.sampled_from(["$ref", "$id", "a.b", "", "\0"])
JSON_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | HOSTILE_KEYS
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | JSON_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(JSON_TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(st.dictionaries(JSON_TEXT, JSON_VALUES, max_size=5), min_size=1, max_size=10))
def test_any_json_object_comes_back_as_it_was(store: Store, objects: list[dict[str, Any]]) -> None:
    store.erase_events("a1b2c3d4e5f6")
    store.append([build_event(f"e{number:02}", metadata=metadata) for number, metadata in enumerate(objects)])
    texts = {row.event_id: row.metadata for row in fetch_rows(store)}
    assert [texts[event_id] for event_id in sorted(texts)] == [msgspec.json.encode(found).decode() for found in objects]
