"""What is measured of the reports: uncached, cached, beside MongoDB, and in a running service."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from pymongo import MongoClient
from pymongo.errors import ExecutionTimeout
from tqdm import tqdm

from app import open_context
from bench import measure
from bench.bare_duckdb import BareDuckDB
from bench.events import generate_batches
from bench.measure import Figure, at_least, at_most
from bench.mongo_reports import MongoEvents, Rows
from bench.report_cases import SIMPLE_PERSON, Case
from bench.servers import measure_first_answer, run_redis, run_service
from config import Config
from db import open_redis, open_store
from services.cache import Cache, NoCache, ProcessCache, RedisCache
from services.context import Context
from services.projects import Project
from services.reports import user
from services.reports.run import REPORTS, run_report
from stores.base import ArrivalRow, Event, Store
from stores.mongo import MongoStore

LOAD_EVENTS = 5_000
CACHED_CALLS = 300
CACHE_SECONDS = 3_600
MONGO_LIMIT_MS = 600_000
FIRST_ANSWERS = 3
GOAL_EVENTS = 10_000_000
"""The goals of the two comparisons are for so many events: what a request costs besides hides in their time."""
MOST_OF_DUCKDB, LEAST_OF_MONGODB = 1.3, 30.0

ASKED = {**REPORTS, user.REPORT.name: user.REPORT}
"""All reports, a person's journey as well, whose path is not its name."""

Samples = dict[str, dict[str, list[float]]]
"""Case -> way of computing it -> seconds of each run."""


@contextmanager
def open_reporting(data_dir: Path) -> Iterator[Context]:
    """What one worker of the default settings has open, without a cache."""
    config = Config(data_dir=data_dir)
    context = replace(open_context(config, open_store(config)), cache=NoCache())
    try:
        yield context
    finally:
        context.copy.close()
        context.store.close()


def load_events(context: Context, project: Project, count: int) -> list[Figure]:
    """Append generated events and bring all of them into segments; how fast that went."""
    seconds = 0.0
    with tqdm(total=count, desc="load", unit="ev", unit_scale=True) as progress:
        for batch in generate_batches(count, project.project_key, batch_events=LOAD_EVENTS):
            started = time.perf_counter()
            context.store.append(batch)
            seconds += time.perf_counter() - started
            progress.update(len(batch))
    started = time.perf_counter()
    context.copy.seal(project.project_key, force=True)
    sealing_seconds = time.perf_counter() - started
    return [
        Figure("appended to the store", count / seconds, "events/s", note=f"{LOAD_EVENTS} a commit, one process"),
        Figure("sealed", count / sealing_seconds, "events/s", note="from the store into segments, one process"),
    ]


@contextmanager
def open_bare(context: Context, project: Project, folder: Path) -> Iterator[BareDuckDB]:
    """DuckDB over the project's files with the limits that the service's engine has."""
    snapshot = context.copy.fetch_snapshot(project.project_key, epoch=project.data_epoch)
    if snapshot.tail is not None:
        raise AssertionError("some events are in no segment: DuckDB alone would not see them")
    settings = "SELECT current_setting('threads'), current_setting('memory_limit')"
    ((threads, memory_limit),) = context.copy.query(snapshot, settings, {})
    bare = BareDuckDB(snapshot.directory, memory_limit=memory_limit, threads=threads, spill_directory=folder / "spill")
    try:
        yield bare
    finally:
        bare.close()


def measure_reports(
    context: Context, bare: BareDuckDB, project: Project, cases: Sequence[Case], *, rounds: int
) -> Samples:
    """Case -> seconds in the `service` and in `bare` DuckDB, run in turn. Both must give the same rows."""
    found = {}
    for case in cases:

        def ask(case: Case = case) -> Rows:
            return case.pick(run_report(context, ASKED[case.report], case.fields, project))

        def ask_bare(case: Case = case) -> Rows:
            return bare.fetch(case)

        check_equal(case.name, ask(), ask_bare())
        runs = {"service": time_call(ask), "bare": time_call(ask_bare)}
        found[case.name] = measure.measure_in_turn(runs, rounds, label=case.name)
    return found


def time_call(call: Callable[[], Any]) -> Callable[[], float]:
    """A function that calls and gives the seconds it took."""

    def run() -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    return run


def check_equal(name: str, rows: Rows, expected: Rows) -> None:
    """Numbers up to rounding of their last digits, all else exactly."""
    is_equal = len(rows) == len(expected) and all(
        len(row) == len(other) and all(map(_is_equal, row, other)) for row, other in zip(rows, expected, strict=True)
    )
    if not is_equal:
        raise AssertionError(f"{name}: the results differ\n{rows[:10]}\n{expected[:10]}")


def _is_equal(left: Any, right: Any) -> bool:
    if isinstance(left, float) or isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9)
    return bool(left == right)


def measure_cached(stack: ExitStack, context: Context, project: Project, case: Case, folder: Path) -> list[Figure]:
    """Median time of an answer that is in the cache."""
    redis_server = stack.enter_context(run_redis(folder / "redis"))
    caches: dict[str, Cache] = {"in the process": ProcessCache(CACHE_SECONDS)}
    if redis_server is not None:
        client = open_redis(replace(context.config, redis_url=redis_server.uri))
        assert client is not None
        caches["in Redis"] = RedisCache(client, CACHE_SECONDS)
    figures = []
    for name, cache in caches.items():
        cached = replace(context, cache=cache)
        run_report(cached, ASKED[case.report], case.fields, project)
        seconds = []
        for _ in range(CACHED_CALLS):
            started = time.perf_counter()
            answer = run_report(cached, ASKED[case.report], case.fields, project)
            seconds.append(time.perf_counter() - started)
            assert answer["cached"], "the answer was not in the cache"
        figures.append(at_most(f"cached {name}", median(seconds) * 1e3, "ms", 2))
    return figures


