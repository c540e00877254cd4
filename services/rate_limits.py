"""How often somebody may ask. Counts are shared between workers, and asked for in portions so that they cost little.

A worker that is asked much takes more than one request at a time from the shared counts: as many as it was asked in the
present slice, but a sixteenth of what remains at most, so that it takes them singly near the limit. What it holds is
counted, so all workers together never admit more than the limit. What it did not use by the end of the slice it gives
back when it next counts for the bucket; until then, or until the slice leaves the window, others do without it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.rate_ledgers import HostLedger, RedisLedger
from services.rate_window import Claim, Grant, Ledger, find_slice

if TYPE_CHECKING:
    import redis

    from config import Config

FILE_NAME = "rate-limits"
STRIPES = 16
MAX_PORTIONS = 1024
"""Of one stripe. When there are more all are forgotten: what they still held stays counted, and so is not used."""
SHARE = 16


@dataclass
class Portion:
    """What this process holds of a bucket in one slice."""

    number: int
    limit: int
    left: int = 0
    used: int = 0
    remaining: int = 0
    """Beside what is left here."""
    reset_at_ms: int = 0
    is_exhausted: bool = False
    """The bucket had no room, and cannot have any before the slice is over."""


class PortionedLedger:
    """Another ledger, asked for portions. `Claim.want` is 0 or 1."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stripes: list[tuple[threading.Lock, dict[str, Portion]]] = [
            (threading.Lock(), {}) for _ in range(STRIPES)
        ]

    def take(self, bucket: str, claim: Claim) -> Grant | None:
        if claim.want == 0:
            return self._ledger.take(bucket, claim)
        number = find_slice(claim.now_ms, claim.window_ms)
        lock, portions = self._stripes[hash(bucket) % STRIPES]
        with lock:
            portion = portions.get(bucket)
            if portion is None or portion.number != number or portion.limit != claim.limit:
                if portion is not None:
                    claim = claim._replace(unused_slice=portion.number, unused=portion.left)
                portion = _begin_portion(portions, bucket, Portion(number, claim.limit))
            if not portion.left and not portion.is_exhausted and not self._refill(bucket, portion, claim):
                return None
            if portion.is_exhausted:
                return Grant(0, 0, portion.reset_at_ms)
            portion.left -= 1
            portion.used += 1
            return Grant(1, portion.remaining + portion.left, portion.reset_at_ms)

    def close(self) -> None:
        self._ledger.close()

    def _refill(self, bucket: str, portion: Portion, claim: Claim) -> bool:
        """Get a new portion; False while the shared counts are out of reach."""
        size = max(min(portion.used, portion.remaining // SHARE), 1)
        given = self._ledger.take(bucket, claim._replace(want=size))
        if given is None:
            return False
        portion.left, portion.remaining, portion.reset_at_ms = given
        portion.is_exhausted = given.granted == 0
        return True


def _begin_portion(portions: dict[str, Portion], bucket: str, portion: Portion) -> Portion:
    if len(portions) >= MAX_PORTIONS:
        portions.clear()
    portions[bucket] = portion
    return portion


def open_ledger(config: Config, client: redis.Redis | None) -> Ledger:
    """Where this service counts requests: in Redis where there is one, else in a file of the host."""
    if client is not None:
        return PortionedLedger(RedisLedger(client))
    return PortionedLedger(HostLedger(config.data_dir / FILE_NAME))
