"""GET /metrics: the service's counts, for Prometheus."""

from __future__ import annotations

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from services import telemetry

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def show_metrics() -> ResponseReturnValue:
    return Response(telemetry.render_metrics(), content_type=telemetry.CONTENT_TYPE)
