"""Load on loopback for a bounded time: `wrk` where it is installed, else clients in Python, which cost more.

Requests are POSTs of one template. Where it holds `EVENT_ID`, every event of every request gets an id of its own there.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVENT_ID = "@@event-id@@"
ANSWER_SECONDS = 30
PYTHON_PROCESSES = 2

# `id` is random per thread and run; a counter makes the rest. Time-ordered ids would flatter the index of ids.
_WRK_SCRIPT = """
local chunks = {}
local template = io.open(os.getenv("BENCH_TEMPLATE"), "rb"):read("*a")
local first = 1
while true do
  local from, to = template:find("@@event-id@@", first, true)
  if not from then break end
  chunks[#chunks + 1] = template:sub(first, from - 1)
  first = to + 1
end
local rest = template:sub(first)
local headers = {["Content-Type"] = "application/json"}
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("seed", tonumber(os.getenv("BENCH_SEED")) + threads)
end
function init()
  math.randomseed(seed)
  fixed = #chunks == 0 and wrk.format("POST", nil, headers, template) or nil
end
local parts = {}
function request()
  if fixed then return fixed end
  for number = 1, #chunks do
    parts[2 * number - 1] = chunks[number]
    parts[2 * number] = string.format("%08x%08x%08x",
      math.random(0, 2147483647), math.random(0, 2147483647), math.random(0, 2147483647))
  end
  parts[2 * #chunks + 1] = rest
  return wrk.format("POST", nil, headers, table.concat(parts))
end
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\\n",
    summary.requests, failed, summary.duration, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """What the clients saw. `requests` were answered with success."""

    requests: int
    seconds: float
    median_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class RequestsFailed(Exception):
    """Some answer was not a success: the figure would mean nothing."""


def name_generator() -> str:
    """Which of the two sends the load."""
    return "wrk" if shutil.which("wrk") else "python"


def run_load(port: int, path: str, template: bytes, *, seconds: float, connections: int) -> Load:
    """POST the template over so many connections, each waiting for its answer. Raises RequestsFailed."""
    run = _run_wrk if shutil.which("wrk") else _run_python
    return run(port, path, template, seconds, connections)


def _run_wrk(port: int, path: str, template: bytes, seconds: float, connections: int) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        script, body = Path(folder) / "load.lua", Path(folder) / "body"
        script.write_text(_WRK_SCRIPT)
        body.write_bytes(template)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", f"--timeout={ANSWER_SECONDS}s"]
        output = subprocess.run(
            [*command, "-s", str(script), f"http://127.0.0.1:{port}{path}"], check=True, capture_output=True, text=True,
            env={**os.environ, "BENCH_TEMPLATE": str(body), "BENCH_SEED": str(secrets.randbits(30))},
        ).stdout  # fmt: skip
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    requests, failed, total_us, median_us, p99_us = map(int, line.split()[1:])
    if failed:
        raise RequestsFailed(f"{failed} of {requests} requests failed")
    return Load(requests, total_us / 1e6, median_us / 1e3, p99_us / 1e3)


def _run_python(port: int, path: str, template: bytes, seconds: float, connections: int) -> Load:
    spawn = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[float] | None] = spawn.Queue()
    shares = [len(range(number, connections, PYTHON_PROCESSES)) for number in range(PYTHON_PROCESSES)]
    processes = [
        spawn.Process(target=_run_client_process, args=(port, path, template, seconds, share, results), daemon=True)
        for share in shares if share
    ]  # fmt: skip
    for process in processes:
        process.start()
    found = [results.get(timeout=seconds + 2 * ANSWER_SECONDS) for _ in processes]
    for process in processes:
        process.join()
    waits = sorted(wait for part in found for wait in part or ())
    if None in found or not waits:
        raise RequestsFailed("a request failed")
    return Load(len(waits), seconds, waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3)


def _run_client_process(
    port: int, path: str, template: bytes, seconds: float, connections: int, results: Any
) -> None:
    waits: list[list[float] | None] = [None] * connections
    deadline = time.monotonic() + seconds

    def run(number: int) -> None:
        waits[number] = list(_run_client(port, path, template, deadline))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(None if None in waits else [wait for part in waits for wait in part or ()])


def _run_client(port: int, path: str, template: bytes, deadline: float) -> Iterator[float]:
    """Seconds that each answer took; only what was answered in time counts."""
    chunks = template.split(EVENT_ID.encode())
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (started := time.monotonic()) < deadline:
            body = _fill(chunks)
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            _read_answer(connection)
            if time.monotonic() <= deadline:
                yield time.monotonic() - started


def _fill(chunks: Sequence[bytes]) -> bytes:
    ids = secrets.token_hex(12 * (len(chunks) - 1)).encode()
    parts = [chunks[0]]
    for number, chunk in enumerate(chunks[1:]):
        parts += (ids[24 * number : 24 * number + 24], chunk)
    return b"".join(parts)


def _read_answer(connection: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RequestsFailed(head.decode(errors="replace"))
    length = next(
        int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += _receive(connection)


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65_536)
    if not received:
        raise RequestsFailed("the connection was closed")
    return received
