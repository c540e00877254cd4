"""funnel: how many persons go from step to step, and how long they take. The definition is docs/metrics.md, Funnel."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from columns.properties import Property, parse_property
from services.errors import InvalidInput
from services.fields import parse_choice
from services.reports.filters import parse_filters
from services.reports.funnel_numbers import fetch_broken_down, fetch_chains, fetch_numbers
from services.reports.funnel_steps import FunnelParameters, Order, Step, StepNumbers, list_step_properties
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, keep, parse_count, parse_event_name
from services.reports.values import ValueKey, divide, format_value

MAX_STEPS: Final = 20
DEFAULT_WINDOW_SECONDS: Final = 7 * 24 * 3600
MAX_WINDOW_SECONDS: Final = 10 * 366 * 24 * 3600
DEFAULT_BREAKDOWN_LIMIT: Final = 25


def parse_breakdown(value: object) -> Property:
    """A property to group by."""
    if not isinstance(value, str):
        raise ValueError("must be the name of a property")
    return parse_property(value)


FIELDS: dict[str, Any] = {
    "steps": keep,
    "windowSeconds": partial(parse_count, least=1, most=MAX_WINDOW_SECONDS),
    "order": partial(parse_choice, choices=Order),
    "breakdown": parse_breakdown,
    "breakdownLimit": partial(parse_count, least=1, most=1000),
}
REQUIRED: tuple[str, ...] = ("steps",)
COLUMNS = (
    "step", "eventName", "users", "conversionFromPrevious", "conversionFromFirst",
    "medianSecondsFromPrevious", "meanSecondsFromPrevious",
)  # fmt: skip


def parse(values: dict[str, Any]) -> FunnelParameters:
    """Ordered steps within 7 days by default. Raises InvalidInput."""
    steps = values["steps"]
    if not isinstance(steps, list) or not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidInput(f"steps must be a list of 1 to {MAX_STEPS} steps", fields=["steps"])
    return FunnelParameters(
        steps=tuple(parse_step(step, f"steps[{number}]") for number, step in enumerate(steps)),
        window_ms=values.get("windowSeconds", DEFAULT_WINDOW_SECONDS) * 1000,
        order=values.get("order", Order.ORDERED),
        breakdown=values.get("breakdown"),
        breakdown_limit=values.get("breakdownLimit", DEFAULT_BREAKDOWN_LIMIT),
    )


def parse_step(value: object, field: str) -> Step:
    """An event name, or `{eventName, filters}`."""
    is_object = isinstance(value, dict) and set(value) <= {"eventName", "filters"}
    name = value.get("eventName") if isinstance(value, dict) and is_object else value
    try:
        event_name = parse_event_name(name)
    except ValueError:
        message = f"{field} must be the name of an event (1 to 200 characters), or an object with eventName and filters"
        raise InvalidInput(message, fields=[field]) from None
    filters = value.get("filters") if isinstance(value, dict) else None
    return Step(event_name, parse_filters(filters, field=f"{field}.filters") if filters is not None else ())


def list_properties(parameters: FunnelParameters) -> tuple[Property, ...]:
    """Properties read besides those of the common filters."""
    return list_step_properties(parameters)


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Persons who reached each step; with a breakdown also for each value at the entry. Nobody: zeros and nulls."""
    parameters: FunnelParameters = request.parameters
    chains = fetch_chains(population, parameters)
    result = format_steps(fetch_numbers(population, parameters, chains), parameters)
    if parameters.breakdown is not None:
        groups = sorted(fetch_broken_down(population, parameters, chains).items(), key=build_group_order)
        shown = groups[: parameters.breakdown_limit]
        result["breakdown"] = [
            {"value": format_value(key), **format_steps(numbers, parameters)} for key, numbers in shown
        ]
        result["breakdownValues"] = len(groups)
    return result


def build_group_order(group: tuple[ValueKey, list[StepNumbers]]) -> tuple[int, bool, str]:
    """Most users first, then by the value as text, the absent one last."""
    key, numbers = group
    value = format_value(key)
    return -numbers[0].users, value is None, value if isinstance(value, str) else json.dumps(value)


def format_steps(numbers: list[StepNumbers], parameters: FunnelParameters) -> dict[str, Any]:
    """Steps with their ratios (0..1) and waits in seconds."""
    steps = [
        {
            "step": position + 1,
            "eventName": step.event_name,
            "users": reached.users,
            "conversionFromPrevious": divide(reached.users, numbers[position - 1].users) if position else None,
            "conversionFromFirst": divide(reached.users, numbers[0].users),
            "medianSecondsFromPrevious": to_seconds(reached.median_ms),
            "meanSecondsFromPrevious": to_seconds(reached.mean_ms),
        }
        for position, (step, reached) in enumerate(zip(parameters.steps, numbers, strict=True))
    ]
    return {"steps": steps, "overallConversion": divide(numbers[-1].users, numbers[0].users)}


def to_seconds(ms: float | None) -> float | None:
    """Milliseconds as seconds."""
    return None if ms is None else ms / 1000


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a step; with a breakdown a row a value and step."""
    if "breakdown" not in result:
        return list(result["steps"])
    return [{"value": group["value"], **step} for group in result["breakdown"] for step in group["steps"]]


REPORT = Report(
    "funnel", FIELDS, parse, compute, list_rows, COLUMNS,
    required=REQUIRED, list_properties=list_properties, has_body=True,
)  # fmt: skip
