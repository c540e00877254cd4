"""Requests that take turns: who goes on when, and that an answer given to several is as fresh as each one's own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest

from services.turns import Turn, ask_together, give_way
from stores.base import StoreUnavailable

request_id: ContextVar[str] = ContextVar("request_id", default="none")


def run_in_turns(*requests: Callable[[], Any]) -> list[Any]:
    """Begin each, then let each go on, until all are done. What they return, or the error they raise."""
    results: dict[int, Any] = {}

    def run(place: int, request: Callable[[], Any]) -> None:
        try:
            results[place] = request()
        except (LookupError, StoreUnavailable) as exc:
            results[place] = exc

    turns = [Turn(run) for _ in requests]
    for place, (turn, request) in enumerate(zip(turns, requests, strict=True)):
        turn.switch(place, request)
    while any(not turn.dead for turn in turns):
        for turn in turns:
            if not turn.dead:
                turn.switch()
    return [results[place] for place in range(len(requests))]


class Database:
    """Counts how often it is asked; what it holds may change meanwhile."""

    def __init__(self) -> None:
        self.value: Any = 1
        self.asked: list[str] = []

    def ask(self, name: str = "a") -> Any:
        def fetch() -> Any:
            self.asked.append(name)
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

        return ask_together(name, fetch)


def test_who_has_a_thread_to_itself_neither_gives_way_nor_shares() -> None:
    database = Database()
    give_way()
    assert [database.ask(), database.ask()] == [1, 1]
    assert database.asked == ["a", "a"]


def test_turns_go_on_in_the_order_in_which_they_began_each_with_its_own_context() -> None:
    steps = []

    def request(name: str) -> str:
        request_id.set(name)
        steps.append(f"begin {name}")
        give_way()
        steps.append(f"end {name}")
        return request_id.get()

    assert run_in_turns(lambda: request("a"), lambda: request("b")) == ["a", "b"]
    assert steps == ["begin a", "begin b", "end a", "end b"]
    assert request_id.get() == "none"


def test_one_answer_serves_all_who_had_the_question() -> None:
    database = Database()
    assert run_in_turns(database.ask, database.ask, lambda: database.ask("b"), database.ask) == [1, 1, 1, 1]
    assert database.asked == ["a", "b"]


def test_who_has_the_question_later_asks_anew() -> None:
    database = Database()

    def ask_twice() -> list[Any]:
        first = database.ask()
        database.value += 1
        return [first, database.ask()]

    assert run_in_turns(ask_twice, database.ask) == [[1, 2], 1]
    assert database.asked == ["a", "a"]


def test_a_change_before_the_answer_is_seen_by_all() -> None:
    """What somebody was told is done holds for every request that comes afterwards."""
    database = Database()

    def change() -> None:
        database.value = "revoked"

    assert run_in_turns(database.ask, change, database.ask) == ["revoked", None, "revoked"]


def test_an_error_is_raised_for_each_who_asked_and_for_nobody_later() -> None:
    database = Database()
    database.value = LookupError("away")
    first, second = run_in_turns(database.ask, database.ask)
    assert [str(first), str(second)] == ["away", "away"]
    assert database.asked == ["a"]
    database.value = 2
    assert run_in_turns(database.ask) == [2]


def test_those_with_other_questions_do_not_wait_one_after_the_other_for_a_database_that_is_away() -> None:
    database = Database()
    database.value = StoreUnavailable("away")
    answers = run_in_turns(database.ask, lambda: database.ask("b"), lambda: database.ask("c"))
    assert [str(answer) for answer in answers] == ["away"] * 3
    assert database.asked == ["a"]
    database.value = 2
    assert run_in_turns(lambda: database.ask("b"), lambda: database.ask("c")) == [2, 2]


def test_another_error_is_that_of_its_question_alone() -> None:
    database = Database()
    database.value = LookupError("no such thing")

    def repair() -> None:
        give_way()
        database.value = 2

    first, _, second = run_in_turns(database.ask, repair, lambda: database.ask("b"))
    assert (str(first), second) == ("no such thing", 2)


def test_nobody_takes_a_question_for_answered_that_was_broken_off() -> None:
    database = Database()

    def break_off() -> Any:
        def fetch() -> Any:
            raise SystemExit

        with suppress(SystemExit):
            return ask_together("a", fetch)

    assert run_in_turns(break_off, database.ask) == [None, 1]


def test_a_turn_that_is_ended_while_it_waits_takes_nobody_with_it() -> None:
    database = Database()
    ended = Turn(database.ask)
    ended.switch("a")
    ended.throw()
    assert run_in_turns(database.ask, database.ask) == [1, 1]
    assert database.asked == ["a"]


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_share_nothing(threads: int) -> None:
    database = Database()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: run_in_turns(database.ask, database.ask), range(threads)))
    assert database.asked == ["a"] * threads
