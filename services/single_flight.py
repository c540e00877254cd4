"""Identical work asked for at the same time is done once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Callers with equal keys share one call: the first makes it, the others wait for its result or its error."""

    def __init__(self) -> None:
        self._flights: dict[str, Future[Result]] = {}
        self._lock = threading.Lock()

    def run(self, key: str, compute: Callable[[], Result]) -> Result:
        """What `compute` gives, called here or by whoever came first with this key."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                mine = self._flights[key] = Future()
        if flight is not None:
            return flight.result()
        try:
            mine.set_result(compute())
        except BaseException as exc:  # noqa: BLE001 - raised again below, in every waiting thread
            mine.set_exception(exc)
        finally:
            with self._lock:
                del self._flights[key]
        return mine.result()
