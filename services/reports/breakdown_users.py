"""breakdown by users: each person is found once in each group, and all numbers are counted of these pairs."""

from __future__ import annotations

from services.reports.breakdown_groups import CountedGroups, build_order, list_names, list_varying
from services.reports.population import Population


def fetch_user_groups(population: Population, keys: list[str], limit: int) -> CountedGroups:
    """The `limit` groups with most users. `keys`: SQL of the values that are grouped by, four for each property."""
    names, varying = list_names(keys), list_varying(keys)
    order = build_order(names)
    listed = ", ".join(f"{key} AS {name}" for key, name in zip(keys, names, strict=True))
    equal = " AND ".join(f"pairs.{name} IS NOT DISTINCT FROM shown.{name}" for name in varying)
    rows = population.fetch(f"""
        WITH pairs AS MATERIALIZED (
            SELECT {listed}, person, count(*) AS events
            FROM ({population.build_sql()}) GROUP BY {", ".join(varying)}, person),
        groups AS MATERIALIZED (
            SELECT {", ".join(names)}, count(person) AS users, sum(events)::BIGINT AS events
            FROM pairs GROUP BY {", ".join(names)}),
        shown AS MATERIALIZED (SELECT * FROM groups ORDER BY users DESC, {order} LIMIT {limit:d})
        SELECT *, (SELECT count(*) FROM groups),
            (SELECT count(DISTINCT person) FROM pairs ANTI JOIN shown ON {equal}),
            (SELECT count(DISTINCT person) FROM pairs), (SELECT sum(events)::BIGINT FROM groups)
        FROM shown ORDER BY users DESC, {order}""")
    width = len(keys) + 2
    return CountedGroups([row[:width] for row in rows], *(rows[0][width:] if rows else (0, 0, 0, 0)))
