"""Requests that take turns on one thread: each runs until it has to wait, and lets the next one begin.

They hand nothing over between threads, and what one of them waits for serves all: a commit, an answer of the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

from stores.base import StoreUnavailable

T = TypeVar("T")


class Turn(greenlet):
    """A request that others may overtake while it waits, in a coroutine of its own, with a context of its own."""


class _Question:
    """What several turns of a thread want to know, and what came of asking."""

    __slots__ = ("answer", "error", "is_answered")

    def __init__(self) -> None:
        self.is_answered = False
        self.answer: Any = None
        self.error: Exception | None = None


class _Questions(threading.local):
    """Of a thread: those that are to be asked yet."""

    def __init__(self) -> None:
        self.open: dict[Hashable, _Question] = {}


_questions = _Questions()


def give_way() -> None:
    """Let the other requests of this thread begin. Does nothing for a request that has a thread to itself.

    Who calls it may hold no lock: requests of the same thread would wait for it for ever.
    """
    current = getcurrent()
    if isinstance(current, Turn) and current.parent is not None:
        current.parent.switch()


def ask_together(question: Hashable, ask: Callable[[], T]) -> T:
    """What `ask()` returns or raises, called once for all turns of this thread that have the same question and had it
    before: as fresh an answer as each would get by itself. They must not change it.

    Where the database does not answer, those with other questions do not wait for it one after the other: they get the
    same StoreUnavailable.
    """
    if not isinstance(getcurrent(), Turn):
        return ask()
    shared = _questions.open.setdefault(question, _Question())
    give_way()
    if shared.error is None and not shared.is_answered:
        # From here on nobody else's question is answered by it.
        if _questions.open.get(question) is shared:
            del _questions.open[question]
        try:
            shared.answer = ask()
            shared.is_answered = True
        except StoreUnavailable as exc:
            for each in (shared, *_questions.open.values()):
                each.error = exc
            _questions.open.clear()
        except Exception as exc:  # noqa: BLE001 - it is raised, for each who asked
            shared.error = exc
    if shared.error is not None:
        raise shared.error.with_traceback(None)
    return cast(T, shared.answer)
