"""The service under gunicorn with several workers: size, counts, log lines, replaced workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from config import PROJECT_ROOT
from tests.servers import wait_until
from tests.service import Service

IDLE_WORKER_LIMIT_KB = 150 * 1024
ROUTE = 'method="GET",route="/db/health",status="200"'


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with closing(Service(tmp_path / "data")) as running:
        running.start()
        yield running


def read_log(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.read_log().splitlines()]


def test_idle_workers_are_small_and_have_not_loaded_the_report_engine(service: Service) -> None:
    workers = service.list_workers()
    assert len(workers) == 2
    for worker in workers:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines())
        assert int(status["VmRSS"].split()[0]) < IDLE_WORKER_LIMIT_KB
        assert "duckdb" not in Path(f"/proc/{worker}/maps").read_text()


def test_any_worker_answers_for_the_counts_of_all(service: Service) -> None:
    for number, worker in enumerate(service.list_workers(), start=1):
        with service.only(worker):
            assert service.call("GET", "/db/health").status == 200
            assert service.fetch_metric(f"apptracker_http_requests_total{{{ROUTE}}}") == number


def test_a_worker_that_is_killed_is_replaced_and_its_counts_stay(service: Service) -> None:
    before = set(service.list_workers())
    assert service.call("GET", "/db/health").status == 200
    service.kill_workers()
    wait_until(lambda: len(set(service.list_workers()) - before) == 2)
    assert service.fetch_metric(f"apptracker_http_requests_total{{{ROUTE}}}") == 1


def test_counts_start_from_zero_and_leave_no_files(service: Service) -> None:
    service.call("GET", "/db/health")
    service.stop()
    assert list((service.config.data_dir / "metrics").iterdir()) == []
    service.start()
    assert service.fetch_metric(f"apptracker_http_requests_total{{{ROUTE}}}") == 0


def test_the_counts_of_a_master_that_was_killed_are_removed(service: Service) -> None:
    service.kill()
    assert len(list((service.config.data_dir / "metrics").iterdir())) == 1
    service.start()
    assert len(list((service.config.data_dir / "metrics").iterdir())) == 1
    assert service.fetch_metric(f"apptracker_http_requests_total{{{ROUTE}}}") == 0


def test_an_impatient_interrupt_ends_it_without_killing_a_worker(service: Service) -> None:
    group = os.getpgid(service.list_workers()[0])
    for _ in range(3):
        os.killpg(group, signal.SIGINT)
    service.wait(seconds=15)
    assert "SIGKILL" not in service.read_log()


def test_every_line_of_the_log_is_json_and_holds_no_key(service: Service) -> None:
    key = "ak_live_" + "x" * 43
    assert service.call("GET", "/db/health", query={"apiKey": key}, secret=key).status in (200, 400)
    service.call("GET", f"/v1/projects/{key}", secret=key)
    service.stop()
    lines = read_log(service)
    assert {"severity", "message", "time"} <= set.intersection(*(set(line) for line in lines))
    requests = [line["httpRequest"] for line in lines if "httpRequest" in line]
    assert [request["requestUrl"] for request in requests] == ["/db/health", "/v1/projects/ak_live_[redacted]"]
    assert "x" * 43 not in service.read_log()


def test_development_workers_share_the_signing_key(tmp_path: Path) -> None:
    program = (
        "import runpy; conf = runpy.run_path('gunicorn.conf.py'); "
        "print([line for line in conf['raw_env'] if line.startswith('SECRET_KEY=')][0])"
    )
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert len(ended.stdout.strip()) == len("SECRET_KEY=") + 64
