"""breakdown by sessions: in one pass over the events each session gets the groups that it has an event of."""

from __future__ import annotations

from services.reports.breakdown_groups import CountedGroups, build_order, list_names, list_varying
from services.reports.population import Population
from services.reports.session import (
    PASSES_BIT,
    Packing,
    build_parts_sql,
    build_passing_condition,
    build_session_events_sql,
)
from services.reports.values import ABSENT


def fetch_session_groups(population: Population, keys: list[str], limit: int) -> CountedGroups:
    """The `limit` groups with most sessions. `keys`: SQL of the values that are grouped by, four for each property."""
    packing = fetch_packing(population.renew(), keys)
    if packing is None:
        return CountedGroups([], 0, 0, 0, 0)
    names = list_names(keys)
    order = build_order(names)
    rows = population.fetch(f"""
        WITH {build_tables_sql(population, keys, packing)},
        counted AS (SELECT code, count(*) AS sessions FROM (SELECT unnest(codes) AS code FROM found) GROUP BY code),
        shown AS MATERIALIZED (
            SELECT {", ".join(names)}, code, coalesce(sessions, 0) AS sessions, events
            FROM groups LEFT JOIN counted USING (code) ORDER BY coalesce(sessions, 0) DESC, {order} LIMIT {limit:d}),
        known AS (SELECT list(code) AS codes FROM shown)
        SELECT {", ".join(names)}, sessions, events, (SELECT count(*) FROM groups),
            (SELECT count(*) FROM found, known WHERE NOT list_has_all(known.codes, found.codes)),
            (SELECT count(*) FROM found), (SELECT sum(events)::BIGINT FROM groups)
        FROM shown ORDER BY sessions DESC, {order}""")
    width = len(keys) + 2
    return CountedGroups([row[:width] for row in rows], *rows[0][width:])


def fetch_packing(population: Population, keys: list[str]) -> Packing | None:
    """How times and groups fit into one number; None: no event passes."""
    varying = [key for key in keys if key not in ABSENT.values()]
    ((first_ms, last_ms, group_count),) = population.fetch(f"""
        SELECT epoch_ms(min(first_at)), epoch_ms(max(last_at)), count(*) FILTER (has_passing) FROM (
            SELECT min(occurred_at) AS first_at, max(occurred_at) AS last_at, bool_or(passes) AS has_passing
            FROM ({build_session_events_sql(population, with_person=False)}) GROUP BY {", ".join(varying)})""")
    return Packing(first_ms, last_ms, group_count.bit_length()) if group_count else None


def build_tables_sql(population: Population, keys: list[str], packing: Packing) -> str:
    """Common table expressions: `groups` (the keys, `code` from 1 on, `events`), and `found`, a row a session that
    passes: the distinct `codes` of its events that pass."""
    names, varying = list_names(keys), list_varying(keys)
    listed = ", ".join(f"{key} AS {name}" for key, name in zip(keys, names, strict=True))
    equal = " AND ".join(f"e.{name} IS NOT DISTINCT FROM groups.{name}" for name in varying)
    events = build_session_events_sql(population, with_person=False)
    item = packing.build_item("coalesce(code, 0)")
    coded = "SELECT {owner}, {item} AS item FROM (SELECT *, {listed} FROM ({events})) e LEFT JOIN groups ON {equal}"
    named = coded.format(owner="session_id", item=item, listed=listed, events=events, equal=equal)
    unnamed = coded.format(
        owner="person", item=item, listed=listed, events=build_session_events_sql(population), equal=equal
    )
    lists = f"""
        SELECT session_id, NULL::UUID AS person, list_sort(list(item)) AS items
        FROM ({named} WHERE session_id IS NOT NULL) GROUP BY session_id
        UNION ALL
        SELECT NULL, person, list_sort(list(item))
        FROM ({unnamed} WHERE session_id IS NULL AND person IS NOT NULL) GROUP BY person"""
    passing = f"list_filter(items, lambda item: {packing.build_flag('item', PASSES_BIT)})"
    codes = f"list_distinct(list_transform({passing}, lambda item: {packing.build_code('item')}::BIGINT))"
    return f"""
        groups AS MATERIALIZED (
            SELECT *, row_number() OVER () AS code FROM (
                SELECT {listed}, count(*) AS events FROM ({events}) WHERE passes GROUP BY {", ".join(varying)})),
        found AS MATERIALIZED (
            SELECT {codes} AS codes FROM ({build_parts_sql(lists, packing)})
            WHERE {build_passing_condition(population, packing)})"""
