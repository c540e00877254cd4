"""The arithmetic of counting requests in a sliding window, and what keeps such counts.

A window is cut into `SLICES`. Counted are the present slice and the `SLICES` before it, which together always cover the
window: so no window, wherever it begins, ever holds more than the limit; and who used it up waits a twentieth of the
window longer at most. What is refused is not counted.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

SLICES = 20


class Claim(NamedTuple):
    """A request for room in a bucket."""

    limit: int
    want: int
    """Requests to count if there is room; 0 only looks."""
    window_ms: int
    now_ms: int
    unused_slice: int = 0
    unused: int = 0
    """Requests that were granted in `unused_slice` and never came: they are taken off again."""


class Grant(NamedTuple):
    """What a bucket gave."""

    granted: int
    """Requests counted now, 0 to what was wanted."""
    remaining: int
    """Requests for which there still is room."""
    reset_at_ms: int
    """When there will be more room than now; the present where nothing is counted."""


class Ledger(Protocol):
    """Counts by bucket. Safe to use from many threads."""

    def take(self, bucket: str, claim: Claim) -> Grant | None:
        """Count what there is room for; None while the counts are out of reach."""

    def close(self) -> None:
        """Let go of what is open."""


def find_slice(now_ms: int, window_ms: int) -> int:
    """Number of the slice that the moment is in."""
    return now_ms * SLICES // window_ms


def slide(counts: list[int], by: int) -> list[int]:
    """The counts (oldest slice first, the present one last) when `by` slices have passed."""
    return counts[by:] + [0] * min(by, SLICES + 1)


def take_from(counts: list[int], present: int, claim: Claim) -> Grant:
    """What there is room for beside these counts, of `present` and the slices before it; it is counted in the last."""
    give_back(counts, present, claim)
    used = sum(counts)
    granted = max(min(claim.want, claim.limit - used), 0)
    counts[-1] += granted
    return Grant(granted, max(claim.limit - used - granted, 0), find_reset_ms(counts, present, claim))


def give_back(counts: list[int], present: int, claim: Claim) -> None:
    """Take off what was granted and not used, if its slice still counts."""
    position = claim.unused_slice - present + SLICES
    if claim.unused and 0 <= position <= SLICES:
        counts[position] = max(counts[position] - claim.unused, 0)


def find_reset_ms(counts: list[int], present: int, claim: Claim) -> int:
    """When so many slices are out of the window that there is room for one request more than now."""
    must_leave = max(sum(counts) - claim.limit, 0) + 1
    for position, count in enumerate(counts):
        must_leave -= count
        if must_leave <= 0:
            # the slice is number present - SLICES + position, and SLICES + 1 later it is out
            return -(-(present + position + 1) * claim.window_ms // SLICES)
    return claim.now_ms
