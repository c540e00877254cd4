"""Reports, each with equal SQL written by hand for DuckDB alone, and an equal aggregation for MongoDB.

The SQL reads the same Parquet files. Its persons are those that the files and the patch have, as in the service;
`SIMPLE_PERSON` in their place makes it comparable to MongoDB, where an event's person is its userId, else its
anonymousId: joining identities to each event in an aggregation would take many times as long and prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from bench.events import DAY_MS, END_MS, FUNNEL
from columns.properties import build_column_name
from services import clock

ZONE = "Europe/Berlin"
SUMMER_TIME = "TIMESTAMP '2025-03-30 01:00:00'"
WINDOW_SECONDS = 7 * 24 * 3600
GAP_MS = 30 * 60_000
CONVERTING = "purchase"
LAST_WEEK_MS = END_MS - 7 * DAY_MS

LAST_WEEK_IN_MONGO = {"timestamp": {"$gte": clock.from_ms(LAST_WEEK_MS), "$lt": clock.from_ms(END_MS)}}

Rows = list[tuple[Any, ...]]
SIMPLE_PERSON = "coalesce(user_id, anonymous_id)"
MONGO_PERSON = {"$ifNull": ["$userId", "$anonymousId"]}


@dataclass(frozen=True)
class Case:
    """One report. `pick` gives of its answer what `sql` gives, in the same order."""

    name: str
    report: str
    fields: dict[str, Any]
    sql: str
    """Over a relation `events` with the column `person`."""
    pick: Callable[[dict[str, Any]], Rows]
    fetch_from_mongo: Callable[[Any, str, int], Rows]
    """Of a collection, a projectKey and a limit in ms: what `simplify` gives of the rows of `sql`."""
    simplify: Callable[[Rows], Rows] = lambda rows: rows
    mongo_note: str = ""
    """What MongoDB is spared."""


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
            WITH valid AS (SELECT * FROM events WHERE occurred_at IS NOT NULL),
            gaps AS (
                SELECT occurred_at - lag(occurred_at) OVER (PARTITION BY person ORDER BY occurred_at) AS gap
                FROM valid WHERE session_id IS NULL AND person IS NOT NULL
            )
            SELECT count(*), count(DISTINCT person), count(DISTINCT event_name),
                epoch_ms(min(occurred_at)), epoch_ms(max(occurred_at)),
                count(DISTINCT session_id)
                + (SELECT count(*) FROM gaps WHERE gap IS NULL OR gap > INTERVAL {GAP_MS} MILLISECOND)
            FROM valid""",
            pick_overview, fetch_mongo_overview,
        ),
        Case(
            "top-events", "top-events", {},
            build_top_sql(""),
            pick_top, partial(fetch_mongo_top, conditions={}),
        ),
        Case(
            "top-events, filter on metadata", "top-events",
            {"filters": [{"property": f"metadata.{filter_key}", "operator": "eq", "value": filter_value}]},
            build_top_sql(f"AND {filter_column} = {quote(filter_value)}"),
            pick_top, partial(fetch_mongo_top, conditions={f"metadata.{filter_key}": filter_value}),
        ),
        Case(
            "top-events, last 7 days", "top-events",
            {"from": clock.format_ms(LAST_WEEK_MS), "to": clock.format_ms(END_MS)},
            build_top_sql(
                f"AND occurred_at >= make_timestamp_ms({LAST_WEEK_MS}) AND occurred_at < make_timestamp_ms({END_MS})"
            ),
            pick_top, partial(fetch_mongo_top, conditions=LAST_WEEK_IN_MONGO, hint="projectKey_1_timestamp_1"),
        ),
        Case(
            "events-timeseries by day", "events-timeseries", {},
            "SELECT epoch_ms(date_trunc('day', occurred_at)) AS day, count(*), count(DISTINCT person) FROM events"
            " WHERE occurred_at IS NOT NULL GROUP BY day ORDER BY day",
            pick_series, partial(fetch_mongo_series, zone="UTC"),
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
                FROM events WHERE occurred_at IS NOT NULL GROUP BY 1
            ) ORDER BY 1""",
            pick_series, partial(fetch_mongo_series, zone=ZONE),
        ),
        Case(
            "funnel of 4 steps", "funnel", {"steps": list(FUNNEL), "windowSeconds": WINDOW_SECONDS},
            build_funnel_sql(FUNNEL),
            pick_funnel, fetch_mongo_funnel,
            lambda rows: [(row[0], *row[1::3]) for row in rows], "without waiting times",
        ),
        Case(
            "conversion", "conversion", {"eventName": CONVERTING},
            f"SELECT count(DISTINCT person) FILTER (event_name = '{CONVERTING}'), count(DISTINCT person) FROM events"
            " WHERE occurred_at IS NOT NULL",
            lambda answer: [(answer["convertedUsers"], answer["totalUsers"])], fetch_mongo_conversion,
        ),
    ]  # fmt: skip


def build_top_sql(condition: str) -> str:
    return (
        "SELECT event_name, count(*), count(DISTINCT person) FROM events"
        f" WHERE occurred_at IS NOT NULL {condition} GROUP BY event_name ORDER BY count(*) DESC, event_name LIMIT 10"
    )


def build_funnel_sql(steps: tuple[str, ...]) -> str:
    """A row a step: (users, median wait, mean wait). Of a person's entries the one that reached furthest counts, ties
    the earliest."""
    names = ", ".join(map(quote, steps))
    relevant = f"person IS NOT NULL AND occurred_at IS NOT NULL AND event_name IN ({names})"
    relations = [
        f"relevant AS (SELECT person, event_name, occurred_at FROM events WHERE {relevant})",
        f"reach_1 AS (SELECT person, occurred_at AS t1 FROM relevant WHERE event_name = {quote(steps[0])})",
    ]
    for number, step in enumerate(steps[1:], start=2):
        matching = f"SELECT person, occurred_at FROM relevant WHERE event_name = {quote(step)}"
        relations.append(
            f"reach_{number} AS (SELECT r.*, CASE WHEN s.occurred_at <= r.t1 + INTERVAL {WINDOW_SECONDS} SECOND"
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


def aggregate(collection: Any, pipeline: list[dict[str, Any]], limit_ms: int, hint: Any = None) -> list[dict[str, Any]]:
    """The database holds hardly anything but the project: reading it in the order of the file is the fastest way."""
    return list(
        collection.aggregate(pipeline, allowDiskUse=True, maxTimeMS=limit_ms, hint=hint or {"$natural": 1})
    )


def build_match(project_key: str, conditions: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"$match": {"projectKey": project_key, "timestamp": {"$ne": None}, **(conditions or {})}}


def fetch_mongo_overview(collection: Any, project_key: str, limit_ms: int) -> Rows:
    """In four questions, each of which is faster by itself than all of them in one."""
    group = {"_id": MONGO_PERSON, "n": {"$sum": 1}, "first": {"$min": "$timestamp"}, "last": {"$max": "$timestamp"}}
    total = {
        "_id": None, "n": {"$sum": "$n"}, "users": {"$sum": {"$cond": [{"$eq": ["$_id", None]}, 0, 1]}},
        "first": {"$min": "$first"}, "last": {"$max": "$last"},
    }  # fmt: skip
    (row,) = aggregate(collection, [build_match(project_key), {"$group": group}, {"$group": total}], limit_ms)
    names = collection.distinct("eventName", {"projectKey": project_key})
    sent = count_groups(collection, project_key, {"sessionId": {"$ne": None}}, "$sessionId", limit_ms)
    formed = count_mongo_sessions(collection, project_key, limit_ms)
    return [(row["n"], row["users"], len(names), to_ms(row["first"]), to_ms(row["last"]), sent + formed)]


def count_groups(collection: Any, project_key: str, conditions: dict[str, Any], key: str, limit_ms: int) -> int:
    """How many different values a field has."""
    pipeline = [build_match(project_key, conditions), {"$group": {"_id": key}}, {"$count": "n"}]
    return sum(row["n"] for row in aggregate(collection, pipeline, limit_ms))


def count_mongo_sessions(collection: Any, project_key: str, limit_ms: int) -> int:
    """Sessions of events without a sessionId: one begins where a person's last event is more than the gap ago."""
    previous = {"$shift": {"output": "$timestamp", "by": -1}}
    starts = {"$or": [{"$eq": ["$previous", None]}, {"$gt": [{"$subtract": ["$timestamp", "$previous"]}, GAP_MS]}]}
    pipeline = [
        build_match(project_key, {"sessionId": None}),
        {"$project": {"_id": 0, "person": MONGO_PERSON, "timestamp": 1}},
        {"$setWindowFields": {"partitionBy": "$person", "sortBy": {"timestamp": 1}, "output": {"previous": previous}}},
        {"$match": {"$expr": starts}},
        {"$count": "n"},
    ]
    return sum(row["n"] for row in aggregate(collection, pipeline, limit_ms))


