"""What every report is asked: which project, range, zone and filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from services.errors import InvalidInput
from services.fields import FieldParser, parse_fields
from services.project_fields import parse_timezone
from services.projects import Project
from services.relative_range import Last, parse_last
from services.reports.filters import Filter, parse_filters
from services.time_range import TimeRange, parse_time_range

if TYPE_CHECKING:
    from services.reports.cohort import Cohort


@dataclass(frozen=True)
class ReportRequest:
    """The common part of a request, and the report's own parameters as its module parsed them."""

    range: TimeRange
    zone_name: str
    filters: tuple[Filter, ...]
    is_compared: bool
    parameters: Any = None
    now_ms: int | None = None
    """The present, for reports that depend on it."""
    includes_bots: bool = False
    cohorts: tuple[tuple[str, Cohort], ...] = ()
    """Those that its filters name, by id: what they are is a part of what is asked."""

    @property
    def zone(self) -> ZoneInfo:
        """The report's time zone."""
        return ZoneInfo(self.zone_name)


def keep(value: Any) -> Any:
    """A field that is parsed later, together with others."""
    return value


def parse_compare(value: object) -> bool:
    """Only `previous` can be compared with."""
    if value != "previous":
        raise ValueError("must be previous")
    return True


def parse_switch(value: object) -> bool:
    """JSON true or false, or their text in a query."""
    if not isinstance(value, bool | str) or value not in (True, False, "true", "false"):
        raise ValueError("must be true or false")
    return value in (True, "true")


def refuse(value: object) -> None:
    """For one of COMMON_FIELDS that a question does not have."""
    raise ValueError("is not a known field")


COMMON_FIELDS: Final[dict[str, FieldParser]] = {
    "projectKey": keep,
    "from": keep,
    "to": keep,
    "last": parse_last,
    "tz": parse_timezone,
    "filters": keep,
    "compare": parse_compare,
    "includeBots": parse_switch,
    "format": keep,
}


def parse_report_request(
    fields: Mapping[str, Any],
    project: Project,
    own_fields: Mapping[str, FieldParser],
    required: tuple[str, ...],
    *,
    now_ms: int,
) -> tuple[ReportRequest, dict[str, Any]]:
    """The common part, and the report's own fields, each parsed. Raises InvalidInput."""
    present = {name: value for name, value in fields.items() if value is not None}
    values = parse_fields(present, {**COMMON_FIELDS, **own_fields}, required=required)
    zone_name = values.get("tz", project.timezone)
    time_range = parse_common_range(values, ZoneInfo(zone_name), now_ms=now_ms)
    is_compared = values.get("compare", False)
    if is_compared:
        time_range.previous(ZoneInfo(zone_name))  # refused here rather than after the first half of the work
    request = ReportRequest(
        time_range, zone_name, parse_filters(values.get("filters", [])), is_compared,
        includes_bots=values.get("includeBots", False),
    )  # fmt: skip
    return request, {name: value for name, value in values.items() if name in own_fields}


def parse_common_range(values: dict[str, Any], zone: ZoneInfo, *, now_ms: int) -> TimeRange:
    """The range of `from` and `to`, or of `last`. Raises InvalidInput."""
    if "last" not in values:
        return parse_time_range(values, zone)
    bounds = [name for name in ("from", "to") if name in values]
    if bounds:
        raise InvalidInput(f"last and {bounds[0]} cannot go together", fields=["last", *bounds])
    last: Last = values["last"]
    return last.find_range(zone, now_ms=now_ms)


def parse_count(value: object, *, least: int, most: int) -> int:
    """A whole number, as JSON or as text of a query."""
    expected = f"must be a whole number from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(expected)
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 10):
        raise ValueError(expected)
    if not least <= int(value) <= most:
        raise ValueError(expected)
    return int(value)


def parse_event_name(value: object) -> str:
    """The name of an event, 1 to 200 characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("must be the name of an event, text of 1 to 200 characters")
    return value
