"""The runs of the ingest benchmark: the service's, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.events import pick_events, shrink_event
from bench.load import EVENT_ID, Load, run_load
from bench.raw_writes import MongoWriters, open_sqlite_writer
from bench.servers import count_cpu_seconds, run_empty_service, run_mongo, run_service
from config import Config
from db import open_store
from services.clock import fetch_now_ms
from services.enrich import open_geo
from services.ingest.complete import complete_events
from services.ingest.decode import decode_json_batch
from services.ingest.origin import NO_ORIGIN
from services.ingest.validate import EventLimits, validate_batch
from services.projects import Project
from stores.base import Event
from tests.service import Service

BATCH_PATH = "/v1/events/batch"
NEVER = 100_000_000
"""`SEAL_EVENTS` that are not reached: the copy is extended by a process of its own, which is measured apart."""
MONGO_CACHE_GB = 1.0

Fields = dict[str, Any]
Run = Callable[[], float]


@dataclass(frozen=True)
class Sizes:
    """How much is sent."""

    seconds: float
    batch_events: int
    connections: int
    batch_connections: int
    has_mongo: bool
    has_sealing: bool


@dataclass
class Bench:
    """The runs by name, each giving requests (of single events) or events (of batches) a second, and notes on them."""

    sizes: Sizes
    runs: dict[str, Run] = field(default_factory=dict)
    notes: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    """Run -> of each round: median and 99th percentile of the answers in ms, and the workers' processor time for each
    request or event in microseconds."""

    def add_load(self, name: str, target: Target, events: Sequence[Fields]) -> None:
        """A run that sends these events in each request."""
        connections = self.sizes.connections if len(events) == 1 else self.sizes.batch_connections

        def run() -> float:
            load, cpu_us = target.send(events, seconds=self.sizes.seconds, connections=connections)
            self.notes.setdefault(name, []).append((load.median_ms, load.p99_ms, cpu_us / len(events)))
            return load.per_second * len(events)

        self.runs[name] = run

    def describe(self, name: str) -> str:
        """The notes of a run in words."""
        median_ms, p99_ms, cpu_us = map(median, zip(*self.notes[name], strict=True))
        return f"answered in {median_ms:.0f} ms, 99 % in {p99_ms:.0f} ms; {cpu_us:,.1f} us of the workers' processors"


class Target:
    """Something that takes batches."""

    def __init__(self, port: int, path: str, workers: list[int]) -> None:
        self.project_key = "0" * 12
        self._port, self._path, self._workers = port, path, workers

    def send(self, events: Sequence[Fields], *, seconds: float, connections: int) -> tuple[Load, float]:
        """What the clients saw, and the workers' processor time a request in microseconds."""
        body = msgspec.json.encode({"projectKey": self.project_key, "events": events})
        cpu_seconds = count_cpu_seconds(self._workers)
        load = run_load(self._port, self._path, body, seconds=seconds, connections=connections)
        cpu_seconds = count_cpu_seconds(self._workers) - cpu_seconds
        return load, cpu_seconds / load.requests * 1e6


class ServiceTarget(Target):
    """A running service with a project. What it acknowledges must be in its store."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.config.port, BATCH_PATH, service.list_workers())
        self.project_key = service.create_project()["projectKey"]
        self._service = service

    def send(self, events: Sequence[Fields], *, seconds: float, connections: int) -> tuple[Load, float]:
        stored = self.count_stored()
        load, cpu_us = super().send(events, seconds=seconds, connections=connections)
        stored, acknowledged = self.count_stored() - stored, load.requests * len(events)
        # requests that were under way at the end, of this run or of the one before, may be stored without an answer
        if not acknowledged <= stored <= acknowledged + 2 * connections * len(events):
            raise AssertionError(f"{acknowledged} events were acknowledged, {stored} are stored")
        return load, cpu_us

    def count_stored(self) -> int:
        """How many events the store has of the project."""
        with closing(open_store(self._service.config)) as store:
            return store.count(self.project_key)


def open_bench(stack: ExitStack, folder: Path, sizes: Sizes) -> Bench:
    """Start what is needed, and list what to run in turn."""
    bench = Bench(sizes)
    whole = pick_events(sizes.batch_events)
    small = [shrink_event(event) for event in whole]
    with_ids = [{"eventId": EVENT_ID, **event} for event in whole]
    stored = build_stored_events(small)

    service = stack.enter_context(run_service(folder / "embedded", seal_events=NEVER))
    embedded = ServiceTarget(service)
    port, workers = stack.enter_context(run_empty_service(service.config))
    bench.add_load("empty route", Target(port, "/", workers), small[:1])
    bench.add_load("embedded, single", embedded, small[:1])
    bench.add_load("embedded, batch", embedded, small)
    bench.runs["bare executemany"] = partial(open_sqlite_writer(folder / "bare" / "events.db", stored), sizes.seconds)
    bench.add_load("embedded, batch of whole events with ids", embedded, with_ids)
    if sizes.has_sealing:
        sealing = ServiceTarget(stack.enter_context(run_service(folder / "sealing")))
        bench.add_load("embedded, batch while sealing", sealing, small)
    if sizes.has_mongo:
        add_mongo(stack, bench, folder, small, stored)
    return bench


def add_mongo(stack: ExitStack, bench: Bench, folder: Path, events: Sequence[Fields], stored: Sequence[Event]) -> None:
    """The runs on a MongoDB; none where there is no mongod."""
    server = stack.enter_context(run_mongo(folder / "mongod", cache_gb=MONGO_CACHE_GB))
    if server is None:
        return
    settings = {"mongo_uri": server.uri, "mongo_db_name": "service", "seal_events": NEVER}
    target = ServiceTarget(stack.enter_context(run_service(folder / "mongodb", **settings)))
    plain = MongoWriters(server.uri, "raw", stored, processes=1, threads=1)
    stack.callback(plain.close)
    saturating = MongoWriters(server.uri, "raw", stored)
    stack.callback(saturating.close)
    bench.add_load("mongodb, single", target, events[:1])
    bench.add_load("mongodb, batch", target, events)
    bench.runs["raw insert_many"] = partial(plain.run, bench.sizes.seconds)
    bench.runs["raw insert_many, saturated"] = partial(saturating.run, bench.sizes.seconds)


def build_stored_events(events: Sequence[Fields]) -> list[Event]:
    """The events as the service stores them, sent by a server."""
    body = msgspec.json.encode({"events": events})
    config = Config()
    batch = decode_json_batch(body, max_events=len(events), max_bytes=config.max_body_bytes)
    limits = EventLimits(max_bytes=config.max_event_bytes, max_depth=config.max_event_depth)
    project = Project("be4c4be4c4be", "bench", created_at="2026-01-01T00:00:00.000Z")
    valid = validate_batch(batch, project.project_key, received_at_ms=fetch_now_ms(), limits=limits).events
    return complete_events(valid, project, NO_ORIGIN, open_geo(config), {})
