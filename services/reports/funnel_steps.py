"""What a funnel asks, and the numbers of one step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from columns.properties import Property
from services.reports.filters import Filter
from services.reports.population import Population


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


def list_step_properties(parameters: FunnelParameters) -> tuple[Property, ...]:
    """Properties that the steps' filters and the breakdown read."""
    used = [item.prop for step in parameters.steps for item in step.filters]
    return tuple(dict.fromkeys([*used, *([parameters.breakdown] if parameters.breakdown else [])]))


def build_step_condition(population: Population, step: Step) -> str:
    """SQL condition that an event of the population counts as the step."""
    condition = population.build_condition(step.filters)
    return condition if step.event_name is None else f"event_name = {population.bind(step.event_name)} AND {condition}"
