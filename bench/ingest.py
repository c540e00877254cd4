"""Ingest over HTTP, against what the same machine does at the same time without the service.

Run as `python -m bench.ingest`; `--help` lists the sizes. README.md says what the ratios mean.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from bench import measure
from bench.events import describe_event, pick_events
from bench.load import EVENT_ID, Load, name_generator, run_load
from bench.measure import Figure, at_least
from bench.raw_writes import MongoWriters, open_sqlite_writer
from bench.servers import count_cpu_seconds, run_empty_service, run_mongo, run_service
from db import open_store
from tests.service import Service

BATCH_PATH = "/v1/events/batch"
NEVER = 100_000_000
"""`SEAL_EVENTS` that are not reached: the columnar copy is extended by a process of its own, measured apart."""


class Target:
    """A running service with a project, and the clients' view of it in the last run."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.project_key: str = service.create_project()["projectKey"]
        self.last: Load | None = None
        self.cpu_us_per_event = 0.0

    def send(self, events: list[dict[str, Any]], *, seconds: float, connections: int) -> Load:
        """Batches of these events for a while. What was acknowledged must be in the store."""
        stored = self._count_stored()
        cpu_seconds = count_cpu_seconds(self._service.list_workers())
        load = run_load(
            self._service.config.port, BATCH_PATH, self._build_body(events), seconds=seconds, connections=connections
        )
        cpu_seconds = count_cpu_seconds(self._service.list_workers()) - cpu_seconds
        acknowledged = load.requests * len(events)
        stored = self._count_stored() - stored
        if not acknowledged <= stored <= acknowledged + connections * len(events):
            raise AssertionError(f"{acknowledged} events were acknowledged, {stored} are stored")
        self.last, self.cpu_us_per_event = load, cpu_seconds / stored * 1e6
        return load

    def _build_body(self, events: list[dict[str, Any]]) -> bytes:
        return msgspec.json.encode({"projectKey": self.project_key, "events": events})

    def _count_stored(self) -> int:
        with closing(open_store(self._service.config)) as store:
            return store.count(self.project_key)


def main() -> None:
    options = parse_options()
    events = pick_events(options.batch)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        runs, latencies = open_runs(stack, folder, options)
        samples = measure.measure_in_turn(runs, options.rounds, label="ingest")
    figures = list_figures(samples, latencies, options)
    title = f"Ingest: {options.batch} events a batch, median of {options.rounds} runs of {options.seconds} s, load by {name_generator()}"
    measure.print_table(title, figures)
    measure.save_results(options.output, figures, samples=samples, options=describe_options(options, len(events)))


def open_runs(
    stack: ExitStack, folder: Path, options: argparse.Namespace
) -> tuple[dict[str, Callable[[], float]], dict[str, list[Any]]]:
    """What to measure in turn, and where the latencies and processor times seen on the way are gathered."""
    events = pick_events(options.batch)
    plain = [describe_event(event) for event in events]
    with_ids = [describe_event(event, event_id=EVENT_ID) for event in events]
    noted: dict[str, list[Any]] = {}
    runs: dict[str, Callable[[], float]] = {}

    def add(name: str, target: Target, body: list[dict[str, Any]], connections: int) -> None:
        def run() -> float:
            load = target.send(body, seconds=options.seconds, connections=connections)
            noted.setdefault(name, []).append((load.median_ms, load.p99_ms, target.cpu_us_per_event))
            return load.per_second * len(body)

        runs[name] = run

    embedded = Target(stack.enter_context(run_service(folder / "embedded", seal_events=NEVER)))
    empty_port = stack.enter_context(run_empty_service(_service_of(embedded).config))
    single_body = msgspec.json.encode({"projectKey": embedded.project_key, "events": plain[:1]})
    runs["empty route"] = lambda: run_load(
        empty_port, "/", single_body, seconds=options.seconds, connections=options.connections
    ).per_second
    add("embedded, single", embedded, plain[:1], options.connections)
    mongo = stack.enter_context(run_mongo(folder / "mongod", cache_gb=1)) if options.mongo else None
    if mongo is not None:
        on_mongo = Target(
            stack.enter_context(run_service(folder / "mongodb", mongo_uri=mongo.uri, mongo_db_name="service", seal_events=NEVER))
        )
        add("mongodb, single", on_mongo, plain[:1], options.connections)
    add("embedded, batch", embedded, plain, options.batch_connections)
    add("embedded, batch, client ids", embedded, with_ids, options.batch_connections)
    bare_sqlite = open_sqlite_writer(folder / "bare" / "events.db", events)
    runs["bare executemany"] = lambda: bare_sqlite(options.seconds)
    if mongo is not None:
        writers = MongoWriters(mongo.uri, "raw", events)
        stack.callback(writers.close)
        add("mongodb, batch", on_mongo, plain, options.batch_connections)
        runs["raw insert_many"] = lambda: writers.run(options.seconds)
    if options.sealing:
        sealing = Target(stack.enter_context(run_service(folder / "sealing")))
        add("embedded, batch, sealing", sealing, plain, options.batch_connections)
    return runs, noted


