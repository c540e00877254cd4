"""/v1/live: events and figures as they happen, as server-sent events."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, request

from routes.auth import authorize_request, read_secret
from routes.handover import HandedOver, can_hand_over, hub
from routes.requests import context, parse_limit, read_query
from services.keys import Scope
from services.live.feed import SHOWN_EVENTS, parse_cursor
from services.live.first_frames import build_first_frames
from services.live.frames import EVENT_STREAM
from services.live.viewer import Watch

DEFAULT_EVENTS = 20
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx holds answers back otherwise
    "X-Accel-Buffering": "no",
}

bp = Blueprint("live", __name__)


@bp.get("/v1/live/stream")
def stream() -> Response:
    query = read_query({"projectKey", "limit"})
    named_key = query.get("projectKey")
    access = authorize_request(Scope.READ, named_key)
    limit = parse_limit(query.get("limit"), default=DEFAULT_EVENTS, most=SHOWN_EVENTS)
    cursor = parse_cursor(request.headers.get("Last-Event-ID"))
    watch = Watch(access.project.project_key, read_secret(), named_key, takes_default=False, limit=limit, cursor=cursor)
    hub().check_room()
    if request.method == "HEAD":
        return Response(headers=HEADERS)
    if can_hand_over():
        return HandedOver(watch, EVENT_STREAM, status=HTTPStatus.OK, headers={**HEADERS, "Connection": "close"})
    # a server that keeps its connections: the client comes again for what is new
    return Response(build_first_frames(context(), access.project, watch, EVENT_STREAM, hub().totals), headers=HEADERS)
