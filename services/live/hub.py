"""All viewers of one process, in one thread with an event loop of its own, started with the first of them.

A viewer that waits for events therefore takes none of the web server's threads.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from services import clock, telemetry
from services.context import Context
from services.errors import Unavailable
from services.live.access import find_refusal
from services.live.bell import Listener
from services.live.channel import Channel
from services.live.figures import SealedTotals
from services.live.frames import SERVICE_STOPPING, Form
from services.live.viewer import Viewer, Watch
from services.live.waiting import wait_for

if TYPE_CHECKING:
    import redis.asyncio

ALIVE_SECONDS = 15.0
ACCESS_SECONDS = 30.0
POOL_THREADS: Final = 4
FULL_RETRY_SECONDS: Final = 10
FLUSH_SECONDS: Final = 1.0
JOIN_SECONDS: Final = 10.0

_logger = logging.getLogger("apptracker.live")


class LiveHub:
    """The live view of one process. Nothing runs before the first viewer, so that it may be made before a fork."""

    def __init__(self, context: Context, open_redis: Callable[[], redis.asyncio.Redis | None]) -> None:
        self.totals = SealedTotals()
        self._context = context
        self._open_redis = open_redis
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._room: Room | None = None
        self._is_closed = False

    @property
    def count(self) -> int:
        """How many viewers there are."""
        return len(self._room.viewers) if self._room is not None else 0

    def check_room(self) -> None:
        """Raise Unavailable where this process has as many viewers as it may. Those who come at the same moment may
        exceed that by a few."""
        if self.count >= self._context.config.live_viewers_max or self._is_closed:
            message = "As many viewers watch as this process takes"
            raise Unavailable(message, code="too_many_viewers", retry_after_seconds=FULL_RETRY_SECONDS)

    def admit(self, connection: socket.socket, head: bytes, watch: Watch, form: Form) -> None:
        """From now on the connection is the hub's, which first sends `head`."""
        with self._lock:
            if self._is_closed:
                connection.close()
                return
            loop, room = self._ensure_started()
        asyncio.run_coroutine_threadsafe(room.admit(connection, head, watch, form), loop)

    def close(self) -> None:
        """Tell all viewers that the service stops, and end. No later viewer is admitted."""
        with self._lock:
            self._is_closed = True
            loop, room, thread = self._loop, self._room, self._thread
        if loop is not None and room is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(room.is_closing.set)
            thread.join(JOIN_SECONDS)

    def _ensure_started(self) -> tuple[asyncio.AbstractEventLoop, Room]:
        if self._loop is None or self._room is None or self._thread is None or not self._thread.is_alive():
            self._loop = asyncio.new_event_loop()
            self._room = Room(self._context, self.totals)
            self._thread = threading.Thread(target=self._run, args=(self._loop, self._room), name="live", daemon=True)
            self._thread.start()
        return self._loop, self._room

    def _run(self, loop: asyncio.AbstractEventLoop, room: Room) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(room.run(self._open_redis()))
        except Exception:
            _logger.exception("The live view of this process failed")
        finally:
            loop.close()


class Room:
    """What lives in the event loop: the viewers, and a channel for each project that they watch."""

    def __init__(self, context: Context, totals: SealedTotals) -> None:
        self.viewers: set[Viewer] = set()
        self.is_closing = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._context = context
        self._totals = totals
        self._channels: dict[str, tuple[Channel, asyncio.Task[None]]] = {}
        self._pool = ThreadPoolExecutor(POOL_THREADS, "live")
        self._listener: Listener | None = None

    async def run(self, client: redis.asyncio.Redis | None) -> None:
        """Serve the viewers until `is_closing` is set."""
        routines: list[Coroutine[Any, Any, None]] = [self._keep_alive(), self._keep_checking()]
        if client is not None:
            self._listener = Listener(client, lambda: self._channels.keys())
            routines += [self._listener.listen(self._hear), self._listener.renew()]
        tasks = [asyncio.create_task(routine) for routine in routines]
        await self.is_closing.wait()
        self._is_empty.clear()
        for viewer in list(self.viewers):
            viewer.end(SERVICE_STOPPING, "The service stops; come again")
        await self._wait_for_last()
        tasks += [task for _, task in self._channels.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            await self._listener.close()
        # what is being computed uses what is closed next
        self._pool.shutdown(cancel_futures=True)

    async def admit(self, connection: socket.socket, head: bytes, watch: Watch, form: Form) -> None:
        """Take the connection over and have its project shown."""
        viewer = Viewer(watch, form, head, self._forget)
        self.viewers.add(viewer)
        telemetry.count_viewer(form.name, 1)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: viewer, connection)
        except OSError:
            connection.close()
            self._forget(viewer)
            return
        if viewer.is_open:
            self._find_channel(watch.project_key).add(viewer)

    def _find_channel(self, project_key: str) -> Channel:
        if project_key not in self._channels:
            channel = Channel(self._context, project_key, self._pool, self._totals)
            self._channels[project_key] = channel, asyncio.create_task(channel.follow())
            if self._listener is not None:
                self._listener.has_more.set()
        return self._channels[project_key][0]

    def _forget(self, viewer: Viewer) -> None:
        """The viewer is gone; with the last one of a project goes its channel."""
        if viewer not in self.viewers:
            return
        self.viewers.discard(viewer)
        if not self.viewers:
            self._is_empty.set()
        telemetry.count_viewer(viewer.form.name, -1)
        project_key = viewer.watch.project_key
        if project_key in self._channels:
            channel, task = self._channels[project_key]
            channel.discard(viewer)
            if not channel.is_watched:
                task.cancel()
                del self._channels[project_key]

    def _hear(self, project_key: str) -> None:
        if project_key in self._channels:
            self._channels[project_key][0].ring()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            now = asyncio.get_running_loop().time()
            for viewer in list(self.viewers):
                viewer.check_life(now)

    async def _keep_checking(self) -> None:
        """End the streams of those who may not watch any more. Who came with the same credentials is asked for once."""
        while True:
            await asyncio.sleep(ACCESS_SECONDS)
            by_credentials = defaultdict(list)
            for viewer in self.viewers:
                by_credentials[replace(viewer.watch, limit=0, cursor=None)].append(viewer)
            for watch, viewers in by_credentials.items():
                await self._check(watch, viewers)

    async def _check(self, watch: Watch, viewers: list[Viewer]) -> None:
        loop = asyncio.get_running_loop()
        try:
            refusal = await loop.run_in_executor(
                self._pool, lambda: find_refusal(self._context, watch, now_ms=clock.fetch_now_ms())
            )
        except Exception:
            _logger.exception("Whether viewers may go on could not be found out")
            return
        if refusal is not None:
            for viewer in viewers:
                viewer.end(refusal.code, refusal.message)

    async def _wait_for_last(self) -> None:
        """Until what was sent last is with the viewers, or `FLUSH_SECONDS`."""
        if self.viewers:
            await wait_for(self._is_empty, FLUSH_SECONDS)
        for viewer in list(self.viewers):
            viewer.drop()
        # that they are gone is told with the next turn of the loop
        await asyncio.sleep(0)
