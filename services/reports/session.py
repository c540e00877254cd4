"""The session part: SQL of the sessions of a population, from which every report about sessions is composed.

The definition is docs/metrics.md, Session. Sessions that the client named are groups of rows. Those that pauses end
are cut out of each person's events as one sorted list of numbers (`Packing`): measured on 10 million events, that takes
half the time of window functions over narrow rows, and a small part of it where texts come along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services import clock
from services.reports.population import SESSION_GAP, Population

PAGE_VIEW_NAMES: Final = ("page_view", "pageview", "$pageview", "screen_view", "page")
IS_PAGE_VIEW: Final = "(" + " OR ".join(f"event_name = '{name}'" for name in PAGE_VIEW_NAMES) + ")"
"""SQL condition that an event is a page view; of five names IN would make a join, which takes longer."""
IS_PAGE_LEAVE: Final = "(event_name = 'page_leave' OR event_name = '$pageleave')"
"""SQL condition that an event only tells when a page view ended: it does not make a bounce something else."""
EVENT_ORDER: Final = "(occurred_at, event_id)"
"""SQL of what events of a session are ordered by."""
GAP_MS: Final = clock.to_ms(datetime(1970, 1, 1, tzinfo=UTC) + SESSION_GAP)
FIRST_MS: Final = clock.to_ms(datetime(1, 1, 1, tzinfo=UTC))
LAST_MS: Final = clock.to_ms(datetime.max.replace(tzinfo=UTC))
PAGE_VIEW_BIT: Final = 1
PASSES_BIT: Final = 2
PAGE_LEAVE_BIT: Final = 4
FLAG_BITS: Final = 3
PASSES_FLAG: Final = f"CASE WHEN passes THEN {PASSES_BIT} ELSE 0 END"
KIND_FLAGS: Final = (
    f"CASE WHEN {IS_PAGE_VIEW} THEN {PAGE_VIEW_BIT} WHEN {IS_PAGE_LEAVE} THEN {PAGE_LEAVE_BIT} ELSE 0 END"
)
"""SQL of the bits of an event."""
MAX_BITS: Final = 62


@dataclass(frozen=True)
class Packing:
    """How an event stands in one whole number: time, code, flags, from high to low; so numbers sort by time.

    The code, at most `code_bits` long, is a report's own: the number of a name. 0: the event has none.
    """

    first_ms: int = FIRST_MS
    last_ms: int = LAST_MS
    code_bits: int = 0

    @property
    def sql_type(self) -> str:
        """64 bits where they suffice."""
        bits = (self.last_ms - self.first_ms).bit_length() + self.code_bits + FLAG_BITS
        return "BIGINT" if bits <= MAX_BITS else "HUGEINT"

    def build_item(self, code: str = "0") -> str:
        """SQL of the number of a row with `occurred_at`, `event_name` and `passes`."""
        time = f"(epoch_ms(occurred_at) - {self.first_ms})::{self.sql_type}"
        flags = f"{PASSES_FLAG} + {KIND_FLAGS}"
        return f"{time} * {1 << self._time_shift} + ({code})::{self.sql_type} * {1 << FLAG_BITS} + {flags}"

    def build_elapsed(self, item: str) -> str:
        """SQL of the time in a number, in ms since `first_ms`."""
        return f"({item} >> {self._time_shift})"

    def build_ms(self, item: str) -> str:
        """SQL of the time in a number, in ms since 1970."""
        return f"({self.build_elapsed(item)}::BIGINT + {self.first_ms})"

    def build_code(self, item: str) -> str:
        """SQL of the code in a number."""
        return f"(({item} >> {FLAG_BITS}) & {(1 << self.code_bits) - 1})"

    def build_flag(self, item: str, bit: int) -> str:
        """SQL condition that a flag is set in a number."""
        return f"({item} & {bit} <> 0)"

    def build_bounce(self, items: str) -> str:
        """SQL condition that sorted numbers are one page view and nothing else but events that say when it ended."""
        first_is_view = self.build_flag(f"{items}[1]", PAGE_VIEW_BIT)
        is_leave = self.build_flag("item", PAGE_LEAVE_BIT)
        is_view = self.build_flag("item", PAGE_VIEW_BIT)
        only_leaves = f"len(list_filter({items}, lambda item: {is_leave})) = len({items}) - 1"
        one_view = f"len(list_filter({items}, lambda item: {is_view})) = 1"
        return f"CASE WHEN len({items}) = 1 THEN {first_is_view} ELSE {only_leaves} AND {one_view} END"

    @property
    def _time_shift(self) -> int:
        return self.code_bits + FLAG_BITS


def build_session_events_sql(population: Population, *, with_person: bool = True) -> str:
    """SELECT of all events in range with `passes`, without test of it where there are no filters. Without `with_person`
    there need not be a column `person`."""
    with_person = with_person or population.needs_person
    if population.filters:
        return population.build_unfiltered_sql(with_person=with_person)
    return f"SELECT *, true AS passes FROM ({population.build_sql(with_person=with_person)})"


def build_sessions_sql(population: Population) -> str:
    """SELECT of a row for each session that passes: `session_id` (null where pauses formed it), `person` (of whose
    events they formed it; else null), `started_ms`, `ended_ms`, `events`, `page_views`, `is_bounce`."""
    return f"""
        SELECT session_id, NULL::UUID AS person, started_ms, ended_ms, events, page_views, is_bounce
        FROM ({build_named_sessions_sql(population)})
        UNION ALL
        SELECT NULL, person, started_ms, ended_ms, events, page_views, is_bounce
        FROM ({build_formed_sessions_sql(population)})"""


def build_named_sessions_sql(population: Population, columns: Mapping[str, str] | None = None) -> str:
    """SELECT of `session_id`, `started_ms`, `ended_ms`, `events`, `page_views`, `is_bounce` of the sessions that the
    client named and that pass. `columns`: names of further columns -> aggregates over a session's events."""
    further = "".join(f", {aggregate} AS {name}" for name, aggregate in (columns or {}).items())
    return f"""
        SELECT session_id, epoch_ms(min(occurred_at)) AS started_ms, epoch_ms(max(occurred_at)) AS ended_ms,
            count(*) AS events, count(*) FILTER ({IS_PAGE_VIEW}) AS page_views,
            page_views = 1 AND count(*) FILTER ({IS_PAGE_LEAVE}) = events - 1 AS is_bounce{further}
        FROM ({build_session_events_sql(population, with_person=bool(columns))}) WHERE session_id IS NOT NULL
        GROUP BY session_id HAVING bool_or(passes)"""


