"""One viewer: a connection that was taken over from the web server, and what waits to be sent on it.

Lives in the event loop of `services.live.hub`; nothing here waits. Whoever reads too slowly is skipped, and told so
when there is room again; whoever reads nothing for `PATIENCE_SECONDS` is dropped.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Ping
from wsproto.utilities import ProtocolError

from services.live.feed import Cursor
from services.live.frames import MESSAGES, Form

MAX_WAITING_BYTES: Final = 65_536
"""Once more than this waits to be sent to a viewer, it gets nothing new; twice this and a frame is all that it holds,
half of it in the kernel."""
PATIENCE_SECONDS: Final = 20.0
UNANSWERED_MS: Final = 30_000
"""A machine that is gone without a word counts as gone after so long."""
MAX_RECEIVED_BYTES: Final = 65_536
"""Between two signs of life. A viewer has nothing to say; what it says all the same is read and forgotten, up to here.
Each of its pings has to be answered: ten viewers that sent a megabyte of them held up all others for 17 s."""


@dataclass(frozen=True)
class Watch:
    """What a viewer was let in for."""

    project_key: str
    secret: str | None
    named_key: str | None
    """The projectKey of its request."""
    takes_default: bool
    """Whether without one the default project is meant."""
    limit: int
    """How many events it gets first."""
    cursor: Cursor | None = None


class Viewer(asyncio.Protocol):
    """Sends frames to one connection, as much as it takes."""

    def __init__(self, watch: Watch, form: Form, head: bytes, on_lost: Callable[[Viewer], None]) -> None:
        self.watch = watch
        self.form = form
        self._head = head
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._websocket = Connection(ConnectionType.SERVER) if form is MESSAGES else None
        self._received_bytes = 0
        self._missed_frames = 0
        self._behind_since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether something may be sent to it still."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, frame: bytes) -> None:
        """Send a frame, or count it as missed where too much waits already."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._behind_since is not None:
            self._missed_frames += 1
            return
        if self._missed_frames:
            self._transport.write(self.form.build_missed(self._missed_frames))
            self._missed_frames = 0
        self._transport.write(frame)

    def check_life(self, now: float) -> None:
        """Send a sign of life; drop a viewer that has read nothing for too long."""
        self._received_bytes = 0
        if self._transport is None or self._transport.is_closing():
            return
        if self._behind_since is None:
            self._transport.write(self.form.alive)
        elif now - self._behind_since > PATIENCE_SECONDS:
            self._transport.abort()

    def end(self, code: str, message: str) -> None:
        """Say why, and close once that is sent."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._behind_since is not None:
            self._transport.abort()
            return
        self._transport.write(self.form.build_end(code, message))
        self._transport.close()

    def drop(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        with suppress(OSError):
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_WAITING_BYTES)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
        transport.set_write_buffer_limits(high=MAX_WAITING_BYTES)
        transport.write(self._head + self.form.greeting)
        self._head = b""

    def pause_writing(self) -> None:
        self._behind_since = asyncio.get_running_loop().time()

    def resume_writing(self) -> None:
        self._behind_since = None

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._received_bytes += len(data)
        if self._received_bytes > MAX_RECEIVED_BYTES:
            self._transport.abort()
        elif self._websocket is not None:
            self._answer(self._websocket, data)

    def _answer(self, websocket: Connection, data: bytes) -> None:
        """Do what the protocol asks for: answer pings and the end of the conversation."""
        assert self._transport is not None
        answers: list[bytes] = []
        is_over = False
        try:
            websocket.receive_data(data)
            for event in websocket.events():
                if isinstance(event, Ping | CloseConnection) and websocket.state is not ConnectionState.CLOSED:
                    answers.append(websocket.send(event.response()))
                is_over = is_over or isinstance(event, CloseConnection)
        except ProtocolError:
            self._transport.abort()
            return
        self._transport.write(b"".join(answers))
        if is_over:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(self)
