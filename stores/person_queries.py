"""How many ids one query of a person's events takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MAX_IDS = 5_000
"""Each of up to 512 characters, so that a query stays below the 16 MB that MongoDB takes and SQLite's 32,766 values."""


def split_ids(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Each id once, in portions of at most `MAX_IDS`."""
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), MAX_IDS):
        yield distinct[start : start + MAX_IDS]
