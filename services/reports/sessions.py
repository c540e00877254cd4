"""sessions: how many, how long, how deep; and one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from services import clock
from services.reports.buckets import Interval
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.session import build_sessions_sql
from services.reports.session_items import Candidate, Page, list_items
from services.reports.timeseries import divide_span, parse_interval
from services.reports.values import divide

MAX_OFFSET = 1_000_000_000
FIELDS: dict[str, Any] = {
    "limit": partial(parse_count, least=0, most=1000),
    "offset": partial(parse_count, least=0, most=MAX_OFFSET),
    "interval": parse_interval,
}
COLUMNS = (
    "sessionId", "userId", "startedAt", "endedAt", "durationSeconds", "events", "pageViews", "entryPage", "exitPage",
    "isBounce", "channel", "country",
)  # fmt: skip


@dataclass(frozen=True)
class SessionsParameters:
    """Which sessions to show, and the length of a bucket (None: no series)."""

    page: Page
    interval: Interval | None


def parse(values: dict[str, Any]) -> SessionsParameters:
    """The latest hundred sessions, without a series, by default."""
    return SessionsParameters(Page(values.get("offset", 0), values.get("limit", 100)), values.get("interval"))


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Numbers over all sessions, and some of them, the latest first. No sessions: zeros, nulls and an empty list."""
    parameters: SessionsParameters = request.parameters
    totals, later, candidates = fetch_sessions(population, parameters.page)
    sessions, bounces, mean_ms, median_ms, views, events, first_ms, last_ms = totals
    result = {
        "sessions": sessions,
        "bounces": bounces,
        "bounceRate": divide(bounces, sessions),
        "averageDurationSeconds": None if mean_ms is None else mean_ms / 1000,
        "medianDurationSeconds": None if median_ms is None else median_ms / 1000,
        "pageViews": views,
        "pagesPerSession": divide(views, sessions),
        "eventsPerSession": divide(events, sessions),
        "items": list_items(population, candidates, parameters.page.skip(later)),
    }
    if parameters.interval is not None:
        span = find_span(request, first_ms, last_ms)
        result["series"] = [] if span is None else list_series(population, *span, parameters.interval, request.zone)
    return result


def fetch_sessions(population: Population, page: Page) -> tuple[tuple[Any, ...], int, list[Candidate]]:
    """The totals; and of the sessions to show those that begin when one of them does, with the number of later ones.

    Which of the sessions that begin in the same millisecond come first depends on names that are looked up afterwards.
    """
    rows = population.fetch(f"""
        WITH sessions AS MATERIALIZED ({build_sessions_sql(population)}),
        shown AS (
            SELECT min(started_ms) AS first_ms, max(started_ms) AS last_ms FROM (
                SELECT started_ms FROM sessions ORDER BY started_ms DESC LIMIT {page.limit:d} OFFSET {page.offset:d}))
        SELECT 0, count(*), count(*) FILTER (is_bounce), avg(ended_ms - started_ms), median(ended_ms - started_ms),
            coalesce(sum(page_views), 0)::BIGINT, coalesce(sum(events), 0)::BIGINT, min(started_ms), max(ended_ms),
            count(*) FILTER (started_ms > (SELECT last_ms FROM shown)), NULL, NULL
        FROM sessions
        UNION ALL
        SELECT 1, started_ms, ended_ms, NULL, NULL, events, page_views, NULL, NULL, is_bounce::INT, session_id,
            person::VARCHAR
        FROM sessions WHERE started_ms BETWEEN (SELECT first_ms FROM shown) AND (SELECT last_ms FROM shown)""")
    (totals,) = (row for row in rows if row[0] == 0)
    candidates = [
        Candidate(row[10], row[11], int(row[1]), int(row[2]), row[5], row[6], bool(row[9]))
        for row in rows if row[0] == 1
    ]  # fmt: skip
    return totals[1:9], totals[9], candidates


def find_span(request: ReportRequest, first_ms: int | None, last_ms: int | None) -> tuple[datetime, datetime] | None:
    """The first and last moment of the series: the bounds, where open the first and last event of the sessions."""
    from_ms, to_ms = request.range.from_ms, request.range.to_ms
    first = first_ms if from_ms is None else from_ms
    last = last_ms if to_ms is None else to_ms - 1
    return None if first is None or last is None else (clock.from_ms(first), clock.from_ms(last))


def list_series(
    population: Population, first: datetime, last: datetime, interval: Interval, zone: ZoneInfo
) -> list[dict[str, Any]]:
    """Each bucket with the sessions that begin in it."""
    buckets, key = divide_span(first, last, interval, zone)
    renewed = population.renew()
    rows = renewed.fetch(f"""
        SELECT {key} AS bucket, count(*), count(*) FILTER (is_bounce), avg(ended_ms - started_ms)
        FROM (SELECT *, make_timestamp_ms(started_ms) AS occurred_at FROM ({build_sessions_sql(renewed)}))
        GROUP BY bucket""")
    found = {bucket: numbers for bucket, *numbers in rows}
    return [
        {
            "bucket": start,
            "sessions": sessions,
            "bounces": bounces,
            "averageDurationSeconds": None if mean_ms is None else mean_ms / 1000,
        }
        for bucket, start in buckets
        for sessions, bounces, mean_ms in [found.get(bucket.key, (0, 0, None))]
    ]


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a session shown."""
    return list(result["items"])


REPORT = Report("sessions", FIELDS, parse, compute, list_rows, COLUMNS)
