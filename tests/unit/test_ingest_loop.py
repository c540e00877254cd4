"""One thread for many connections: what takes turns, in which order, and that nobody waits for another's client."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http.unreader import SocketUnreader

import ingest_loop
from arrival import Arrival, has_read_ahead
from ingest_loop import MOST_BEGUN, PAUSE_SECONDS, SLOW_SECONDS, IngestLoop
from services.turns import give_way
from tests.servers import wait_until
from tests.service import PATIENCE_SECONDS


def build_request(body: str) -> bytes:
    return f"POST /v1/events/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Client:
    """One end of a connection; the other is in the worker's hands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sock, served = socket.socketpair()
        self.sock.settimeout(PATIENCE_SECONDS)
        parser = SimpleNamespace(unreader=SocketUnreader(served))
        self.connection: Any = SimpleNamespace(sock=served, parser=parser, client=self)
        self.connection.arrival = Arrival(self.connection)
        self.served = served

    def send(self, *bodies: str) -> None:
        self.sock.sendall(b"".join(build_request(body) for body in bodies))

    def read(self) -> str:
        return self.sock.recv(65_536).decode()

    def close(self) -> None:
        self.sock.close()
        self.served.close()


class FakeServer:
    """Answers a request with its body in capitals, and notes what else the loop wants.

    A body of `wait` waits twice, one of `now` not at all; `fail` and `exit` end with an error, `end`
    ends its connection, `stop` the worker.
    """

    def __init__(self) -> None:
        self.alive = True
        self.steps: list[str] = []
        self.handed_over: list[Any] = []
        self.taken_back: list[tuple[Any, Any, bytes]] = []
        self.answer_size = 0
        self.on_answer: Callable[[str], object] = lambda body: None
        """Called before a request goes on to its answer."""

    def answer(self, connection: Any) -> Any:
        unreader = connection.parser.unreader
        head, _, rest = unreader.read().partition(b"\r\n\r\n")
        length = int(head.rpartition(b" ")[2])
        body = rest[:length].decode()
        unreader.unread(rest[length:])
        self.steps.append(f"begin {body}")
        if body == "fail":
            raise ValueError(body)
        if body == "exit":
            raise SystemExit
        self.on_answer(body)
        if body != "now":
            give_way()
        if body == "wait":
            give_way()
        self.steps.append(f"answer {body}")
        if body == "stop":
            self.alive = False
        connection.sock.setblocking(True)
        connection.sock.sendall(body.upper().encode())
        connection.sock.sendall(b"." * (self.answer_size or 1))
        return body != "end"

    def hand_over(self, connection: Any) -> None:
        self.handed_over.append(connection)

    def take_back(self, connection: Any, again: Any, unsent: bytes = b"") -> None:
        self.taken_back.append((connection, again, unsent))


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def connect() -> Iterator[Callable[[str], Client]]:
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(closing(Client(name)))


def run(server: FakeServer, *clients: Client) -> None:
    """Have a loop answer the clients, all of whom are there from the start, until it has nothing to do."""
    loop = IngestLoop(server)
    loop.is_running = True
    for client in clients:
        loop.join(client.connection)
    loop._run()
    assert not loop.is_running


def ends(server: FakeServer) -> list[tuple[str, Any, bytes]]:
    return [(connection.client.name, again, unsent) for connection, again, unsent in server.taken_back]


