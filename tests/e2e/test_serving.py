"""The service under gunicorn with several workers: size, counts, log lines, replaced workers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from config import PROJECT_ROOT
from tests.servers import wait_until
from tests.service import Service

IDLE_WORKER_LIMIT_KB = 150 * 1024
CLIENTS = 24
ROUNDS = 8
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
    service.wait(seconds=60)
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


def test_connections_that_are_opened_at_once_are_shared_by_the_workers(service: Service) -> None:
    workers = service.list_workers()
    for worker in workers:
        with service.only(worker):
            assert service.call("GET", "/health").status == 200
    before = {worker: count_sockets(worker) for worker in workers}
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", service.config.port)))
        # who is woken first is the machine's choice; without sharing one may have all
        wait_until(lambda: all(count_sockets(worker) - before[worker] >= 10 for worker in workers))


def count_sockets(process_id: int) -> int:
    found = 0
    for each in Path(f"/proc/{process_id}/fd").iterdir():
        with suppress(FileNotFoundError):
            found += os.readlink(each).startswith("socket:")
    return found


def test_a_connection_is_kept_over_pauses_of_any_length(service: Service) -> None:
    with closing(HTTPConnection("127.0.0.1", service.config.port)) as connection:
        for pause_seconds in (0, 0, 0.01, 0, 0.1, 0):
            # the client's pause is what is tested: shorter and longer than a thread stays with a connection
            time.sleep(pause_seconds)
            connection.request("GET", "/health")
            assert connection.getresponse().read()
            assert connection.sock is not None


def test_requests_sent_before_the_answer_to_the_last_one_are_answered_in_order(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.config.port), timeout=30) as connection:
        for number in range(5):
            connection.sendall(f"GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: r{number}\r\n\r\n".encode())
        answers = b""
        while answers.count(b'"requestId"') < 5:
            answers += connection.recv(65536)
    assert re.findall(rb"X-Request-Id: (\w+)", answers) == [f"r{number}".encode() for number in range(5)]


def test_small_requests_of_many_kept_connections_have_their_own_answers(service: Service) -> None:
    project_key = service.create_project()["projectKey"]

    def send(client: int) -> list[tuple[Any, ...]]:
        answers = []
        with closing(service.build_connection()) as kept:
            for number in range(ROUNDS):
                event = {"eventId": f"{client}-{number}", "eventName": "click", "anonymousId": f"a{client}"}
                filler = {**event, "eventId": f"{client}-{number}-large", "metadata": {"text": "x" * 20_000}}
                bodies = [[event], [event], [event, {"eventName": ""}], [{"eventName": 7}], [filler]]
                for events in bodies:
                    answer = service.post_events(project_key, events, kept=kept)
                    verdict = answer.json
                    answers.append(
                        (answer.status, verdict["accepted"], verdict["duplicates"], len(verdict["rejected"]))
                    )
                answers.append((service.call("GET", "/health", kept=kept).status,))
                answers.append((service.post_events("nowhere", [event], kept=kept).status,))
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(send, range(CLIENTS)))
    each = [(200, 1, 0, 0), (200, 0, 1, 0), (200, 0, 1, 1), (400, 0, 0, 1), (200, 1, 0, 0), (200,), (403,)]
    assert answers == [each * ROUNDS] * CLIENTS
    assert len(service.fetch_event_ids(project_key)) == 2 * CLIENTS * ROUNDS


def test_events_are_taken_from_clients_in_any_pieces_and_without_pauses(service: Service) -> None:
    project_key = service.create_project()["projectKey"]

    stream = b"".join(
        build_batch(project_key, [{"eventId": f"p{number}", "eventName": "click"}], request_id=f"r{number}")
        for number in range(300)
    )
    with socket.create_connection(("127.0.0.1", service.config.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send() -> None:
            unsent, size = stream, 1
            while unsent:
                connection.sendall(unsent[:size])
                unsent, size = unsent[size:], size * 7 % 1009

        sending = Thread(target=send)
        sending.start()
        answers = b""
        while answers.count(b'"accepted":1') < 300:
            answers += connection.recv(65536)
        sending.join()
    assert re.findall(rb"X-Request-Id: (\w+)", answers) == [f"r{number}".encode() for number in range(300)]


def test_a_client_that_never_reads_holds_nobody_up(service: Service) -> None:
    project_key = service.create_project()["projectKey"]
    request = build_batch(project_key, [{"eventName": 7}] * 300)
    with ExitStack() as stack:
        for _ in range(4):
            deaf = stack.enter_context(socket.create_connection(("127.0.0.1", service.config.port)))
            deaf.setblocking(False)
            with suppress(BlockingIOError):
                for _ in range(10_000):
                    deaf.sendall(request)
        check_events_are_taken(service, project_key, 50)


def test_clients_that_begin_requests_and_do_not_go_on_hold_nobody_up(service: Service) -> None:
    threads = service.config.threads * service.config.workers
    project_key = service.create_project()["projectKey"]
    beginnings = (
        b"", b"P", b"GET /health HTTP/1.1\r\nHost: a\r\n",
        b"POST /v1/events/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
    )  # fmt: skip
    with ExitStack() as stack:
        for beginning in beginnings:
            for _ in range(threads):
                stalled = stack.enter_context(socket.create_connection(("127.0.0.1", service.config.port)))
                stalled.sendall(beginning)
        check_events_are_taken(service, project_key, 10)
        for _ in range(threads):
            leaving = stack.enter_context(socket.create_connection(("127.0.0.1", service.config.port)))
            leaving.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        started = time.monotonic()
        assert service.call("GET", "/health").status == 200
        assert time.monotonic() - started < threads / 2, "nobody waits for clients to close, one after the other"
        # who goes on is answered
        stalled.sendall(b" " * 98 + b"}")
        assert stalled.recv(65536).startswith(b"HTTP/1.1 400 ")


def build_batch(project_key: str, events: list[dict[str, Any]], *, request_id: str = "r") -> bytes:
    """The request with these events as it goes over the wire."""
    body = json.dumps({"projectKey": project_key, "events": events})
    head = f"POST /v1/events/batch HTTP/1.1\r\nHost: a\r\nX-Request-Id: {request_id}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


def check_events_are_taken(service: Service, project_key: str, count: int) -> None:
    """Events are taken one after the other, each first on a connection that is kept, then on one of its own."""
    with closing(service.build_connection()) as kept:
        for number in range(count):
            events = [{"eventName": "click", "eventId": str(number)}]
            assert service.post_events(project_key, events, kept=kept).json["accepted"] == 1
            assert service.post_events(project_key, events).json["duplicates"] == 1
