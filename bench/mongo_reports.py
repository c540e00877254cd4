"""The same reports as MongoDB aggregations, over events stored and indexed as the service stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.events import DAY_MS, END_MS, FUNNEL, LAST_WEEK_MS
from services import clock

PERSON = {"$ifNull": ["$userId", "$anonymousId"]}
LAST_WEEK = {"timestamp": {"$gte": clock.from_ms(LAST_WEEK_MS), "$lt": clock.from_ms(END_MS)}}

WINDOW_MS = 7 * DAY_MS
GAP_MS = 30 * 60_000

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class MongoEvents:
    """One project's events. `is_natural`: where no range is asked, read all of the collection in the file's order."""

    collection: Any
    project_key: str
    limit_ms: int
    is_natural: bool

    def aggregate(
        self, stages: Sequence[Mapping[str, Any]], conditions: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """What the stages make of the events that have a valid time and meet the conditions."""
        match = {"$match": {"projectKey": self.project_key, "timestamp": {"$ne": None}, **(conditions or {})}}
        is_whole = "timestamp" not in (conditions or {})
        hint = {"hint": {"$natural": 1}} if self.is_natural and is_whole else {}
        found = self.collection.aggregate([match, *stages], allowDiskUse=True, maxTimeMS=self.limit_ms, **hint)
        return list(found)


def fetch_overview(events: MongoEvents) -> Rows:
    """In four questions, each of which is faster by itself than all of them in one."""
    group = {"_id": PERSON, "n": {"$sum": 1}, "first": {"$min": "$timestamp"}, "last": {"$max": "$timestamp"}}
    total = {
        "_id": None, "n": {"$sum": "$n"}, "users": {"$sum": {"$cond": [{"$eq": ["$_id", None]}, 0, 1]}},
        "first": {"$min": "$first"}, "last": {"$max": "$last"},
    }  # fmt: skip
    (row,) = events.aggregate([{"$group": group}, {"$group": total}])
    names = events.collection.distinct("eventName", {"projectKey": events.project_key})
    sent = count_groups(events, "$sessionId", {"sessionId": {"$ne": None}})
    formed = count_formed_sessions(events)
    return [(row["n"], row["users"], len(names), to_ms(row["first"]), to_ms(row["last"]), sent + formed)]


def count_groups(events: MongoEvents, key: str, conditions: dict[str, Any]) -> int:
    """How many different values a field has."""
    return sum(row["n"] for row in events.aggregate([{"$group": {"_id": key}}, {"$count": "n"}], conditions))


def count_formed_sessions(events: MongoEvents) -> int:
    """Sessions of events without a sessionId: one begins where a person's last event is more than the gap ago."""
    previous = {"$shift": {"output": "$timestamp", "by": -1}}
    starts = {"$or": [{"$eq": ["$previous", None]}, {"$gt": [{"$subtract": ["$timestamp", "$previous"]}, GAP_MS]}]}
    stages: list[dict[str, Any]] = [
        {"$project": {"_id": 0, "person": PERSON, "timestamp": 1}},
        {"$setWindowFields": {"partitionBy": "$person", "sortBy": {"timestamp": 1}, "output": {"previous": previous}}},
        {"$match": {"$expr": starts}},
        {"$count": "n"},
    ]
    return sum(row["n"] for row in events.aggregate(stages, {"sessionId": None}))


def fetch_top(events: MongoEvents, conditions: dict[str, Any]) -> Rows:
    stages: list[dict[str, Any]] = [
        {"$group": {"_id": {"name": "$eventName", "person": PERSON}, "n": {"$sum": 1}}},
        {"$group": {"_id": "$_id.name", "n": {"$sum": "$n"}, "users": {"$sum": 1}}},
        {"$sort": {"n": -1, "_id": 1}},
        {"$limit": 10},
    ]
    return [(row["_id"], row["n"], row["users"]) for row in events.aggregate(stages, conditions)]


def fetch_series(events: MongoEvents, zone: str) -> Rows:
    day = {"$dateTrunc": {"date": "$timestamp", "unit": "day", "timezone": zone}}
    stages: list[dict[str, Any]] = [
        {"$group": {"_id": {"day": day, "person": PERSON}, "n": {"$sum": 1}}},
        {"$group": {"_id": "$_id.day", "n": {"$sum": "$n"}, "users": {"$sum": 1}}},
        {"$sort": {"_id": 1}},
    ]
    return [(to_ms(row["_id"]), row["n"], row["users"]) for row in events.aggregate(stages)]


def fetch_conversion(events: MongoEvents, event_name: str) -> Rows:
    converted = {"$max": {"$cond": [{"$eq": ["$eventName", event_name]}, 1, 0]}}
    stages: list[dict[str, Any]] = [
        {"$group": {"_id": PERSON, "converted": converted}},
        {"$group": {"_id": None, "converted": {"$sum": "$converted"}, "users": {"$sum": 1}}},
    ]
    (row,) = events.aggregate(stages)
    return [(row["converted"], row["users"])]


def fetch_funnel(events: MongoEvents) -> Rows:
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
                        {"$lte": ["$$time", {"$add": ["$$entry", WINDOW_MS]}]},
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
    stages: list[dict[str, Any]] = [
        {"$group": {"_id": PERSON, **times}},
        {"$match": {"t0": {"$ne": []}}},
        {"$project": {"reached": best}},
        {"$group": {"_id": None, **counts}},
    ]
    (row,) = events.aggregate(stages, {"eventName": {"$in": list(FUNNEL)}})
    return [tuple(row[f"s{number}"] for number in range(len(FUNNEL)))]


def to_ms(moment: datetime) -> int:
    """Milliseconds of a datetime from MongoDB, which is UTC and without a zone."""
    return (moment.replace(tzinfo=UTC) - clock.EPOCH) // timedelta(milliseconds=1)
