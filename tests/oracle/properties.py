"""Properties of events, and filters on them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.oracle.events import Event
from tests.oracle.values import Json, Row, are_equal, find_kind


def split_path(text: str) -> list[str]:
    """The keys of a path: split at dots; a backslash makes the next character a part of the key."""
    keys, characters = [""], iter(text)
    for character in characters:
        if character == ".":
            keys.append("")
        else:
            keys[-1] += next(characters) if character == "\\" else character
    return keys


def read_property(event: Event, name: str) -> Json:
    """The property's value, None where it is absent."""
    if not name.startswith("metadata."):
        return event.page if name == "page" else event.columns.get(name, event.enriched.get(name))
    value: Json = event.metadata
    for key in split_path(name.removeprefix("metadata.")):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def contains(value: Json, sought: Json) -> bool:
    if isinstance(value, list):
        return any(are_equal(element, sought) for element in value)
    return isinstance(value, str) and isinstance(sought, str) and sought in value


def compare(value: Json, operator: str, bound: Json) -> bool:
    """Numbers with numbers as doubles, text with text by code point; nothing else compares."""
    kind = find_kind(value)
    if kind != find_kind(bound) or kind not in ("text", "number"):
        return False
    left, right = (float(value), float(bound)) if kind == "number" else (value, bound)
    outcomes: dict[str, bool] = {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}
    return outcomes[operator]


def passes(event: Event, condition: Row) -> bool:
    if condition["property"] == "cohort":
        ids = condition["value"] if isinstance(condition["value"], list) else [condition["value"]]
        is_in = any(cohort_id in event.enriched["cohorts"] for cohort_id in ids)
        return is_in == (condition["operator"] in ("eq", "in"))
    value: Json = read_property(event, condition["property"])
    operator: str = condition["operator"]
    sought: Json = condition.get("value")
    match operator:
        case "exists" | "not_exists":
            return (value is not None) == (operator == "exists")
        case "eq" | "neq":
            return are_equal(value, sought) == (operator == "eq")
        case "in" | "not_in":
            return any(are_equal(value, one) for one in sought) == (operator == "in")
        case "contains" | "not_contains":
            return contains(value, sought) == (operator == "contains")
        case "starts_with":
            return isinstance(value, str) and isinstance(sought, str) and value.startswith(sought)
        case _:
            return compare(value, operator, sought)


def passes_all(event: Event, conditions: Sequence[Row]) -> bool:
    return all(passes(event, condition) for condition in conditions)
