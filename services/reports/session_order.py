"""What happened in which order in each session: the second half of the session part.

Events at one time are ordered by their ids, which are expensive to carry along, and few sessions need them. So each
list of events is sorted by time and number first; where that leaves an order open, the list is made again with the ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from services.reports.bounds import fetch_bounds
from services.reports.population import Population
from services.reports.session import (
    FLAG_BITS,
    PASSES_BIT,
    Packing,
    build_parts_sql,
    build_passing_condition,
    build_session_events_sql,
)

OPEN_LISTS: Final = (
    "list(open_id) FILTER (open_id IS NOT NULL) AS open_ids,"
    " list(open_person) FILTER (open_person IS NOT NULL) AS open_persons"
)
"""SQL of two aggregates that what is counted over sequences must have: which lists are to be made again."""


@dataclass(frozen=True)
class Sequences:
    """The order of names (pages, event names) in the sessions of a population.

    A sequence is a row for a session that passes: `items`, the numbers of its events in order; a code in them is that
    of a name. Of a list whose order is open there is one item, of a code that no name has, and `open_id` or
    `open_person`.
    """

    population: Population
    column: str
    packing: Packing
    count: int
    """How many names there are."""
    has_all: bool
    """False: of events without a name there is only what it needs to tell sessions apart and which of them pass."""

    def build_tables(self, build_counts: Callable[[str], str]) -> str:
        """Common table expressions `names` (`name`, `code` from 1 on) and `counts`: what `build_counts`, given the
        SELECT of some sequences, makes of them; in two parts, to be added up."""
        known = build_counts(self._build_sequences(self._build_sorted_lists()))
        made_again = build_counts(self._build_sequences(self._build_ordered_lists()))
        # the limit leaves out none: it tells the planner that there are few names, so that it does not hash the events
        return f"""
            names AS MATERIALIZED (
                SELECT name, row_number() OVER () AS code FROM (
                    SELECT DISTINCT {self.column} AS name
                    FROM ({build_session_events_sql(self.population, with_person=False)})
                    WHERE {self.column} IS NOT NULL LIMIT {self.count:d})),
            known AS MATERIALIZED ({known}),
            counts AS (SELECT * FROM known UNION ALL SELECT * FROM ({made_again}))"""

    def _build_named_items(self) -> str:
        """SELECT of the events of sessions that the client named."""
        events = build_session_events_sql(self.population, with_person=False)
        condition = "session_id IS NOT NULL"
        if not self.has_all:
            condition += f" AND ({self.column} IS NOT NULL{' OR passes' if self.population.filters else ''})"
        return self._build_items("session_id", events, condition)

    def _build_unnamed_items(self) -> str:
        """SELECT of the events of persons besides."""
        condition = "session_id IS NULL AND person IS NOT NULL"
        return self._build_items("person", build_session_events_sql(self.population), condition)

    def _build_items(self, owner: str, events: str, condition: str) -> str:
        return f"""
            SELECT {owner}, occurred_at, event_id, {self.packing.build_item("coalesce(code, 0)")} AS item
            FROM ({events}) e LEFT JOIN names ON e.{self.column} = names.name WHERE {condition}"""

    def _build_sorted_lists(self) -> str:
        """SELECT of the lists of all sessions that the client named, and of all persons besides."""
        is_tie = self.packing.build_tie("item", "items[place - 1]")
        unknown = f"[{(self.packing.last_code << FLAG_BITS) | PASSES_BIT}::{self.packing.sql_type}]"
        return f"""
            SELECT session_id, person, CASE WHEN is_open THEN {unknown} ELSE items END AS items,
                CASE WHEN is_open THEN session_id END AS open_id, CASE WHEN is_open THEN person END AS open_person
            FROM (
                SELECT *, len(list_filter(items, lambda item, place: {is_tie})) > 0 AS is_open FROM (
                    SELECT session_id, NULL::UUID AS person, list_sort(list(item)) AS items
                    FROM ({self._build_named_items()}) GROUP BY session_id
                    UNION ALL
                    SELECT NULL, person, list_sort(list(item))
                    FROM ({self._build_unnamed_items()}) GROUP BY person))"""

    def _build_ordered_lists(self) -> str:
        """SELECT of the lists that are open in the table `known`, ordered by the ids."""
        ordered = "list(item ORDER BY occurred_at, event_id) AS items, NULL AS open_id, NULL::UUID AS open_person"
        # of all in one row the planner expects few, so that it hashes these and not the events
        ids = "SELECT unnest(flatten(list(open_ids))) AS session_id FROM known"
        persons = "SELECT unnest(flatten(list(open_persons))) AS person FROM known"
        return f"""
            SELECT session_id, NULL::UUID AS person, {ordered}
            FROM ({self._build_named_items()}) SEMI JOIN ({ids}) USING (session_id) GROUP BY session_id
            UNION ALL
            SELECT NULL, person, {ordered}
            FROM ({self._build_unnamed_items()}) SEMI JOIN ({persons}) USING (person) GROUP BY person"""

    def _build_sequences(self, lists: str) -> str:
        """SELECT of the sequences in lists: those of persons are cut at the pauses."""
        return f"""
            SELECT items, open_id, open_person FROM ({build_parts_sql(lists, self.packing)})
            WHERE {build_passing_condition(self.population, self.packing)}"""


def build_sequences(population: Population, column: str, *, has_all: bool = True) -> Sequences | None:
    """The sequences of a column's values; None: there are no events. Asks two queries for the numbers to expect."""
    bounds = fetch_bounds(replace(population, filters=()))
    if bounds is None:
        return None
    counted = population.renew()
    ((count,),) = counted.fetch(
        f"SELECT count(DISTINCT {column}) FROM ({build_session_events_sql(counted, with_person=False)})"
    )
    return Sequences(population, column, Packing(*bounds, (count + 1).bit_length()), count, has_all)