def fetch_mongo_top(
    collection: Any, project_key: str, limit_ms: int, conditions: dict[str, Any], hint: str | None = None
) -> Rows:
    pipeline = [
        build_match(project_key, conditions),
        {"$group": {"_id": {"name": "$eventName", "person": MONGO_PERSON}, "n": {"$sum": 1}}},
        {"$group": {"_id": "$_id.name", "n": {"$sum": "$n"}, "users": {"$sum": 1}}},
        {"$sort": {"n": -1, "_id": 1}},
        {"$limit": 10},
    ]
    return [(row["_id"], row["n"], row["users"]) for row in aggregate(collection, pipeline, limit_ms, hint)]


def fetch_mongo_series(collection: Any, project_key: str, limit_ms: int, zone: str) -> Rows:
    day = {"$dateTrunc": {"date": "$timestamp", "unit": "day", "timezone": zone}}
    pipeline = [
        build_match(project_key),
        {"$group": {"_id": {"day": day, "person": MONGO_PERSON}, "n": {"$sum": 1}}},
        {"$group": {"_id": "$_id.day", "n": {"$sum": "$n"}, "users": {"$sum": 1}}},
        {"$sort": {"_id": 1}},
    ]
    return [(to_ms(row["_id"]), row["n"], row["users"]) for row in aggregate(collection, pipeline, limit_ms)]


