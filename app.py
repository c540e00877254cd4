"""create_app(): the service, wired.

`gunicorn app:app`, `flask --app app` and `python app.py` all serve it; importing this module opens nothing.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, cast

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

import commands
import db
from config import MONGO_CLOCK_SKEW_MS, PROJECT_ROOT, Config
from routes import register_blueprints
from services.cache import open_cache
from services.context import Context
from services.enrich import open_geo
from services.ingest.commit import GroupCommitter
from services.live.bell import open_bell
from services.live.hub import LiveHub
from services.rate_limits import open_ledger
from services.sealing import open_copy
from stores.base import Store, StoreUnavailable

_logger = logging.getLogger("apptracker.app")


class NoSessions(SessionInterface):
    """No cookies: who asks is in the headers of each request. Saves building a signer for each."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self.make_null_session(app)


def create_app(config: Config | None = None, *, store: Store | None = None) -> Flask:
    """The service over `store`, by default the one that the settings name.

    Called in each worker after the fork. A store that is away does not stop it: /health/ready tells, and the
    adapter makes its tables and indexes at the first operation that succeeds.
    """
    config = config or Config.load_or_exit()
    config.data_dir.mkdir(parents=True, exist_ok=True)
    app = Flask("apptracker", root_path=str(PROJECT_ROOT), static_folder=None)
    app.config["SECRET_KEY"] = config.secret_key
    app.session_interface = NoSessions()
    app.config["MAX_CONTENT_LENGTH"] = config.max_body_bytes
    context = app.extensions["apptracker"] = open_context(config, store or db.open_store(config))
    app.extensions["apptracker_live"] = LiveHub(context, lambda: db.open_listening_redis(config))
    register_blueprints(app)
    commands.register(app)
    if config.trusted_proxies:
        # outermost: everything behind it sees the client's address
        number = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=number, x_proto=number)  # type: ignore[method-assign]
    return app


def open_context(config: Config, store: Store) -> Context:
    """What one process has open, the report engine's share of the host's memory and threads included."""
    try:
        store.ensure_ready()
    except StoreUnavailable:
        _logger.warning("The store is not available yet", exc_info=True)
    redis = db.open_redis(config)
    return Context(
        config=config,
        store=store,
        cache=open_cache(config, redis),
        ledger=open_ledger(config, redis),
        committer=GroupCommitter(
            store,
            max_queued_events=config.ingest_queue_events,
            max_batch_events=config.max_batch_events,
            max_wait_seconds=find_max_wait_seconds(config),
        ),
        copy=open_copy(config, store),
        geo=open_geo(config),
        bell=open_bell(redis),
    )


def find_max_wait_seconds(config: Config) -> float | None:
    """How long events may wait to be stored: with MongoDB what the settle window leaves beside a write's own limit, so
    that one request that waited too long is refused alone, not with the bulk it would be in. Embedded: no limit."""
    if not config.uses_mongodb:
        return None
    left_ms = config.mongo_settle_seconds * 1000 - config.mongo_timeout_ms - MONGO_CLOCK_SKEW_MS
    return max(left_ms / 1000, 0.5)


def close_app(app: Flask) -> None:
    """Close what `create_app` opened. No request may be running."""
    context = cast(Context, app.extensions["apptracker"])
    cast(LiveHub, app.extensions["apptracker_live"]).close()
    context.bell.close()
    context.copy.close()
    context.ledger.close()
    context.store.close()


def __getattr__(name: str) -> Any:
    """`app.app`, made when it is first asked for."""
    if name == "app":
        globals()["app"] = create_app()
        return globals()["app"]
    raise AttributeError(name)


if __name__ == "__main__":
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", str(PROJECT_ROOT / "gunicorn.conf.py"), "app:app"]
    os.execv(sys.executable, gunicorn)  # noqa: S606
