"""Events in order, part by part: compared with what sorting them one by one gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from services.reports import event_order
from services.reports.event_order import OrderedEvents, stream_parts
from services.reports.room import EVENT_BYTES

Event = tuple[UUID, int, int, str]
"""Owner, time in ms, mark, id."""
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999


class Events:
    """In place of a population: a table of events, and which queries were asked of it."""

    def __init__(self, events: list[Event], most: int = 1_000_000) -> None:
        self.copy = SimpleNamespace(memory_limit_bytes=most * EVENT_BYTES)
        self.snapshot = SimpleNamespace(count=len(events))
        owners, times, marks, ids = zip(*events, strict=True) if events else ((), (), (), ())
        self.table = pa.table(
            {
                "owner": pa.array([owner.bytes for owner in owners], pa.uuid()),
                "occurred_at": pa.array(times, pa.timestamp("ms")).cast(pa.timestamp("us")),
                "mark": pa.array(marks, pa.uint8()),
                "event_id": pa.array(ids, pa.string()),
            }
        )
        self.asked: list[str] = []

    def stream_batches(
        self, sql: str, tables: Mapping[str, pa.Table] | None = None, *, rows: int
    ) -> Iterator[pa.RecordBatch]:
        self.asked.append(sql)
        with duckdb.connect(
            config={"arrow_lossless_conversion": True, "preserve_insertion_order": False}
        ) as connection:
            for name, table in {"events": self.table, **(tables or {})}.items():
                connection.register(name, table)
            yield from connection.sql(sql).to_arrow_reader(rows)

    def fetch(self, _sql: str, _tables: Mapping[str, pa.Table]) -> list[tuple[Any, ...]]:
        return [(self.table.num_rows,)]


def order(events: list[Event], *, with_ids: bool, most: int = 1_000_000) -> list[list[tuple[int, int]]]:
    """(time, mark) of each owner's events in order. `most`: so many may be held at once."""
    population = Events(events, most)

    def matters(marks: Any) -> Any:
        return np.full(len(marks), with_ids)

    parts: list[OrderedEvents] = list(stream_parts(population, "SELECT * FROM events", matters))  # type: ignore[arg-type]
    found = {}
    for part in parts:
        numbers = np.repeat(np.arange(len(part.starts) - 1), np.diff(part.starts))
        for number, key in enumerate(part.owner_keys):
            mine = numbers == number
            owner = UUID(bytes=key.tobytes())
            assert owner not in found
            found[owner] = list(zip(part.times_ms[mine].tolist(), part.marks[mine].tolist(), strict=True))
    return [found[owner] for owner in sorted(found)]


def order_plainly(events: list[Event]) -> list[list[tuple[int, int]]]:
    in_order = sorted(events, key=lambda event: (event[0], event[1], event[3]))
    return [[(ms, mark) for _, ms, mark, _ in mine] for _, mine in groupby(in_order, key=lambda event: event[0])]


def make_events(random: Random, owners: list[UUID], times: list[int], count: int) -> list[Event]:
    return [
        (random.choice(owners), random.choice(times), random.randrange(4), f"{random.randrange(10**6)}-{number}é")
        for number in range(count)
    ]


def make_owners(random: Random, count: int) -> list[UUID]:
    return [UUID(int=random.getrandbits(128)) for _ in range(count)]


@pytest.mark.parametrize("seed", range(4))
def test_events_at_one_time_stand_in_the_order_of_their_ids(seed: int) -> None:
    random = Random(seed)
    events = make_events(random, make_owners(random, 30), [1, 2, 3, 70_000, 80_000_000], 400)
    assert order(events, with_ids=True) == order_plainly(events)


def test_without_ids_the_times_of_each_owner_are_in_order() -> None:
    random = Random(5)
    events = make_events(random, make_owners(random, 30), list(range(100)), 1000)
    assert [sorted(mine) for mine in order(events, with_ids=False)] == [sorted(mine) for mine in order_plainly(events)]
    assert all(mine == sorted(mine, key=lambda event: event[0]) for mine in order(events, with_ids=False))


@pytest.mark.parametrize("high_bits", [64, 60, 30])
def test_owners_whose_keys_are_alike_are_told_apart(high_bits: int) -> None:
    random = Random(high_bits)
    # numpy reads the first eight bytes as one number, the last of them its highest
    owners = [
        UUID(bytes=random.getrandbits(64 - high_bits).to_bytes(8, "little") + random.randbytes(8)) for _ in range(40)
    ]
    events = make_events(random, owners, [1, 2, 3, 4], 600)
    assert order(events, with_ids=True) == order_plainly(events)


def test_the_first_and_the_last_moment_of_all_may_stand_in_one_stream() -> None:
    random = Random(7)
    events = make_events(random, make_owners(random, 40), [FIRST_MS, -1, 0, 1, LAST_MS], 200_000)
    assert order(events, with_ids=True) == order_plainly(events)


def test_many_events_are_gone_through_in_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(8)
    events = make_events(random, make_owners(random, 50), [1, 2, 3, 4], 1000)
    monkeypatch.setattr(event_order, "PART_EVENTS", 50)
    monkeypatch.setattr(event_order, "BATCH_EVENTS", 70)
    assert order(events, with_ids=True, most=300) == order_plainly(events)


def test_no_events_have_no_parts() -> None:
    assert order([], with_ids=True) == []


def test_ids_are_not_asked_for_where_they_decide_nothing() -> None:
    owner, other = UUID(int=1), UUID(int=2)
    same_marks = [(owner, 5, 1, "b"), (owner, 5, 1, "a"), (other, 5, 2, "c")]
    population = Events(same_marks)
    list(stream_parts(population, "SELECT * FROM events", lambda marks: marks > 0))  # type: ignore[arg-type]
    assert len(population.asked) == 1
