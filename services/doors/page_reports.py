"""Reference 4's analytics, with exactly its fields: sessions, funnel, retention, pages, traffic-sources, devices.

The numbers are those of our reports; ratios are percentages with two decimals here. Where clients measured how long
they looked at a page (`duration`, as this system's clients send it), that is what durations are made of; else the time
between events is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from services.context import Context
from services.doors.durations import DURATION, build_duration_sql
from services.doors.ranges import ask, build_recent_range, parse_hours
from services.doors.visit_buckets import UNKNOWN
from services.fields import FieldParser, parse_fields
from services.projects import Project
from services.reports import devices, overview, pages, retention, sessions, sources
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.session import IS_PAGE_VIEW

DEFAULT_HOURS: Final = 24
DEFAULT_DAYS: Final = 30
DAYS_OF_A_WEEK: Final = 7
DIRECT: Final = "Direct"
MAX_ITEMS: Final = 1000
TOP_REFERRERS: Final = 3

Fields = Mapping[str, Any]
Rows = list[dict[str, Any]]
parse_limit = partial(parse_count, least=1, most=MAX_ITEMS)


def fetch_sessions(context: Context, project: Project, fields: Fields, *, now_ms: int) -> Rows:
    """The latest sessions, newest first. Fields: hours (24), limit (100). Raises InvalidInput."""
    return _fetch_rows(context, SESSIONS, project, fields, now_ms=now_ms)


def fetch_pages(context: Context, project: Project, fields: Fields, *, now_ms: int) -> Rows:
    """The pages that were viewed most. Fields: hours (24), limit (10). Raises InvalidInput."""
    return _fetch_rows(context, PAGES, project, fields, now_ms=now_ms)


def fetch_traffic_sources(context: Context, project: Project, fields: Fields, *, now_ms: int) -> Rows:
    """Where sessions came from, most first. Fields: hours (24). Raises InvalidInput."""
    return _fetch_rows(context, TRAFFIC_SOURCES, project, fields, now_ms=now_ms)


def fetch_devices(context: Context, project: Project, fields: Fields, *, now_ms: int) -> Rows:
    """What events came from, most first. Fields: hours (24). Raises InvalidInput."""
    return _fetch_rows(context, DEVICES, project, fields, now_ms=now_ms)


def fetch_retention(context: Context, project: Project, fields: Fields, *, now_ms: int) -> Rows:
    """Weekly cohorts, week by week, without weeks that are not over yet. Fields: days (30). Raises InvalidInput."""
    parse_days = partial(parse_count, least=1, most=retention.MAX_INTERVALS * DAYS_OF_A_WEEK)
    days = parse_fields(fields, {"days": parse_days}).get("days", DEFAULT_DAYS)
    time_range = build_recent_range(days * 24, now_ms=now_ms)
    asked = {"interval": "week", "intervals": -(-days // DAYS_OF_A_WEEK)}
    answer = ask(context, retention.REPORT, project, time_range, asked, names=("days",))
    return [
        {
            "cohort_date": row["bucket"],
            "period": period,
            "users": users,
            "retention_rate": to_percent(users, row["size"]),
        }
        for row in answer["rows"]
        for period, users in enumerate(row["counts"])
        if users is not None
    ]


def to_percent(part: int, whole: int) -> float | None:
    """A share of 100 with two decimals; None where there is nothing to divide by."""
    return round(100 * part / whole, 2) if whole else None


def _fetch_rows(context: Context, report: Report, project: Project, fields: Fields, *, now_ms: int) -> Rows:
    values = parse_fields(fields, {"hours": parse_hours, **report.fields}, required=report.required)
    time_range = build_recent_range(values.get("hours", DEFAULT_HOURS), now_ms=now_ms)
    asked = {name: value for name, value in fields.items() if name != "hours"}
    return list(ask(context, report, project, time_range, asked, names=("hours",))["rows"])


def _compute_part(report: Report, population: Population, request: ReportRequest, **values: Any) -> dict[str, Any]:
    """Another report over the same events, asked with these parameters."""
    return report.compute(population.renew(), replace(request, parameters=report.parse(values)))


def _compute_sessions(population: Population, request: ReportRequest) -> dict[str, Any]:
    found = _compute_part(sessions.REPORT, population, request, limit=request.parameters)["items"]
    ids = [item["sessionId"] for item in found if item["sessionId"] is not None]
    again = population.renew()
    measured: dict[str, float] = {}
    if ids:
        rows = again.fetch(f"""
            SELECT session_id, sum({build_duration_sql(again)}) AS seconds FROM ({again.build_sql()})
            WHERE list_contains({again.bind(ids)}, session_id) GROUP BY session_id HAVING seconds IS NOT NULL""")
        measured = dict(rows)
    return {"rows": [_format_session(item, measured) for item in found]}


def _format_session(item: dict[str, Any], measured: dict[str, float]) -> dict[str, Any]:
    return {
        "session_id": item["sessionId"],
        "page_count": item["pageViews"],
        "total_duration": measured.get(item["sessionId"], item["durationSeconds"]),
        "first_page": item["entryPage"],
        "last_page": item["exitPage"],
        "started_at": item["startedAt"],
        "ended_at": item["endedAt"],
    }


def _compute_pages(population: Population, request: ReportRequest) -> dict[str, Any]:
    found = _compute_part(pages.REPORT, population, request, limit=request.parameters)["pages"]
    names = [page["page"] for page in found]
    measured, referrers = _fetch_page_durations(population, names), _fetch_top_referrers(population, names)
    return {
        "rows": [
            {
                "page": page["page"],
                "views": page["views"],
                "unique_visitors": page["visitors"],
                "avg_duration": _round(measured.get(page["page"], page["averageTimeSeconds"])),
                "bounce_rate": _round(page["bounceRate"], factor=100),
                "top_referrers": referrers[page["page"]],
            }
            for page in found
        ]
    }


def _round(number: float | None, *, factor: int = 1) -> float | None:
    return None if number is None else round(number * factor, 2)


def _fetch_page_durations(population: Population, names: list[str]) -> dict[str, float]:
    """Page -> mean of the durations that were sent with its views; pages without one are missing."""
    again = population.renew()
    rows = again.fetch(f"""
        SELECT page, avg({build_duration_sql(again)}) AS seconds FROM ({again.build_sql()})
        WHERE list_contains({again.bind(names)}, page) AND {IS_PAGE_VIEW}
        GROUP BY page HAVING seconds IS NOT NULL""")
    return dict(rows)


def _fetch_top_referrers(population: Population, names: list[str]) -> dict[str, Rows]:
    """Page -> the other sites that most of its views came from."""
    again = population.renew()
    rows = again.fetch(f"""
        SELECT page, referrer_host, count(*) AS views FROM ({again.build_sql()})
        WHERE list_contains({again.bind(names)}, page) AND referrer_host IS NOT NULL AND {IS_PAGE_VIEW}
        GROUP BY page, referrer_host
        QUALIFY row_number() OVER (PARTITION BY page ORDER BY count(*) DESC, referrer_host) <= {TOP_REFERRERS}
        ORDER BY page, views DESC, referrer_host""")
    found: dict[str, Rows] = defaultdict(list)
    for page, referrer, views in rows:
        found[page].append({"referrer": referrer, "count": views})
    return found


def _compute_traffic_sources(population: Population, request: ReportRequest) -> dict[str, Any]:
    total = _compute_part(overview.REPORT, population, request)["sessions"]
    found = _compute_part(sources.REPORT, population, request, by="referrerHost", limit=MAX_ITEMS)["sources"]
    rows = [
        {
            "source": each["source"] or DIRECT,
            "visits": each["sessions"],
            "percentage": to_percent(each["sessions"], total),
        }
        for each in found
    ]
    return {"rows": rows}


def _compute_devices(population: Population, request: ReportRequest) -> dict[str, Any]:
    found = _compute_part(devices.REPORT, population, request, limit=MAX_ITEMS)
    total = sum(each["count"] for each in found["deviceTypes"])
    rows = [
        {
            "device_type": each["deviceType"] or UNKNOWN,
            "browser": each["browser"] or UNKNOWN,
            "os": each["os"] or UNKNOWN,
            "visits": each["count"],
            "percentage": to_percent(each["count"], total),
        }
        for each in found["combinations"]
    ]
    return {"rows": rows}


def _build(name: str, compute: Any, default_limit: int | None = None, *, reads_duration: bool = False) -> Report:
    """A report whose one parameter is a limit, or that has none, and whose rows are ready to be shown."""
    fields: dict[str, FieldParser] = {} if default_limit is None else {"limit": parse_limit}
    return Report(
        name,
        fields,
        lambda values: values.get("limit", default_limit),
        compute,
        lambda result: list(result["rows"]),
        (),
        list_properties=lambda parameters: (DURATION,) if reads_duration else (),
    )


SESSIONS: Final = _build("visit-sessions", _compute_sessions, 100, reads_duration=True)
PAGES: Final = _build("visit-pages", _compute_pages, 10, reads_duration=True)
TRAFFIC_SOURCES: Final = _build("visit-sources", _compute_traffic_sources)
DEVICES: Final = _build("visit-devices", _compute_devices)