def load_mongo(uri: str, database: str, store: Store, project_key: str) -> float:
    """Copy the project's events into a MongoDB as the service would have stored them; seconds it took."""
    target = MongoStore(lambda: MongoClient(uri), database, timeout_ms=60_000, settle_ms=120_000)
    target.ensure_ready()
    started = time.monotonic()
    with tqdm(total=store.count(project_key), desc="load MongoDB", unit="ev", unit_scale=True) as progress:
        for rows in store.scan(project_key, 0, batch_size=LOAD_EVENTS):
            target.append([build_event(project_key, row) for row in rows])
            progress.update(len(rows))
    target.close()
    return time.monotonic() - started


def build_event(project_key: str, row: ArrivalRow) -> Event:
    """The event that a row was stored from."""
    metadata, enriched = (msgspec.json.decode(text or "{}") for text in (row.metadata, row.enriched))
    return Event(project_key, *row[1:12], metadata=metadata, enriched=enriched)


def measure_mongo(
    uri: str, database: str, bare: BareDuckDB, project_key: str, cases: Sequence[Case], *,
    rounds: int, is_natural: bool,
) -> dict[str, list[float]]:  # fmt: skip
    """Case that has one -> seconds of the aggregation; infinite where it was given up after `MONGO_LIMIT_MS`.

    Its rows must be those of DuckDB with the same simple persons.
    """
    found: dict[str, list[float]] = {}
    with MongoClient[dict[str, Any]](uri) as client:
        collection = client[database]["events"]
        events = MongoEvents(collection, project_key, MONGO_LIMIT_MS, is_natural)
        stored = collection.count_documents({"projectKey": project_key})
        if stored != bare.count:
            raise AssertionError(f"MongoDB has {stored} events, the files {bare.count}")
        collection.count_documents({"url": "none"}, hint=[("$natural", 1)])  # reads all, so that what fits is cached
        for case in tqdm(cases, desc="MongoDB", unit="report", leave=False):
            if case.fetch_from_mongo is None:
                continue
            seconds = []
            for _ in range(rounds):
                started = time.perf_counter()
                try:
                    rows = case.fetch_from_mongo(events)
                except ExecutionTimeout:
                    seconds.append(math.inf)
                    break
                seconds.append(time.perf_counter() - started)
                check_equal(f"{case.name} in MongoDB", rows, case.simplify(bare.fetch(case, person=SIMPLE_PERSON)))
            found[case.name] = seconds
    return found


def measure_service(data_dir: Path, project_key: str, cases: Sequence[Case]) -> list[Figure]:
    """Memory of the workers and time to the first answer, of the service as `make run` starts it."""
    with run_service(data_dir) as service:
        workers = service.list_workers()
        idle_mb = max(map(measure.read_memory_mb, workers))
        for case in cases:
            for worker in workers:
                with service.only(worker):
                    path, fields = case.build_call()
                    answer = service.call("POST", path, {"projectKey": project_key, **fields}, timeout_seconds=600)
                if answer.status != 200:
                    raise AssertionError(f"{case.name}: {answer.status} {answer.body[:500]!r}")
        peak_mb = max(measure.read_memory_mb(worker, "VmHWM") for worker in workers)
    first = median(measure_first_answer(data_dir) for _ in range(FIRST_ANSWERS))
    return [
        at_most("idle worker", idle_mb, "MB", 150),
        at_most("worker after every report, at its most", peak_mb, "MB", 1_000),
        at_most("first answer after the start", first, "s", 3),
    ]


def compare(found: Samples, case: Case, *, events: int) -> list[Figure]:
    """The service's time for a report as a multiple of bare DuckDB's; over as many events as the goals are for also
    the time itself, where there is a goal for it."""
    samples, has_goals = found[case.name], events >= GOAL_EVENTS
    medians = measure.compute_medians(samples)
    times = f"{medians['service'] * 1e3:,.0f} ms, DuckDB {medians['bare'] * 1e3:,.0f} ms"
    ratio = measure.compute_ratio(samples, "service", "bare")
    figures = [at_most(f"{case.name} / bare DuckDB", ratio, "", MOST_OF_DUCKDB if has_goals else None, times)]
    if has_goals and case.most_seconds is not None:
        figures.append(at_most(case.name, medians["service"], "s", case.most_seconds))
    return figures


def compare_mongo(case: Case, service_seconds: float, mongo_seconds: Sequence[float], *, events: int) -> Figure:
    """MongoDB's time for a report as a multiple of the service's; of one that was given up, at least."""
    seconds = min(median(mongo_seconds), MONGO_LIMIT_MS / 1e3)
    note = "given up" if math.inf in mongo_seconds else f"{seconds:.2f} s"
    note += f" {case.mongo_note}" if case.mongo_note else ""
    goal = LEAST_OF_MONGODB if events >= GOAL_EVENTS else None
    return at_least(f"MongoDB / {case.name}", seconds / service_seconds, "", goal, note)
