"""What a funnel asks, and the numbers of one step: shared by the two ways of computing it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from columns.properties import Property
from services.reports.filters import Filter
from services.reports.population import Population
from services.reports.values import ValueKey, list_value_columns


class Order(StrEnum):
    """How steps must follow each other."""

    ORDERED = "ordered"
    STRICT = "strict"
    ANY = "any"


@dataclass(frozen=True)
class Step:
    """Events that count as the step: of this name (None: of any), and passing the filters."""

    event_name: str | None
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class FunnelParameters:
    """A funnel; `breakdown` is a property of the entry event."""

    steps: tuple[Step, ...]
    window_ms: int
    order: Order
    breakdown: Property | None
    breakdown_limit: int


class StepNumbers(NamedTuple):
    """How many persons reached a step, and how long after the previous one (None: the first step, or nobody)."""

    users: int
    median_ms: float | None
    mean_ms: float | None


NO_BREAKDOWN: ValueKey = (None, None, None, None)


def list_step_properties(parameters: FunnelParameters) -> tuple[Property, ...]:
    """Properties that the steps' filters and the breakdown read."""
    used = [item.prop for step in parameters.steps for item in step.filters]
    return tuple(dict.fromkeys([*used, *([parameters.breakdown] if parameters.breakdown else [])]))


def build_step_condition(population: Population, step: Step) -> str:
    """SQL condition that an event of the population counts as the step."""
    condition = population.build_condition(step.filters)
    return condition if step.event_name is None else f"event_name = {population.bind(step.event_name)} AND {condition}"


def list_breakdown_columns(population: Population, breakdown: Property | None) -> list[str]:
    """SQL expressions of a `ValueKey`; none without a breakdown."""
    return [] if breakdown is None else list_value_columns(population, breakdown)


def build_breakdown_key(columns: tuple[Any, ...]) -> ValueKey:
    """The key from the columns of `list_breakdown_columns`."""
    return (columns[0], columns[1], columns[2], columns[3]) if columns else NO_BREAKDOWN
