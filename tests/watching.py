"""Viewers for tests: what they were sent, by server-sent events or over a WebSocket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, RejectConnection, Request, TextMessage

from tests.server_programs import PATIENCE_SECONDS, wait_until

HEAD_END = b"\r\n\r\n"


class Frame(NamedTuple):
    """One thing that was sent: its name, what it says, and its id, if it has one."""

    name: str
    content: dict[str, Any]
    cursor: str | None = None


class Watcher:
    """Reads in a thread of its own what arrives on a connection, until either side closes it."""

    def __init__(self, connection: socket.socket) -> None:
        self.frames: list[Frame] = []
        self.is_closed = False
        self.signs_of_life = 0
        self.reads = True
        """Set to False before it is entered, it never reads anything."""
        self._connection = connection
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        if self.reads:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go away, as a browser does whose tab is closed."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        if self.reads:
            self._thread.join(PATIENCE_SECONDS)

    def list_events(self) -> list[dict[str, Any]]:
        """The events that are shown now, the oldest first."""
        shown: list[dict[str, Any]] = []
        for frame in self.list_frames("events"):
            shown = frame.content["events"] if frame.content["replace"] else shown + frame.content["events"]
        return shown

    def list_ids(self) -> list[str]:
        """Their ids."""
        return [event.get("eventId") or event["id"] for event in self.list_events()]

    def list_frames(self, name: str) -> list[Frame]:
        return [frame for frame in list(self.frames) if frame.name == name]

    def wait(self, condition: Callable[[Self], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
        """Return as soon as what was sent so far meets the condition."""
        wait_until(lambda: condition(self), seconds=seconds)

    def wait_for_events(self, *event_ids: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Return as soon as exactly these are shown, in whatever order."""
        wait_until(lambda: sorted(self.list_ids()) == sorted(event_ids), seconds=seconds)

    def wait_for_end(self, *, seconds: float = PATIENCE_SECONDS) -> str | None:
        """The code with which the service ended it; None where it did so without a word."""
        wait_until(lambda: self.is_closed, seconds=seconds)
        ends = self.list_frames("end")
        return ends[0].content["code"] if ends else None

    def _read(self) -> None:
        with suppress(OSError):
            while data := self._connection.recv(65_536):
                self._take(data)
        self.is_closed = True

    def _take(self, data: bytes) -> None:
        raise NotImplementedError


class StreamWatcher(Watcher):
    """Of `/v1/live/stream`."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.head = b""
        self.retry_ms: int | None = None
        self._waiting = b""

    @property
    def last_cursor(self) -> str | None:
        """The last id that was sent, as a browser remembers it."""
        cursors = [frame.cursor for frame in list(self.frames) if frame.cursor is not None]
        return cursors[-1] if cursors else None

    def _take(self, data: bytes) -> None:
        self._waiting += data
        if not self.head and HEAD_END in self._waiting:
            head, _, self._waiting = self._waiting.partition(HEAD_END)
            self.head = head + HEAD_END
        while self.head and b"\n\n" in self._waiting:
            text, _, self._waiting = self._waiting.partition(b"\n\n")
            self._take_frame(text.decode())

    def _take_frame(self, text: str) -> None:
        if text.startswith(":"):
            self.signs_of_life += 1
            return
        fields = dict(line.split(": ", 1) for line in text.splitlines())
        if "retry" in fields:
            self.retry_ms = int(fields["retry"])
        if "event" in fields:
            self.frames.append(Frame(fields["event"], json.loads(fields["data"]), fields.get("id")))


class SocketWatcher(Watcher):
    """Of `/api/realtime/ws`."""

    def __init__(
        self, connection: socket.socket, path: str, *, protocols: list[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(connection)
        self.protocol: str | None = None
        self.refusal: tuple[int, bytes] | None = None
        self.close_code: int | None = None
        self._websocket = WSConnection(ConnectionType.CLIENT)
        further = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        asked = Request(host="test", target=path, subprotocols=protocols or [], extra_headers=further)
        self.request = self._websocket.send(asked)
        self._text = ""

    def say(self, text: str) -> None:
        """Send the service a message, for which it has no use."""
        self._connection.sendall(self._websocket.send(TextMessage(text)))

    def ping(self) -> None:
        self._connection.sendall(self._websocket.send(Ping(b"there?")))

    def say_goodbye(self) -> None:
        """Close as the protocol says."""
        self._connection.sendall(self._websocket.send(CloseConnection(1000)))

    def _take(self, data: bytes) -> None:
        self._websocket.receive_data(data)
        for event in self._websocket.events():
            match event:
                case AcceptConnection():
                    self.protocol = event.subprotocol
                case RejectConnection():
                    self.refusal = event.status_code, b""
                case CloseConnection():
                    self.close_code = event.code
                case Message():
                    self._take_text(str(event.data), is_finished=event.message_finished)
                case _:
                    self.signs_of_life += 1

    def _take_text(self, text: str, *, is_finished: bool) -> None:
        self._text += text
        if is_finished:
            content = json.loads(self._text)
            self._text = ""
            self.frames.append(Frame(content["type"], content))


def open_stream(
    port: int, path: str, *, headers: Mapping[str, str] | None = None, reads: bool = True
) -> StreamWatcher:
    """A viewer of a running service, who is to be entered. One that does not read has a machine that takes little."""
    connection = socket.socket()
    if not reads:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect(("127.0.0.1", port))
    connection.sendall(build_request(path, headers or {}))
    connection.settimeout(None)
    watcher = StreamWatcher(connection)
    watcher.reads = reads
    return watcher


def open_websocket(
    port: int, path: str, *, protocols: list[str] | None = None, headers: Mapping[str, str] | None = None
) -> SocketWatcher:
    """The same over a WebSocket."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    connection.settimeout(None)
    watcher = SocketWatcher(connection, path, protocols=protocols, headers=headers)
    connection.sendall(watcher.request)
    return watcher


def build_request(path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: test", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()
