"""What a viewer gets first, and again whenever it comes: all there is where connections cannot stay open."""

from __future__ import annotations

from services import clock
from services.context import Context
from services.live.channel import build_greeting, fetch_removal_mark
from services.live.feed import READ_EVENTS
from services.live.figures import SealedTotals, compute_figures
from services.live.frames import Form
from services.live.viewer import Watch
from services.projects import Project


def build_first_frames(context: Context, project: Project, watch: Watch, form: Form, totals: SealedTotals) -> bytes:
    """The latest events, or those after the viewer's cursor, and the figures. Raises Unavailable, StoreUnavailable."""
    mark = fetch_removal_mark(context, project.project_key)
    rows = context.store.fetch_latest(project.project_key, READ_EVENTS)
    figures = compute_figures(context, project, totals, now_ms=clock.fetch_now_ms())
    return form.greeting + build_greeting(form, watch, rows, mark) + form.build_figures(figures)
