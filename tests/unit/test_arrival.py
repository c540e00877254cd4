"""When a request is whole, and which are for the loop."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http.unreader import SocketUnreader

import arrival
from arrival import MOST_GATHERED, MOST_HEAD, MOST_SECONDS, MOST_SMALL, Arrival, has_read_ahead

INGEST = "POST /v1/events/batch HTTP/1.1"
CHUNKED = b"c\r\n{\"events\":[]\r\n1\r\n}\r\n0\r\n\r\n"


class Wire:
    """A client's socket, and the connection at its other end."""

    def __init__(self, client: socket.socket, served: socket.socket) -> None:
        self.client = client
        self.unreader = SocketUnreader(served)
        self.connection: Any = SimpleNamespace(sock=served, parser=SimpleNamespace(unreader=self.unreader))
        self.arrival = Arrival(self.connection)

    def receive(self, sent: bytes) -> Arrival:
        """Send this, and have it received."""
        self.client.sendall(sent)
        assert self.arrival.receive()
        return self.arrival


@pytest.fixture
def wire() -> Iterator[Wire]:
    client, served = socket.socketpair()
    with client, served:
        yield Wire(client, served)


def build(start: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([start, "Host: localhost", *headers, "", ""]).encode() + body


def build_ingest(body: bytes, *headers: str, target: str = "/v1/events/batch") -> bytes:
    return build(f"POST {target} HTTP/1.1", *headers, f"Content-Length: {len(body)}", body=body)


@pytest.mark.parametrize(
    "sent",
    [
        build_ingest(b'{"events":[]}'),
        build_ingest(b"{}", target="/track"),
        build_ingest(b"{}", target="/track?projectKey=p"),
        build_ingest(b"{}", target="/api/analytics/collect"),
        b"POST /track HTTP/1.1\r\nCONTENT-LENGTH:2\r\n\r\n{}",
        build_ingest(b"x" * (MOST_SMALL - 200)),
    ],
    ids=lambda sent: sent[:40].decode(),
)
def test_small_requests_with_events_are_for_the_loop(wire: Wire, sent: bytes) -> None:
    found = wire.receive(sent)
    assert found.is_whole
    assert found.is_small_ingest
    assert found.size == len(sent)


@pytest.mark.parametrize(
    "sent",
    [
        build("GET /health HTTP/1.1"),
        build("POST /v1/events/batches HTTP/1.1", "Content-Length: 2", body=b"{}"),
        build("POST /api/events HTTP/1.1", "Content-Length: 2", body=b"{}"),
        build(INGEST),
        build(INGEST, "Content-Length: 2", "Content-Encoding: gzip", body=b"{}"),
        build(INGEST, "transfer-encoding: chunked", body=CHUNKED),
        build(INGEST, "transfer-encoding: chunked", body=b"0\r\n\r\n"),
        build(INGEST, "transfer-encoding: chunked", body=b"5\r\n12345\r\n00;a=b\r\nChecksum: 1\r\n\r\n"),
        build(INGEST, "Content-Length: 2", "Expect: 100-continue"),
        build(INGEST, "Content-Length: 2", "Upgrade: h2c", body=b"{}"),
        build(INGEST, "Content-Length: 50", "Content-Length: 2"),
        build(INGEST, "Content-Length: 50", "content-length : 2"),
        b"GET /health HTTP/1.0\nHost: a\n\n",
        build(INGEST, "Content-Length: -1"),
        build(INGEST, "Content-Length: 1e1"),
        build(INGEST, "Content-Length : 1"),
        build(INGEST, "X-Content-Length: 2", body=b"{}"),
        build_ingest(b"x" * MOST_SMALL),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:80]),
)
def test_others_are_for_the_pool_as_soon_as_the_parser_can_say_what_they_are(wire: Wire, sent: bytes) -> None:
    found = wire.receive(sent)
    assert found.is_whole
    assert not found.is_small_ingest


def test_a_request_is_whole_with_its_last_byte(wire: Wire) -> None:
    request = build("POST /v1/projects HTTP/1.1", "Content-Length: 20", body=b"x" * 20)
    for place in range(len(request) - 1):
        assert not wire.receive(request[place : place + 1]).is_whole
    assert wire.receive(request[-1:]).is_whole
    wire.arrival.hand_on()
    assert wire.unreader.read() == request
    assert not wire.arrival.is_whole


