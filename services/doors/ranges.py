"""How the other systems say which time is meant, as `from` and `to` of our reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from services import clock
from services.context import Context
from services.errors import InvalidInput
from services.projects import Project
from services.reports.report import Report
from services.reports.request import parse_count
from services.reports.run import find_minute_ms, format_range, run_report
from services.time_range import TimeRange, find_day_start, parse_time_range

NAMES: Final = ("startDate", "endDate")
HOUR_MS: Final = 3_600_000
MAX_DAYS: Final = 3660
parse_days: Final = partial(parse_count, least=1, most=MAX_DAYS)
parse_hours: Final = partial(parse_count, least=1, most=24 * MAX_DAYS)


def build_dated_range(values: Mapping[str, Any], zone: ZoneInfo, *, now_ms: int) -> TimeRange:
    """The range of `startDate` and `endDate` (missing: open), or the last `days` days with today.

    Raises InvalidInput.
    """
    days = values.get("days")
    if days is None:
        return parse_time_range(dict(values), zone, names=NAMES)
    for name in NAMES:
        if name in values:
            raise InvalidInput(f"days and {name} cannot go together", fields=["days", name])
    tomorrow = clock.from_ms(now_ms).astimezone(zone).date() + timedelta(days=1)
    first = find_day_start(tomorrow - timedelta(days=days), zone)
    return TimeRange(clock.to_ms(first), clock.to_ms(find_day_start(tomorrow, zone)))


def build_recent_range(hours: int, *, now_ms: int) -> TimeRange:
    """The last `hours` hours, from a whole minute on, so that the answers of one minute share a place in the cache."""
    return TimeRange(find_minute_ms(now_ms) - hours * HOUR_MS, None)


def ask(
    context: Context,
    report: Report,
    project: Project,
    time_range: TimeRange,
    parameters: Mapping[str, Any],
    *,
    names: tuple[str, ...] = NAMES,
) -> dict[str, Any]:
    """A report's answer over the range. What is wrong with the range is said of what made it, the parameters `names`.
    """
    bounds = {name: bound for name, bound in format_range(time_range).items() if bound is not None}
    try:
        return run_report(context, report, {**parameters, **bounds}, project)
    except InvalidInput as exc:
        if "from" not in exc.fields:
            raise
        message = f"The range is too long, or reaches beyond the years 1 to 9999: narrow {' and '.join(names)}"
        raise InvalidInput(message, fields=list(names)) from exc
