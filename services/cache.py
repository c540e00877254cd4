"""Finished reports, shared through Redis where there is one, else kept in this process.

Keys name the data's revision, so an entry can be missing but never stale. Redis being away is a counted miss; while it
is, one request in `RETRY_SECONDS` asks it, so that its timeouts are not paid again and again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from services import telemetry
from services.telemetry import CacheOutcome

if TYPE_CHECKING:
    import redis

    from config import Config

KEY_PREFIX = "apptracker:report:"
MAX_PROCESS_BYTES = 32 * 1024 * 1024
MAX_ENTRY_BYTES = 4 * 1024 * 1024
RETRY_SECONDS = 5.0
SCAN_KEYS = 1_000

T = TypeVar("T")

_logger = logging.getLogger("apptracker.cache")


class Cache(Protocol):
    """Bytes by key, forgotten after a while. Never raises."""

    def fetch(self, key: str) -> bytes | None:
        """The entry; None where there is none or it cannot be read."""

    def keep(self, key: str, value: bytes) -> None:
        """Keep an entry for the time that was set, if that is possible."""

    def forget(self, beginning: str) -> bool:
        """Delete the entries whose keys begin so; False where that could not be done."""

    def forget_here(self, beginning: str) -> None:
        """Delete those that are in this process's own memory."""

    def list_projects(self) -> set[str]:
        """What keys of entries in this process's own memory begin with, up to a colon."""


class NoCache:
    """CACHE_TTL=0: every report is computed."""

    def fetch(self, key: str) -> bytes | None:
        return None

    def keep(self, key: str, value: bytes) -> None:
        return None

    def forget(self, beginning: str) -> bool:
        return True

    def forget_here(self, beginning: str) -> None:
        return None

    def list_projects(self) -> set[str]:
        return set()


class ProcessCache:
    """The entries used last, up to `MAX_PROCESS_BYTES`."""

    def __init__(self, ttl_seconds: float) -> None:
        self._ttl_seconds = ttl_seconds
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def fetch(self, key: str) -> bytes | None:
        with self._lock:
            expires, value = self._entries.get(key, (0.0, b""))
            if expires <= time.monotonic():
                telemetry.record_cache(CacheOutcome.MISS)
                return None
            self._entries.move_to_end(key)
        telemetry.record_cache(CacheOutcome.HIT)
        return value

    def keep(self, key: str, value: bytes) -> None:
        if len(value) > MAX_ENTRY_BYTES:
            return
        with self._lock:
            _, old = self._entries.pop(key, (0.0, b""))
            self._entries[key] = (time.monotonic() + self._ttl_seconds, value)
            self._bytes += len(value) - len(old)
            while self._bytes > MAX_PROCESS_BYTES:
                _, (_, oldest) = self._entries.popitem(last=False)
                self._bytes -= len(oldest)

    def forget(self, beginning: str) -> bool:
        """Of this process only; what others have is theirs to forget (`services.maintenance.watch`)."""
        self.forget_here(beginning)
        return True

    def forget_here(self, beginning: str) -> None:
        with self._lock:
            for key in [key for key in self._entries if key.startswith(beginning)]:
                self._bytes -= len(self._entries.pop(key)[1])

    def list_projects(self) -> set[str]:
        with self._lock:
            return {key.partition(":")[0] for key in self._entries}


class RedisCache:
    """Entries in Redis, for every worker and host."""

    def __init__(self, client: redis.Redis, ttl_seconds: int) -> None:
        self._client = client
        self._ttl_seconds = ttl_seconds
        self._is_away = False
        self._retry_at = 0.0
        self._lock = threading.Lock()

    def fetch(self, key: str) -> bytes | None:
        if not self._may_ask():
            telemetry.record_cache(CacheOutcome.ERROR)
            return None
        try:
            value = self._client.get(KEY_PREFIX + key)
        except Exception as exc:  # noqa: BLE001 - whatever Redis does, the report is still computed
            self._note_failure(exc)
            return None
        self._is_away = False
        telemetry.record_cache(CacheOutcome.MISS if value is None else CacheOutcome.HIT)
        return value if isinstance(value, bytes) else None

    def keep(self, key: str, value: bytes) -> None:
        if self._is_away or len(value) > MAX_ENTRY_BYTES:
            return
        try:
            self._client.set(KEY_PREFIX + key, value, ex=self._ttl_seconds)
        except Exception as exc:  # noqa: BLE001 - an entry that is not kept is computed again
            self._note_failure(exc)

    def forget(self, beginning: str) -> bool:
        """Looks through all keys of the database: rare, and without holding Redis up."""
        try:
            for keys in batched(self._client.scan_iter(match=f"{KEY_PREFIX}{beginning}*", count=SCAN_KEYS), SCAN_KEYS):
                self._client.unlink(*keys)
        except Exception as exc:  # noqa: BLE001 - whoever asked is told
            self._note_failure(exc)
            return False
        return True

    def forget_here(self, beginning: str) -> None:
        return None

    def list_projects(self) -> set[str]:
        return set()

    def _may_ask(self) -> bool:
        if not self._is_away:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + RETRY_SECONDS
            return True

    def _note_failure(self, exc: Exception) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self._is_away = True
        telemetry.record_cache(CacheOutcome.ERROR)
        _logger.warning("Redis is away, reports are not cached for %s s: %s", RETRY_SECONDS, type(exc).__name__)


def batched(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """The items in lists of at most `most`, none empty."""
    iterator = iter(items)
    while batch := list(islice(iterator, most)):
        yield batch


def open_cache(config: Config, client: redis.Redis | None) -> Cache:
    """The cache that the settings mean."""
    if config.cache_ttl_seconds == 0:
        return NoCache()
    if client is None:
        return ProcessCache(config.cache_ttl_seconds)
    return RedisCache(client, config.cache_ttl_seconds)
