"""What enrichment costs: ingest over HTTP with it against without, in batches and event by event.

Run as `python -m bench.enrichment`; `--help` lists the sizes. README.md says what the ratios mean.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import measure
from bench.events import pick_events
from bench.ingest_runs import NEVER, Bench, ServiceTarget, Sizes
from bench.load import name_generator
from bench.measure import Figure, at_least, at_most
from bench.servers import run_service

APPLICATIONS = {"enriched": "app:app", "plain": "bench.unenriched_app:app"}
GOAL = 0.8
"""Of the rate without enrichment that is to be left."""


def main() -> None:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        bench = open_bench(stack, folder, options)
        samples = measure.measure_in_turn(bench.runs, options.rounds, label="enrichment")
    figures = [figure for kind in ("batches", "single events") for figure in list_figures(bench, samples, kind)]
    measure.print_table(
        f"Enrichment, median of {options.rounds} runs of {options.seconds:g} s, load by {name_generator()}", figures
    )
    measure.save_results(options.output, figures, load=name_generator(), samples=samples, notes=bench.notes)


def open_bench(stack: ExitStack, folder: Path, options: argparse.Namespace) -> Bench:
    """A service with enrichment and one without; whole events, with user agent, address, url and referrer."""
    bench = Bench(Sizes(options.seconds, 500, 32, 8, has_mongo=False, has_sealing=False))
    events = pick_events(bench.sizes.batch_events)
    for name, application in APPLICATIONS.items():
        service = stack.enter_context(run_service(folder / name, seal_events=NEVER, application=application))
        target = ServiceTarget(service)
        bench.add_load(f"{name}, batches", target, events)
        bench.add_load(f"{name}, single events", target, events[:1])
        # each worker reads its lists of user agents and countries once, which is not what is measured
        target.send(events, seconds=3, connections=8)
    return bench


def list_figures(bench: Bench, samples: dict[str, list[float]], kind: str) -> list[Figure]:
    """The two rates, what is left of the plain one, and the processor time likewise."""
    enriched, plain = (f"{name}, {kind}" for name in APPLICATIONS)
    medians = measure.compute_medians(samples)
    rounds = zip(bench.notes[enriched], bench.notes[plain], strict=True)
    return [
        *(at_least(name, medians[name], "events/s", None, bench.describe(name)) for name in (enriched, plain)),
        at_least(f"{kind}, enriched / plain", measure.compute_ratio(samples, enriched, plain), "", GOAL),
        at_most(f"{kind}, processor time", median(one[2] / other[2] for one, other in rounds), "", 1 / GOAL),
    ]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.enrichment", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one run (3)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind (5)")
    measure.add_places(parser, "enrichment")
    return parser.parse_args()


if __name__ == "__main__":
    main()
