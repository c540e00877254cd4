"""gunicorn's threaded worker, with a fair share of the connections for each worker and less handing over inside one.

Both matter on small machines. Measured with 32 kept connections on two workers: gunicorn's own worker gave one of them
up to all 32, so that half of the machine stood still; and each request went from its thread to the main thread and
back, which takes a third of the interpreter's time for a small one.
"""

from __future__ import annotations

import mmap
import select
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

from ingest_loop import IngestLoop

LINGER_MS: Final = 2
"""How long a thread waits for the next request on its connection before it gives the connection back."""
YIELD_SECONDS: Final = 0.001
"""How long a worker that has more connections than another leaves it the next one."""
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

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, unless a worker with fewer takes it meanwhile."""
        COUNTS.note(self.age, self.nr_conns)
        if COUNTS.is_ahead(self.age):
            time.sleep(YIELD_SECONDS)
        super().accept(listener)

    def notify(self) -> None:
        """Show a sign of life, as gunicorn asks in each turn of the main loop, and the count of connections."""
        super().notify()
        COUNTS.note(self.age, self.nr_conns)

    def handle(self, conn: TConn) -> Any:
        """Answer the requests of a connection as long as the next one follows at once and nobody waits for a thread."""
        if self.ingest_loop.is_running and self._may_join(conn):
            return self._join(conn)
        again = self.answer(conn)
        while again is True and self.alive and self.tpool._work_queue.empty() and is_readable(conn.sock):
            if self._may_join(conn):
                return self._join(conn)
            again = self.answer(conn)
        return again

    def _may_join(self, conn: TConn) -> bool:
        return self.cfg.threads > 1 and self.ingest_loop.has_room_for(conn)

    def _join(self, conn: TConn) -> object:
        self.ingest_loop.join(conn)
        return _KEPT

    def answer(self, connection: TConn) -> Any:
        """Answer one request; True where the connection can have another one."""
        return super().handle(connection)

    def enqueue_req(self, conn: TConn) -> None:
        """Have a thread of the pool answer the connection's next request, or close it where there is none."""
        try:
            super().enqueue_req(conn)
        except RuntimeError:  # no thread can be started, or the pool has ended
            self.take_back(conn, False)

    def take_back(self, connection: TConn, again: Any, unsent: bytes = b"") -> None:
        """Send the rest of an answer, then wait for the connection's next request, or close it."""
        ended: Future[Any] = Future()
        ended.set_result(again and not unsent)
        if unsent:
            with suppress(RuntimeError):
                ended = self.tpool.submit(send_rest, connection, again, unsent)
        ended.add_done_callback(partial(self.method_queue.defer, self.finish_request, connection))

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Go on with a connection that a thread is done with, unless the loop has it."""
        if fs.cancelled() or fs.exception() is not None or fs.result() is not _KEPT:
            super().finish_request(conn, fs)


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
