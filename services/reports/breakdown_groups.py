"""breakdown: what the measures have in common, the columns of a group's values and the result of counting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from services.reports.values import ABSENT, list_order_terms


class CountedGroups(NamedTuple):
    """The first groups by a measure that counts what may be in several groups (users, sessions), and what there is
    beside them."""

    rows: list[tuple[Any, ...]]
    """Columns of the group's values, then users or sessions, and events."""
    group_count: int
    other: int
    """Users or sessions with an event of a group that is not shown."""
    total: int
    events: int


def list_names(keys: Sequence[str]) -> list[str]:
    """Names of the columns with the values that are grouped by, four for each property."""
    return [f"key_{number}" for number in range(len(keys))]


def list_varying(keys: Sequence[str]) -> list[str]:
    """Those names that have to be grouped and joined by: what is always null costs as much there as any other."""
    return [name for key, name in zip(keys, list_names(keys), strict=True) if key not in ABSENT.values()]


def build_order(names: Sequence[str]) -> str:
    """Terms of an ORDER BY over these columns."""
    return ", ".join(term for at in range(0, len(names), 4) for term in list_order_terms(names[at : at + 4]))
