"""Ordered funnels whose steps are different events, in SQL: each step is an ASOF join to the earliest later event."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from services.reports.funnel_steps import (
    FunnelParameters,
    Order,
    StepNumbers,
    build_breakdown_key,
    build_step_condition,
    list_breakdown_columns,
)
from services.reports.population import Population
from services.reports.values import ValueKey


def can_join(parameters: FunnelParameters) -> bool:
    """Whether no event can match two steps, and only their order counts."""
    names = {step.event_name for step in parameters.steps}
    return parameters.order is Order.ORDERED and None not in names and len(names) == len(parameters.steps)


def fetch_joined_numbers(population: Population, parameters: FunnelParameters) -> dict[ValueKey, list[StepNumbers]]:
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
    times = [f"time_{number}" for number in range(1, len(parameters.steps) + 1)]
    # the smallest is the entry that reached furthest: missing steps first, then the earliest time, then the event id
    missing = " + ".join(f"({time} IS NULL)::INT" for time in times)
    fields = [f"missing: {missing}", "time_1: time_1", "entry_id: entry_id"]
    fields += [f"{time}: {time}" for time in times[1:]]
    fields += [f"key_{number}: key_{number}" for number in range(len(keys))]
    best = f"SELECT min({{{', '.join(fields)}}}) AS entry FROM in_window GROUP BY person"
    measures = ["count(*)"]
    for earlier, later in pairwise(times):
        wait = f"epoch_ms(entry.{later}) - epoch_ms(entry.{earlier})"
        measures += [f"count(entry.{later})", f"median({wait})", f"sum({wait})::DOUBLE"]
    grouped = [f"entry.key_{number}" for number in range(len(keys))]
    group_by = f" GROUP BY {', '.join(grouped)}" if grouped else ""
    relations = [*list_chains(population, parameters, keys), f"best AS ({best})"]
    return f"WITH {', '.join(relations)} SELECT {', '.join([*grouped, *measures])} FROM best{group_by}"


def list_chains(population: Population, parameters: FunnelParameters, keys: list[str]) -> list[str]:
    """Relations up to `in_window`: an entry a row, with the times of the steps it reaches.

    Chains are built from the last step backwards: what follows a step does not depend on how it was reached. That takes
    half the time of going forwards, where each join carries every entry.
    """
    names = ", ".join(population.bind(step.event_name) for step in parameters.steps)
    events = f"SELECT * FROM ({population.build_sql()}) WHERE person IS NOT NULL AND event_name IN ({names})"
    entry_id = "event_id" if keys else "''"
    entry_columns = [f"{entry_id} AS entry_id", *(f"{column} AS key_{number}" for number, column in enumerate(keys))]
    relations = [f"population AS ({events})"]
    count = len(parameters.steps)
    for number in range(count, 0, -1):
        columns = ["person", f"occurred_at AS time_{number}", *(entry_columns if number == 1 else [])]
        condition = build_step_condition(population, parameters.steps[number - 1])
        step = f"SELECT {', '.join(columns)} FROM population WHERE {condition}"
        if number < count:
            later = f"chain_{number + 1}"
            reached = ", ".join(f"{later}.time_{following}" for following in range(number + 1, count + 1))
            step = (
                f"SELECT s.*, {reached} FROM ({step}) s ASOF LEFT JOIN {later}"
                f" ON s.person = {later}.person AND s.time_{number} <= {later}.time_{number + 1}"
            )
        relations.append(f"chain_{number} AS ({step})")
    return [*relations, f"in_window AS ({build_window_sql(population, parameters)})"]


def build_window_sql(population: Population, parameters: FunnelParameters) -> str:
    """The entries, without the steps that came too late."""
    if len(parameters.steps) == 1:
        return "SELECT * FROM chain_1"
    window = population.bind(timedelta(milliseconds=parameters.window_ms))
    cut = [
        f"CASE WHEN time_{number} <= time_1 + {window} THEN time_{number} END AS time_{number}"
        for number in range(2, len(parameters.steps) + 1)
    ]
    return f"SELECT * REPLACE ({', '.join(cut)}) FROM chain_1"
