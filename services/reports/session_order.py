"""What happened in which order in each session, as arrays that numpy goes through at once: the second half of the
session part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.reports.event_order import Matters, OrderedEvents, keep_groups, stream_parts
from services.reports.population import Population
from services.reports.session import FLAG_BITS, GAP_MS, KIND_FLAGS, PASSES_BIT, PASSES_FLAG, build_session_events_sql

if TYPE_CHECKING:
    import pyarrow as pa

    from services.reports.event_order import Flags, Marks, Whole

BATCH_NAMES: Final = 100_000
MARK_TYPES: Final = {8: "UTINYINT", 16: "USMALLINT", 32: "UINTEGER", 64: "UBIGINT"}


@dataclass(frozen=True)
class OrderedSessions:
    """Whole sessions that pass the filters, at least one, each with its events in order."""

    starts: Whole
    """Index of each session's first event, and after the last session the number of events."""
    times_ms: Whole
    marks: Marks

    @property
    def codes(self) -> Marks:
        """For each event the number of its name, from 1 on; 0: it has none. As narrow as marks are."""
        codes: Marks = self.marks >> FLAG_BITS
        return codes

    def have(self, bit: int) -> Flags:
        """Of which events a flag is set."""
        flags: Flags = (self.marks & bit) != 0
        return flags

    def number_sessions(self) -> Whole:
        """For each event the index of its session."""
        import numpy as np

        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


@dataclass(frozen=True)
class Naming:
    """The names (pages, event names) that the events of a population have, numbered from 1 on."""

    column: str
    names: pa.Table
    """`name`, `code`."""

    @property
    def count(self) -> int:
        """How many names there are."""
        return int(self.names.num_rows)

    def find_code(self, name: str) -> int:
        """The number of a name; 0: no event has it."""
        import pyarrow.compute as pc

        return int(pc.index(self.names["name"], name).as_py()) + 1

    @property
    def mark_type(self) -> str:
        """The narrowest SQL type for a number and the flags."""
        bits = self.count.bit_length() + FLAG_BITS
        return next(sql_type for width, sql_type in MARK_TYPES.items() if bits <= width)


def fetch_naming(population: Population, column: str) -> Naming:
    """The values of a column of events in range, whether these pass the filters or not."""
    import numpy as np
    import pyarrow as pa

    own = population.renew()
    events = build_session_events_sql(own, with_person=False)
    sql = f"SELECT DISTINCT {column} AS name FROM ({events}) WHERE {column} IS NOT NULL"
    batches = list(own.stream_batches(sql, rows=BATCH_NAMES))
    names = pa.Table.from_batches(batches, schema=pa.schema({"name": pa.string()}))
    return Naming(column, names.append_column("code", pa.array(np.arange(1, names.num_rows + 1))))


def stream_sessions(
    population: Population, naming: Naming, matters: Matters, *, has_all: bool
) -> Iterator[OrderedSessions]:
    """All sessions that pass, in parts. `matters`: see `event_order.stream_parts`; of marks, which are flags and code.

    Without `has_all`, of events without a name there is only what tells sessions apart and which of them pass, and no
    flags of kinds.
    """
    for build in (build_named_sql, build_unnamed_sql):
        own = population.renew()
        events = build(own, naming, has_all=has_all)
        for part in stream_parts(own, events, matters, {"names": naming.names}):
            # the keys of the two could be the same, as where a sessionId is somebody's userId
            sessions = cut_sessions(part, by_pauses=build is build_unnamed_sql)
            if population.filters:
                sessions = keep_passing(sessions)
            if len(sessions.times_ms):
                yield sessions


def build_named_sql(population: Population, naming: Naming, *, has_all: bool) -> str:
    """SELECT of the events of sessions that the client named, each session an owner."""
    condition = "session_id IS NOT NULL"
    if not has_all:
        condition += f" AND (code IS NOT NULL{' OR passes' if population.filters else ''})"
    events = build_session_events_sql(population, with_person=False)
    return build_marked_sql(naming, "md5_number(session_id)::UUID", events, condition, has_kinds=has_all)


def build_unnamed_sql(population: Population, naming: Naming, *, has_all: bool) -> str:
    """SELECT of the events of persons besides, each person an owner."""
    condition, events = "session_id IS NULL AND person IS NOT NULL", build_session_events_sql(population)
    return build_marked_sql(naming, "person", events, condition, has_kinds=has_all)


def build_marked_sql(naming: Naming, owner: str, events: str, condition: str, *, has_kinds: bool) -> str:
    """SELECT of events as `event_order.stream_parts` takes them."""
    flags = f"{PASSES_FLAG} + {KIND_FLAGS}" if has_kinds else PASSES_FLAG
    mark = f"(coalesce(code, 0) * {1 << FLAG_BITS} + {flags})::{naming.mark_type}"
    return f"""
        SELECT {owner} AS owner, occurred_at, {mark} AS mark, event_id
        FROM ({events}) e LEFT JOIN names ON e.{naming.column} = names.name WHERE {condition}"""


def cut_sessions(events: OrderedEvents, *, by_pauses: bool) -> OrderedSessions:
    """Each owner's events as one session, or as those that pauses part."""
    import numpy as np

    if not by_pauses:
        return OrderedSessions(events.starts, events.times_ms, events.marks)
    begins = np.zeros(len(events.times_ms), dtype=bool)
    begins[events.starts[:-1]] = True
    begins[1:] |= np.diff(events.times_ms) > GAP_MS
    starts = np.append(np.flatnonzero(begins), len(begins))
    return OrderedSessions(starts, events.times_ms, events.marks)


def keep_passing(sessions: OrderedSessions) -> OrderedSessions:
    """The sessions of which an event passes, maybe none."""
    import numpy as np

    passes = np.logical_or.reduceat(sessions.have(PASSES_BIT), sessions.starts[:-1])
    kept, starts = keep_groups(sessions.starts, passes)
    return OrderedSessions(starts, sessions.times_ms[kept], sessions.marks[kept])
