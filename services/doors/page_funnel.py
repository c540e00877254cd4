"""Reference 4's funnel: our funnel, whose steps are views of pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from columns.properties import Property, parse_property
from services.context import Context
from services.doors.page_reports import DEFAULT_HOURS, to_percent
from services.doors.ranges import ask, build_recent_range, parse_hours
from services.doors.visit_buckets import PAGE, parse_pages
from services.fields import FieldParser, parse_fields
from services.projects import Project
from services.reports import funnel
from services.reports.filters import Filter
from services.reports.funnel import DEFAULT_BREAKDOWN_LIMIT, DEFAULT_WINDOW_SECONDS, MAX_STEPS
from services.reports.funnel_steps import FunnelParameters, Order, Step
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest
from services.reports.session import PAGE_VIEW_NAMES

EVENT_NAME: Final[Property] = parse_property("eventName")


def parse_steps(value: object) -> tuple[str, ...]:
    """Paths of pages, in the order of the funnel."""
    found = parse_pages(value)
    if len(found) > MAX_STEPS:
        raise ValueError(f"must be 1 to {MAX_STEPS} pages")
    return found


def fetch_page_funnel(
    context: Context, project: Project, fields: Mapping[str, Any], *, now_ms: int
) -> list[dict[str, Any]]:
    """Persons who viewed the pages one after the other. Fields: pages, hours (24). Raises InvalidInput."""
    values = parse_fields(fields, {"pages": parse_steps, "hours": parse_hours}, required=("pages",))
    time_range = build_recent_range(values.get("hours", DEFAULT_HOURS), now_ms=now_ms)
    answer = ask(context, PAGE_FUNNEL, project, time_range, {"pages": fields["pages"]}, names=("hours",))
    return list(answer["rows"])


def _parse(values: dict[str, Any]) -> FunnelParameters:
    is_view = Filter(EVENT_NAME, "in", PAGE_VIEW_NAMES)
    steps = (Step(None, (is_view, Filter(PAGE, "eq", (page,)))) for page in values["pages"])
    window_ms = DEFAULT_WINDOW_SECONDS * 1000
    return FunnelParameters(tuple(steps), window_ms, Order.ORDERED, None, DEFAULT_BREAKDOWN_LIMIT)


def _compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Users of each step, and their share of the first step's. Nobody: zeros and nulls."""
    steps = funnel.compute(population, request)["steps"]
    pages = [step.filters[-1].values[0] for step in request.parameters.steps]
    return {
        "rows": [
            {
                "step": step["step"],
                "page": page,
                "visitors": step["users"],
                "conversion_rate": to_percent(step["users"], steps[0]["users"]),
            }
            for step, page in zip(steps, pages, strict=True)
        ]
    }


FIELDS: Final[dict[str, FieldParser]] = {"pages": parse_steps}
PAGE_FUNNEL: Final = Report(
    "page-funnel",
    FIELDS,
    _parse,
    _compute,
    lambda result: list(result["rows"]),
    ("step", "page", "visitors", "conversion_rate"),
    required=("pages",),
    list_properties=funnel.list_properties,
)
