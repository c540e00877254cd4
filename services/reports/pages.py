"""pages: what is looked at, where sessions begin and end, and how long people stay."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.session import IS_PAGE_VIEW, PAGE_LEAVE_BIT, PAGE_VIEW_BIT, PASSES_BIT
from services.reports.session_order import Naming, OrderedSessions, fetch_naming, stream_sessions
from services.reports.values import divide

if TYPE_CHECKING:
    import pyarrow as pa

    from services.reports.event_order import Flags, Marks, Whole

FIELDS: dict[str, Any] = {"limit": partial(parse_count, least=1, most=1000)}
COLUMNS = ("page", "views", "visitors", "entries", "exits", "bounceRate", "exitRate", "averageTimeSeconds")


def parse(values: dict[str, Any]) -> int:
    """How many pages to list; 10 by default."""
    return int(values.get("limit", 10))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The `limit` most viewed pages, by views, then page. No page: an empty list."""
    naming = fetch_naming(population, "page")
    stays = count_stays(stream_sessions(population, naming, differ, has_all=True), naming)
    own = population.renew()
    sql = f"""
        WITH views AS (
            SELECT page, count(*) AS views, count(DISTINCT person) AS visitors
            FROM ({own.build_sql()}) WHERE {IS_PAGE_VIEW} AND page IS NOT NULL GROUP BY page)
        SELECT page, coalesce(views, 0), coalesce(visitors, 0), entries, exits, bounces,
            CASE WHEN waits > 0 THEN waited_ms / waits END
        FROM stays LEFT JOIN views USING (page) WHERE views > 0 OR entries > 0 OR exits > 0
        ORDER BY coalesce(views, 0) DESC, page LIMIT {request.parameters:d}"""
    return {"pages": [build_page(*row) for row in own.fetch(sql, {"stays": stays})]}


def differ(marks: Marks) -> Flags:
    """Which events may not change places: all. Any may be the last of a session, which nobody waits after."""
    import numpy as np

    return np.ones(len(marks), dtype=bool)


def count_stays(sessions: Iterable[OrderedSessions], naming: Naming) -> pa.Table:
    """Of each `page` the `entries`, `exits`, `bounces` (of those entered there), `waits` (page views that pass, but for
    last events of sessions) and `waited_ms` (until the next event)."""
    import numpy as np
    import pyarrow as pa

    counts = {name: np.zeros(naming.count + 1, np.int64) for name in ("entries", "exits", "bounces", "waits")}
    waited_ms = np.zeros(naming.count + 1)
    for part in sessions:
        codes = part.codes
        entries, exits, bounces = find_ends(part, codes)
        waits = find_waits(part, codes)
        found = {"entries": entries, "exits": exits, "bounces": bounces, "waits": waits}
        for name, places in found.items():
            counts[name] += np.bincount(codes[places].astype(np.int64), minlength=naming.count + 1)
        waited = part.times_ms[waits + 1] - part.times_ms[waits]
        waited_ms += np.bincount(codes[waits].astype(np.int64), waited, minlength=naming.count + 1)
    columns = {"page": naming.names["name"], "waited_ms": waited_ms[1:]}
    return pa.table({**columns, **{name: found[1:] for name, found in counts.items()}})


def find_ends(sessions: OrderedSessions, codes: Marks) -> tuple[Whole, Whole, Whole]:
    """The indexes of each session's first and last event with a page, and those of the first ones in bounces."""
    import numpy as np

    paged = np.flatnonzero(codes)
    numbers = sessions.number_sessions()[paged]
    is_first = np.diff(numbers, prepend=-1) != 0
    is_last = np.diff(numbers, append=-1) != 0
    return paged[is_first], paged[is_last], paged[is_first & find_bounces(sessions)[numbers]]


def find_bounces(sessions: OrderedSessions) -> Flags:
    """Which sessions are one page view and nothing else but events that say when it ended."""
    import numpy as np

    views, leaves = (
        np.add.reduceat(sessions.have(bit), sessions.starts[:-1], dtype=np.int64)
        for bit in (PAGE_VIEW_BIT, PAGE_LEAVE_BIT)
    )
    is_bounce: Flags = (views == 1) & (views + leaves == np.diff(sessions.starts))
    return is_bounce


def find_waits(sessions: OrderedSessions, codes: Marks) -> Whole:
    """The indexes of page views that pass and are not the last event of their session."""
    import numpy as np

    is_wait = (codes > 0) & sessions.have(PAGE_VIEW_BIT) & sessions.have(PASSES_BIT)
    is_wait[sessions.starts[1:] - 1] = False
    return np.flatnonzero(is_wait)


def build_page(
    page: str, views: int, visitors: int, entries: int, exits: int, bounces: int, mean_ms: float | None
) -> dict[str, Any]:
    """A page as the API shows it."""
    return {
        "page": page,
        "views": views,
        "visitors": visitors,
        "entries": entries,
        "exits": exits,
        "bounceRate": divide(bounces, entries),
        "exitRate": divide(exits, views),
        "averageTimeSeconds": None if mean_ms is None else mean_ms / 1000,
    }


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a page."""
    return list(result["pages"])


REPORT = Report("pages", FIELDS, parse, compute, list_rows, COLUMNS)
