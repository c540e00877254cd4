"""Counting requests: never more than the limit in any window, whoever counts, and the promised room is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routes.limits import find_network
from services.rate_ledgers import PLACES, PLACES_OF_A_SET, HostLedger, hash_bucket
from services.rate_limits import PortionedLedger
from services.rate_window import SLICES, Claim, Grant, Ledger

START_MS = 1_736_157_600_000
WINDOW_MS = 60_000


@dataclass
class CountedLedger:
    """Another ledger, and how often it was asked."""

    ledger: Ledger
    asked: int = 0
    sizes: list[int] = field(default_factory=list)

    def take(self, bucket: str, claim: Claim) -> Grant | None:
        self.asked += 1
        self.sizes.append(claim.want)
        return self.ledger.take(bucket, claim)

    def close(self) -> None:
        self.ledger.close()


class AwayLedger:
    """Counts out of reach."""

    def take(self, bucket: str, claim: Claim) -> Grant | None:
        return None

    def close(self) -> None:
        pass


@pytest.fixture
def ledger(tmp_path: Path) -> HostLedger:
    return HostLedger(tmp_path / "rate-limits")


def ask(ledger: Ledger, now_ms: int, *, limit: int = 10, want: int = 1, bucket: str = "b") -> Grant:
    found = ledger.take(bucket, Claim(limit, want, WINDOW_MS, now_ms))
    assert found is not None
    return found


def count_most(admitted: list[int], window_ms: int) -> int:
    """The most admissions that any window of this length holds."""
    return max((sum(first <= each < first + window_ms for each in admitted) for first in admitted), default=0)


steps = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2)), max_size=120)


@settings(max_examples=150, deadline=None)
@given(steps=steps, limit=st.integers(1, 40), window_ms=st.integers(1000, 3000), start=st.integers(0, 5000))
def test_workers_together_never_admit_more_than_the_limit_in_any_window(
    steps: list[tuple[int, int]], limit: int, window_ms: int, start: int
) -> None:
    now_ms, admitted = START_MS + start, []
    with TemporaryDirectory() as folder:
        workers = [PortionedLedger(HostLedger(Path(folder) / "counts")) for _ in range(3)]
        for wait_ms, worker in steps:
            now_ms += wait_ms
            found = workers[worker].take("b", Claim(limit, 1, window_ms, now_ms))
            assert found is not None
            assert found.granted in (0, 1)
            assert 0 <= found.remaining < limit
            admitted += [now_ms] * found.granted
            if not found.granted:
                assert 0 < found.reset_at_ms - now_ms <= window_ms * (SLICES + 1) / SLICES + 1
        for each in workers:
            each.close()
    assert count_most(admitted, window_ms) <= limit


@settings(max_examples=150, deadline=None)
@given(steps=steps, limit=st.integers(1, 40), window_ms=st.integers(1000, 3000))
def test_who_is_alone_gets_all_of_the_limit_and_finds_room_when_promised(
    steps: list[tuple[int, int]], limit: int, window_ms: int
) -> None:
    now_ms = START_MS
    admitted: list[int] = []
    with TemporaryDirectory() as folder:
        ledger = PortionedLedger(HostLedger(Path(folder) / "counts"))
        for wait_ms, _ in steps:
            now_ms += wait_ms
            found = ledger.take("b", Claim(limit, 1, window_ms, now_ms))
            assert found is not None
            if not found.granted:
                # refused only if so many were admitted within a window and a slice
                lately = [each for each in admitted if each > now_ms - window_ms * (SLICES + 1) / SLICES]
                assert len(lately) >= limit
                now_ms = found.reset_at_ms
                found = ledger.take("b", Claim(limit, 1, window_ms, now_ms))
                assert found is not None
                assert found.granted == 1
            admitted.append(now_ms)
        ledger.close()


def test_a_full_bucket_admits_again_when_its_slice_has_left_the_window(ledger: HostLedger) -> None:
    assert [ask(ledger, START_MS).granted for _ in range(11)] == [1] * 10 + [0]
    refused = ask(ledger, START_MS + 59_999)
    assert (refused.granted, refused.remaining, refused.reset_at_ms) == (0, 0, START_MS + 63_000)
    assert ask(ledger, START_MS + 62_999).granted == 0
    assert ask(ledger, START_MS + 63_000) == Grant(1, 9, START_MS + 126_000)


def test_what_is_refused_is_not_counted(ledger: HostLedger) -> None:
    for _ in range(500):
        ask(ledger, START_MS)
    assert ask(ledger, START_MS + 63_000, want=10).granted == 10


def test_looking_counts_nothing(ledger: HostLedger) -> None:
    assert ask(ledger, START_MS, want=0) == Grant(0, 10, START_MS)
    ask(ledger, START_MS, want=3)
    assert [ask(ledger, START_MS, want=0) for _ in range(2)] == [Grant(0, 7, START_MS + 63_000)] * 2


def test_a_limit_that_was_lowered_holds_for_what_was_admitted_before(ledger: HostLedger) -> None:
    ask(ledger, START_MS, want=6)
    ask(ledger, START_MS + 3_000, want=4)
    # there is room for one of four only when the six and the four have left
    assert ask(ledger, START_MS + 6_000, limit=4) == Grant(0, 0, START_MS + 66_000)


def test_the_counts_of_a_host_outlive_its_workers_and_are_shared_by_them(tmp_path: Path) -> None:
    first, second = (HostLedger(tmp_path / "counts") for _ in range(2))
    assert [ask(worker, START_MS).granted for worker in (first, second) * 5] == [1] * 10
    first.close()
    assert ask(second, START_MS).granted == 0
    assert ask(HostLedger(tmp_path / "counts"), START_MS).granted == 0


def test_threads_together_get_the_limit_and_no_more(tmp_path: Path) -> None:
    workers = [PortionedLedger(HostLedger(tmp_path / "counts")) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda turn: ask(workers[turn % 2], START_MS, limit=700).granted, range(2000)))
    # what one worker holds and the other cannot have is at most a portion near the limit: a single request
    assert 699 <= sum(found) <= 700


def test_a_clock_set_back_a_little_makes_no_room_and_one_set_back_far_starts_anew(ledger: HostLedger) -> None:
    ask(ledger, START_MS, want=10)
    assert ask(ledger, START_MS - 30_000).granted == 0
    assert ask(ledger, START_MS - 10 * WINDOW_MS).granted == 1


def find_set(bucket: str) -> int:
    return hash_bucket(f"{WINDOW_MS}:{bucket}") % (PLACES // PLACES_OF_A_SET)


def test_a_newcomer_to_a_full_set_takes_the_place_that_was_used_least_lately(ledger: HostLedger) -> None:
    names = (str(number) for number in count())
    old, *others, newcomer = islice((name for name in names if find_set(name) == 7), PLACES_OF_A_SET + 1)
    for bucket, now_ms in [(old, START_MS), *((other, START_MS + 3_000) for other in others)]:
        assert ask(ledger, now_ms, want=10, bucket=bucket).granted == 10
    assert ask(ledger, START_MS + 3_000, bucket=old).granted == 0
    assert ask(ledger, START_MS + 3_000, want=10, bucket=newcomer).granted == 10
    assert [ask(ledger, START_MS + 3_000, bucket=each).granted for each in [*others, newcomer]] == [0] * PLACES_OF_A_SET


def test_where_no_file_can_be_made_a_worker_counts_for_itself(tmp_path: Path) -> None:
    first, second = (HostLedger(tmp_path / "missing folder" / "counts") for _ in range(2))
    assert [ask(first, START_MS).granted for _ in range(11)] == [1] * 10 + [0]
    assert ask(second, START_MS).granted == 1


def test_a_busy_worker_asks_rarely_and_singly_near_the_limit(ledger: HostLedger) -> None:
    counted = CountedLedger(ledger)
    worker = PortionedLedger(counted)
    assert [ask(worker, START_MS, limit=10_000).granted for _ in range(10_001)] == [1] * 10_000 + [0]
    assert counted.sizes[:6] == [1, 1, 2, 4, 8, 16]
    assert counted.sizes[-20:] == [1] * 20
    assert counted.asked < 200
    asked = counted.asked
    for _ in range(100):
        assert ask(worker, START_MS, limit=10_000).granted == 0
    assert counted.asked == asked


def test_what_a_worker_did_not_use_it_gives_back(tmp_path: Path) -> None:
    idle, busy = (PortionedLedger(HostLedger(tmp_path / "counts")) for _ in range(2))
    for _ in range(65):
        ask(idle, START_MS, limit=1000)
    # 1 + 1 + 2 + 4 + ... + 32 make 64, then a portion of (1000 - 64) / 16 = 58 of which one was used
    assert ask(busy, START_MS, limit=1000).remaining == 1000 - 64 - 58 - 1
    ask(idle, START_MS + 3_000, limit=1000)
    assert ask(busy, START_MS + 3_000, limit=1000).remaining == 1000 - 65 - 3


def test_a_raised_limit_holds_at_once(ledger: HostLedger) -> None:
    worker = PortionedLedger(ledger)
    assert [ask(worker, START_MS, limit=1).granted for _ in range(2)] == [1, 0]
    assert ask(worker, START_MS, limit=3).granted == 1


def test_counts_out_of_reach_are_none() -> None:
    assert PortionedLedger(AwayLedger()).take("b", Claim(1, 1, WINDOW_MS, START_MS)) is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::1", "::"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_an_address_counts_for_whom_it_belongs_to(address: str, network: str) -> None:
    assert find_network(address) == network
