"""References 2 and 5: event-summary, user-stats, daily-stats and top-pages, with exactly their fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from columns.properties import parse_property
from services.context import Context
from services.doors.ranges import ask, build_dated_range, parse_days
from services.errors import InvalidInput
from services.fields import FieldParser, parse_fields
from services.projects import Project
from services.reports import pages, timeseries, user
from services.reports.buckets import Interval
from services.reports.filters import Filter
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, keep, parse_count, parse_event_name
from services.time_range import TimeRange

DATES: Final[dict[str, FieldParser]] = {"startDate": keep, "endDate": keep}
SHOWN_DEVICES: Final = ("desktop", "mobile", "tablet")
"""Counted in every answer, also when there is none."""
UNKNOWN_DEVICE: Final = "unknown"
DEFAULT_RECENT_EVENTS: Final = 10
MAX_EVENT_NAMES: Final = 10_000

Fields = Mapping[str, Any]


def fetch_event_summary(context: Context, project: Project, fields: Fields, *, now_ms: int) -> dict[str, Any]:
    """Totals, and the events by name and by device. Fields: startDate, endDate, eventName. Raises InvalidInput."""
    values = parse_fields(fields, {**DATES, "eventName": parse_event_name})
    asked = {"eventName": values["eventName"]} if "eventName" in values else {}
    answer = _ask_dated(context, EVENT_SUMMARY, project, values, asked, now_ms)
    return _pick(answer, "totalEvents", "uniqueUsers", "eventBreakdown", "deviceBreakdown", "cached", "generatedAt")


def fetch_user_stats(context: Context, project: Project, fields: Fields, *, now_ms: int) -> dict[str, Any]:
    """Everything a user ever did, and the newest events. Fields: userId, limit. Raises InvalidInput, NotFound."""
    parsers: dict[str, FieldParser] = {
        "userId": user.parse_user_id,
        "limit": partial(parse_count, least=0, most=1000),
    }
    values = parse_fields(fields, parsers, required=("userId",))
    asked = {"userId": values["userId"], "limit": values.get("limit", DEFAULT_RECENT_EVENTS)}
    answer = ask(context, user.REPORT, project, TimeRange(), asked)
    recent = [_pick(event, "eventName", "url", "timestamp", "metadata") for event in answer["events"]]
    return {**_pick(answer, "userId", "totalEvents", "firstSeen", "lastSeen"), "recentEvents": recent}


def fetch_daily_stats(context: Context, project: Project, fields: Fields, *, now_ms: int) -> dict[str, Any]:
    """Events and users of each day. Fields: startDate, endDate, or days. Raises InvalidInput."""
    values = parse_fields(fields, {**DATES, "days": parse_days})
    answer = _ask_dated(context, timeseries.REPORT, project, values, {"interval": Interval.DAY.value}, now_ms)
    days = [
        {"date": each["bucket"][:10], "totalEvents": each["count"], "uniqueUsers": each["uniqueUsers"]}
        for each in answer["series"]
    ]
    return {"dailyStats": days, **_pick(answer, "cached", "generatedAt")}


def fetch_top_pages(context: Context, project: Project, fields: Fields, *, now_ms: int) -> dict[str, Any]:
    """The pages that were viewed most. Fields: startDate, endDate, limit (10). Raises InvalidInput."""
    values = parse_fields(fields, {**DATES, "limit": partial(parse_count, least=1, most=1000)})
    answer = _ask_dated(context, pages.REPORT, project, values, {"limit": values.get("limit", 10)}, now_ms)
    viewed = [
        {"url": page["page"], "views": page["views"], "uniqueUsers": page["visitors"]}
        for page in answer["pages"]
        if page["views"]
    ]
    return {"pages": viewed, **_pick(answer, "cached", "generatedAt")}


def _ask_dated(
    context: Context, report: Report, project: Project, values: Fields, parameters: Fields, now_ms: int
) -> dict[str, Any]:
    time_range = build_dated_range(values, ZoneInfo(project.timezone), now_ms=now_ms)
    return ask(context, report, project, time_range, parameters)


def _pick(fields: Fields, *names: str) -> dict[str, Any]:
    return {name: fields[name] for name in names}


def _parse_summary(values: dict[str, Any]) -> str | None:
    """The one event to count; None: all."""
    return values.get("eventName")


def _list_summary_filters(event_name: str | None) -> tuple[Filter, ...]:
    return () if event_name is None else (Filter(parse_property("eventName"), "eq", (event_name,)),)


def _compute_summary(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Counts by name and by device, most first; each adds up to the total. No events: zeros."""
    ((users,),) = population.fetch(f"SELECT count(DISTINCT person) FROM ({population.build_sql()})")
    again = population.renew()
    rows = again.fetch(f"SELECT event_name, device_type, count(*) FROM ({again.build_sql()}) GROUP BY ALL")
    names: Counter[str] = Counter()
    devices: Counter[str] = Counter(dict.fromkeys(SHOWN_DEVICES, 0))
    for name, device, count in rows:
        names[name] += count
        devices[device or UNKNOWN_DEVICE] += count
    if len(names) > MAX_EVENT_NAMES:
        message = f"There are more than {MAX_EVENT_NAMES} event names: narrow startDate and endDate, or name an event"
        raise InvalidInput(message, fields=["startDate", "endDate", "eventName"])
    return {
        "totalEvents": names.total(),
        "uniqueUsers": users,
        "eventBreakdown": dict(sorted(names.items(), key=lambda item: (-item[1], item[0]))),
        "deviceBreakdown": dict(sorted(devices.items(), key=lambda item: (-item[1], item[0]))),
    }


EVENT_SUMMARY: Final = Report(
    "event-summary",
    {"eventName": parse_event_name},
    _parse_summary,
    _compute_summary,
    lambda result: [result],
    ("totalEvents", "uniqueUsers", "eventBreakdown", "deviceBreakdown"),
    list_filters=_list_summary_filters,
)
