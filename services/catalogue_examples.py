"""Examples of the values of properties: the most frequent ones in the newest events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from columns.properties import MAX_PATH_KEYS
from services.catalogue_parts import LISTED_COLUMNS, name_path
from services.reports.population import Population
from services.reports.values import format_number

MAX_EXAMPLES: Final = 5
MAX_EXAMPLE_LENGTH: Final = 200
SAMPLE_EVENTS: Final = 5_000


def fetch_examples(population: Population, event_name: str | None) -> dict[str, list[Any]]:
    """Property -> the most frequent values that it has in the newest SAMPLE_EVENTS events, MAX_EXAMPLES at most."""
    counted = count_examples(fetch_sample(population, event_name))
    return {
        name: [value for (_, value), _ in sorted(examples.items(), key=lambda item: (-item[1], repr(item[0])))][
            :MAX_EXAMPLES
        ]
        for name, examples in counted.items()
    }


def count_examples(sample: list[tuple[Any, ...]]) -> dict[str, Counter[Any]]:
    """Property -> its values, with their kind, and how often each is there. Events share most values, so each is looked
    at once."""
    found: dict[str, Counter[Any]] = {}

    def count(name: str, value: Any, times: int) -> None:
        example = build_example(value)
        if example is not None:
            found.setdefault(name, Counter())[example] += times

    texts, *columns = zip(*sample, strict=True) if sample else ((),)
    for name, values in zip(LISTED_COLUMNS, columns, strict=bool(sample)):
        for value, times in Counter(values).items():
            count(name, value, times)
    for text, times in Counter(texts).items():
        if text is not None:
            for name, value in list_leaves(msgspec.json.decode(text), ()):
                count(name, value, times)
    return found


def build_example(value: Any) -> tuple[str, Any] | None:
    """Kind and value; a number as reports see it, a double. None for what is no example: lists, nulls, long texts."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", format_number(float(value))
    return ("text", value) if isinstance(value, str) and len(value) <= MAX_EXAMPLE_LENGTH else None


def fetch_sample(population: Population, event_name: str | None) -> list[tuple[Any, ...]]:
    """Metadata and `LISTED_COLUMNS` of the newest events."""
    named = "true" if event_name is None else f"event_name = {population.bind(event_name)}"
    events = f"SELECT * FROM ({population.build_sql(with_person=False)}) WHERE {named}"
    ((since,),) = population.fetch(f"SELECT min(moment) FROM ({build_moments_sql(events)})")
    if since is None:
        return []
    return population.fetch(f"""
        SELECT metadata, {", ".join(LISTED_COLUMNS.values())} FROM ({events})
        WHERE occurred_at >= {population.bind(since)}
        ORDER BY occurred_at DESC, event_id DESC LIMIT {SAMPLE_EVENTS}""")


def build_moments_sql(events: str) -> str:
    """SELECT of the times of the newest events."""
    return f"SELECT occurred_at AS moment FROM ({events}) ORDER BY occurred_at DESC LIMIT {SAMPLE_EVENTS}"


def list_leaves(fields: Mapping[str, Any], parent: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Property and value of each member of metadata, down to where it is no object."""
    for key, value in fields.items():
        path = (*parent, key)
        if isinstance(value, dict):
            if len(path) < MAX_PATH_KEYS:
                yield from list_leaves(value, path)
        else:
            yield name_path(path), value
