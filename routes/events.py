"""/v1/events: what clients send, and what of it was refused."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from config import Config
from routes.auth import authorize_request
from routes.errors import build_error
from routes.requests import context
from services import clock, rejections
from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.decode import Batch, decode_json_batch, decode_ndjson_batch
from services.ingest.inflate import build_body_too_large, inflate
from services.ingest.record import BatchResult, record_batch
from services.keys import Scope

JSON_TYPES = frozenset({"", "application/json", "text/json", "text/plain"})
"""Pages send text/plain: `navigator.sendBeacon` with it needs no CORS preflight."""
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})

DEFAULT_REJECTIONS = 100
MAX_REJECTIONS = 1000

bp = Blueprint("events", __name__)


@bp.post("/v1/events/batch")
def post_batch() -> ResponseReturnValue:
    batch = _read_batch(context().config)
    access = authorize_request(Scope.INGEST, batch.project_key)
    result = record_batch(context(), access.project, batch, received_at_ms=clock.fetch_now_ms())
    return _answer_batch(result)


@bp.get("/v1/rejections")
def list_rejections() -> ResponseReturnValue:
    access = authorize_request(Scope.READ, request.args.get("projectKey"))
    project_key = access.project.project_key
    kept = rejections.list_rejections(context(), project_key, limit=_read_limit())
    return jsonify({"projectKey": project_key, "rejections": kept})


def _read_batch(config: Config) -> Batch:
    """The batch in the body. Nobody is authorised yet, its projectKey is inside; so nothing is read past the cap."""
    is_ndjson = _is_ndjson()
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as exc:
        raise build_body_too_large(config.max_body_bytes) from exc
    body = inflate(body, request.headers.get("Content-Encoding"), max_bytes=config.max_body_bytes)
    project_key, sent_at = request.args.get("projectKey"), request.args.get("sentAt")
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
        "The body must be JSON or NDJSON: send Content-Type: application/json or application/x-ndjson.",
        fields=["Content-Type"],
    )


def _answer_batch(result: BatchResult) -> Response:
    verdicts = {
        "accepted": result.accepted,
        "duplicates": result.duplicates,
        "rejected": [{"index": each.index, "code": each.code, "error": each.error} for each in result.rejected],
        "warnings": [_format_warning(each.index, each.code, each.message) for each in result.warnings],
    }
    if not result.is_refused:
        return Response(msgspec.json.encode(verdicts), mimetype="application/json")
    return build_error(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE if result.is_refused_for_size else HTTPStatus.BAD_REQUEST,
        code="all_events_rejected",
        message=f"No event of the batch can be stored. The first: {result.rejected[0].error}",
        fields=["events"],
        extra=verdicts,
    )


def _format_warning(index: int | None, code: str, message: str) -> dict[str, Any]:
    warning: dict[str, Any] = {} if index is None else {"index": index}
    return {**warning, "code": code, "message": message}


def _read_limit() -> int:
    text = request.args.get("limit", str(DEFAULT_REJECTIONS))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_REJECTIONS):
        raise InvalidInput(
            f"limit must be a whole number from 1 to {MAX_REJECTIONS}.", code="invalid_parameter", fields=["limit"]
        )
    return int(text)
