"""What the benchmarks share: medians of alternating runs, a table, a JSON file."""

from __future__ import annotations

import json
import os
import platform
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("flask", "gunicorn", "msgspec", "pymongo", "duckdb", "pyarrow", "redis")


@dataclass(frozen=True)
class Figure:
    """One line of the table. `is_met` is None where nothing is asked of it."""

    name: str
    value: float
    unit: str
    goal: str = ""
    is_met: bool | None = None
    note: str = ""


def at_least(name: str, value: float, unit: str, goal: float | None, note: str = "") -> Figure:
    """A figure that should not be below the goal, where there is one."""
    if goal is None:
        return Figure(name, value, unit, note=note)
    return Figure(name, value, unit, f">= {goal:g}", value >= goal, note)


def at_most(name: str, value: float, unit: str, goal: float | None, note: str = "") -> Figure:
    """A figure that should not be above the goal, where there is one."""
    if goal is None:
        return Figure(name, value, unit, note=note)
    return Figure(name, value, unit, f"<= {goal:g}", value <= goal, note)


def add_places(parser: ArgumentParser, name: str) -> None:
    """`--directory` for the data and `--output` for the figures of the benchmark of that name."""
    parser.add_argument("--directory", type=Path, help="where the data is put meanwhile (a temporary folder)")
    parser.add_argument("--output", type=Path, default=RESULTS / f"{name}.local.json", help="file of figures")


def measure_in_turn(runs: Mapping[str, Callable[[], float]], rounds: int, *, label: str) -> dict[str, list[float]]:
    """What each run gave, `rounds` times, one after the other: what slows the machine for a while hits all of them.

    Each second round goes backwards, so that none of two neighbours is always the first.
    """
    found: dict[str, list[float]] = defaultdict(list)
    with tqdm(total=rounds * len(runs), desc=label, unit="run", leave=False) as progress:
        for number in range(rounds):
            for name in list(runs) if number % 2 == 0 else reversed(runs):
                progress.set_postfix_str(name)
                found[name].append(runs[name]())
                progress.update()
    return dict(found)


def compute_medians(samples: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Median of each run."""
    return {name: median(values) for name, values in samples.items()}


def compute_ratio(samples: Mapping[str, Sequence[float]], part: str, whole: str) -> float:
    """Median over the rounds of `part` against the `whole` measured beside it."""
    return median(one / other for one, other in zip(samples[part], samples[whole], strict=True))


def print_table(title: str, figures: Sequence[Figure]) -> None:
    """The figures on standard output."""
    rows = [("", "measured", "", "goal", "", "")]
    rows += [
        (each.name, format_value(each.value), each.unit, each.goal, MARKS[each.is_met], each.note) for each in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    print(f"\n{title}")
    for name, value, unit, goal, mark, note in rows:
        cells = [name.ljust(widths[0]), value.rjust(widths[1]), unit.ljust(widths[2]), goal.rjust(widths[3])]
        print("  ".join([*cells, mark.ljust(widths[4]), note]).rstrip())


MARKS = {None: "", True: "met", False: "MISSED"}


def format_value(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def save_results(path: Path, figures: Sequence[Figure], **details: Any) -> None:
    """The figures, what they were computed from, and where, as JSON."""
    document = {
        "takenAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "figures": [asdict(figure) for figure in figures],
        **details,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    print(f"\nSaved in {path}")


def describe_machine() -> dict[str, Any]:
    """Cores, memory and versions; nothing that names the machine."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memoryGb": round(memory_bytes / 1e9, 1),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "loadAverageAtEnd": round(os.getloadavg()[0], 1),
    }


def read_memory_mb(process_id: int, field: str = "VmRSS") -> float:
    """Resident memory of a process in MB; `VmHWM` is the most it ever had."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"process {process_id} has no {field}")
