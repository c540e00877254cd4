"""Who leaves the next connection to whom."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from worker import SLOTS, ConnectionCounts, limit_waits, send_rest


def count(*connections: int) -> ConnectionCounts:
    """Workers of the ages 1, 2, ... with so many connections."""
    counts = ConnectionCounts()
    for age, number in enumerate(connections, start=1):
        counts.note(age, number)
    return counts


@pytest.mark.parametrize(("own", "other", "is_ahead"), [(0, 0, False), (2, 0, False), (3, 0, True), (3, 1, False)])
def test_a_worker_is_ahead_with_three_more_connections_than_another(own: int, other: int, is_ahead: bool) -> None:
    counts = count(own, other)
    assert counts.is_ahead(1) is is_ahead
    assert counts.is_ahead(2) is False


def test_one_worker_alone_is_never_ahead() -> None:
    assert count(1000).is_ahead(1) is False


def test_workers_that_are_gone_hold_nobody_back() -> None:
    counts = count(0, 50)
    assert counts.is_ahead(2) is True
    counts.forget(1)
    assert counts.is_ahead(2) is False


def test_later_workers_take_the_places_of_those_long_gone() -> None:
    counts = count(50)
    counts.note(1 + SLOTS, 0)
    assert counts.is_ahead(1 + SLOTS) is False


def test_the_rest_of_an_answer_is_sent_however_slowly_the_client_reads() -> None:
    """A connection comes from the worker's poller, which never waits."""
    client, served = socket.socketpair()
    with client, served, ThreadPoolExecutor(1) as pool:
        served.setblocking(False)
        unsent = bytes(range(256)) * 40_000
        sending = pool.submit(send_rest, SimpleNamespace(sock=served), True, unsent)
        received = bytearray()
        while len(received) < len(unsent):
            received += client.recv(10_000)
        assert sending.result(timeout=60) is True
    assert received == unsent


def test_a_client_that_does_not_go_on_is_given_up() -> None:
    client, served = socket.socketpair()
    with client, served:
        limit_waits(served, 0.01, 0.01)
        with pytest.raises(BlockingIOError):
            served.recv(1)
        with pytest.raises(BlockingIOError):
            served.sendall(bytes(50_000_000))
        assert client.recv(1)
