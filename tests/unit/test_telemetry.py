"""Counts for Prometheus."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from config import PROJECT_ROOT
from services import telemetry
from services.telemetry import CacheOutcome


def samples() -> dict[str, float]:
    """Every sample by `name{label=value,...}`."""
    families = text_string_to_metric_families(telemetry.render_metrics().decode())
    found = [sample for family in families for sample in family.samples]
    return {f"{sample.name}{{{text_of(sample.labels)}}}": sample.value for sample in found}


def text_of(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def grown(before: dict[str, float], name: str) -> float:
    return samples()[name] - before.get(name, 0)


def test_a_batch_adds_its_verdicts() -> None:
    before = samples()
    telemetry.record_ingest(accepted=5, duplicates=2, rejected=1)
    telemetry.record_ingest(accepted=1, duplicates=0, rejected=0)
    for verdict, count in {"accepted": 6, "duplicate": 2, "rejected": 1}.items():
        assert grown(before, f"apptracker_ingest_events_total{{verdict={verdict}}}") == count


def test_requests_are_counted_by_template_and_status() -> None:
    before = samples()
    for status, seconds in ((200, 0.004), (200, 0.02), (404, 0.3)):
        telemetry.record_request(method="GET", route="/v1/projects/<project_key>", status=status, seconds=seconds)
    at = "method=GET,route=/v1/projects/<project_key>"
    assert grown(before, f"apptracker_http_requests_total{{{at},status=200}}") == 2
    assert grown(before, f"apptracker_http_requests_total{{{at},status=404}}") == 1
    assert grown(before, f"apptracker_http_request_duration_seconds_bucket{{le=0.025,{at}}}") == 2
    assert grown(before, f"apptracker_http_request_duration_seconds_count{{{at}}}") == 3


def test_what_a_client_invents_makes_no_label() -> None:
    before = samples()
    telemetry.record_request(method="HACK", route=None, status=404, seconds=0.001)
    assert grown(before, "apptracker_http_requests_total{method=OTHER,route=(unmatched),status=404}") == 1
    assert "HACK" not in str(samples())


def test_reports_and_cache_answers_are_counted() -> None:
    before = samples()
    telemetry.record_report("overview", seconds=0.2)
    telemetry.record_cache(CacheOutcome.MISS)
    telemetry.record_cache(CacheOutcome.HIT)
    telemetry.record_cache(CacheOutcome.HIT)
    assert grown(before, "apptracker_report_duration_seconds_count{report=overview}") == 1
    assert grown(before, "apptracker_report_cache_total{outcome=hit}") == 2
    assert grown(before, "apptracker_report_cache_total{outcome=miss}") == 1


def test_any_worker_answers_for_all_of_them(tmp_path: Path) -> None:
    program = "from services import telemetry; telemetry.record_ingest(accepted=7, duplicates=0, rejected=0); {}"
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(last: str) -> str:
        command = [sys.executable, "-c", program.format(last)]
        ended = subprocess.run(
            command, cwd=PROJECT_ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
        )
        return ended.stdout

    run("pass")
    metrics = run("print(telemetry.render_metrics().decode())")
    assert 'apptracker_ingest_events_total{verdict="accepted"} 14.0' in metrics
