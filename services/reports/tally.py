"""How often each of very many whole numbers comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

LEAST_MERGED: Final = 1_000_000


class Tally:
    """Counts of the numbers added so far; memory for each different number, and for as many again at most."""

    def __init__(self) -> None:
        self._parts: list[tuple[Whole, Whole]] = []
        self._merged = 0
        self._waiting = 0

    def add(self, numbers: Whole) -> None:
        """Count these as well."""
        import numpy as np

        part = np.unique(numbers, return_counts=True)
        self._parts.append(part)
        self._waiting += len(part[0])
        if self._waiting > max(self._merged, LEAST_MERGED):
            self._parts = [self.sum_up()]
            self._merged, self._waiting = len(self._parts[0][0]), 0

    def sum_up(self) -> tuple[Whole, Whole]:
        """The different numbers, sorted, and how often each came."""
        import numpy as np

        if not self._parts:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        numbers, counts = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.argsort(numbers)
        numbers, counts = numbers[order], counts[order]
        firsts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
        return numbers[firsts], np.add.reduceat(counts, firsts) if len(firsts) else counts
