"""One project that is watched: its events and figures, read once for all who watch it.

Lives in the event loop of `services.live.hub`; the store and the report engine are asked in threads of its pool. While
the store is away nothing new is shown; viewers stay, and get what they missed when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Final, TypeVar

from columns.removals import REMOVALS
from services.context import Context
from services.errors import AppTrackerError
from services.live.feed import (
    READ_EVENTS,
    SHOWN_EVENTS,
    Cursor,
    Feed,
    News,
    find_latest,
    find_missed,
)
from services.live.figures import FigureReader, Figures, SealedTotals
from services.live.frames import Form
from services.live.viewer import Viewer, Watch
from services.live.waiting import wait_for
from services.projects import fetch_project
from stores.base import ArrivalRow, StoreUnavailable

READ_SECONDS: Final = 0.5
"""Between two looks at the newest events, where nobody says that there are some."""
LEAST_READ_SECONDS: Final = 0.1
FLOOD_READ_SECONDS: Final = 1.0
"""Between looks while more arrives than is shown."""
FIGURES_SECONDS: Final = 2.0
QUIET_FIGURES_SECONDS: Final = 10.0
"""Figures change without events: their minutes pass."""
FIGURES_SHARE: Final = 0.02
"""Part of a processor's time that may go into figures, where they cost much, as they do while very much arrives."""
MAX_FIGURES_PAUSE_SECONDS: Final = 20.0

T = TypeVar("T")

_logger = logging.getLogger("apptracker.live")


class Channel:
    """The viewers of one project. `follow` runs until it is cancelled."""

    def __init__(self, context: Context, project_key: str, pool: Executor, totals: SealedTotals) -> None:
        self.project_key = project_key
        self.viewers: set[Viewer] = set()
        self._newcomers: list[Viewer] = []
        self._context = context
        self._pool = pool
        self._feed = Feed()
        self._reader = FigureReader(totals)
        self._bell = asyncio.Event()
        self._moved = asyncio.Event()
        self._figures: Figures | None = None
        self._removals = ""
        self._is_away = False

    def add(self, viewer: Viewer) -> None:
        """Have the viewer greeted with the next look, which is at once."""
        self._newcomers.append(viewer)
        self._bell.set()

    def discard(self, viewer: Viewer) -> None:
        """The viewer is gone."""
        self.viewers.discard(viewer)
        if viewer in self._newcomers:
            self._newcomers.remove(viewer)

    @property
    def is_watched(self) -> bool:
        return bool(self.viewers or self._newcomers)

    def ring(self) -> None:
        """Somebody stored events of the project."""
        self._bell.set()

    async def follow(self) -> None:
        """Show what happens, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self._show_events))
            tasks.create_task(self._repeat(self._show_figures))

    async def _repeat(self, show: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await show()
            except (StoreUnavailable, AppTrackerError) as exc:
                self._note_away(exc)
                await asyncio.sleep(FIGURES_SECONDS)
            except Exception:
                _logger.exception("The live view of project %s goes on after a failure", self.project_key)
                await asyncio.sleep(FIGURES_SECONDS)

    async def _show_events(self) -> None:
        rows, mark = await self._ask(self._read_events)
        self._is_away = False
        is_changed = self._removals not in ("", mark)
        self._removals = mark
        news = self._feed.take(rows)
        if is_changed:
            self._broadcast_events(find_latest(rows, SHOWN_EVENTS), replaces=True)
        elif news.rows:
            self._broadcast_events(news, replaces=False)
        if is_changed or news.rows:
            self._moved.set()
        self._greet(rows)
        if news.is_skipped:
            await asyncio.sleep(FLOOD_READ_SECONDS)
        else:
            await asyncio.sleep(LEAST_READ_SECONDS)
            await wait_for(self._bell, READ_SECONDS - LEAST_READ_SECONDS)

    def _read_events(self) -> tuple[list[ArrivalRow], str]:
        """The newest events, and what had been removed before: none of these has any of it."""
        mark = fetch_removal_mark(self._context, self.project_key)
        return self._context.store.fetch_latest(self.project_key, READ_EVENTS), mark

    def _broadcast_events(self, news: News, *, replaces: bool) -> None:
        cursor = build_cursor(news, self._removals)
        self._broadcast(lambda form: form.build_events(news, cursor=cursor, replaces=replaces))

    def _broadcast(self, build: Callable[[Form], bytes]) -> None:
        """Send each viewer its form of a frame, which is built once for each form."""
        frames: dict[str, bytes] = {}
        for viewer in list(self.viewers):
            form = viewer.form
            if form.name not in frames:
                frames[form.name] = build(form)
            viewer.send(frames[form.name])

    def _greet(self, rows: list[ArrivalRow]) -> None:
        """Send newcomers what they missed since they were here, or the latest events; and the figures."""
        newcomers, self._newcomers = self._newcomers, []
        for viewer in newcomers:
            viewer.send(build_greeting(viewer.form, viewer.watch, rows, self._removals))
            if self._figures is not None:
                viewer.send(viewer.form.build_figures(self._figures))
            self.viewers.add(viewer)

    async def _show_figures(self) -> None:
        self._moved.clear()
        is_first = self._figures is None
        figures, cpu_seconds = await self._ask(self._read_figures)
        self._figures = figures
        self._broadcast(lambda form: form.build_figures(figures))
        # the first time the report engine starts as well
        pause = 0.0 if is_first else cpu_seconds / FIGURES_SHARE
        await asyncio.sleep(min(max(FIGURES_SECONDS, pause), MAX_FIGURES_PAUSE_SECONDS))
        await wait_for(self._moved, QUIET_FIGURES_SECONDS)

    def _read_figures(self) -> tuple[Figures, float]:
        """The figures, and about how much processor time they took: the engine's threads work as much as this one."""
        started = time.thread_time()
        figures = self._reader.read(self._context, fetch_project(self._context, self.project_key))
        return figures, (time.thread_time() - started) * self._context.config.report_threads

    async def _ask(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, question)

    def _note_away(self, exc: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            _logger.warning("The live view of project %s waits: %s", self.project_key, exc)


def build_greeting(form: Form, watch: Watch, rows: Sequence[ArrivalRow], removals: str) -> bytes:
    """The frame of events for who comes: those it missed since its cursor, or the latest, of the newest `READ_EVENTS`,
    which come the newest first."""
    cursor = watch.cursor
    if cursor is None or cursor.removals != removals:
        news = find_latest(rows, watch.limit)
        return form.build_events(news, cursor=build_cursor(news, removals), replaces=True)
    news = find_missed(rows, cursor)
    return form.build_events(news, cursor=build_cursor(news, removals), replaces=False)


def build_cursor(news: News, removals: str) -> str | None:
    """Where these events end; None where there are none."""
    if not news.rows:
        return None
    newest = news.rows[-1]
    return Cursor(removals, newest.position, newest.event_id).format()


def fetch_removal_mark(context: Context, project_key: str) -> str:
    """Another text whenever events were taken from the project, or begin to be. Raises StoreUnavailable."""
    equals = {"projectKey": project_key}
    newest = context.store.find_documents(REMOVALS, equals, order_by="number", descending=True, limit=1)
    return f"{newest[0]['number']}{'' if newest[0]['doneAt'] else '-'}" if newest else "0"
