"""What viewers of the live stream cost: ingest with and without them, and their memory.

Run as `python -m bench.live`; `--help` lists the sizes. README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from bench import measure
from bench.events import pick_events, shrink_event
from bench.ingest_runs import MONGO_CACHE_GB, Bench, ServiceTarget, Sizes
from bench.load import Load, name_generator
from bench.measure import Figure, at_least, at_most
from bench.servers import run_mongo, run_redis, run_service
from bench.viewers import Viewers
from tests.server_programs import wait_until
from tests.service import Service

GOAL = 0.9
"""Of the rate without viewers that is to be left."""
SHOWN_WITHIN_SECONDS = 2.0
WATCHED = ", watched"


class WatchedTarget(ServiceTarget):
    """The same service, with viewers as long as it is sent to."""

    def __init__(self, service: Service, project_key: str, viewers: int, delays: list[float]) -> None:
        super().__init__(service)
        self.project_key = project_key
        self._watched, self._viewers, self._delays = service, viewers, delays

    def send(self, events: Sequence[dict[str, Any]], *, seconds: float, connections: int) -> tuple[Load, float]:
        with Viewers(self._watched.config.port, self.project_key, self._viewers) as viewers:
            answer = super().send(events, seconds=seconds, connections=connections)
            found = viewers.report()
        if found.open != self._viewers:
            raise AssertionError(f"{self._viewers - found.open} of {self._viewers} viewers lost their connection")
        self._delays.extend(found.delays)
        return answer


def main() -> None:
    options = parse_options()
    delays: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        bench, services = open_bench(stack, folder, options, delays)
        memory_kb = {name: measure_memory_kb(service, options.viewers) for name, service in services.items()}
        samples = measure.measure_in_turn(bench.runs, options.rounds, label="live")
    figures = list_figures(bench, samples, delays, memory_kb)
    title = f"Live, {options.viewers} viewers, median of {options.rounds} runs of {options.seconds:g} s"
    measure.print_table(f"{title}, load by {name_generator()}", figures)
    measure.save_results(options.output, figures, load=name_generator(), samples=samples, notes=bench.notes)


def open_bench(
    stack: ExitStack, folder: Path, options: argparse.Namespace, delays: list[float]
) -> tuple[Bench, dict[str, Service]]:
    """A service on each store, and what is sent to it with and without viewers."""
    sizes = Sizes(options.seconds, options.batch, options.connections, 8, options.mongo, has_sealing=True)
    bench, services = Bench(sizes), {"embedded": stack.enter_context(run_service(folder / "embedded"))}
    if options.mongo:
        server = stack.enter_context(run_mongo(folder / "mongod", cache_gb=MONGO_CACHE_GB))
        redis = stack.enter_context(run_redis(folder / "redis"))
        if server is not None and redis is not None:
            settings = {"mongo_uri": server.uri, "mongo_db_name": "live", "redis_url": redis.uri}
            services["mongodb"] = stack.enter_context(run_service(folder / "mongodb", **settings))
    for name, service in services.items():
        add_runs(bench, name, service, options, delays)
    return bench, services


def add_runs(bench: Bench, name: str, service: Service, options: argparse.Namespace, delays: list[float]) -> None:
    """Batches and single events, each without viewers and with them."""
    events = [drop_time(shrink_event(event)) for event in pick_events(options.batch)]
    plain = ServiceTarget(service)
    watched = WatchedTarget(service, plain.project_key, options.viewers, delays)
    for kind in options.kinds:
        sent = events if kind == "batch" else events[:1]
        bench.add_load(f"{name}, {kind}", plain, sent)
        bench.add_load(f"{name}, {kind}{WATCHED}", watched, sent)


def drop_time(event: dict[str, Any]) -> dict[str, Any]:
    """It happens when it is sent: figures of the last minutes count it."""
    return {name: value for name, value in event.items() if name != "timestamp"}


def measure_memory_kb(service: Service, viewers: int) -> float:
    """What each of so many viewers takes of the workers, besides what the first ones take."""
    project_key = service.create_project()["projectKey"]
    assert service.post_events(project_key, [{"eventName": "page_view", "anonymousId": "a"}] * 20).status == 200
    workers = service.list_workers()
    with Viewers(service.config.port, project_key, 8):
        before_mb = sum(map(measure.read_memory_mb, workers))
        with Viewers(service.config.port, project_key, viewers):
            after_mb = sum(map(measure.read_memory_mb, workers))
    wait_until(lambda: count_viewers(service) == 0, seconds=30)
    return (after_mb - before_mb) * 1000 / viewers


def count_viewers(service: Service) -> float:
    """Who watches, as the service says."""
    return sum(service.fetch_metric(f'apptracker_live_viewers{{kind="{kind}"}}') for kind in ("sse", "websocket"))


def list_figures(
    bench: Bench, samples: dict[str, list[float]], delays: list[float], memory_kb: dict[str, float]
) -> list[Figure]:
    """The rates, what is left of them with viewers, and what viewers take."""
    medians = measure.compute_medians(samples)
    figures = [at_least(name, medians[name], "/s", None, bench.describe(name)) for name in samples]
    for name in [name for name in samples if not name.endswith(WATCHED)]:
        left = measure.compute_ratio(samples, name + WATCHED, name)
        figures.append(at_least(f"{name}: watched / not", left, "", GOAL))
        figures.append(at_most(f"{name}: processor time, watched / not", compare_cpu(bench, name), "", 1 / GOAL))
    shown = sorted(delays)
    figures.append(at_most("shown after, 99 %", shown[len(shown) * 99 // 100], "s", SHOWN_WITHIN_SECONDS))
    figures.append(at_most("shown after, at most", shown[-1], "s", SHOWN_WITHIN_SECONDS))
    figures += [at_most(f"{name}: memory of a viewer", kb, "kB", None) for name, kb in memory_kb.items()]
    return figures


def compare_cpu(bench: Bench, name: str) -> float:
    """Median over the rounds of the workers' processor time for an event with viewers against that without."""
    rounds = zip(bench.notes[name + WATCHED], bench.notes[name], strict=True)
    return median(watched[2] / free[2] for watched, free in rounds)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="length of one run (6)")
    parser.add_argument("--rounds", type=int, default=20, help="runs of each kind (20)")
    parser.add_argument("--viewers", type=int, default=200, help="viewers, half of them by WebSocket (200)")
    parser.add_argument(
        "--kinds", nargs="+", choices=("single", "batch"), default=["single", "batch"],
        help="what is sent; apart, since what batches leave to be sealed takes from the runs after them",
    )  # fmt: skip
    parser.add_argument("--batch", type=int, default=500, help="events of a batch (500)")
    parser.add_argument("--connections", type=int, default=32, help="clients that send single events (32)")
    parser.add_argument("--mongo", action="store_true", help="also on MongoDB with Redis")
    measure.add_places(parser, "live")
    return parser.parse_args()


if __name__ == "__main__":
    main()
