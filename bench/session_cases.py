"""The reports about sessions, each with equal SQL written by hand for DuckDB alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bench.mongo_reports import GAP_MS, Rows
from bench.report_cases import COUNTED, Case
from services import clock

SHOWN = 100
STEPS, NAMES = 3, 10
"""What the reports show when nothing else is said: sessions; steps of a path, and names of each, and pages."""
OTHER = "(other)"

IS_VIEW = "event_name IN ('page_view', 'pageview', '$pageview', 'screen_view', 'page')"
IS_LEAVE = "event_name IN ('page_leave', '$pageleave')"
BY_TIME = "(occurred_at, event_id)"
SESSION = "session_id, owner, number"
PLACED = f"""
    placed AS (
        SELECT session_id, NULL::UUID AS owner, 0 AS number, occurred_at, event_id, event_name, page, person
        FROM events WHERE {COUNTED} AND session_id IS NOT NULL
        UNION ALL
        SELECT NULL, person, count(*) FILTER (begins) OVER (PARTITION BY person ORDER BY occurred_at),
            occurred_at, event_id, event_name, page, person
        FROM (
            SELECT *, occurred_at - lag(occurred_at) OVER (PARTITION BY person ORDER BY occurred_at)
                > INTERVAL {GAP_MS} MILLISECOND AS begins
            FROM events WHERE {COUNTED} AND session_id IS NULL AND person IS NOT NULL))"""
"""The events that are in a session, which `SESSION` tells: one of the client, or a number among those of a person."""


def list_session_cases() -> list[Case]:
    """Over all events, with the numbers of sessions, pages and steps that are the default."""
    return [
        Case("sessions", "sessions", {}, build_sessions_sql(), pick_sessions, most_seconds=2),
        Case("pages", "pages", {}, build_pages_sql(), pick_pages),
        Case("paths", "paths", {}, build_paths_sql(), pick_paths, most_seconds=2),
    ]


def build_sessions_sql() -> str:
    """The numbers over all sessions, beside each of the sessions that are shown."""
    return f"""
        WITH {PLACED},
        sessions AS MATERIALIZED (
            SELECT {SESSION}, min(occurred_at) AS first, max(occurred_at) AS last, count(*) AS events,
                count(*) FILTER ({IS_VIEW}) AS views,
                count(*) FILTER (NOT {IS_LEAVE}) = 1 AND bool_or({IS_VIEW}) AS is_bounce
            FROM placed GROUP BY {SESSION}
        ),
        totals AS (
            SELECT count(*), count(*) FILTER (is_bounce), avg(epoch_ms(last - first)) / 1000,
                median(epoch_ms(last - first)) / 1000, sum(views)::BIGINT, sum(events)::BIGINT
            FROM sessions
        ),
        latest AS (
            SELECT * FROM sessions
            WHERE first >= (SELECT min(first) FROM (SELECT first FROM sessions ORDER BY first DESC LIMIT {SHOWN}))
        ),
        details AS (
            SELECT l.*, e.person, e.anonymous_id, e.page, e.channel, e.country, e.occurred_at, e.event_id
            FROM events e JOIN latest l ON e.session_id = l.session_id WHERE {COUNTED}
            UNION ALL
            SELECT l.*, e.person, e.anonymous_id, e.page, e.channel, e.country, e.occurred_at, e.event_id
            FROM events e JOIN latest l ON e.person = l.owner AND e.occurred_at BETWEEN l.first AND l.last
            WHERE e.session_id IS NULL AND {COUNTED}
        ),
        described AS (
            SELECT {SESSION}, first, last, events, views, is_bounce, arg_min(person, {BY_TIME}) AS person,
                arg_min(anonymous_id, {BY_TIME}) AS anonymous_id, arg_min(page, {BY_TIME}) AS entry,
                arg_max(page, {BY_TIME}) AS exit, arg_min_null(channel, {BY_TIME}) AS channel,
                arg_min_null(country, {BY_TIME}) AS country
            FROM details GROUP BY ALL
        ),
        users AS (
            SELECT person, any_value(user_id) AS user_id FROM events
            WHERE user_id IS NOT NULL AND person IN (SELECT person FROM described) GROUP BY person
        ),
        shown AS (
            SELECT session_id, coalesce(user_id, anonymous_id) AS shown_id, epoch_ms(first), epoch_ms(last), events,
                views, entry, exit, is_bounce, channel, country
            FROM described LEFT JOIN users USING (person)
            ORDER BY first DESC, shown_id NULLS LAST, session_id NULLS LAST LIMIT {SHOWN}
        )
        SELECT * FROM totals, shown ORDER BY ALL"""


def pick_sessions(answer: dict[str, Any]) -> Rows:
    sessions = answer["sessions"]
    totals = (
        sessions, answer["bounces"], answer["averageDurationSeconds"], answer["medianDurationSeconds"],
        answer["pageViews"], round(answer["eventsPerSession"] * sessions),
    )  # fmt: skip
    rows = [
        (
            *totals, item["sessionId"], item["userId"], read_ms(item["startedAt"]), read_ms(item["endedAt"]),
            item["events"], item["pageViews"], item["entryPage"], item["exitPage"], item["isBounce"], item["channel"],
            item["country"],
        )
        for item in answer["items"]
    ]  # fmt: skip
    return sorted(rows, key=lambda row: [(value is None, value) for value in row])


def read_ms(text: str) -> int:
    """Milliseconds of a moment as the API shows it."""
    return clock.to_ms(datetime.fromisoformat(text))


def build_pages_sql() -> str:
    """A row a page: views, visitors, entries, exits, bounces of those entered there, mean time until the next event."""
    return f"""
        WITH {PLACED},
        followed AS (
            SELECT *, lead(occurred_at) OVER (PARTITION BY {SESSION} ORDER BY occurred_at, event_id) AS next FROM placed
        ),
        stays AS (
            SELECT page, avg(epoch_ms(next - occurred_at)) / 1000 AS mean_seconds
            FROM followed WHERE {IS_VIEW} AND page IS NOT NULL GROUP BY page
        ),
        sessions AS MATERIALIZED (
            SELECT arg_min(page, {BY_TIME}) AS entry, arg_max(page, {BY_TIME}) AS exit,
                count(*) FILTER (NOT {IS_LEAVE}) = 1 AND bool_or({IS_VIEW}) AS is_bounce
            FROM placed GROUP BY {SESSION}
        ),
        entries AS (
            SELECT entry AS page, count(*) AS entries, count(*) FILTER (is_bounce) AS bounces
            FROM sessions WHERE entry IS NOT NULL GROUP BY entry
        ),
        exits AS (SELECT exit AS page, count(*) AS exits FROM sessions WHERE exit IS NOT NULL GROUP BY exit),
        views AS (
            SELECT page, count(*) AS views, count(DISTINCT person) AS visitors
            FROM events WHERE {COUNTED} AND {IS_VIEW} AND page IS NOT NULL GROUP BY page
        )
        SELECT page, coalesce(views, 0), coalesce(visitors, 0), coalesce(entries, 0), coalesce(exits, 0),
            bounces / entries, exits / views, mean_seconds
        FROM views FULL JOIN entries USING (page) FULL JOIN exits USING (page) LEFT JOIN stays USING (page)
        ORDER BY coalesce(views, 0) DESC, page LIMIT {NAMES}"""


def pick_pages(answer: dict[str, Any]) -> Rows:
    return [
        (
            row["page"], row["views"], row["visitors"], row["entries"], row["exits"], row["bounceRate"],
            row["exitRate"], row["averageTimeSeconds"],
        )
        for row in answer["pages"]
    ]  # fmt: skip


def build_paths_sql() -> str:
    """A row a page at a step (without target), and a row a link; the less frequent pages of a step as `OTHER`."""
    return f"""
        WITH {PLACED},
        changes AS (
            SELECT {SESSION}, page, row_number() OVER pages AS step FROM (
                SELECT *, lag(page) OVER (PARTITION BY {SESSION} ORDER BY occurred_at, event_id) AS previous
                FROM placed WHERE page IS NOT NULL
            ) WHERE page IS DISTINCT FROM previous
            WINDOW pages AS (PARTITION BY {SESSION} ORDER BY occurred_at, event_id)
            QUALIFY step <= {STEPS + 1}
        ),
        hops AS MATERIALIZED (
            SELECT step, page AS source, target, count(*) AS n FROM (
                SELECT step, page, lead(page) OVER (PARTITION BY {SESSION} ORDER BY step) AS target FROM changes
            ) GROUP BY ALL
        ),
        ranked AS (
            SELECT step, source AS page, sum(n) AS n,
                CASE WHEN row_number() OVER (PARTITION BY step ORDER BY sum(n) DESC, source) <= {NAMES}
                    THEN source ELSE '{OTHER}' END AS name
            FROM hops GROUP BY step, source
        )
        SELECT step - 1, name, NULL, sum(n)::BIGINT FROM ranked GROUP BY ALL
        UNION ALL
        SELECT h.step - 1, s.name, t.name, sum(h.n)::BIGINT
        FROM hops h JOIN ranked s ON s.step = h.step AND s.page = h.source
            JOIN ranked t ON t.step = h.step + 1 AND t.page = h.target
        GROUP BY ALL ORDER BY ALL NULLS LAST"""


def pick_paths(answer: dict[str, Any]) -> Rows:
    rows = [(node["step"], node["name"], None, node["sessions"]) for node in answer["nodes"]]
    rows += [(link["step"], link["source"], link["target"], link["sessions"]) for link in answer["links"]]
    return sorted(rows, key=lambda row: (*row[:2], row[2] is None, *row[2:]))
