"""Exports of many events in each form: how fast they stream, and the most memory that the process ever has.

Run as `python -m bench.exports`; `--help` lists the sizes. README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from bench import measure
from bench.events import DAY_MS, DAYS, START_MS
from bench.measure import Figure
from bench.report_runs import load_events, open_reporting
from services import clock
from services.projects import create_project, fetch_project
from services.reports.export import start_export
from services.reports.export_formats import ExportFormat

MOST_GROWTH = 1.25
"""Of the memory that half of the events took: more would mean that it grows with their number."""
HALF_TO = clock.format_ms(START_MS + DAYS * DAY_MS // 2)
READERS: dict[str, Callable[[Any, Path], int]] = {
    "duckdb": lambda duckdb, path: int(duckdb.read_parquet(str(path)).aggregate("count(metadata)").fetchall()[0][0]),
    "pandas": lambda pandas, path: len(pandas.read_parquet(path)),
    "polars": lambda polars, path: len(polars.read_parquet(path)),
}
"""Package -> how many events it reads from a Parquet file."""


class Run(NamedTuple):
    """One export, by a process of its own."""

    seconds: float
    first_seconds: float
    bytes: int
    peak_bytes: int


def main() -> None:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        data_dir = options.data or folder / "data"
        project_key, filling = fill(data_dir, options)
        figures = list(filling)
        runs: dict[str, Any] = {}
        for export_format in ExportFormat:
            path = folder / f"events.{export_format}"
            half = export_apart(data_dir, project_key, {"format": export_format, "to": HALF_TO}, path)
            whole = export_apart(data_dir, project_key, {"format": export_format}, path)
            figures += list_figures(export_format, half, whole, options.events)
            runs[export_format] = {"half": half._asdict(), "whole": whole._asdict()}
        figures += list(read_back(folder / f"events.{ExportFormat.PARQUET}", options.readers.split(",")))
    measure.print_table(f"Exports of {options.events:,} events", figures)
    measure.save_results(options.output, figures, events=options.events, runs=runs)


def fill(data_dir: Path, options: argparse.Namespace) -> tuple[str, list[Figure]]:
    """A project with its events, all in segments; of a store that was there before nothing is written."""
    if options.data is not None:
        return options.project, []
    with open_reporting(data_dir) as context:
        project, _ = create_project(context, {"name": "bench"}, clock.fetch_now_ms())
        return project.project_key, load_events(context, project, options.events)


def export_apart(data_dir: Path, project_key: str, fields: dict[str, Any], path: Path) -> Run:
    """Export into a file, by a new process, whose memory holds nothing else."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(partial(export, data_dir, project_key, fields, path))


def export(data_dir: Path, project_key: str, fields: dict[str, Any], path: Path) -> Run:
    """Export into a file."""
    with open_reporting(data_dir) as context, path.open("wb") as file:
        started, first_seconds = time.perf_counter(), 0.0
        running = start_export(context, fetch_project(context, project_key), fields)
        for part in running.stream():
            first_seconds = first_seconds or time.perf_counter() - started
            file.write(part)
        running.close()
        seconds = time.perf_counter() - started
    return Run(seconds, first_seconds, path.stat().st_size, fetch_peak_bytes())


def fetch_peak_bytes() -> int:
    """The most memory that this process ever had resident; what `getrusage` says begins with that of its parent."""
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def list_figures(export_format: str, half: Run, whole: Run, events: int) -> list[Figure]:
    """What the table says of one form."""
    return [
        Figure(f"{export_format}", events / whole.seconds, "events/s", note=f"{whole.bytes / events:.0f} bytes/event"),
        Figure(f"{export_format}, first part", whole.first_seconds * 1000, "ms"),
        Figure(f"{export_format}, memory", whole.peak_bytes / 1e6, "MB", note="the most, with Python and the engine"),
        measure.at_most(
            f"{export_format}, memory / of half", whole.peak_bytes / half.peak_bytes, "ratio", MOST_GROWTH
        ),
    ]


def read_back(path: Path, names: list[str]) -> list[Figure]:
    """How long each package takes to read the Parquet file, which must have all of its events for it."""
    count = pq.read_metadata(path).num_rows
    figures = []
    for name in names:
        try:
            package = importlib.import_module(name)
        except ImportError:
            print(f"{name} is not installed, and did not read the file")
            continue
        started = time.perf_counter()
        found = READERS[name](package, path)
        if found != count:
            raise AssertionError(f"{name} finds {found} events in the file, not {count}")
        figures.append(Figure(f"parquet read by {name}", time.perf_counter() - started, "s"))
    return figures


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.exports", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="events to generate (200000)")
    parser.add_argument("--readers", default=",".join(READERS), help=f"what reads the file back ({','.join(READERS)})")
    parser.add_argument("--data", type=Path, help="DATA_DIR of an embedded store that has so many events already")
    parser.add_argument("--project", help="with --data: the projectKey")
    measure.add_places(parser, "exports")
    options = parser.parse_args()
    if options.data is not None and not options.project:
        parser.error("--data needs --project")
    return options


if __name__ == "__main__":
    main()
