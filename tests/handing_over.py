"""An application whose server gives connections away, as gunicorn does, without gunicorn."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from flask import Flask
from werkzeug.test import TestResponse

from routes.handover import SOCKET
from tests.watching import SocketWatcher, StreamWatcher


@contextmanager
def watch_stream(
    app: Flask, path: str, *, secret: str | None = None, cursor: str | None = None, reads: bool = True
) -> Iterator[StreamWatcher]:
    """A viewer of the stream, who must be let in; without `reads` it never reads anything."""
    theirs, ours = socket.socketpair()
    headers = ({"X-API-Key": secret} if secret else {}) | ({"Last-Event-ID": cursor} if cursor else {})
    refusal = hand_over(app, path, theirs, headers)
    assert refusal is None, refusal.text
    watcher = StreamWatcher(ours)
    watcher.reads = reads
    with watcher:
        yield watcher


@contextmanager
def watch_socket(
    app: Flask, path: str, *, protocols: list[str] | None = None, headers: Mapping[str, str] | None = None
) -> Iterator[SocketWatcher]:
    """A viewer over a WebSocket, who must be let in."""
    theirs, ours = socket.socketpair()
    watcher = SocketWatcher(ours, path, protocols=protocols)
    lines = watcher.request.decode().split("\r\n")[1:]
    asked = dict(line.split(": ", 1) for line in lines if line)
    refusal = hand_over(app, path, theirs, asked | dict(headers or {}))
    assert refusal is None, refusal.text
    with watcher:
        yield watcher


def hand_over(app: Flask, path: str, connection: socket.socket, headers: Mapping[str, str]) -> TestResponse | None:
    """None where the connection was taken over, else the answer. What is left to the server must close cleanly."""
    answer = None
    with suppress(StopIteration):
        answer = app.test_client().get(path, headers=dict(headers), environ_overrides={SOCKET: connection})
    connection.setblocking(True)
    if answer is None:
        assert connection.recv(1) == b"", "the server still holds the connection"
    connection.close()
    return answer
