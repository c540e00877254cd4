"""One thread that answers the small ingest requests of many connections, in turns.

A thread for each request hands the interpreter over about ten times, which costs as much as all that is done with a
single event. Here each request that has arrived whole is begun and runs until its events are queued for the commit
(`services.turns`). When nobody has more to begin, the first commits for all, and all are answered.

The loop waits for no client: other requests, large or compressed bodies, connections that fall silent, and answers
that are not read go back to the worker.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import threading
from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from arrival import AT_ONCE, Arrival, has_read_ahead
from services.turns import Turn

if TYPE_CHECKING:
    from gunicorn.workers.gthread import TConn

MOST_BEGUN: Final = 64
"""Requests of a round, so that those that wait for the commit do so for some milliseconds."""
LINGER_MS: Final = 2
"""How long the loop waits for anything on any of its connections, before it gives all of them back."""
IDLE_SECONDS: Final = 0.1
"""A connection that sends nothing for this long, at most twice as long, is given back."""

SLOW_SECONDS: Final = 0.5
"""A round that took longer waited for a database or a cache that does not answer."""
PAUSE_SECONDS: Final = 10.0
"""For this long after a slow round there is no loop: in threads of their own, requests wait side by side."""

_logger = logging.getLogger("apptracker.ingest_loop")


class Server(Protocol):
    """What the loop asks of the worker that it belongs to."""

    alive: bool

    def answer(self, connection: TConn) -> Any:
        """Answer one request; True where the connection can have another one."""

    def hand_over(self, connection: TConn) -> None:
        """Have a thread of the pool answer the connection's next request, or close it where there is none."""

    def take_back(self, connection: TConn, again: Any, unsent: bytes = b"") -> None:
        """Send the rest of an answer, then wait for the connection's next request, or close it. Neither this nor
        `hand_over` raises."""


class Outbox:
    """A socket in whose place an answer is gathered until it is complete."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.parts: list[bytes] = []

    def sendall(self, part: bytes) -> None:
        """Send with the rest of the answer."""
        self.parts.append(part)

    def setblocking(self, flag: bool) -> None:
        """Nothing: neither reads nor writes wait here."""

    def shutdown(self, how: int) -> None:
        """The loop closes when it has sent what is here. Raises OSError, as for a connection that is closed."""
        raise OSError(errno.ENOTCONN, "closed by the loop")

    def close(self) -> None:
        """Nothing, see `shutdown`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def flush(self) -> bytes:
        """Send what was gathered, and return what of it the kernel does not take now. Raises OSError."""
        answer = b"".join(self.parts)
        self.parts.clear()
        try:
            return answer[self.real.send(answer, AT_ONCE) :] if answer else b""
        except BlockingIOError:
            return answer


class Member:
    """A connection of the loop."""

    __slots__ = ("connection", "is_heard", "last_round", "outbox")

    def __init__(self, connection: TConn) -> None:
        self.connection = connection
        self.outbox = connection.sock = Outbox(connection.sock)
        self.last_round = 0
        """The latest in which it had a turn."""
        self.is_heard = True
        """Whether something arrived since idle ones were looked for."""

    def leave(self) -> TConn:
        """The connection as it was."""
        self.connection.sock = self.outbox.real
        return self.connection


