"""GET /v1/pixel.gif: an event from where no script runs, such as a browser without JavaScript or an email."""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from routes.auth import authorize_request, identify_request
from routes.batches import record_request_batch, refuse_batch
from routes.limits import PIXEL_RULE
from routes.requests import read_query
from services.ingest.decode import Batch
from services.keys import Scope

PICTURE: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""One transparent pixel."""
PICTURE_TYPE: Final = "image/gif"
DEFAULT_EVENT_NAME: Final = "page_view"
NOT_OF_THE_EVENT: Final = frozenset({"projectKey", "dnt"})

bp = Blueprint("pixel", __name__)


@bp.get(PIXEL_RULE)
def show_pixel() -> ResponseReturnValue:
    query = read_query()
    identify_request()
    access = authorize_request(Scope.INGEST, query.get("projectKey"))
    picture = Response(PICTURE, mimetype=PICTURE_TYPE)
    if request.method == "HEAD" or _asks_not_to(query):
        return picture
    result = record_request_batch(access.project, Batch([msgspec.json.encode(_build_event(query))]))
    return refuse_batch(result) if result.is_refused else picture


def _build_event(query: dict[str, str]) -> dict[str, Any]:
    """The event: every parameter is a field of it. The page is the one that shows the picture, if none is named."""
    event: dict[str, Any] = {name: value for name, value in query.items() if name not in NOT_OF_THE_EVENT}
    page = request.headers.get("Referer")
    return {"eventName": DEFAULT_EVENT_NAME, **({"url": page} if page else {}), **event}


def _asks_not_to(query: dict[str, str]) -> bool:
    """Whether the browser says that its user wants no tracking, and the page has not said that it may."""
    wishes = request.headers.get("Sec-GPC"), request.headers.get("DNT")
    return "1" in wishes and query.get("dnt") != "ignore"


@bp.after_request
def _show_picture(response: Response) -> Response:
    """A page shows no broken picture when something is wrong; who asks for no picture can read what it is."""
    if response.mimetype != PICTURE_TYPE and any(kind.startswith("image/") for kind, _ in request.accept_mimetypes):
        response.set_data(PICTURE)
        response.mimetype = PICTURE_TYPE
    return response
