"""GET /db/health and POST /db/test-insert: does the database answer, does it take a write."""

from __future__ import annotations

import time

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.auth import needs_root
from routes.requests import context
from services import clock, diagnostics

bp = Blueprint("database", __name__)


@bp.get("/db/health")
def show_database_health() -> ResponseReturnValue:
    started = time.perf_counter()
    store = context().store
    store.ping()
    return jsonify({"status": "ok", "store": store.name, "latencyMs": _elapsed_ms(started)})


@bp.post("/db/test-insert")
@needs_root
def check_write() -> ResponseReturnValue:
    started = time.perf_counter()
    store = context().store
    document_id = diagnostics.check_write(store, now_ms=clock.fetch_now_ms())
    return jsonify({"status": "ok", "store": store.name, "insertedId": document_id, "latencyMs": _elapsed_ms(started)})


def _elapsed_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