def test_a_body_in_chunks_is_whole_with_its_last_byte(wire: Wire) -> None:
    request = build(INGEST, "Transfer-Encoding: chunked", body=CHUNKED)
    for place in range(len(request) - 1):
        assert not wire.receive(request[place : place + 1]).is_whole, request[: place + 1]
    assert wire.receive(request[-1:]).is_whole
    wire.arrival.hand_on()
    assert wire.unreader.read() == request


def test_chunks_are_gathered_up_to_a_bound(wire: Wire) -> None:
    wire.receive(build(INGEST, "Transfer-Encoding: chunked"))
    sent = 0
    while not wire.arrival.is_whole:
        sent += len(wire.receive(b"1f40\r\n" + b"x" * 8_000 + b"\r\n")._received) - sent
    assert MOST_GATHERED <= sent < MOST_GATHERED + 10_000


def test_empty_lines_before_a_request_are_nothing(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(arrival, "monotonic", lambda: now[0])
    wire.receive(b"\r\n")
    now[0] += 10 * MOST_SECONDS
    assert not wire.arrival.is_late
    assert wire.receive(b"\r\n" + build_ingest(b"{}")).is_whole
    wire.arrival.hand_on()
    assert wire.unreader.read() == build_ingest(b"{}")


def test_of_a_large_request_so_much_is_gathered(wire: Wire) -> None:
    wire.client.setblocking(False)
    request = build(INGEST, f"Content-Length: {10**9}", body=b"x" * MOST_GATHERED)
    sent = 0
    while not wire.arrival.is_whole:
        sent += wire.client.send(request[sent : sent + 50_000])
        assert wire.arrival.receive()
    assert wire.arrival.size == MOST_GATHERED
    assert not wire.arrival.is_small_ingest


def test_a_head_that_never_ends_is_for_the_parser_to_refuse(wire: Wire) -> None:
    wire.receive(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(MOST_HEAD // 8_000):
        assert not wire.arrival.is_whole
        wire.receive(b"x" * 8_000)
    assert wire.receive(b"x" * 8_000).is_whole


def test_nothing_has_arrived(wire: Wire) -> None:
    assert wire.arrival.receive()
    assert not wire.arrival.is_whole
    assert not wire.arrival.is_late
    wire.arrival.hand_on()
    assert not has_read_ahead(wire.connection)


def test_what_the_parser_has_read_ahead_comes_first(wire: Wire) -> None:
    request = build_ingest(b"{}")
    wire.unreader.unread(request[:30])
    assert has_read_ahead(wire.connection)
    assert wire.receive(request[30:]).is_whole
    wire.arrival.hand_on()
    assert wire.unreader.read() == request


def test_the_request_behind_it_is_handed_on_with_it(wire: Wire) -> None:
    first, second = build_ingest(b"{}"), build_ingest(b"[]")
    assert wire.receive(first + second).size == len(first)
    wire.arrival.hand_on()
    assert wire.unreader.read() == first + second


def test_a_client_that_is_gone(wire: Wire) -> None:
    wire.client.close()
    assert not wire.arrival.receive()


def test_the_parser_says_what_is_wrong_with_a_request_that_breaks_off(wire: Wire) -> None:
    assert not wire.receive(build_ingest(b"{}")[:-1]).is_whole
    wire.client.shutdown(socket.SHUT_WR)
    assert wire.arrival.receive()
    assert wire.arrival.is_whole
    assert not wire.arrival.is_small_ingest


def test_a_client_that_closes_its_side_behind_a_request_is_answered(wire: Wire) -> None:
    wire.client.sendall(build_ingest(b"{}"))
    wire.client.shutdown(socket.SHUT_WR)
    assert wire.arrival.receive()
    assert wire.arrival.is_whole


def test_a_request_that_arrives_for_too_long_is_late(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(arrival, "monotonic", lambda: now[0])
    wire.receive(b"P")
    now[0] += MOST_SECONDS - 1
    assert not wire.receive(b"O").is_late
    now[0] += 2
    assert wire.receive(b"S").is_late
    assert not wire.receive(b"T / HTTP/1.1\r\n\r\n").is_late, "it is whole"