class IngestLoop:
    """The connections of a worker that send one small ingest request after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._mutex = threading.Lock()
        self._arrivals: deque[TConn] = deque()
        self.is_running = False
        """Whether a thread answers the connections now."""
        self._paused_until = 0.0
        # Of the thread that runs the loop:
        self._poll = select.poll()
        self._members: dict[int, Member] = {}
        self._waiting: deque[tuple[int, Turn]] = deque()
        """Requests that wait, in the order in which their events were queued."""
        self._whole: dict[int, None] = {}
        """Members that came with a request, of which nothing is left to arrive, and had no turn yet."""
        self._round = 0

    def suits(self, connection: TConn) -> bool:
        """Whether the connection's next request, which is whole, is one for the loop."""
        arrival: Arrival = connection.arrival
        return arrival.is_small_ingest and self._server.alive and monotonic() >= self._paused_until

    def offer(self, connection: TConn) -> bool:
        """Have the loop answer this connection, if a thread runs it. It is the loop's from then on."""
        with self._mutex:
            if self.is_running:
                self._arrivals.append(connection)
            return self.is_running

    def join(self, connection: TConn) -> None:
        """Have the loop answer this connection, which is its own from now on, whatever happens. If no thread runs the
        loop, the caller's does, and returns when no connection is left."""
        with self._mutex:
            self._arrivals.append(connection)
            if self.is_running:
                return
            self.is_running = True
        try:
            self._run()
        except Exception:
            _logger.exception("The loop ended with an error")
            self._abandon()

    def _run(self) -> None:
        idle_at = monotonic() + IDLE_SECONDS
        while True:
            self._round += 1
            began = monotonic()
            self._let_in()
            arrived = self._listen(0 if self._whole else LINGER_MS)
            if not arrived or not self._server.alive or began < self._paused_until:
                self._give_back(list(self._members))
                if self._has_ended():
                    return
                continue
            self._run_round(arrived)
            now = monotonic()
            if now - began > SLOW_SECONDS:
                self._paused_until = now + PAUSE_SECONDS
            if now > idle_at:
                idle_at = now + IDLE_SECONDS
                self._give_back([number for number, member in self._members.items() if not member.is_heard])
                for member in self._members.values():
                    member.is_heard = False

    def _let_in(self) -> None:
        while self._arrivals:
            member = Member(self._arrivals.popleft())
            number = member.connection.sock.fileno()
            self._members[number] = member
            self._poll.register(number, select.POLLIN)
            if member.connection.arrival.is_whole:
                self._whole[number] = None

    def _has_ended(self) -> bool:
        with self._mutex:
            self.is_running = bool(self._arrivals)
            return not self.is_running

    def _listen(self, timeout_ms: int) -> list[int]:
        """Who has sent something and had no turn in this round, first who had none for the longest time."""
        arrived = self._whole | dict.fromkeys(number for number, _ in self._poll.poll(timeout_ms))
        for number in arrived:
            self._members[number].is_heard = True
        return sorted(
            (number for number in arrived if self._find_last_round(number) < self._round), key=self._find_last_round
        )

    def _find_last_round(self, number: int) -> int:
        return self._members[number].last_round

    def _run_round(self, arrived: list[int]) -> None:
        """Begin what has arrived, of each connection one request, and go on with what waits until all is answered.

        What arrives meanwhile is begun too, up to a bound: no flood of requests, not even of such that are refused at
        once, may keep others from their commit.
        """
        room = MOST_BEGUN
        while arrived and room > 0:
            for number in arrived[:room]:
                self._begin(number)
            room -= len(arrived)
            arrived = self._listen(0)
        while self._waiting:
            self._go_on(*self._waiting.popleft())

    def _begin(self, number: int) -> None:
        member = self._members[number]
        member.last_round = self._round
        self._whole.pop(number, None)
        arrival: Arrival = member.connection.arrival
        if not (arrival.is_whole or arrival.receive()):
            self._server.take_back(self._remove(number), False)
        elif arrival.is_small_ingest and arrival.is_whole:
            arrival.hand_on()
            self._go_on(number, Turn(self._server.answer), member.connection)
        elif arrival.size is not None and not arrival.is_small_ingest:
            self._server.hand_over(self._remove(number))

    def _go_on(self, number: int, turn: Turn, *arguments: TConn) -> None:
        """Run the connection's request until it is answered, or has to wait (again)."""
        try:
            again = turn.switch(*arguments)
        except BaseException:
            _logger.exception("A request ended with an error")
            again = False
        if not turn.dead:
            self._waiting.append((number, turn))
            return
        member = self._members[number]
        try:
            unsent = member.outbox.flush()
        except OSError:
            unsent, again = b"", False
        if again is not True or unsent or has_read_ahead(member.connection):
            self._server.take_back(self._remove(number), again, unsent)

    def _give_back(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            connection = self._remove(number)
            if connection.arrival.is_whole:
                self._server.hand_over(connection)
            else:
                self._server.take_back(connection, True)

    def _abandon(self) -> None:
        """Let the requests that wait end, since others may wait for them, and close every connection."""
        while self._waiting:
            self._go_on(*self._waiting.popleft())
        with self._mutex:
            self.is_running = False
            left = [*self._arrivals, *(member.leave() for member in self._members.values())]
            self._arrivals.clear()
            self._members.clear()
            self._whole.clear()
            self._poll = select.poll()
        for connection in left:
            self._server.take_back(connection, False)

    def _remove(self, number: int) -> TConn:
        self._poll.unregister(number)
        self._whole.pop(number, None)
        return self._members.pop(number).leave()
