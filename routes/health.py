"""GET /health and /health/ready: is the process up, can it do its work."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from routes.requests import context
from services import clock

bp = Blueprint("health", __name__)


@bp.get("/health")
def show_health() -> ResponseReturnValue:
    """Alive, whatever the database does: a probe that restarts the process would help nobody."""
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        return Response("API OK", mimetype="text/plain")
    return jsonify({"status": "ok", "timestamp": clock.format_ms(clock.fetch_now_ms())})


@bp.get("/health/ready")
def show_readiness() -> ResponseReturnValue:
    """Able to take events. Redis is not asked: without it reports are slower, not absent."""
    store = context().store
    store.ping()
    return jsonify({"status": "ready", "store": store.name, "timestamp": clock.format_ms(clock.fetch_now_ms())})
