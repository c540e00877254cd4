"""The most frequent values of several columns, in one pass over the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.reports.population import Population


class TopValue(NamedTuple):
    """Values of some columns together (None: absent), the events that have them, and the persons of these."""

    values: tuple[str | None, ...]
    events: int
    users: int


def fetch_top_values(
    population: Population, lists: Mapping[str, Sequence[str]], limit: int
) -> dict[str, list[TopValue]]:
    """Name of a list -> its `limit` most frequent values, by count, then by values, absent ones last.

    `lists`: name -> columns. Columns with few values are grouped together with the person once, and the groups counted.
    """
    columns = list(dict.fromkeys(column for own in lists.values() for column in own))
    parts = [
        f"""(
        SELECT {number}, {", ".join(column if column in own else "NULL" for column in columns)},
            sum(events)::BIGINT, count(DISTINCT person)
        FROM grouped GROUP BY {", ".join(own)}
        ORDER BY sum(events) DESC, {", ".join(f"{column} NULLS LAST" for column in own)} LIMIT {limit:d})"""
        for number, own in enumerate(lists.values())
    ]
    rows = population.fetch(f"""
        WITH grouped AS MATERIALIZED (
            SELECT person, {", ".join(columns)}, count(*) AS events FROM ({population.build_sql()}) GROUP BY ALL)
        {" UNION ALL ".join(parts)}""")
    found: dict[str, list[TopValue]] = {name: [] for name in lists}
    for number, *values, count, users in rows:
        name = list(lists)[number]
        own = [value for column, value in zip(columns, values, strict=True) if column in lists[name]]
        found[name].append(TopValue(tuple(own), count, users))
    return {name: sorted(found[name], key=build_order) for name in lists}


def build_order(row: TopValue) -> tuple[int, list[tuple[bool, str]]]:
    """Most events first, then by each value, absent ones last."""
    return -row.events, [(value is None, value or "") for value in row.values]
