"""What has arrived of a connection's next request: whether all of it is there, and whether it is one for the loop.

gunicorn's threads read from the socket as they parse, so that a few dozen clients who begin a request and do not go on
hold all of them, for as long as they like. Here a request is gathered first, by whoever is told that something has
arrived, without waiting; a thread gets it when it is whole.
"""

from __future__ import annotations

import re
import socket
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gunicorn.workers.gthread import TConn

MOST_GATHERED: Final = 262_144
"""Bytes of a request. The rest of a larger one is read by the thread that answers it."""
MOST_HEAD: Final = 65_536
"""Bytes of a head that are gathered; what it is if it is longer, the parser says."""
MOST_SECONDS: Final = 60.0
"""From the first byte of a request to the last, of those that are gathered."""
MOST_SMALL: Final = 16_384
"""Bytes of a small request, its head included. A larger batch takes long enough to have a thread to itself."""

AT_ONCE: Final = int(socket.MSG_DONTWAIT)
"""Has a socket do what can be done without waiting."""

_CHUNK: Final = 65_536
# Of requests that ask nothing of the database but who sends them, which they ask together.
_ingest_pattern = re.compile(rb"POST (?:/v1/events/batch|/track|/api/analytics/collect)[ ?]")
_length_pattern = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n")
_last_chunk_pattern = re.compile(rb"\n0+[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n")
_LONGEST_LAST_CHUNK: Final = 4_096
_UNSUITED: Final = (b"\r\ncontent-encoding:", b"\r\nupgrade:")
"""Headers of requests that take longer, or are no plain ones: not for the loop."""


class Arrival:
    """The beginning of a connection's next request."""

    __slots__ = ("_began", "_connection", "_head_size", "_received", "is_small_ingest", "size")

    def __init__(self, connection: TConn) -> None:
        self._connection = connection
        self._clear()

    def _clear(self) -> None:
        self._received = bytearray()
        self._began = 0.0
        self._head_size = 0
        """Of a body in chunks, whose size is not said."""
        self.size: int | None = None
        """Bytes that must be there before a thread gets it; None while that is not known."""
        self.is_small_ingest = False
        """Whether it is known to be a small request that brings events."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there, or as much as is gathered."""
        return self.size is not None and len(self._received) >= self.size

    @property
    def is_late(self) -> bool:
        """Whether it is not whole and takes too long."""
        return bool(self._received) and not self.is_whole and monotonic() > self._began + MOST_SECONDS

    def receive(self) -> bool:
        """Take what is there, without waiting; False where the connection is closed and nothing was sent."""
        if not self._received:
            # of a client that did not wait for the answer to its last request
            self._add(self._connection.parser.unreader.take_buffered())
        while not self.is_whole:
            try:
                chunk = self._connection.sock.recv(_CHUNK, AT_ONCE)
            except BlockingIOError:
                break
            except OSError:
                return False
            if not chunk:
                # the parser says what is wrong with a part of a request
                self.size = len(self._received)
                self.is_small_ingest = False
                return bool(self._received)
            self._add(chunk)
        return True

    def hand_on(self) -> None:
        """Have the connection's parser find what was received."""
        if self._received:
            self._connection.parser.unreader.unread(bytes(self._received))
        self._clear()

    def _add(self, chunk: bytes) -> None:
        if not self._received:
            # RFC 9112, 2.2: empty lines before a request are nothing
            chunk = chunk.lstrip(b"\r\n")
            self._began = monotonic()
        searched = max(len(self._received) - _LONGEST_LAST_CHUNK, 0)
        self._received += chunk
        if self._head_size:
            self._look_for_last_chunk(max(searched, self._head_size - 1))
        elif self.size is None:
            self._measure()

    def _measure(self) -> None:
        received = self._received
        end = received.find(b"\r\n\r\n") + 4
        if end < 4:
            # line feeds alone end no head here, but the parser knows what to say
            if len(received) >= MOST_HEAD or b"\n\n" in received:
                self.size = len(received)
            return
        head = bytes(received[: end - 2].lower())
        lengths = _length_pattern.findall(head)
        if b"\r\ntransfer-encoding:" in head:
            self._head_size = end
            self._look_for_last_chunk(end - 1)
        elif len(lengths) != 1 or head.count(b"\r\ncontent-length") > 1 or b"\r\nexpect:" in head:
            self.size = end
        else:
            self.size = min(end + int(lengths[0]), MOST_GATHERED)
            self.is_small_ingest = (
                self.size <= MOST_SMALL
                and _ingest_pattern.match(received) is not None
                and not any(name in head for name in _UNSUITED)
            )

    def _look_for_last_chunk(self, start: int) -> None:
        """Of a body in chunks. What looks like the last one and is not only means that a thread gets it too early."""
        found = _last_chunk_pattern.search(self._received, start)
        if found is not None:
            self.size = found.end()
        elif len(self._received) >= MOST_GATHERED:
            self.size = MOST_GATHERED


def has_read_ahead(connection: TConn) -> bool:
    """Whether the connection's parser has a part of the next request already."""
    return bool(connection.parser.unreader.buf.getvalue())
