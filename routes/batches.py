"""Requests that bring events: their body, read and inflated under a cap, and what is answered about each event."""

from __future__ import annotations

from http import HTTPStatus
from typing import IO, Any

from flask import Response, request
from werkzeug.exceptions import ClientDisconnected

from routes.errors import build_error
from routes.requests import context
from services import clock
from services.ingest.decode import Batch
from services.ingest.inflate import build_body_too_large, inflate
from services.ingest.origin import Origin, find_origin
from services.ingest.record import BatchResult, record_batch
from services.projects import Project


def read_event_body(max_bytes: int) -> bytes:
    """The body, decompressed. Raises TooLarge over `max_bytes`, before or after; UnsupportedMedia for an encoding that
    is not known."""
    return inflate(_read_body(max_bytes), request.headers.get("Content-Encoding"), max_bytes=max_bytes)


def read_origin() -> Origin:
    """What events without a user agent or an address have: the browser's that sent this request."""
    return find_origin(request.environ.get("HTTP_USER_AGENT"), request.remote_addr)


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


def record_request_batch(project: Project, batch: Batch) -> BatchResult:
    """Store the events that this request brought; on return they are committed."""
    return record_batch(
        context(), project, batch, received_at_ms=clock.fetch_now_ms(), origin=read_origin()
    )


def format_verdicts(result: BatchResult) -> dict[str, Any]:
    """What became of the events of a batch."""
    return {
        "accepted": result.accepted,
        "duplicates": result.duplicates,
        "rejected": [{"index": each.index, "code": each.code, "error": each.error} for each in result.rejected],
        "warnings": [_format_warning(each.index, each.code, each.message) for each in result.warnings],
    }


def _format_warning(index: int | None, code: str, message: str) -> dict[str, Any]:
    warning: dict[str, Any] = {} if index is None else {"index": index}
    return {**warning, "code": code, "message": message}


def refuse_batch(result: BatchResult) -> Response:
    """The answer to a batch of which nothing could be stored: an error that also has the verdicts."""
    return build_error(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE if result.is_refused_for_size else HTTPStatus.BAD_REQUEST,
        code="all_events_rejected",
        message=f"No event of the batch can be stored. The first: {result.rejected[0].error}",
        fields=["events"],
        extra=format_verdicts(result),
    )
