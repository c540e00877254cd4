"""Whether a viewer may go on watching: asked again and again as long as it does."""

from __future__ import annotations

from services import auth
from services.context import Context
from services.errors import AppTrackerError, Forbidden
from services.keys import Scope
from services.live.viewer import Watch
from stores.base import StoreUnavailable


def find_refusal(context: Context, watch: Watch, *, now_ms: int) -> AppTrackerError | None:
    """Why what let the viewer in does not do so any more; None where it does, and while the store is away."""
    try:
        caller = auth.identify_caller(context, watch.secret, now_ms=now_ms)
        access = auth.authorize_caller(
            context, caller, project_key=watch.named_key, scope=Scope.READ, now_ms=now_ms,
            default_project=watch.takes_default,
        )  # fmt: skip
    except StoreUnavailable:
        return None
    except AppTrackerError as exc:
        return exc
    if access.project.project_key != watch.project_key:
        return Forbidden("Another project is meant now", code="wrong_project")
    return None
