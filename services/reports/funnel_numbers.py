"""The numbers of a funnel: events in order, the best chain of each person, and the sums over those, by DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.reports.event_order import build_uuids, stream_parts
from services.reports.funnel_chains import Chains, find_chains, matches_several
from services.reports.funnel_steps import FunnelParameters, Order, StepNumbers, build_step_condition
from services.reports.population import Population
from services.reports.values import ValueKey, list_value_columns

if TYPE_CHECKING:
    import pyarrow as pa


def fetch_chains(population: Population, parameters: FunnelParameters) -> pa.Table:
    """A row for each person who entered, of the best chain: `owner`, `entered_at`, `entry_place`, `waits` (ms)."""
    import pyarrow as pa

    events = build_marked_sql(population, parameters)
    parts = stream_parts(population, events, matches_several)
    return pa.Table.from_batches([build_batch(find_chains(part, parameters)) for part in parts], build_schema())


def build_schema() -> pa.Schema:
    """Of the table of chains."""
    import pyarrow as pa

    return pa.schema(
        {
            "owner": pa.uuid(),
            "entered_at": pa.timestamp("us"),
            "entry_place": pa.int64(),
            "waits": pa.list_(pa.int64()),
        }
    )


def build_batch(chains: Chains) -> pa.RecordBatch:
    """Chains as rows of the table."""
    import numpy as np
    import pyarrow as pa

    offsets = np.concatenate(([0], np.cumsum(chains.lengths - 1))).astype(np.int32)
    columns = [
        build_uuids(chains.owner_keys),
        pa.array(chains.entered_ms.view("datetime64[ms]").astype("datetime64[us]")),
        pa.array(chains.entry_places),
        pa.ListArray.from_arrays(pa.array(offsets), pa.array(chains.waits_ms)),
    ]
    return pa.record_batch(columns, schema=build_schema())


def fetch_numbers(population: Population, parameters: FunnelParameters, chains: pa.Table) -> list[StepNumbers]:
    """Numbers of each step; nobody: zeros."""
    sql = f"SELECT {', '.join(list_measures(len(parameters.steps)))} FROM chains"
    (row,) = population.renew().fetch(sql, {"chains": chains})
    return build_numbers(row, len(parameters.steps))


def fetch_broken_down(
    population: Population, parameters: FunnelParameters, chains: pa.Table
) -> dict[ValueKey, list[StepNumbers]]:
    """Value of the breakdown's property in the entry -> numbers of each step; nobody: none."""
    assert parameters.breakdown is not None
    population = population.renew()
    events = build_marked_sql(population, parameters)
    values = list_value_columns(population, parameters.breakdown)
    keys = [f"key_{number}" for number in range(len(values))]
    selected = ", ".join(f"{value} AS {key}" for value, key in zip(values, keys, strict=True))
    enters = "mark > 0" if parameters.order is Order.ANY else "mark % 2 = 1"
    measures = list_measures(len(parameters.steps))
    rows = population.fetch(
        f"""
        SELECT {", ".join([*keys, *measures])} FROM (
            SELECT {selected}, waits FROM ({events}) JOIN chains USING (owner)
            WHERE occurred_at = entered_at AND {enters}
            QUALIFY row_number() OVER (PARTITION BY owner ORDER BY event_id) = entry_place)
        GROUP BY {", ".join(keys)}""",
        {"chains": chains},
    )
    return {row[:4]: build_numbers(row[4:], len(parameters.steps)) for row in rows}


def list_measures(step_count: int) -> list[str]:
    """SQL aggregates over `waits`, as `build_numbers` reads them."""
    further = (
        (f"count(waits[{step}])", f"median(waits[{step}])", f"sum(waits[{step}])::DOUBLE")
        for step in range(1, step_count)
    )
    return ["count(*)", *(measure for measures in further for measure in measures)]


def build_numbers(columns: tuple[Any, ...], step_count: int) -> list[StepNumbers]:
    """Numbers of each step from (users of the first, then users, median and sum of the waits of each further one)."""
    numbers = [StepNumbers(columns[0], None, None)]
    for step in range(1, step_count):
        users, median_ms, sum_ms = columns[3 * step - 2 : 3 * step + 1]
        numbers.append(StepNumbers(users, median_ms, sum_ms / users if users else None))
    return numbers


def build_marked_sql(population: Population, parameters: FunnelParameters) -> str:
    """SELECT of the population's events of persons with `owner` and `mark`, the steps an event matches as bits; without
    those that match none, unless they count as lying between steps."""
    steps = parameters.steps
    marks = (
        f"CASE WHEN {build_step_condition(population, step)} THEN {1 << number} ELSE 0 END"
        for number, step in enumerate(steps)
    )
    sql_type = "UTINYINT" if len(steps) <= 8 else "USMALLINT" if len(steps) <= 16 else "UINTEGER"
    events = f"SELECT *, person AS owner FROM ({population.build_sql()}) WHERE person IS NOT NULL"
    names = [step.event_name for step in steps]
    if any(step.filters for step in steps) and None not in names and parameters.order is not Order.STRICT:
        # so that filters are looked at for these events only
        events += f" AND event_name IN ({', '.join(population.bind(name) for name in names)})"
    marked = f"SELECT *, ({' + '.join(marks)})::{sql_type} AS mark FROM ({events})"
    return marked if parameters.order is Order.STRICT else f"SELECT * FROM ({marked}) WHERE mark > 0"