def _service_of(target: Target) -> Service:
    return target._service  # noqa: SLF001


def list_figures(
    samples: dict[str, list[float]], noted: dict[str, list[Any]], options: argparse.Namespace
) -> list[Figure]:
    """The ratios that are asked for, then what they come from."""
    medians = measure.compute_medians(samples)

    def note(name: str) -> str:
        median_ms, p99_ms, cpu_us = (sorted(values)[len(values) // 2] for values in zip(*noted[name], strict=True))
        return f"answers in {median_ms:.0f} ms, 99 % in {p99_ms:.0f}; {cpu_us:.1f} us of the workers' processors an event"

    figures = [
        at_least("embedded, batches", medians["embedded, batch"], "events/s", 80_000, note("embedded, batch")),
        Figure("embedded, batches with random ids of the clients", medians["embedded, batch, client ids"], "events/s",
               note=note("embedded, batch, client ids")),
        Figure("embedded, batches / bare executemany", measure.compute_ratio(samples, "embedded, batch", "bare executemany"), "",
               note=f"bare: {medians['bare executemany']:,.0f} events/s"),
        at_least("embedded, single events / empty route", measure.compute_ratio(samples, "embedded, single", "empty route"), "", 0.6,
                 f"empty: {medians['empty route']:,.0f} requests/s"),
        Figure("embedded, single events", medians["embedded, single"], "requests/s", note=note("embedded, single")),
    ]  # fmt: skip
    if "mongodb, batch" in samples:
        figures += [
            at_least("mongodb, batches / raw insert_many", measure.compute_ratio(samples, "mongodb, batch", "raw insert_many"), "", 0.9,
                     f"raw: {medians['raw insert_many']:,.0f} events/s"),
            Figure("mongodb, batches", medians["mongodb, batch"], "events/s", note=note("mongodb, batch")),
            at_least("mongodb, single events / empty route", measure.compute_ratio(samples, "mongodb, single", "empty route"), "", 0.6),
            Figure("mongodb, single events", medians["mongodb, single"], "requests/s", note=note("mongodb, single")),
        ]  # fmt: skip
    if "embedded, batch, sealing" in samples:
        figures.append(
            Figure("embedded, batches while a copy is sealed", medians["embedded, batch, sealing"], "events/s",
                   note=note("embedded, batch, sealing"))
        )  # fmt: skip
    return figures


def describe_options(options: argparse.Namespace, batch_events: int) -> dict[str, Any]:
    """What was asked, without paths."""
    return {
        "batchEvents": batch_events, "connections": options.connections, "batchConnections": options.batch_connections,
        "seconds": options.seconds, "rounds": options.rounds, "load": name_generator(),
    }  # fmt: skip


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="length of one run (5)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind (5)")
    parser.add_argument("--batch", type=int, default=500, help="events in a batch (500)")
    parser.add_argument("--connections", type=int, default=32, help="clients that send single events (32)")
    parser.add_argument("--batch-connections", type=int, default=8, help="clients that send batches (8)")
    parser.add_argument("--no-mongo", dest="mongo", action="store_false", help="only the embedded store")
    parser.add_argument("--no-sealing", dest="sealing", action="store_false", help="leave out the run beside a sealing process")
    parser.add_argument("--directory", type=Path, help="where to put the data meanwhile (the system's temporary folder)")
    parser.add_argument("--output", type=Path, default=measure.RESULTS / "ingest.local.json", help="where to save the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
