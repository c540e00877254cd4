"""/v1/events: what clients send, and what of it was refused."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from config import Config
from routes.auth import authorize_request, identify_request
from routes.batches import format_verdicts, read_event_body, record_request_batch, refuse_batch
from routes.requests import context, parse_limit, read_query
from services import rejections
from services.errors import UnsupportedMedia
from services.ingest.decode import Batch, decode_json_batch, decode_ndjson_batch
from services.ingest.record import BatchResult
from services.keys import Scope

JSON_TYPES = frozenset({"", "application/json", "text/json", "text/plain"})
"""Pages send text/plain: `navigator.sendBeacon` with it needs no CORS preflight."""
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})

DEFAULT_REJECTIONS = 100
MAX_REJECTIONS = 1000

bp = Blueprint("events", __name__)


@bp.post("/v1/events/batch")
def post_batch() -> ResponseReturnValue:
    identify_request()
    batch = _read_batch(context().config)
    access = authorize_request(Scope.INGEST, batch.project_key)
    return _answer_batch(record_request_batch(access.project, batch))


@bp.get("/v1/rejections")
def list_rejections() -> ResponseReturnValue:
    query = read_query({"projectKey", "limit"})
    access = authorize_request(Scope.READ, query.get("projectKey"))
    project_key = access.project.project_key
    limit = parse_limit(query.get("limit"), default=DEFAULT_REJECTIONS, most=MAX_REJECTIONS)
    kept = rejections.list_rejections(context(), project_key, limit=limit)
    return jsonify({"projectKey": project_key, "rejections": kept})


def _read_batch(config: Config) -> Batch:
    """The batch in the body. Nobody is authorised yet, its projectKey is inside; so nothing is read past the cap."""
    is_ndjson = _is_ndjson()
    body = read_event_body(config.max_body_bytes)
    query = read_query()
    project_key, sent_at = query.get("projectKey"), query.get("sentAt")
    if is_ndjson:
        return decode_ndjson_batch(body, max_events=config.max_batch_events, project_key=project_key, sent_at=sent_at)
    return decode_json_batch(
        body,
        max_events=config.max_batch_events,
        max_bytes=config.max_body_bytes,
        project_key=project_key,
        sent_at=sent_at,
    )


def _is_ndjson() -> bool:
    if request.mimetype in NDJSON_TYPES:
        return True
    if request.mimetype in JSON_TYPES or request.mimetype.endswith("+json"):
        return False
    raise UnsupportedMedia(
        "The body must be JSON or NDJSON: send Content-Type: application/json or application/x-ndjson",
        fields=["Content-Type"],
    )


def _answer_batch(result: BatchResult) -> Response:
    if result.is_refused:
        return refuse_batch(result)
    return Response(msgspec.json.encode(format_verdicts(result)), mimetype="application/json")
