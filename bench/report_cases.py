"""The first five reports, each with equal SQL written by hand for DuckDB alone, and an equal aggregation for MongoDB.

The SQL reads the same Parquet files. Its persons are those that the files and the patch have, as in the service;
`SIMPLE_PERSON` in their place makes it comparable to MongoDB, where an event's person is its userId, else its
anonymousId: joining identities to each event in an aggregation would take many times as long and prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import quote as quote_url

from bench import mongo_reports
from bench.events import END_MS, FUNNEL, LAST_WEEK_MS
from bench.mongo_reports import GAP_MS, WINDOW_MS, MongoEvents, Rows
from columns.properties import build_column_name
from services import clock

ZONE = "Europe/Berlin"
SUMMER_TIME = "TIMESTAMP '2025-03-30 01:00:00'"
CONVERTING = "purchase"

SIMPLE_PERSON = "coalesce(user_id, anonymous_id)"
COUNTED = "occurred_at IS NOT NULL AND NOT is_bot"
"""What every report counts: events with a valid time that are not of crawlers."""


@dataclass(frozen=True)
class Case:
    """One report. `pick` gives of its answer what `sql` gives, in the same order."""

    name: str
    report: str
    fields: dict[str, Any]
    sql: str
    """Over a relation `events` with the column `person`."""
    pick: Callable[[dict[str, Any]], Rows]
    fetch_from_mongo: Callable[[MongoEvents], Rows] | None = None
    """What `simplify` gives of the rows of `sql`; None: not compared."""
    simplify: Callable[[Rows], Rows] = lambda rows: rows
    mongo_note: str = ""
    """What MongoDB is spared."""
    most_seconds: float | None = None
    """What it may take over as many events as the goals are for."""

    def build_call(self) -> tuple[str, dict[str, Any]]:
        """Path and body of the request over HTTP; the id of a person is in the path."""
        if "userId" not in self.fields:
            return f"/v1/reports/{self.report}", self.fields
        fields = {name: value for name, value in self.fields.items() if name != "userId"}
        return f"/v1/reports/users/{quote_url(self.fields['userId'], safe='')}", fields


def build_source(files: list[str], patch: str | None, *, person: str | None = None) -> str:
    """SQL of the relation `events`: the segments, with the persons that their patch gives, or with `person`."""
    segments = f"read_parquet([{', '.join(map(quote, files))}], union_by_name = true)"
    if person is not None:
        return f"(SELECT *, {person} AS person FROM {segments})"
    if patch is None:
        return f"(SELECT *, person_key AS person FROM {segments})"
    return (
        f"(SELECT e.*, coalesce(p.person_key, e.person_key) AS person FROM {segments} e"
        f" LEFT JOIN read_parquet({quote(patch)}) p USING (anon_key))"
    )


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def list_cases(filter_key: str, filter_value: str) -> list[Case]:
    """The five reports over all events, and what is often asked besides; the filter is on a key of the metadata."""
    filter_column = build_column_name(f"/{filter_key}", "text")
    return [
        Case(
            "overview", "overview", {},
            f"""
            WITH valid AS (SELECT * FROM events WHERE {COUNTED}),
            gaps AS (
                SELECT occurred_at - lag(occurred_at) OVER (PARTITION BY person ORDER BY occurred_at) AS gap
                FROM valid WHERE session_id IS NULL AND person IS NOT NULL
            )
            SELECT count(*), count(DISTINCT person), count(DISTINCT event_name),
                epoch_ms(min(occurred_at)), epoch_ms(max(occurred_at)),
                count(DISTINCT session_id)
                + (SELECT count(*) FROM gaps WHERE gap IS NULL OR gap > INTERVAL {GAP_MS} MILLISECOND)
            FROM valid""",
            pick_overview, mongo_reports.fetch_overview,
        ),
        Case(
            "top-events", "top-events", {},
            build_top_sql(""),
            pick_top, partial(mongo_reports.fetch_top, conditions={}),
        ),
        Case(
            "top-events, filter on metadata", "top-events",
            {"filters": [{"property": f"metadata.{filter_key}", "operator": "eq", "value": filter_value}]},
            build_top_sql(f"AND {filter_column} = {quote(filter_value)}"),
            pick_top, partial(mongo_reports.fetch_top, conditions={f"metadata.{filter_key}": filter_value}),
        ),
        Case(
            "top-events, last 7 days", "top-events",
            {"from": clock.format_ms(LAST_WEEK_MS), "to": clock.format_ms(END_MS)},
            build_top_sql(
                f"AND occurred_at >= make_timestamp_ms({LAST_WEEK_MS}) AND occurred_at < make_timestamp_ms({END_MS})"
            ),
            pick_top, partial(mongo_reports.fetch_top, conditions=mongo_reports.LAST_WEEK),
        ),
        Case(
            "events-timeseries by day", "events-timeseries", {},
            "SELECT epoch_ms(date_trunc('day', occurred_at)) AS day, count(*), count(DISTINCT person) FROM events"
            f" WHERE {COUNTED} GROUP BY day ORDER BY day",
            pick_series, partial(mongo_reports.fetch_series, zone="UTC"),
        ),
        Case(
            f"events-timeseries by day, {ZONE}", "events-timeseries", {"tz": ZONE},
            f"""
            SELECT epoch_ms(day - CASE WHEN day > {SUMMER_TIME} THEN INTERVAL 2 HOUR ELSE INTERVAL 1 HOUR END),
                events, users
            FROM (
                SELECT date_trunc('day', occurred_at
                        + CASE WHEN occurred_at < {SUMMER_TIME} THEN INTERVAL 1 HOUR ELSE INTERVAL 2 HOUR END) AS day,
                    count(*) AS events, count(DISTINCT person) AS users
                FROM events WHERE {COUNTED} GROUP BY 1
            ) ORDER BY 1""",
            pick_series, partial(mongo_reports.fetch_series, zone=ZONE),
        ),
        Case(
            "funnel of 4 steps", "funnel", {"steps": list(FUNNEL), "windowSeconds": WINDOW_MS // 1000},
            build_funnel_sql(FUNNEL),
            pick_funnel, mongo_reports.fetch_funnel,
            lambda rows: [(row[0], *row[1::3]) for row in rows], "without waiting times",
        ),
        Case(
            "conversion", "conversion", {"eventName": CONVERTING},
            f"SELECT count(DISTINCT person) FILTER (event_name = '{CONVERTING}'), count(DISTINCT person) FROM events"
            f" WHERE {COUNTED}",
            lambda answer: [(answer["convertedUsers"], answer["totalUsers"])],
            partial(mongo_reports.fetch_conversion, event_name=CONVERTING),
        ),
    ]  # fmt: skip


def build_top_sql(condition: str) -> str:
    return (
        "SELECT event_name, count(*), count(DISTINCT person) FROM events"
        f" WHERE {COUNTED} {condition} GROUP BY event_name ORDER BY count(*) DESC, event_name LIMIT 10"
    )


def build_funnel_sql(steps: tuple[str, ...]) -> str:
    """A row a step: (users, median wait, mean wait). Of a person's entries the one that reached furthest counts, ties
    the earliest."""
    names = ", ".join(map(quote, steps))
    relevant = f"person IS NOT NULL AND {COUNTED} AND event_name IN ({names})"
    relations = [
        f"relevant AS (SELECT person, event_name, occurred_at FROM events WHERE {relevant})",
        f"reach_1 AS (SELECT person, occurred_at AS t1 FROM relevant WHERE event_name = {quote(steps[0])})",
    ]
    for number, step in enumerate(steps[1:], start=2):
        matching = f"SELECT person, occurred_at FROM relevant WHERE event_name = {quote(step)}"
        relations.append(
            f"reach_{number} AS (SELECT r.*, CASE WHEN s.occurred_at <= r.t1 + INTERVAL {WINDOW_MS // 1000} SECOND"
            f" THEN s.occurred_at END AS t{number} FROM reach_{number - 1} r ASOF LEFT JOIN ({matching}) s"
            f" ON r.person = s.person AND r.t{number - 1} <= s.occurred_at)"
        )
    times = [f"t{number}" for number in range(1, len(steps) + 1)]
    reached = " + ".join(f"({time} IS NOT NULL)::INT" for time in times)
    entry = ", ".join(f"{time}: {time}" for time in times)
    best = f"arg_max({{{entry}}}, ({reached}, -epoch_ms(t1)))"
    relations.append(f"best AS (SELECT {best} AS b FROM reach_{len(steps)} GROUP BY person)")
    measures = ["count(*)"]
    for earlier, later in pairwise(times):
        wait = f"epoch_ms(b.{later}) - epoch_ms(b.{earlier})"
        measures += [f"count(b.{later})", f"median({wait})", f"avg({wait})"]
    return f"WITH {', '.join(relations)} SELECT {', '.join(measures)} FROM best"


def pick_overview(answer: dict[str, Any]) -> Rows:
    times = [clock.to_ms(datetime.fromisoformat(answer[name])) for name in ("firstEventAt", "lastEventAt")]
    return [(answer["totalEvents"], answer["uniqueUsers"], answer["uniqueEventNames"], *times, answer["sessions"])]


def pick_top(answer: dict[str, Any]) -> Rows:
    return [(row["eventName"], row["count"], row["uniqueUsers"]) for row in answer["events"]]


def pick_series(answer: dict[str, Any]) -> Rows:
    return [
        (clock.to_ms(datetime.fromisoformat(row["bucket"])), row["count"], row["uniqueUsers"])
        for row in answer["series"] if row["count"]
    ]  # fmt: skip


def pick_funnel(answer: dict[str, Any]) -> Rows:
    first, *others = answer["steps"]
    row = [first["users"]]
    for step in others:
        row += [step["users"], step["medianSecondsFromPrevious"] * 1000, step["meanSecondsFromPrevious"] * 1000]
    return [tuple(row)]
