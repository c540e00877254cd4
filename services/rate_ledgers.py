"""Where requests are counted: in Redis, for all hosts, or in a small file, for the workers of one."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services import telemetry
from services.rate_window import SLICES, Claim, Grant, find_reset_ms, find_slice, slide, take_from

if TYPE_CHECKING:
    import redis

KEY_PREFIX = "apptracker:limit:"
RETRY_SECONDS = 5.0
PLACES = 16_384
PLACES_OF_A_SET = 8
PLACE = struct.Struct(f"<QQ{SLICES + 1}I")
"""Hash of the bucket, number of the newest slice, and the counts, the newest last."""

# Claims of one bucket are worked off one after the other: Redis runs a script as a whole. The counts are sent back for
# the arithmetic of when there is room again.
TAKE = """
local present, slices, limit, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local unused = tonumber(ARGV[7])
if unused > 0 then
    local granted = tonumber(redis.call('HGET', KEYS[1], ARGV[6]) or '0')
    if granted > 0 then redis.call('HINCRBY', KEYS[1], ARGV[6], -math.min(unused, granted)) end
end
local stored, used, counted = redis.call('HGETALL', KEYS[1]), 0, {}
for i = 1, #stored, 2 do
    if math.abs(tonumber(stored[i]) - present) > slices then
        redis.call('HDEL', KEYS[1], stored[i])
    else
        used = used + tonumber(stored[i + 1])
        counted[#counted + 1] = tonumber(stored[i])
        counted[#counted + 1] = tonumber(stored[i + 1])
    end
end
local granted = math.max(math.min(want, limit - used), 0)
if granted > 0 then
    redis.call('HINCRBY', KEYS[1], ARGV[1], granted)
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
return {granted, counted}
"""

_logger = logging.getLogger("apptracker.rate_limits")


class RedisLedger:
    """Counts in Redis, shared by all workers of all hosts. The slice is that of the host's clock.

    While Redis is away nothing is counted; one request in `RETRY_SECONDS` asks it.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._script = client.register_script(TAKE)
        self._retry_at = 0.0
        self._is_away = False
        self._lock = threading.Lock()

    def take(self, bucket: str, claim: Claim) -> Grant | None:
        if self._is_away and not self._may_ask():
            telemetry.record_uncounted()
            return None
        present = find_slice(claim.now_ms, claim.window_ms)
        try:
            granted, counted = self._ask(f"{KEY_PREFIX}{claim.window_ms}:{bucket}", present, claim)
        except Exception as exc:  # noqa: BLE001 - whatever Redis does, the request is admitted
            self._note_failure(exc)
            return None
        if self._is_away:
            self._is_away = False
            _logger.warning("Redis is back, requests are counted again")
        counts = [0] * (SLICES + 1)
        for number, count in zip(counted[::2], counted[1::2], strict=True):
            counts[min(number - present, 0) + SLICES] += count
        counts[-1] += granted
        reset_at_ms = find_reset_ms(counts, present, claim)
        return Grant(granted, max(claim.limit - sum(counts), 0), reset_at_ms)

    def close(self) -> None:
        """The client is the service's."""

    def _ask(self, key: str, present: int, claim: Claim) -> tuple[int, list[int]]:
        lifetime_ms = claim.window_ms * (SLICES + 2) // SLICES
        arguments = [present, SLICES, claim.limit, claim.want, lifetime_ms, claim.unused_slice, claim.unused]
        granted, counted = self._script(keys=[key], args=arguments)
        return granted, counted

    def _may_ask(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + RETRY_SECONDS
            return True

    def _note_failure(self, exc: Exception) -> None:
        telemetry.record_uncounted()
        with self._lock:
            is_news, self._is_away = not self._is_away, True
            self._retry_at = time.monotonic() + RETRY_SECONDS
        if is_news:
            _logger.warning("Redis is away, requests are not counted and not limited: %s", type(exc).__name__)


class HostLedger:
    """Counts in a file of fixed size that the workers of a host map into their memory, under a file lock.

    A bucket has its place among `PLACES_OF_A_SET`, of which the one that was used least lately is given to a newcomer.
    The file is made when first needed. Where that is not possible each worker counts for itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._places: mmap.mmap | None = None
        self._file = -1

    def take(self, bucket: str, claim: Claim) -> Grant:
        key = hash_bucket(f"{claim.window_ms}:{bucket}")
        present = find_slice(claim.now_ms, claim.window_ms)
        with self._locked() as places:
            offset = _find_place(places, key)
            found, newest, *counts = PLACE.unpack_from(places, offset)
            if found != key or abs(newest - present) > SLICES:
                newest, counts = present, [0] * (SLICES + 1)
            # a clock that was set back a little does not make room
            counts, newest = slide(counts, max(present - newest, 0)), max(present, newest)
            given = take_from(counts, newest, claim)
            PLACE.pack_into(places, offset, key, newest, *counts)
        return given

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._places is not None:
                self._places.close()
                self._places = None
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    @contextmanager
    def _locked(self) -> Iterator[mmap.mmap]:
        with self._lock:
            places = self._places if self._places is not None else self._open()
            if self._file < 0:
                yield places
                return
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield places
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _open(self) -> mmap.mmap:
        size = PLACES * PLACE.size
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # its blocks are taken now: writing to a map of a file on a full disk would end the process
            os.posix_fallocate(self._file, 0, size)
            self._places = mmap.mmap(self._file, size)
        except OSError as exc:
            _logger.warning("Each worker counts requests for itself: %s: %s", self._path.name, exc.strerror)
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
            self._places = mmap.mmap(-1, size)
        return self._places


def hash_bucket(name: str) -> int:
    """A number of 64 bits that stands for the bucket; never 0, which marks a free place."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1


def _find_place(places: Any, key: int) -> int:
    """Where the bucket is, or else the place in its set that is free, or was used least lately."""
    first = key % (PLACES // PLACES_OF_A_SET) * PLACES_OF_A_SET * PLACE.size
    chosen, oldest = first, -1
    for offset in range(first, first + PLACES_OF_A_SET * PLACE.size, PLACE.size):
        found, newest = struct.unpack_from("<QQ", places, offset)
        if found == key:
            return offset
        if oldest < 0 or newest < oldest:
            chosen, oldest = offset, newest
    return chosen
