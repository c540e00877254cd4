"""pages: what is looked at, where sessions begin and end, and how long people stay."""

from __future__ import annotations

from functools import partial
from typing import Any

from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.session import IS_PAGE_VIEW, PAGE_VIEW_BIT, PASSES_BIT, Packing
from services.reports.session_order import OPEN_LISTS, build_sequences
from services.reports.values import divide

FIELDS: dict[str, Any] = {"limit": partial(parse_count, least=1, most=1000)}
COLUMNS = ("page", "views", "visitors", "entries", "exits", "bounceRate", "exitRate", "averageTimeSeconds")


def parse(values: dict[str, Any]) -> int:
    """How many pages to list; 10 by default."""
    return int(values.get("limit", 10))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The `limit` most viewed pages, by views, then page. No page: an empty list."""
    sequences = build_sequences(population, "page")
    if sequences is None:
        return {"pages": []}
    rows = population.fetch(f"""
        WITH {sequences.build_tables(partial(build_stays_sql, sequences.packing))},
        stays AS (
            SELECT name AS page, sum(entries)::BIGINT AS entries, sum(exits)::BIGINT AS exits,
                sum(bounces)::BIGINT AS bounces, sum(waited_ms) / sum(waits) AS mean_ms
            FROM counts JOIN names USING (code) GROUP BY name),
        views AS (
            SELECT page, count(*) AS views, count(DISTINCT person) AS visitors
            FROM ({population.build_sql()}) WHERE {IS_PAGE_VIEW} AND page IS NOT NULL GROUP BY page)
        SELECT page, coalesce(views, 0), coalesce(visitors, 0), coalesce(entries, 0), coalesce(exits, 0),
            coalesce(bounces, 0), mean_ms
        FROM views FULL JOIN stays USING (page) WHERE views > 0 OR entries > 0 OR exits > 0
        ORDER BY coalesce(views, 0) DESC, page LIMIT {request.parameters:d}""")
    return {"pages": [build_page(*row) for row in rows]}


def build_stays_sql(packing: Packing, sequences: str) -> str:
    """SELECT of `code`, `entries`, `exits`, `bounces` (of those entered there), `waits` (page views that pass, but for
    last events of sessions) and `waited_ms` (until the next event). `sequences`: see `session_order.Sequences`."""
    code = packing.build_code("item")
    has_page = f"list_transform(items, lambda item: {code} > 0)"
    is_counted = " AND ".join(packing.build_flag("item", bit) for bit in (PAGE_VIEW_BIT, PASSES_BIT))
    waited_ms = f"({packing.build_elapsed('following')} - {packing.build_elapsed('item')})::BIGINT"
    return f"""
        SELECT {code} AS code, count(*) FILTER (place = entry) AS entries, count(*) FILTER (place = exit) AS exits,
            count(*) FILTER (place = entry AND is_bounce) AS bounces,
            count(following) FILTER ({is_counted}) AS waits, sum({waited_ms}) FILTER ({is_counted}) AS waited_ms,
            {OPEN_LISTS}
        FROM (
            SELECT unnest(items) AS item, unnest(list_append(items[2:], NULL)) AS following,
                generate_subscripts(items, 1) AS place, entry, exit, is_bounce, open_id, open_person
            FROM (
                SELECT *, list_position(paged, true) AS entry,
                    len(items) + 1 - list_position(list_reverse(paged), true) AS exit
                FROM (SELECT *, {has_page} AS paged, {packing.build_bounce("items")} AS is_bounce FROM ({sequences}))))
        WHERE {code} > 0 GROUP BY 1"""


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
