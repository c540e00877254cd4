"""The events a report counts, as SQL: those of a snapshot in range that pass the filters; and their sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from columns.copy import ColumnarCopy
from columns.properties import Parameters, Property
from columns.relation import build_events_sql, list_kinds
from columns.snapshot import Snapshot
from services import clock
from services.reports.cohort import DatedCohort, build_membership_sql
from services.reports.cohort_property import CohortProperty
from services.reports.filters import Filter, build_filters_sql
from services.time_range import TimeRange

if TYPE_CHECKING:
    import pyarrow as pa

SESSION_GAP: Final = timedelta(minutes=30)
"""A person's events that lie at most so far apart belong to one session (docs/metrics.md, Session)."""


@dataclass(frozen=True)
class Population:
    """The events of a project in a range that pass filters; `fetch` asks SQL of them.

    Columns of `sql()`: those of `columns.relation.BASE_COLUMNS`, `person`, and the typed columns of `properties`.
    """

    copy: ColumnarCopy
    snapshot: Snapshot
    range: TimeRange
    filters: tuple[Filter, ...] = ()
    includes_bots: bool = False
    """Without, events of known crawlers are not in it, nor in its sessions."""
    properties: tuple[Property, ...] = ()
    """Besides those of the filters."""
    person_key: UUID | None = None
    """Without, events of all persons and of nobody."""
    is_dated: bool = True
    """False: the events without a valid time in place of those with one."""
    cohorts: Mapping[str, DatedCohort] = field(default_factory=dict)
    """Those that filters name, by id."""
    parameters: Parameters = field(default_factory=Parameters)

    def bind(self, value: Any) -> str:
        """Placeholder of a value in the SQL given to `fetch`."""
        return self.parameters.bind(value)

    def find_property(self, prop: Property) -> int:
        """The number of a property's typed columns: `p<number>_text` and so on."""
        return self._all_properties().index(prop)

    def list_kinds(self, prop: Property) -> tuple[str, ...]:
        """Kinds that values of a property of events may have; its other typed columns are null throughout."""
        return list_kinds(self.snapshot, prop)

    def build_condition(self, filters: Sequence[Filter]) -> str:
        """SQL condition that further filters hold; their properties must be among `properties`."""
        return build_filters_sql(filters, self._all_properties(), self.parameters)

    def build_sql(self, *, with_person: bool = True) -> str:
        """SELECT of the population. Without `with_person` it has no column `person`, which is costly to find out; only
        where `needs_person` is false."""
        in_range = self._build_in_range(with_person=with_person)
        return f"SELECT * FROM {in_range} WHERE {self.build_condition(self.filters)}"

    @property
    def needs_person(self) -> bool:
        """Whether a filter asks who the person of an event is."""
        return any(isinstance(prop, CohortProperty) for prop in self._all_properties())

    def build_unfiltered_sql(self, *, with_person: bool = True) -> str:
        """SELECT of all events in range, with `passes`: whether the filters hold. `with_person` as above."""
        passes = f"coalesce({self.build_condition(self.filters)}, false)"
        return f"SELECT *, {passes} AS passes FROM {self._build_in_range(with_person=with_person)}"

    def build_marked_sql(self) -> str:
        """SELECT of all events of the snapshot, whenever they were, with `in_range`: whether they are in the range and
        of those whom it counts; and `passes`: whether the filters hold besides."""
        dated = f"occurred_at IS {'NOT ' if self.is_dated else ''}NULL"
        in_range = f"coalesce({dated} AND {self._build_range_condition()}, false)"
        events = self._build_events(TimeRange(), is_dated=None)
        marked = f"SELECT *{self._build_memberships()}, {in_range} AS in_range FROM ({events})"
        return f"SELECT *, in_range AND coalesce({self.build_condition(self.filters)}, false) AS passes FROM ({marked})"

    def renew(self) -> Population:
        """The same events, for another query: nothing is bound yet."""
        return replace(self, parameters=Parameters())

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Like `fetch`, a few rows in memory at a time."""
        return self.copy.stream(self.snapshot, sql, self.parameters.values)

    def stream_batches(
        self, sql: str, tables: Mapping[str, pa.Table] | None = None, *, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Like `stream`, in Arrow batches of at most so many rows."""
        return self.copy.stream_batches(self.snapshot, sql, self.parameters.values, tables, rows=rows)

    def fetch(self, sql: str, tables: Mapping[str, pa.Table] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a query over the relations built before, and further `tables`. Every value bound must be used in
        it."""
        return self.copy.query(self.snapshot, sql, self.parameters.values, tables)

    def _all_properties(self) -> list[Property]:
        """Each once, cohorts last: they are columns of the population, not of the events it is made of."""
        found = dict.fromkeys([*(item.prop for item in self.filters), *self.properties])
        return sorted(found, key=lambda prop: isinstance(prop, CohortProperty))

    def _build_in_range(self, *, with_person: bool = True) -> str:
        events = self._build_events(self.range, is_dated=self.is_dated, with_person=with_person)
        condition = self._build_range_condition()
        return f"(SELECT *{self._build_memberships()} FROM ({events}) WHERE {condition})"

    def _build_events(self, bounds: TimeRange, *, is_dated: bool | None, with_person: bool = True) -> str:
        read = [prop for prop in self._all_properties() if not isinstance(prop, CohortProperty)]
        return build_events_sql(
            self.snapshot, self.parameters, read, from_ms=bounds.from_ms, to_ms=bounds.to_ms,
            is_dated=is_dated, person_key=self.person_key, with_person=with_person,
        )  # fmt: skip

    def _build_range_condition(self) -> str:
        """SQL condition that an event, dated or not, is in the range and of those whom it counts."""
        from_ms, to_ms = self.range.from_ms, self.range.to_ms
        conditions = ["true"]
        if not self.includes_bots:
            conditions.append("NOT is_bot")
        if from_ms is not None:
            conditions.append(f"occurred_at >= {self.bind(clock.from_ms(from_ms).replace(tzinfo=None))}")
        if to_ms is not None:
            conditions.append(f"occurred_at < {self.bind(clock.from_ms(to_ms).replace(tzinfo=None))}")
        return " AND ".join(conditions)

    def _build_memberships(self) -> str:
        """A further column for each cohort filter: whether the person of the event is in it."""
        everything = replace(self, range=TimeRange(), filters=(), properties=(), is_dated=True)
        return "".join(
            f", {build_membership_sql(prop, self.cohorts, everything)} AS p{number}_boolean"
            for number, prop in enumerate(self._all_properties())
            if isinstance(prop, CohortProperty)
        )


def build_session_count_sql(population: Population, events: str | None = None) -> str:
    """Scalar subquery: sessions with an event that passes the filters; sessions are formed before the filters.

    `events`: SELECT of what `build_unfiltered_sql` gives, where the query has few of them at hand already.
    """
    gap = population.bind(SESSION_GAP)
    if events is None:
        events = population.build_unfiltered_sql()  # read twice: as a common table expression it would be in memory
    return f"""(
        WITH starts AS (
            SELECT person, occurred_at, passes,
                coalesce(occurred_at - lag(occurred_at) OVER person_events > {gap}, true) AS starts
            FROM ({events}) WHERE session_id IS NULL AND person IS NOT NULL
            WINDOW person_events AS (PARTITION BY person ORDER BY occurred_at)
        )
        SELECT (SELECT count(DISTINCT session_id) FROM ({events}) WHERE passes)
            + {build_formed_count_sql(population)})"""


def build_formed_count_sql(population: Population) -> str:
    """Scalar subquery: sessions formed by gaps; without filters each start is one, and numbering them is saved."""
    if not population.filters:
        return "(SELECT count(*) FROM starts WHERE starts)"
    return """(
        SELECT count(*) FROM (
            SELECT DISTINCT person, number FROM (
                SELECT person, passes, sum(starts::INT) OVER (PARTITION BY person ORDER BY occurred_at) AS number
                FROM starts
            ) WHERE passes
        ))"""
