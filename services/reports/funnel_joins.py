"""Ordered funnels whose steps are different events, in SQL: each step is an ASOF join to the earliest later event."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from services.reports.funnel_steps import (
    BreakdownKey,
    FunnelParameters,
    Order,
    StepNumbers,
    build_breakdown_key,
    build_step_condition,
    list_breakdown_columns,
)
from services.reports.population import Population


def can_join(parameters: FunnelParameters) -> bool:
    """Whether no event can match two steps, and only their order counts."""
    names = {step.event_name for step in parameters.steps}
    return parameters.order is Order.ORDERED and len(names) == len(parameters.steps)


def fetch_joined_numbers(population: Population, parameters: FunnelParameters) -> dict[BreakdownKey, list[StepNumbers]]:
    """Breakdown value -> numbers of each step."""
    keys = list_breakdown_columns(population, parameters.breakdown)
    rows = population.fetch(build_joined_sql(population, parameters, keys))
    return {
        build_breakdown_key(row[: len(keys)]): build_numbers(row[len(keys) :], len(parameters.steps)) for row in rows
    }


def build_numbers(columns: tuple[float | int | None, ...], step_count: int) -> list[StepNumbers]:
    """Numbers of each step from (users of the first, then users, median and sum of the waits of each further one)."""
    numbers = [StepNumbers(int(columns[0] or 0), None, None)]
    for step in range(1, step_count):
        users, median_ms, sum_ms = columns[3 * step - 2 : 3 * step + 1]
        count = int(users or 0)
        numbers.append(StepNumbers(count, median_ms, (sum_ms or 0) / count if count else None))
    return numbers


def build_joined_sql(population: Population, parameters: FunnelParameters, keys: list[str]) -> str:
    """Rows of the breakdown's columns, then the columns that `build_numbers` reads."""
    steps = parameters.steps
    names = ", ".join(population.bind(step.event_name) for step in steps)
    events = f"SELECT * FROM ({population.build_sql()}) WHERE person IS NOT NULL AND event_name IN ({names})"
    entry_columns = "".join(f", {expression} AS key_{number}" for number, expression in enumerate(keys))
    entry_id = "event_id" if keys else "''"
    entries = (
        f"SELECT person, occurred_at AS time_1, {entry_id} AS entry_id{entry_columns} FROM population"
        f" WHERE {build_step_condition(population, steps[0])}"
    )
    relations = [f"population AS ({events})", f"chain_1 AS ({entries})"]
    for number, step in enumerate(steps[1:], start=2):
        window = population.bind(timedelta(milliseconds=parameters.window_ms))
        following = (
            f"SELECT person, occurred_at AS following_at FROM population WHERE {build_step_condition(population, step)}"
        )
        relations.append(
            f"chain_{number} AS (SELECT c.*, CASE WHEN s.following_at <= c.time_1 + {window} THEN s.following_at END"
            f" AS time_{number} FROM chain_{number - 1} c ASOF LEFT JOIN ({following}) s"
            f" ON c.person = s.person AND c.time_{number - 1} <= s.following_at)"
        )
    times = [f"time_{number}" for number in range(1, len(steps) + 1)]
    # the smallest is the entry that reached furthest: missing steps first, then the earliest time, then the event id
    missing = " + ".join(f"({time} IS NULL)::INT" for time in times)
    fields = [f"missing: {missing}", "time_1: time_1", "entry_id: entry_id"]
    fields += [f"{time}: {time}" for time in times[1:]]
    fields += [f"key_{number}: key_{number}" for number in range(len(keys))]
    relations.append(f"best AS (SELECT min({{{', '.join(fields)}}}) AS entry FROM chain_{len(steps)} GROUP BY person)")
    measures = ["count(*)"]
    for earlier, later in pairwise(times):
        wait = f"epoch_ms(entry.{later}) - epoch_ms(entry.{earlier})"
        measures += [f"count(entry.{later})", f"median({wait})", f"sum({wait})::DOUBLE"]
    grouped = [f"entry.key_{number}" for number in range(len(keys))]
    group_by = f" GROUP BY {', '.join(grouped)}" if grouped else ""
    return f"WITH {', '.join(relations)} SELECT {', '.join([*grouped, *measures])} FROM best{group_by}"