def build_formed_sessions_sql(population: Population) -> str:
    """SELECT of `person`, `started_ms`, `ended_ms`, `events`, `page_views`, `is_bounce` of the sessions that pauses
    formed and that pass."""
    packing = Packing()
    events = f"SELECT person, {packing.build_item()} AS item FROM ({build_session_events_sql(population)})"
    lists = f"""
        SELECT NULL AS session_id, person, list_sort(list(item)) AS items
        FROM ({events} WHERE session_id IS NULL AND person IS NOT NULL) GROUP BY person"""
    is_view = packing.build_flag("item", PAGE_VIEW_BIT)
    return f"""
        SELECT person, {packing.build_ms("items[1]")} AS started_ms, {packing.build_ms("items[-1]")} AS ended_ms,
            len(items) AS events, len(list_filter(items, lambda item: {is_view})) AS page_views,
            {packing.build_bounce("items")} AS is_bounce
        FROM ({build_parts_sql(lists, packing)}) WHERE {build_passing_condition(population, packing)}"""


def build_parts_sql(lists: str, packing: Packing) -> str:
    """SELECT of sessions, with all columns of their lists, of which `items` has only what belongs to the session.

    `lists`: SELECT of `session_id`, `person` and sorted `items`. Where there is no `session_id` pauses cut a list.
    """
    elapsed, following = packing.build_elapsed("items[place]"), packing.build_elapsed("items[place + 1]")
    is_pause = f"{following} - {elapsed} > {GAP_MS}"
    return f"""
        SELECT * REPLACE (items[start + 1:stop] AS items) FROM (
            SELECT *, unnest(list_prepend(0, stops[:-2])) AS start, unnest(stops) AS stop FROM (
                SELECT *, CASE WHEN session_id IS NOT NULL THEN [len(items)] ELSE list_append(list_filter(
                    range(1, len(items)), lambda place: {is_pause}), len(items)) END AS stops
                FROM ({lists})))"""


def build_passing_condition(population: Population, packing: Packing) -> str:
    """SQL condition that an event among `items` passes the filters."""
    if not population.filters:
        return "true"
    return f"len(list_filter(items, lambda item: {packing.build_flag('item', PASSES_BIT)})) > 0"
