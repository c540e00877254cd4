"""That the benchmarks run: what they measure is looked at by people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from config import PROJECT_ROOT


@pytest.mark.parametrize(
    ("module", "options", "figure"),
    [
        ("bench.ingest", ("--seconds", "2", "--rounds", "1", "--batch", "50", "--no-mongo"), "embedded, batches"),
        ("bench.live", ("--seconds", "2", "--rounds", "1", "--viewers", "10"), "embedded, single: watched / not"),
        ("bench.flood", ("--seconds", "2", "--rounds", "1", "--batch", "50"), "embedded, while reports are asked"),
        ("bench.reports", ("--events", "2000", "--rounds", "1"), "funnel of 4 steps / bare DuckDB"),
    ],
)
def test_a_benchmark_measures_what_it_promises(
    module: str, options: tuple[str, ...], figure: str, tmp_path: Path
) -> None:
    output = tmp_path / "figures.json"
    command = [sys.executable, "-m", module, *options, "--directory", str(tmp_path), "--output", str(output)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = {each["name"]: each["value"] for each in json.loads(output.read_text())["figures"]}
    assert found[figure] > 0
