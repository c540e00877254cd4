"""Ingest over HTTP, beside what the same machine does at the same time without the service.

Run as `python -m bench.ingest`; `--help` lists the sizes. README.md says what the ratios mean.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench import measure
from bench.ingest_runs import Bench, Sizes, open_bench
from bench.load import name_generator
from bench.measure import Figure, at_least


def main() -> None:
    options = parse_options()
    sizes = Sizes(
        seconds=options.seconds, batch_events=options.batch, connections=options.connections,
        batch_connections=options.batch_connections, has_mongo=options.mongo, has_sealing=options.sealing,
    )  # fmt: skip
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        bench = open_bench(stack, folder, sizes)
        samples = measure.measure_in_turn(bench.runs, options.rounds, label="ingest")
    figures = list_figures(bench, samples)
    measure.print_table(
        f"Ingest, batches of {sizes.batch_events}, median of {options.rounds} runs of {sizes.seconds:g} s,"
        f" load by {name_generator()}", figures,
    )  # fmt: skip
    measure.save_results(
        options.output, figures, sizes=asdict(sizes), load=name_generator(), samples=samples, notes=bench.notes
    )


def list_figures(bench: Bench, samples: dict[str, list[float]]) -> list[Figure]:
    """Each goal, then what it comes from."""
    medians = measure.compute_medians(samples)

    def rate(name: str, run: str, unit: str, goal: float | None = None) -> Figure:
        note = bench.describe(run) if run in bench.notes else ""
        return at_least(name, medians[run], unit, goal, note)

    def ratio(part: str, whole: str, goal: float | None = None) -> Figure:
        return at_least(f"{part} / {whole}", measure.compute_ratio(samples, part, whole), "", goal)

    figures = [
        rate("embedded, batches", "embedded, batch", "events/s", 80_000),
        rate("embedded, batches of whole events with ids", "embedded, batch of whole events with ids", "events/s"),
        rate("bare executemany", "bare executemany", "events/s"),
        ratio("embedded, batch", "bare executemany"),
        rate("embedded, single events", "embedded, single", "requests/s"),
        rate("empty route", "empty route", "requests/s"),
        ratio("embedded, single", "empty route", 0.6),
    ]
    if bench.sizes.has_sealing:
        figures.append(rate("embedded, batches while sealing", "embedded, batch while sealing", "events/s"))
    if "raw insert_many" in samples:
        figures += [
            rate("mongodb, batches", "mongodb, batch", "events/s"),
            rate("raw insert_many", "raw insert_many", "events/s"),
            ratio("mongodb, batch", "raw insert_many", 0.9),
            rate("raw insert_many, saturated", "raw insert_many, saturated", "events/s"),
            ratio("mongodb, batch", "raw insert_many, saturated"),
            rate("mongodb, single events", "mongodb, single", "requests/s"),
            ratio("mongodb, single", "empty route", 0.6),
        ]
    return figures


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="length of one run (5)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind (5)")
    parser.add_argument("--batch", type=int, default=500, help="events in a batch (500)")
    parser.add_argument("--connections", type=int, default=32, help="clients that send single events (32)")
    parser.add_argument("--batch-connections", type=int, default=8, help="clients that send batches (8)")
    parser.add_argument("--no-mongo", dest="mongo", action="store_false", help="only the embedded store")
    parser.add_argument("--no-sealing", dest="sealing", action="store_false", help="no run beside a sealing process")
    measure.add_places(parser, "ingest")
    return parser.parse_args()


if __name__ == "__main__":
    main()
