"""gunicorn's threaded worker: a fair share of the connections for each worker, less handing over inside one, and no
thread for a request that has not arrived.

The first two matter on small machines. Measured with 32 kept connections on two workers: gunicorn's own worker gave one
of them up to all 32, so that half of the machine stood still; and each request went from its thread to the main thread
and back, which takes a third of the interpreter's time for a small one. The third keeps clients who begin requests and
do not go on from holding every thread.
"""

from __future__ import annotations

import mmap
import select
import selectors
import socket
import struct
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

from arrival import Arrival, has_read_ahead
from ingest_loop import IngestLoop

LINGER_MS: Final = 2
"""How long a thread waits for the next request on its connection before it gives the connection back."""
YIELD_SECONDS: Final = 0.001
"""How long a worker that has more connections than another leaves it the next one."""
READ_SECONDS: Final = 20
"""A client that sends nothing more of a large request for this long is given up."""
SEND_SECONDS: Final = 120
"""A client that reads nothing of its answer for this long is given up: less than a third of what the kernel keeps for
it, which is 4 MB at the most."""
CLOSE_SECONDS: Final = 2.0
"""How long a client has to close its side. Closed at once, a connection takes back what the client has not read yet."""
SLACK: Final = 2
"""By how many connections workers may differ: who calls anew for each request is not to wait for nothing."""
SLOTS: Final = 256


class ConnectionCounts:
    """How many connections each worker has, in memory that the master and the workers share."""

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, SLOTS * 4)).cast("i")
        """By slot; 0: no worker, else the number of its connections and one."""

    def note(self, age: int, connections: int) -> None:
        """So many connections has the worker of this age, as gunicorn numbers them."""
        self._counts[age % SLOTS] = connections + 1

    def forget(self, age: int) -> None:
        """The worker is gone."""
        self._counts[age % SLOTS] = 0

    def is_ahead(self, age: int) -> bool:
        """Whether the worker has clearly more connections than another."""
        enough = self._counts[age % SLOTS] - SLACK
        return any(0 < count < enough for count in self._counts)


COUNTS: Final = ConnectionCounts()
"""Made in the master, which loads this module before it forks."""


_KEPT: Final = object()
"""What `handle` returns where the loop answers the connection from now on."""


class FairThreadWorker(ThreadWorker):
    """A `gthread` worker that takes no more than its share of connections, whose threads stay with a busy one, and
    which answers small ingest requests in turns."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ingest_loop = IngestLoop(self)
        self._gathers = not (self.cfg.is_ssl or "h2" in self.cfg.http_protocols)
        """Where it can be seen what arrives."""
        self._closing: dict[TConn, float] = {}
        """Connections that wait for the client to close its side, until when."""

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, unless a worker with fewer takes it meanwhile."""
        COUNTS.note(self.age, self.nr_conns)
        if COUNTS.is_ahead(self.age):
            time.sleep(YIELD_SECONDS)
        super().accept(listener)

    def notify(self) -> None:
        """Show a sign of life, as gunicorn asks in each turn of the main loop, and the count of connections."""
        super().notify()
        now = time.monotonic()
        for conn in [conn for conn, deadline in self._closing.items() if deadline < now]:
            self._end(conn)
        COUNTS.note(self.age, self.nr_conns)

    def enqueue_req(self, conn: TConn) -> None:
        """Have the connection's next request answered as soon as it is whole. Called in the main thread."""
        if not self._gathers:
            super().enqueue_req(conn)
            return
        if not conn.initialized:
            conn.init()
            conn.arrival = Arrival(conn)
            limit_waits(conn.sock, READ_SECONDS, SEND_SECONDS)
        arrival: Arrival = conn.arrival
        if not arrival.receive() or arrival.is_late:
            self.take_back(conn, False)
        elif not arrival.is_whole:
            self.take_back(conn, True)
        elif not (self.ingest_loop.suits(conn) and self.ingest_loop.offer(conn)):
            try:
                super().enqueue_req(conn)
            except RuntimeError:  # no thread can be started, or the pool has ended
                self.take_back(conn, False)

    def handle(self, conn: TConn) -> Any:
        """Answer the requests of a connection as long as the next one follows at once and nobody waits for a thread."""
        if not self._gathers:
            return self.answer(conn)
        arrival: Arrival = conn.arrival
        while True:
            arrival.hand_on()
            again = self.answer(conn)
            is_free = again is True and self.alive and self.tpool._work_queue.empty()
            if not is_free or has_read_ahead(conn) or not is_readable(conn.sock):
                return again
            if not arrival.receive():
                return False
            if not arrival.is_whole:
                return True
            if self.cfg.threads > 1 and self.ingest_loop.suits(conn):
                self.ingest_loop.join(conn)
                return _KEPT

    def answer(self, connection: TConn) -> Any:
        """Answer one request; True where the connection can have another one."""
        return super().handle(connection)

    def hand_over(self, connection: TConn) -> None:
        """Have a thread of the pool answer the connection's next request, or close it where there is none."""
        self.method_queue.defer(self.enqueue_req, connection)

    def take_back(self, connection: TConn, again: Any, unsent: bytes = b"") -> None:
        """Send the rest of an answer, then wait for the connection's next request, or close it."""
        ended: Future[Any] = Future()
        ended.set_result(again and not unsent)
        if unsent:
            with suppress(RuntimeError):
                ended = self.tpool.submit(send_rest, connection, again, unsent)
        ended.add_done_callback(partial(self.method_queue.defer, self.finish_request, connection))

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Go on with a connection that a thread is done with, unless the loop has it. Called in the main thread, which
        waits for nobody: gunicorn would wait there for the client to close."""
        again = not fs.cancelled() and fs.exception() is None and fs.result()
        if again or not self._gathers:
            if again is not _KEPT:
                super().finish_request(conn, fs)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError, KeyError):  # it is closed, or the client has reset it
            self._close(conn)
        else:
            self._closing[conn] = time.monotonic() + CLOSE_SECONDS

    def _drain(self, conn: TConn, connection: socket.socket) -> None:
        """Drop what a client sends behind its last answer; close when it has closed."""
        try:
            ended = not connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            self._end(conn)

    def _end(self, conn: TConn) -> None:
        del self._closing[conn]
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()


def limit_waits(connection: socket.socket, read_seconds: float, send_seconds: float) -> None:
    """Have reads and writes that would wait for longer without any progress raise BlockingIOError."""
    for option, seconds in ((socket.SO_RCVTIMEO, read_seconds), (socket.SO_SNDTIMEO, send_seconds)):
        time_value = struct.pack("@ll", int(seconds), round(seconds % 1 * 1e6))
        connection.setsockopt(socket.SOL_SOCKET, option, time_value)


def send_rest(connection: TConn, again: Any, unsent: bytes) -> Any:
    """Wait until the client has read enough."""
    connection.sock.setblocking(True)
    connection.sock.sendall(unsent)
    return again


def is_readable(connection: socket.socket) -> bool:
    """Whether something arrives within `LINGER_MS`."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(LINGER_MS))