class TestRounds:
    def test_all_begin_before_the_first_is_answered(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        clients = [connect(name) for name in "abc"]
        for client in clients:
            client.send(client.name)
        run(server, *clients)
        assert server.steps == ["begin a", "begin b", "begin c", "answer a", "answer b", "answer c"]
        assert [client.read() for client in clients] == ["A.", "B.", "C."]
        assert ends(server) == [("a", True, b""), ("b", True, b""), ("c", True, b"")]
        assert all(client.connection.sock is client.served for client in clients)

    def test_who_has_to_wait_again_does(self, server: FakeServer, connect: Callable[[str], Client]) -> None:
        first, second = connect("a"), connect("b")
        first.send("wait")
        second.send("b")
        run(server, first, second)
        assert server.steps == ["begin wait", "begin b", "answer b", "answer wait"]
        assert (first.read(), second.read()) == ("WAIT.", "B.")

    def test_requests_of_a_connection_are_answered_one_after_the_other(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        client = connect("a")
        client.send("1", "2")
        run(server, client)
        assert server.steps == ["begin 1", "answer 1"]
        assert has_read_ahead(client.connection), "the worker goes on with what was read"
        assert ends(server) == [("a", True, b"")]

    def test_the_next_request_of_who_waits_waits_too(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        first, second = connect("a"), connect("b")
        first.send("1")
        second.send("x")
        server.on_answer = lambda body: first.send("2") if not server.steps[1:] else None
        run(server, first, second)
        assert server.steps[:4] == ["begin 1", "begin x", "answer 1", "answer x"]
        assert "begin 2" in server.steps[4:]

    def test_a_flood_of_requests_that_are_refused_at_once_keeps_nobody_from_the_commit(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        good, refused = connect("good"), [connect(f"r{number}") for number in range(3)]
        good.send("good")
        for client in refused:
            client.send("now")
        left = [100]

        def send_again(body: str) -> None:
            if body == "now" and left[0]:
                left[0] -= 1
                for client in refused:
                    client.send("now")

        server.on_answer = send_again
        run(server, good, *refused)
        assert server.steps.index("answer good") < 2 + 2 * len(refused)

    def test_everybody_has_as_many_turns_as_the_others_however_many_they_are(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        clients = {f"c{number}": connect(f"c{number}") for number in range(MOST_BEGUN * 3 + 7)}
        left = dict.fromkeys(clients, 5)
        for name, client in clients.items():
            client.send(name)

        def send_again(body: str) -> None:
            # the next request is there before this one is answered: nobody ever pauses
            left[body] -= 1
            if left[body]:
                clients[body].send(body)

        server.on_answer = send_again
        run(server, *clients.values())
        answered = Counter[str]()
        for step in server.steps:
            if step.startswith("answer"):
                answered[step] += 1
                assert max(answered.values()) - (min(answered.values()) if len(answered) == len(clients) else 0) <= 2
        assert set(answered.values()) == {5}

    def test_after_a_round_that_waited_for_long_there_is_no_loop_for_a_while(
        self, server: FakeServer, connect: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(ingest_loop, "monotonic", lambda: now[0])
        loop = IngestLoop(server)
        client = connect("a")
        client.send("1")
        client.connection.arrival.receive()
        assert loop.suits(client.connection)
        server.on_answer = lambda body: now.__setitem__(0, now[0] + SLOW_SECONDS + 0.1)
        loop.join(client.connection)
        assert client.read() == "1."
        client.send("2")
        client.connection.arrival.receive()
        assert not loop.suits(client.connection)
        now[0] += PAUSE_SECONDS
        assert loop.suits(client.connection)

    def test_connections_that_come_later_are_answered_too(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        loop = IngestLoop(server)
        first = connect("a")
        first.send("1")
        running = threading.Thread(target=loop.join, args=(first.connection,))
        running.start()
        for number in range(20):
            client = connect(f"c{number}")
            client.send(f"n{number}")
            loop.join(client.connection)
            assert client.read() == f"N{number}."
        running.join(PATIENCE_SECONDS)
        assert first.read() == "1."
        assert not loop.is_running
        assert len(server.taken_back) == 21

    def test_who_comes_with_a_request_is_answered_without_sending_more(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        first, second, third = connect("a"), connect("b"), connect("c")
        for client in (first, second):
            client.send(client.name)
            assert client.connection.arrival.receive()
        third.send("c")
        run(server, first, second, third)
        assert server.steps[:3] == ["begin a", "begin b", "begin c"]
        assert [client.read() for client in (first, second, third)] == ["A.", "B.", "C."]

    def test_however_many_come_with_a_request_all_are_answered(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        clients = [connect(str(number)) for number in range(3 * MOST_BEGUN)]
        for client in clients:
            client.send(client.name)
            assert client.connection.arrival.receive()
        run(server, *clients)
        assert [client.read() for client in clients] == [f"{client.name}." for client in clients]

    def test_who_comes_with_a_request_when_the_loop_ends_has_a_thread(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        last, late = connect("a"), connect("b")
        last.send("stop")
        late.send("b")
        assert late.connection.arrival.receive()
        loop = IngestLoop(server)
        server.on_answer = lambda body: loop.offer(late.connection)
        loop.join(last.connection)
        assert last.read() == "STOP."
        assert server.handed_over == [late.connection]
        assert late.connection.arrival.is_whole

    def test_a_connection_is_only_taken_while_somebody_answers(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        loop, first, second = IngestLoop(server), connect("a"), connect("b")
        for client in (first, second):
            client.send(client.name)
            client.connection.arrival.receive()
        assert not loop.offer(second.connection)
        server.on_answer = lambda body: loop.offer(second.connection) if body == "a" else None
        loop.join(first.connection)
        assert [client.read() for client in (first, second)] == ["A.", "B."]

    def test_an_idle_connection_is_given_back_while_others_are_busy(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        idle, busy = connect("idle"), connect("busy")
        idle.send("1")
        busy.send("0")
        loop = IngestLoop(server)
        loop.is_running = True
        loop.join(idle.connection)
        loop.join(busy.connection)
        running = threading.Thread(target=loop._run)
        running.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(connection is idle.connection for connection, _, _ in list(server.taken_back)):
            assert time.monotonic() < deadline
            assert busy.read()
            busy.send("1")
        running.join(PATIENCE_SECONDS)
        assert ("idle", True, b"") in ends(server)

    def test_a_worker_that_stops_gets_its_connections_back(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        first, second = connect("a"), connect("b")
        first.send("stop")
        second.send("x")
        run(server, first, second)
        assert (first.read(), second.read()) == ("STOP.", "X.")
        assert ends(server) == [("a", True, b""), ("b", True, b"")]


class TestClients:
    def test_a_request_in_pieces_is_answered_when_it_is_whole(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        client, other = connect("a"), connect("b")
        request = build_request("body")
        pieces = [request[:70], request[70:-2], request[-2:]]
        client.sock.sendall(pieces[0])
        other.send("x")

        def send_more(body: str) -> None:
            if pieces[1:]:
                client.sock.sendall(pieces.pop(1))
                other.send("x")

        server.on_answer = send_more
        run(server, client, other)
        assert client.read() == "BODY."
        assert server.steps.count("begin body") == 1

    def test_who_goes_on_later_is_given_back_with_what_has_arrived(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        client = connect("a")
        client.sock.sendall(build_request("body")[:-1])
        run(server, client)
        assert server.steps == []
        assert ends(server) == [("a", True, b"")]
        client.sock.sendall(b"y")
        arrival = client.connection.arrival
        assert arrival.receive()
        assert arrival.is_whole, "nothing of it is lost"

    def test_another_request_is_for_the_pool_and_nothing_of_it_is_lost(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        client = connect("a")
        client.sock.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        run(server, client)
        assert server.handed_over == [client.connection]
        assert client.connection.arrival.is_whole
        client.connection.arrival.hand_on()
        assert client.connection.parser.unreader.read() == b"GET /health HTTP/1.1\r\n\r\n"
        assert client.connection.sock is client.served

    def test_a_client_that_is_gone_is_closed(self, server: FakeServer, connect: Callable[[str], Client]) -> None:
        client = connect("a")
        client.sock.close()
        run(server, client)
        assert ends(server) == [("a", False, b"")]

    def test_a_client_that_goes_without_its_answer_is_closed(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        client, other = connect("a"), connect("b")
        client.send("1")
        other.send("2")
        client.sock.close()
        run(server, client, other)
        assert "answer 1" in server.steps, "its events are stored all the same"
        assert ("a", False, b"") in ends(server)
        assert other.read() == "2."

    def test_nobody_waits_for_a_client_that_does_not_read(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        server.answer_size = 10_000_000
        client, other = connect("a"), connect("b")
        client.send("1")
        other.send("2")
        run(server, client, other)
        answers = {name: unsent for name, _, unsent in ends(server)}
        assert set(answers) == {"a", "b"}
        received = bytearray()
        while len(received) + len(answers["a"]) < 10_000_001:
            received += client.sock.recv(1_000_000)
        assert bytes(received) + answers["a"] == b"1" + b"." * 10_000_000

    def test_an_answer_that_ends_the_connection_does(
        self, server: FakeServer, connect: Callable[[str], Client]
    ) -> None:
        client = connect("a")
        client.send("end")
        run(server, client)
        assert client.read() == "END."
        assert ends(server) == [("a", False, b"")]

    def test_a_request_that_fails_harms_no_other(self, server: FakeServer, connect: Callable[[str], Client]) -> None:
        clients = [connect(name) for name in ("a", "fail", "exit", "b")]
        for client in clients:
            client.send(client.name)
        run(server, *clients)
        assert (clients[0].read(), clients[3].read()) == ("A.", "B.")
        assert ("fail", False, b"") in ends(server)
        assert ("exit", False, b"") in ends(server)

    def test_a_loop_that_breaks_ends_what_waits_closes_what_it_has_and_can_be_begun_again(
        self, server: FakeServer, connect: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loop = IngestLoop(server)
        waiting, silent, breaking, other = (connect(name) for name in ("waiting", "silent", "breaking", "other"))
        waiting.send("1")
        breaking.sock.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        loop._arrivals.extend([waiting.connection, breaking.connection, silent.connection])
        with monkeypatch.context() as patched:
            patched.setattr(server, "hand_over", lambda connection: 1 / 0)
            loop.is_running = True
            with pytest.raises(ZeroDivisionError):
                loop._run()
            assert server.steps == ["begin 1"]
            loop._abandon()
        assert server.steps == ["begin 1", "answer 1"], "others may have waited for it"
        assert waiting.read() == "1."
        assert ends(server) == [("waiting", False, b""), ("silent", False, b"")]
        assert silent.connection.sock is silent.served
        other.send("2")
        loop.join(other.connection)
        assert other.read() == "2."

    def test_an_error_of_the_loop_is_told_and_ends_no_thread(
        self, server: FakeServer, connect: Callable[[str], Client], caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        loop, client = IngestLoop(server), connect("a")
        monkeypatch.setattr(loop, "_listen", lambda timeout_ms: 1 / 0)
        loop.join(client.connection)
        assert "The loop ended with an error" in caplog.text
        assert ends(server) == [("a", False, b"")]
        assert not loop.is_running


def test_without_turns_nobody_gives_way() -> None:
    give_way()


def test_loops_of_two_threads_are_apart(connect: Callable[[str], Client]) -> None:
    servers = [FakeServer(), FakeServer()]
    loops = [IngestLoop(server) for server in servers]
    clients = [connect(str(number)) for number in range(2)]
    for client in clients:
        client.send(client.name)
    threads = [
        threading.Thread(target=loop.join, args=(client.connection,))
        for loop, client in zip(loops, clients, strict=True)
    ]
    for thread in threads:
        thread.start()
    assert [client.read() for client in clients] == ["0.", "1."]
    wait_until(lambda: not any(loop.is_running for loop in loops))
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
