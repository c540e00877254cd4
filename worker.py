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
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

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


class FairThreadWorker(ThreadWorker):
    """A `gthread` worker that takes no more than its share of connections, and whose threads stay with a busy one."""

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
        again = super().handle(conn)
        while again is True and self.alive and self.tpool._work_queue.empty() and is_readable(conn.sock):
            again = super().handle(conn)
        return again


def is_readable(connection: socket.socket) -> bool:
    """Whether something arrives within `LINGER_MS`."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(LINGER_MS))
