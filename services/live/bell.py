"""How hosts tell each other, through Redis, that they stored events: so that viewers see them at once.

Redis being away delays what is shown by half a second, until the newest events are looked at anyway, and nothing else.
Ingest notes the project and goes on; a thread of each process says so to the others, and only of projects that somebody
watches.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Final, Protocol

from services import telemetry
from services.live.waiting import wait_for

if TYPE_CHECKING:
    import redis
    import redis.asyncio

CHANNEL: Final = "apptracker:live"
WATCHED: Final = "apptracker:live:watched:"
"""Before a projectKey: there as long as some process has viewers of the project."""
WATCHED_SECONDS: Final = 10
RENEW_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 1.0
"""Whether a project is watched is asked at most so often."""
PAUSE_SECONDS: Final = 0.05
RETRY_SECONDS: Final = 5.0

_logger = logging.getLogger("apptracker.live")


class Bell(Protocol):
    """Rung after each commit. Never waits, never raises."""

    def ring(self, project_key: str) -> None:
        """Events of the project were stored."""

    def close(self) -> None: ...


class SilentBell:
    """Without Redis viewers find out by looking."""

    def ring(self, project_key: str) -> None:
        return None

    def close(self) -> None:
        return None


class RedisBell:
    """Publishes the keys of watched projects on `CHANNEL`, each at most every `PAUSE_SECONDS`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._rung: set[str] = set()
        self._has_rung = threading.Event()
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched: set[str] = set()
        self._looked_at: dict[str, float] = {}

    def ring(self, project_key: str) -> None:
        if project_key in self._rung:
            return
        with self._lock:
            self._rung.add(project_key)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-bell", daemon=True)
                self._thread.start()
        self._has_rung.set()

    def close(self) -> None:
        self._is_closed.set()
        self._has_rung.set()

    def _run(self) -> None:
        while self._has_rung.wait() and not self._is_closed.is_set():
            self._has_rung.clear()
            with self._lock:
                rung, self._rung = self._rung, set()
            try:
                self._look(rung)
                for project_key in rung & self._watched:
                    self._client.publish(CHANNEL, project_key)
            except Exception as exc:  # noqa: BLE001 - whatever Redis does, viewers look for themselves
                note_failure(exc)
                self._is_closed.wait(RETRY_SECONDS)
            self._is_closed.wait(PAUSE_SECONDS if self._watched else LOOK_SECONDS)

    def _look(self, rung: Iterable[str]) -> None:
        """Find out which of the projects are watched, where that was not asked lately."""
        oldest = time.monotonic() - LOOK_SECONDS
        self._looked_at = {key: at for key, at in self._looked_at.items() if at > oldest}
        unknown = [key for key in rung if key not in self._looked_at]
        if not unknown:
            return
        found = self._client.mget([WATCHED + key for key in unknown])
        self._looked_at |= dict.fromkeys(unknown, time.monotonic())
        self._watched = {key for key in self._watched if key in self._looked_at} - set(unknown)
        self._watched |= {key for key, value in zip(unknown, found, strict=True) if value is not None}


def open_bell(client: redis.Redis | None) -> Bell:
    """The bell that the settings mean."""
    return SilentBell() if client is None else RedisBell(client)


class Listener:
    """Hears the bells of all hosts, for the event loop of one process, and says which projects it watches."""

    def __init__(self, client: redis.asyncio.Redis, find_watched: Callable[[], Collection[str]]) -> None:
        self._client = client
        self._find_watched = find_watched
        self.has_more = asyncio.Event()
        """Set when a project is watched that was not."""

    async def listen(self, hear: Callable[[str], None]) -> None:
        """Until cancelled, have each projectKey that is rung heard."""
        while True:
            try:
                await self._listen_once(hear)
            except Exception as exc:  # noqa: BLE001 - whatever Redis does, viewers look for themselves
                note_failure(exc)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_once(self, hear: Callable[[str], None]) -> None:
        async with self._client.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            async for message in subscription.listen():
                if message["type"] == "message":
                    hear(message["data"].decode())

    async def renew(self) -> None:
        """Until cancelled, say which projects are watched."""
        while True:
            try:
                for project_key in list(self._find_watched()):
                    await self._client.set(WATCHED + project_key, 1, ex=WATCHED_SECONDS)
            except Exception as exc:  # noqa: BLE001 - as above
                note_failure(exc)
            await wait_for(self.has_more, RENEW_SECONDS)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()


def note_failure(exc: Exception) -> None:
    """Count that Redis failed the live view."""
    telemetry.record_bell_failure()
    _logger.debug("Redis is away, the live view looks for itself: %s", type(exc).__name__)
