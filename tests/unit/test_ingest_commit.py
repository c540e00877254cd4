"""`services.ingest.commit`: who leads, who follows, and that nobody is left waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import pytest

from services.errors import Unavailable
from services.ingest import commit
from services.ingest.commit import CommitFailed, GroupCommitter
from services.turns import Turn
from stores.base import Event, Store, StoreUnavailable

WAIT_SECONDS = 60


def event(event_id: str) -> Event:
    return Event("a1b2c3d4e5f6", event_id, "app_open", 0, 0)


def events(*event_ids: str) -> list[Event]:
    return [event(event_id) for event_id in event_ids]


class FakeStore:
    """Remembers what each append was given; the test holds an append at a gate and decides how it ends."""

    def __init__(self) -> None:
        self.appends: list[list[str]] = []
        self.stored: set[str] = set()
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.is_gated = False
        self.fail: Callable[[list[str]], BaseException | None] = lambda ids: None
        self.concurrent = 0

    def append(self, given: Sequence[Event]) -> list[bool]:
        self.concurrent += 1
        assert self.concurrent == 1, "two appends at once"
        ids = [each.event_id for each in given]
        self.appends.append(ids)
        self.entered.release()
        if self.is_gated:
            assert self.gate.acquire(timeout=WAIT_SECONDS)
        self.concurrent -= 1
        error = self.fail(ids)
        if error is not None:
            raise error
        answers = []
        for event_id in ids:
            answers.append(event_id not in self.stored)
            self.stored.add(event_id)
        return answers


class Stage:
    """A committer over a gated store, and threads that submit to it."""

    def __init__(self, pool: ThreadPoolExecutor, **limits: Any) -> None:
        self.store = FakeStore()
        self.store.is_gated = True
        self.committer = build_committer(self.store, **limits)
        self._pool = pool

    def submit(self, *event_ids: str) -> Future[list[bool]]:
        """Submit in a thread; on return its events are in the queue or being stored."""
        before = self.committer.queued_events
        future = self._pool.submit(self.committer.submit, events(*event_ids))
        wait_until(lambda: future.done() or self.committer.queued_events >= before + len(event_ids))
        return future

    def start_leader(self, *event_ids: str) -> Future[list[bool]]:
        """Submit, and wait until the store has been called."""
        future = self.submit(*event_ids)
        assert self.store.entered.acquire(timeout=WAIT_SECONDS)
        return future

    def finish_append(self) -> None:
        self.store.gate.release()


def build_committer(store: FakeStore, **limits: Any) -> GroupCommitter:
    return GroupCommitter(cast(Store, store), **({"max_queued_events": 1000, "max_batch_events": 100} | limits))


def wait_until(condition: Callable[[], bool]) -> None:
    """Give way to other threads until it holds."""
    tick = threading.Event()
    for _ in range(WAIT_SECONDS * 1000):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError("it did not come about")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def result_of(future: Future[list[bool]]) -> list[bool]:
    return future.result(timeout=WAIT_SECONDS)


def error_of(future: Future[list[bool]]) -> BaseException:
    error = future.exception(timeout=WAIT_SECONDS)
    assert error is not None
    return error


def test_a_request_alone_is_committed_at_once() -> None:
    store = FakeStore()
    committer = build_committer(store)
    assert committer.submit(events("1", "2", "1")) == [True, True, False]
    assert committer.submit(events("2", "3")) == [False, True]
    assert store.appends == [["1", "2", "1"], ["2", "3"]]
    assert committer.queued_events == 0


def test_no_events_need_no_commit() -> None:
    store = FakeStore()
    assert build_committer(store).submit([]) == []
    assert store.appends == []


def test_requests_that_come_during_a_commit_share_the_next_and_each_gets_its_own_answer(
    pool: ThreadPoolExecutor,
) -> None:
    stage = Stage(pool)
    leader = stage.start_leader("1")
    followers = [stage.submit("2", "1"), stage.submit("3"), stage.submit("3", "4")]
    stage.finish_append()
    assert result_of(leader) == [True]
    stage.finish_append()
    assert [result_of(follower) for follower in followers] == [[True, False], [True], [False, True]]
    assert stage.store.appends == [["1"], ["2", "1", "3", "3", "4"]]
    assert stage.committer.queued_events == 0


def test_the_leader_answers_without_waiting_for_the_next_commit(pool: ThreadPoolExecutor) -> None:
    stage = Stage(pool)
    leader = stage.start_leader("1")
    follower = stage.submit("2")
    stage.finish_append()
    assert result_of(leader) == [True]
    assert not follower.done()
    stage.finish_append()
    assert result_of(follower) == [True]


def test_a_commit_takes_whole_requests_up_to_the_limit_and_one_that_is_larger_goes_alone(
    pool: ThreadPoolExecutor,
) -> None:
    stage = Stage(pool, max_batch_events=3)
    futures = [stage.start_leader("0")]
    futures += [stage.submit(*ids) for ids in (["1", "2"], ["3"], ["4", "5"], ["6", "7"], list("abcdef"), ["8"])]
    for _ in range(6):
        stage.finish_append()
    assert all(all(result_of(future)) for future in futures)
    assert stage.store.appends == [["0"], ["1", "2", "3"], ["4", "5"], ["6", "7"], list("abcdef"), ["8"]]


def test_a_full_queue_refuses_and_stores_nothing_of_the_request(pool: ThreadPoolExecutor) -> None:
    stage = Stage(pool, max_queued_events=5)
    leader = stage.start_leader("1", "2")
    follower = stage.submit("3", "4")
    with pytest.raises(Unavailable) as caught:
        stage.committer.submit(events("5", "6"))
    assert (caught.value.code, caught.value.retry_after_seconds) == ("ingest_queue_full", 1)
    fitting = stage.submit("7")
    stage.finish_append()
    stage.finish_append()
    assert [result_of(future) for future in (leader, follower, fitting)] == [[True, True], [True, True], [True]]
    assert stage.store.stored == {"1", "2", "3", "4", "7"}
    stage.store.is_gated = False
    assert stage.committer.submit(events("5", "6")) == [True, True]


def test_a_request_larger_than_the_queue_passes_when_nothing_waits() -> None:
    assert build_committer(FakeStore(), max_queued_events=1).submit(events("1", "2")) == [True, True]


def test_the_error_of_the_store_reaches_every_request_of_the_commit_and_no_other(pool: ThreadPoolExecutor) -> None:
    stage = Stage(pool, max_batch_events=3)
    stage.store.fail = lambda ids: StoreUnavailable("disk full") if "bad" in ids else None
    first = stage.start_leader("0")
    sharing = [stage.submit("1"), stage.submit("bad"), stage.submit("2")]
    last = stage.submit("3")
    for _ in range(3):
        stage.finish_append()
    assert (result_of(first), result_of(last)) == ([True], [True])
    errors = [error_of(future) for future in sharing]
    assert [(type(error), str(error)) for error in errors] == [(StoreUnavailable, "disk full")] * 3
    assert len({id(error) for error in errors}) == 3
    assert stage.committer.queued_events == 0


def test_an_undocumented_error_hits_only_the_request_that_causes_it(pool: ThreadPoolExecutor) -> None:
    stage = Stage(pool)
    stage.store.fail = lambda ids: UnicodeError("cannot be stored") if "bad" in ids else None
    first = stage.start_leader("0")
    sharing = [stage.submit("1"), stage.submit("bad"), stage.submit("2")]
    stage.store.is_gated = False
    stage.finish_append()
    assert result_of(first) == [True]
    assert (result_of(sharing[0]), result_of(sharing[2])) == ([True], [True])
    error = error_of(sharing[1])
    assert isinstance(error, CommitFailed)
    assert isinstance(error.__cause__, UnicodeError)


def test_when_a_leader_is_interrupted_its_followers_are_told_and_the_next_leads(pool: ThreadPoolExecutor) -> None:
    stage = Stage(pool, max_batch_events=2)
    stage.store.fail = lambda ids: SystemExit() if "1" in ids else None
    first = stage.start_leader("0")
    interrupted, follower, next_one = stage.submit("1"), stage.submit("2"), stage.submit("3")
    stage.store.is_gated = False
    stage.finish_append()
    assert result_of(first) == [True]
    assert isinstance(error_of(interrupted), SystemExit)
    assert isinstance(error_of(follower), CommitFailed)
    assert result_of(next_one) == [True]


def test_requests_that_waited_too_long_are_refused_and_not_stored(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(commit.time, "monotonic", lambda: now)
    stage = Stage(pool, max_wait_seconds=1.0)
    leader = stage.start_leader("1")
    late = stage.submit("2")
    now = 100.9
    in_time = stage.submit("3")
    now = 101.5
    stage.store.is_gated = False
    stage.finish_append()
    assert (result_of(leader), result_of(in_time)) == ([True], [True])
    error = error_of(late)
    assert isinstance(error, Unavailable)
    assert error.code == "ingest_queue_full"
    assert stage.store.appends == [["1"], ["3"]]


def submit_in_turns(committer: GroupCommitter, *groups: Sequence[str]) -> list[list[bool] | Exception]:
    """Submit each group in a turn of this thread: all are begun, then each is finished. What became of each."""

    def submit(ids: Sequence[str]) -> list[bool] | Exception:
        try:
            return committer.submit(events(*ids))
        except (Unavailable, StoreUnavailable) as exc:
            return exc

    turns = [Turn(submit) for _ in groups]
    results = [turn.switch(ids) for turn, ids in zip(turns, groups, strict=True)]
    return [result if turn.dead else turn.switch() for turn, result in zip(turns, results, strict=True)]


def test_turns_of_a_thread_share_a_write() -> None:
    store = FakeStore()
    assert submit_in_turns(build_committer(store), ["1"], [], ["2", "1"]) == [[True], [], [True, False]]
    assert store.appends == [["1", "2", "1"]]


def test_turns_that_do_not_fit_into_one_write_have_another() -> None:
    store = FakeStore()
    committer = build_committer(store, max_batch_events=2)
    assert submit_in_turns(committer, ["1"], ["2", "3"], ["4"]) == [[True], [True, True], [True]]
    assert store.appends == [["1"], ["2", "3"], ["4"]]
    assert committer.queued_events == 0


def test_turns_follow_a_leader_in_another_thread_and_lead_the_next_write(pool: ThreadPoolExecutor) -> None:
    stage = Stage(pool)
    leader = stage.start_leader("1")
    turns = pool.submit(submit_in_turns, stage.committer, ["2"], ["3"])
    wait_until(lambda: stage.committer.queued_events == 3)
    behind = stage.submit("4")
    stage.store.is_gated = False
    stage.finish_append()
    assert turns.result(timeout=WAIT_SECONDS) == [[True], [True]]
    assert (result_of(leader), result_of(behind)) == ([True], [True])
    assert stage.store.appends == [["1"], ["2", "3", "4"]]


def test_a_turn_for_which_there_is_no_room_is_refused_alone() -> None:
    committer = build_committer(FakeStore(), max_queued_events=2)
    first, second, third = submit_in_turns(committer, ["1"], ["2", "3"], ["4"])
    assert (first, third) == ([True], [True])
    assert isinstance(second, Unavailable)


def test_each_turn_has_an_error_of_its_own() -> None:
    store = FakeStore()
    store.fail = lambda ids: StoreUnavailable("away")
    first, second = submit_in_turns(build_committer(store), ["1"], ["2"])
    assert isinstance(first, StoreUnavailable)
    assert isinstance(second, StoreUnavailable)
    assert first is not second


def test_nobody_is_left_behind_by_a_turn_that_is_ended(pool: ThreadPoolExecutor) -> None:
    stage = Stage(pool)
    stage.store.is_gated = False

    def end_the_first() -> object:
        turn = Turn(stage.committer.submit)
        turn.switch(events("1"))
        behind = stage.submit("2")
        turn.throw()
        return result_of(behind)

    assert pool.submit(end_the_first).result(timeout=WAIT_SECONDS) == [True]
    assert stage.store.appends == [["1", "2"]]
    assert stage.committer.submit(events("3")) == [True]


def race(thread_count: int, run: Callable[[int], int]) -> int:
    """The sum of what `run` returns in so many threads that begin at once; each is given its number."""
    start = threading.Barrier(thread_count)

    def run_from_start(number: int) -> int:
        start.wait(WAIT_SECONDS)
        return run(number)

    with ThreadPoolExecutor(thread_count) as threads:
        return sum(threads.map(run_from_start, range(thread_count), timeout=WAIT_SECONDS))


def test_racing_threads_that_take_turns_store_each_event_once_and_lose_none() -> None:
    thread_count, rounds = 12, 100
    store = FakeStore()
    committer = build_committer(store, max_batch_events=7, max_queued_events=10_000)

    def run(number: int) -> int:
        accepted = 0
        for turn in range(rounds):
            groups = [[f"{number // 2}-{turn}-{group}-{place}" for place in range(group)] for group in range(turn % 5)]
            # Each id is submitted by two threads, of which one has none but turns.
            if number % 2:
                answers = submit_in_turns(committer, *groups)
            else:
                answers = [committer.submit(events(*ids)) for ids in groups]
            accepted += sum(sum(answer) for answer in answers if isinstance(answer, list))
        return accepted

    accepted = race(thread_count, run)
    assert accepted == len(store.stored)
    assert accepted == thread_count // 2 * sum(group for turn in range(rounds) for group in range(turn % 5))
    assert committer.queued_events == 0


def test_racing_threads_store_each_event_once_and_lose_none() -> None:
    thread_count, rounds = 16, 200
    store = FakeStore()
    committer = build_committer(store, max_batch_events=7, max_queued_events=10_000)

    def run(number: int) -> int:
        accepted = 0
        for turn in range(rounds):
            # Each id is submitted by two threads, in groups of differing size.
            ids = [f"{number // 2}-{turn}-{position}" for position in range(turn % 4)]
            accepted += sum(committer.submit(events(*ids)))
        return accepted

    accepted = race(thread_count, run)
    assert accepted == len(store.stored) == thread_count // 2 * sum(turn % 4 for turn in range(rounds))
    assert committer.queued_events == 0
