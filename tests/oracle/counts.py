"""overview, top-events, events-timeseries, conversion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from tests.oracle.events import Event
from tests.oracle.population import Population, divide
from tests.oracle.sessions import list_sessions
from tests.oracle.times import find_bucket, format_utc
from tests.oracle.values import Json, Row


def compute_overview(population: Population, params: Mapping[str, Json]) -> Row:
    times = [event.when for event in population.events]
    return {
        "totalEvents": len(population.events),
        "uniqueUsers": population.count_users(population.events),
        "uniqueEventNames": len({event.name for event in population.events}),
        "sessions": len(list_sessions(population)),
        "firstEventAt": format_utc(min(times, default=None)),
        "lastEventAt": format_utc(max(times, default=None)),
    }


def compute_top_events(population: Population, params: Mapping[str, Json]) -> Row:
    by_name: dict[str, list[Event]] = defaultdict(list)
    for event in population.events:
        by_name[event.name].append(event)
    rows = [{"eventName": name, **population.count(events)} for name, events in by_name.items()]
    rows.sort(key=lambda row: (-row["count"], row["eventName"]))
    return {"events": rows[: params.get("limit", 10)]}


def compute_series(population: Population, params: Mapping[str, Json]) -> Row:
    interval, zone = params.get("interval", "day"), population.zone
    events = [event for event in population.events if params.get("eventName", event.name) == event.name]
    times = [event.when for event in events]
    buckets: dict[str, list[Event]] = {bucket: [] for bucket in population.list_buckets(interval, times)}
    for event in events:
        buckets[find_bucket(event.when, interval, zone)].append(event)
    return {"series": [{"bucket": bucket, **population.count(held)} for bucket, held in buckets.items()]}


def compute_conversion(population: Population, params: Mapping[str, Json]) -> Row:
    name = params["eventName"]
    converted = population.count_users(event for event in population.events if event.name == name)
    total = population.count_users(population.events)
    return {
        "eventName": name,
        "convertedUsers": converted,
        "totalUsers": total,
        "conversionRate": divide(converted, total),
    }
