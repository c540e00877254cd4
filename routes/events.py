"""/v1/events: what clients send, and what of it was refused."""

from __future__ import annotations

from http import HTTPStatus
from typing import IO, Any

import msgspec
from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ClientDisconnected

from config import Config
from routes.auth import authorize_request
from routes.errors import build_error
from routes.requests import context, read_query
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
    query = read_query({"projectKey", "limit"})
    access = authorize_request(Scope.READ, query.get("projectKey"))
    project_key = access.project.project_key
    limit = _parse_limit(query.get("limit", str(DEFAULT_REJECTIONS)))
    kept = rejections.list_rejections(context(), project_key, limit=limit)
    return jsonify({"projectKey": project_key, "rejections": kept})


def _read_batch(config: Config) -> Batch:
    """The batch in the body. Nobody is authorised yet, its projectKey is inside; so nothing is read past the cap."""
    is_ndjson = _is_ndjson()
    body = _read_body(config.max_body_bytes)
    body = inflate(body, request.headers.get("Content-Encoding"), max_bytes=config.max_body_bytes)
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


def _read_body(max_bytes: int) -> bytes:
    # Not by `request.get_data`: it takes a chunked body that is over the limit for complete when it has read that much,
    # and costs as much time as all else that is done with a small body.
    length = request.content_length
    if length is not None and length > max_bytes:
        raise build_body_too_large(max_bytes)
    if length is None and not request.environ.get("wsgi.input_terminated"):
        return b""
    try:
        body = _read_stream(request.environ["wsgi.input"], max_bytes + 1 if length is None else length)
    except (OSError, ValueError) as exc:
        raise ClientDisconnected from exc
    if length is None and len(body) > max_bytes:
        raise build_body_too_large(max_bytes)
    if length is not None and len(body) < length:
        raise ClientDisconnected
    return body


def _read_stream(stream: IO[bytes], size: int) -> bytes:
    """Up to `size` bytes, fewer only at the stream's end."""
    body = stream.read(size)
    while 0 < len(body) < size:
        more = stream.read(size - len(body))
        if not more:
            break
        body += more
    return body


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


def _parse_limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_REJECTIONS):
        raise InvalidInput(
            f"limit must be a whole number from 1 to {MAX_REJECTIONS}", code="invalid_parameter", fields=["limit"]
        )
    return int(text)
