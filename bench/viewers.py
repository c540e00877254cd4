"""Viewers of the live stream, in a process of their own: half of them by server-sent events, half by WebSocket."""

from __future__ import annotations

import multiprocessing
import re
import selectors
import socket
import time
from datetime import datetime
from typing import Any, NamedTuple, Self

START_SECONDS = 60
REPORT_SECONDS = 30
RECEIVED_AT = re.compile(rb'"receivedAt":"([^"]+)"')
EVENTS = b"event: events"
GREETING = (b'"events":', b"otal")
"""What is in the frame of events, and in that of figures, of both kinds."""
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Report(NamedTuple):
    """What the viewers saw since they came."""

    open: int
    """How many are still connected."""
    bytes: int
    delays: list[float]
    """Of each frame of events that one of them got: seconds from when its newest event was received."""


class Viewers:
    """So many viewers of a project, all of them greeted, until the block ends."""

    def __init__(self, port: int, project_key: str, number: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_watch, args=(port, project_key, number, theirs), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        if not self._connection.poll(START_SECONDS) or self._connection.recv() != "watching":
            raise RuntimeError("the viewers were not let in")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.send("end")
        self._process.join(REPORT_SECONDS)

    def report(self) -> Report:
        """What they saw."""
        self._connection.send("report")
        return Report(*self._connection.recv())


def _watch(port: int, project_key: str, number: int, connection: Any) -> None:
    watching = _Watching(port, project_key, number)
    watching.read_until(lambda: watching.are_all_greeted)
    connection.send("watching")
    watching.forget()
    while True:
        watching.read_until(lambda: connection.poll())
        if connection.recv() == "end":
            return
        connection.send((watching.count_open(), watching.bytes, watching.delays))


class _Watching:
    """The sockets, read as fast as they are sent to; what arrives is counted and thrown away, but for the first's."""

    def __init__(self, port: int, project_key: str, number: int) -> None:
        self.bytes = 0
        self.delays: list[float] = []
        self._selector = selectors.DefaultSelector()
        self._missing: dict[socket.socket, list[bytes]] = {}
        self._sockets = [_connect(port, project_key, is_websocket=bool(each % 2)) for each in range(number)]
        for each in self._sockets:
            self._selector.register(each, selectors.EVENT_READ)

    @property
    def are_all_greeted(self) -> bool:
        return len(self._missing) == len(self._sockets) and not any(self._missing.values())

    def count_open(self) -> int:
        return len(self._selector.get_map())

    def forget(self) -> None:
        """Begin to count."""
        self.bytes, self.delays = 0, []

    def read_until(self, is_enough: Any) -> None:
        while not is_enough():
            for key, _ in self._selector.select(timeout=0.05):
                self._read(key.fileobj)

    def _read(self, sock: Any) -> None:
        data = sock.recv(262_144)
        self.bytes += len(data)
        if not data:
            self._selector.unregister(sock)
        self._missing[sock] = [part for part in self._missing.get(sock, GREETING) if part not in data]
        if sock is self._sockets[0] and EVENTS in data:
            self._note_delay(data)

    def _note_delay(self, data: bytes) -> None:
        found = RECEIVED_AT.findall(data)
        if found:
            received = datetime.fromisoformat(found[-1].decode())
            self.delays.append(time.time() - received.timestamp())


def _connect(port: int, project_key: str, *, is_websocket: bool) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS)
    path = "/api/realtime/ws" if is_websocket else "/v1/live/stream"
    further = HANDSHAKE if is_websocket else ""
    sock.sendall(f"GET {path}?projectKey={project_key} HTTP/1.1\r\nHost: bench\r\n{further}\r\n".encode())
    sock.setblocking(False)
    return sock
