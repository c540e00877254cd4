"""Reference 1: `POST /track`. Its `GET /health` is that of `routes.health`."""

from __future__ import annotations

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from routes.auth import authorize_request
from routes.batches import record_request_batch, refuse_batch
from routes.doors.requests import read_json_body, take_project_key
from routes.requests import context, read_query
from services.doors.members import split_body, strip_mark
from services.doors.tracking import build_tracked_batch, log_payload
from services.keys import Scope

bp = Blueprint("tracking", __name__)


@bp.post("/track")
def track() -> ResponseReturnValue:
    project_key = take_project_key(read_query({"projectKey"}))
    access = authorize_request(Scope.INGEST, project_key, default_project=True)
    body = strip_mark(read_json_body())
    payload = split_body(body, max_bytes=context().config.max_event_bytes)
    result = record_request_batch(access.project, build_tracked_batch(payload))
    if result.is_refused:
        return refuse_batch(result)
    if context().config.log_payloads:
        log_payload(body, payload)
    return Response(b'{"status":"ok","received":' + body + b"}\n", mimetype="application/json")
