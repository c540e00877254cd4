"""Reports while events come as fast as they are taken: whether they are there, how long they take, what ingest loses.

Run as `python -m bench.flood`; `--help` lists the sizes. README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import measure
from bench.events import pick_events, shrink_event
from bench.ingest_runs import MONGO_CACHE_GB, ServiceTarget
from bench.load import name_generator
from bench.measure import Figure, at_most
from bench.servers import run_mongo, run_service
from tests.service import Service

QUESTION = "/v1/reports/overview"
PAUSE_SECONDS = 0.5


@dataclass
class Asked:
    """What became of the questions that were asked during a flood."""

    seconds: list[float] = field(default_factory=list)
    """Of each that was answered."""
    refused: int = 0


def main() -> None:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        settings: dict[str, Any] = {}
        if options.mongo:
            server = stack.enter_context(run_mongo(folder / "mongod", cache_gb=MONGO_CACHE_GB))
            if server is None:
                return
            settings = {"mongo_uri": server.uri}
        events = [shrink_event(event) for event in pick_events(options.batch)]
        asked, samples = Asked(), dict[str, list[float]](asked=[], unasked=[])
        for number in range(options.rounds):
            for kind in ("asked", "unasked"):
                name = f"{kind}-{number}"
                with run_service(folder / name, mongo_db_name=name, **settings) as service:
                    found = asked if kind == "asked" else None
                    samples[kind].append(flood(service, events, options.seconds, options.connections, found))
    figures = list_figures(samples, asked, "mongodb" if options.mongo else "embedded")
    measure.print_table(
        f"A flood of {options.seconds:g} s, batches of {options.batch}, {options.rounds} rounds,"
        f" load by {name_generator()}", figures,
    )  # fmt: skip
    measure.save_results(
        options.output, figures, samples=samples, answered_seconds=asked.seconds, refused=asked.refused
    )


def flood(
    service: Service, events: Sequence[dict[str, Any]], seconds: float, connections: int, asked: Asked | None
) -> float:
    """Events a second that were taken; with `asked` somebody asks a question all the time, another each time since the
    events are others. At the end every event must be in the answer."""
    target = ServiceTarget(service)
    done = threading.Event()

    def ask() -> None:
        while asked is not None and not done.wait(PAUSE_SECONDS):
            answer = service.call("GET", QUESTION, query={"projectKey": target.project_key})
            if answer.status == 200:
                asked.seconds.append(answer.seconds)
            else:
                asked.refused += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        load, _ = target.send(events, seconds=seconds, connections=connections)
    finally:
        done.set()
        asking.join()
    check_all_are_there(service, target)
    return load.per_second * len(events)


def check_all_are_there(service: Service, target: ServiceTarget) -> None:
    """The report has all the events that the store had when it was asked, and none that it has not. Requests that were
    under way when the clients ended may be stored meanwhile."""
    before = target.count_stored()
    while (answer := service.call("GET", QUESTION, query={"projectKey": target.project_key})).status == 503:
        time.sleep(PAUSE_SECONDS)
        before = target.count_stored()
    reported, after = answer.json["totalEvents"], target.count_stored()
    if not before <= reported <= after:
        raise AssertionError(f"the store had {before} events before and {after} after the report, which has {reported}")


def list_figures(samples: dict[str, list[float]], asked: Asked, store: str) -> list[Figure]:
    """What ingest took, and what became of the questions."""
    answered = sorted(asked.seconds)
    figures = [
        at_most(f"{store}, reports refused", asked.refused, f"of {len(answered) + asked.refused}", 0),
        Figure(f"{store}, while reports are asked", median(samples["asked"]), "events/s"),
        Figure(f"{store}, while none are", median(samples["unasked"]), "events/s"),
    ]
    if answered:
        figures += [
            Figure(f"{store}, a report, median", median(answered), "s"),
            Figure(f"{store}, a report, slowest", answered[-1], "s"),
        ]
    return figures


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.flood", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="length of one flood (20)")
    parser.add_argument("--rounds", type=int, default=3, help="floods of each kind (3)")
    parser.add_argument("--batch", type=int, default=500, help="events in a batch (500)")
    parser.add_argument("--connections", type=int, default=8, help="clients that send (8)")
    parser.add_argument("--mongo", action="store_true", help="on a MongoDB instead of the embedded store")
    measure.add_places(parser, "flood")
    return parser.parse_args()


if __name__ == "__main__":
    main()
