"""What counting requests costs: ingest of single events with a limit against without, over HTTP and by itself.

Run as `python -m bench.limits`; `--help` lists the sizes. README.md says what the ratios mean.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench import measure
from bench.events import pick_events, shrink_event
from bench.ingest_runs import NEVER, Bench, ServiceTarget, Sizes
from bench.load import name_generator
from bench.measure import Figure, at_least, at_most
from bench.servers import run_redis, run_service
from config import Config
from db import open_redis
from services.clock import fetch_now_ms
from services.rate_ledgers import HostLedger, RedisLedger
from services.rate_limits import PortionedLedger
from services.rate_window import Claim, Ledger

NO_LIMIT = "no limit"
IN_FILE = "counted in a file"
IN_REDIS = "counted in Redis"
LIMIT = 100_000_000
"""Never reached, so that every request is admitted."""
CALLS = 2_000
UNIT = ", us"
GOAL = 0.95
"""Of the rate without a limit that is to be left."""


def main() -> None:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        server = stack.enter_context(run_redis(folder / "redis"))
        redis_uri = None if server is None else server.uri
        bench = open_bench(stack, folder, redis_uri, options)
        samples = measure.measure_in_turn(bench.runs, options.rounds, label="limits")
    figures = list_figures(bench, samples)
    measure.print_table(
        f"Limits, single events, median of {options.rounds} runs of {options.seconds:g} s, load by {name_generator()}",
        figures,
    )
    measure.save_results(options.output, figures, load=name_generator(), samples=samples, notes=bench.notes)


def open_bench(stack: ExitStack, folder: Path, redis_uri: str | None, options: argparse.Namespace) -> Bench:
    """A service for each way to count, and each way by itself."""
    bench = Bench(Sizes(options.seconds, 1, options.connections, 1, has_mongo=False, has_sealing=False))
    event = [shrink_event(pick_events(1)[0])]
    choices: dict[str, dict[str, Any]] = {NO_LIMIT: {"rate_limit_max": 0}, IN_FILE: {"rate_limit_max": LIMIT}}
    if redis_uri is not None:
        choices[IN_REDIS] = {"rate_limit_max": LIMIT, "redis_url": redis_uri}
    for name, settings in choices.items():
        service = stack.enter_context(run_service(folder / name.replace(" ", "-"), seal_events=NEVER, **settings))
        bench.add_load(name, ServiceTarget(service), event)
    for name, ledger in open_ledgers(folder, redis_uri).items():
        stack.callback(ledger.close)
        bench.runs[f"{name}{UNIT}"] = partial(measure_take, ledger)
    return bench


def open_ledgers(folder: Path, redis_uri: str | None) -> dict[str, Ledger]:
    """The ways to count: as the service does, in portions, and asking for each request."""
    ledgers: dict[str, Callable[[], Ledger]] = {"file": lambda: HostLedger(folder / "counts")}
    if redis_uri is not None:
        client = open_redis(Config(data_dir=folder, redis_url=redis_uri))
        assert client is not None
        ledgers["Redis"] = lambda: RedisLedger(client)
    portioned = {f"{name} in portions": PortionedLedger(make()) for name, make in ledgers.items()}
    return {**portioned, **{f"{name} each time": make() for name, make in ledgers.items()}}


def measure_take(ledger: Ledger) -> float:
    """Microseconds of one counted request, each at its own time."""
    started = time.perf_counter()
    for _ in range(CALLS):
        ledger.take("ingest:key:5f0c1e6b9a3d4c2b", Claim(LIMIT, 1, Config.rate_limit_window_ms, fetch_now_ms()))
    return (time.perf_counter() - started) / CALLS * 1e6


def list_figures(bench: Bench, samples: dict[str, list[float]]) -> list[Figure]:
    """The rates, what is left of the rate without a limit, and what a request costs by itself."""
    medians = measure.compute_medians(samples)
    counted = [name for name in (IN_FILE, IN_REDIS) if name in samples]
    figures = [at_least(name, medians[name], "requests/s", None, bench.describe(name)) for name in (NO_LIMIT, *counted)]
    figures += [
        at_least(f"{name} / {NO_LIMIT}", measure.compute_ratio(samples, name, NO_LIMIT), "", GOAL) for name in counted
    ]
    figures += [
        at_most(f"{name} / {NO_LIMIT}, processor time", compare_cpu(bench, name), "", 1 / GOAL) for name in counted
    ]
    alone = [name for name in medians if name.endswith(UNIT)]
    return figures + [at_most(f"{name.removesuffix(UNIT)}, by itself", medians[name], "us", None) for name in alone]


def compare_cpu(bench: Bench, name: str) -> float:
    """Median over the rounds of the workers' processor time for a request against that without a limit beside it."""
    rounds = zip(bench.notes[name], bench.notes[NO_LIMIT], strict=True)
    return median(counted[2] / free[2] for counted, free in rounds)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one run (3)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind (5)")
    parser.add_argument("--connections", type=int, default=32, help="clients that send single events (32)")
    measure.add_places(parser, "limits")
    return parser.parse_args()


if __name__ == "__main__":
    main()