def fetch_mongo_conversion(collection: Any, project_key: str, limit_ms: int) -> Rows:
    converted = {"$max": {"$cond": [{"$eq": ["$eventName", CONVERTING]}, 1, 0]}}
    pipeline = [
        build_match(project_key),
        {"$group": {"_id": MONGO_PERSON, "converted": converted}},
        {"$group": {"_id": None, "converted": {"$sum": "$converted"}, "users": {"$sum": 1}}},
    ]
    (row,) = aggregate(collection, pipeline, limit_ms)
    return [(row["converted"], row["users"])]


def fetch_mongo_funnel(collection: Any, project_key: str, limit_ms: int) -> Rows:
    """Users by step: each person's times of each step, then for every entry the earliest of the next, and so on."""
    times = {
        f"t{number}": {"$push": {"$cond": [{"$eq": ["$eventName", step]}, "$timestamp", "$$REMOVE"]}}
        for number, step in enumerate(FUNNEL)
    }
    # how many steps an entry `$$entry` reached, from the last step backwards: 1 + (next is there ? 1 + ... : 0)
    reached: Any = 0
    for number in range(len(FUNNEL) - 1, 0, -1):
        before = "$$entry" if number == 1 else f"$$at{number - 1}"
        following = {
            "$min": {
                "$filter": {
                    "input": f"$t{number}", "as": "time",
                    "cond": {"$and": [
                        {"$gte": ["$$time", before]},
                        {"$lte": ["$$time", {"$add": ["$$entry", WINDOW_SECONDS * 1000]}]},
                    ]},
                }
            }
        }  # fmt: skip
        found = {"$cond": [{"$eq": [f"$$at{number}", None]}, 0, {"$add": [1, reached]}]}
        reached = {"$let": {"vars": {f"at{number}": following}, "in": found}}
    best = {"$max": {"$map": {"input": "$t0", "as": "entry", "in": {"$add": [1, reached]}}}}
    counts = {
        f"s{number}": {"$sum": {"$cond": [{"$gte": ["$reached", number + 1]}, 1, 0]}} for number in range(len(FUNNEL))
    }
    pipeline = [
        build_match(project_key, {"eventName": {"$in": list(FUNNEL)}}),
        {"$group": {"_id": MONGO_PERSON, **times}},
        {"$match": {"t0": {"$ne": []}}},
        {"$project": {"reached": best}},
        {"$group": {"_id": None, **counts}},
    ]
    (row,) = aggregate(collection, pipeline, limit_ms)
    return [tuple(row[f"s{number}"] for number in range(len(FUNNEL)))]


def to_ms(moment: datetime) -> int:
    """Milliseconds of a datetime from MongoDB, which is UTC and without a zone."""
    return (moment.replace(tzinfo=UTC) - clock.EPOCH) // timedelta(milliseconds=1)
