"""Reference 4's live dashboard: its page, its figures, and its events over a WebSocket."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Flask, Response, jsonify, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from wsproto.utilities import generate_accept_token

from routes.auth import authorize_request, read_secret
from routes.doors.requests import take_project_key
from routes.errors import build_error
from routes.handover import HandedOver, can_hand_over, hub
from routes.requests import context, parse_limit, read_query
from routes.web import send_web_file
from services import clock
from services.errors import InvalidInput
from services.keys import Scope
from services.live.feed import SHOWN_EVENTS
from services.live.figures import compute_figures
from services.live.frames import MESSAGES, show_stats
from services.live.viewer import Watch

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEFAULT_EVENTS = 50
VERSION = "13"
PROTOCOL = "apptracker"
"""What the server says it speaks, to a client that proposes it."""
SECRET_PREFIX = "bearer."
"""Before a secret in base64url among the proposed protocols: the one thing that a page can send with a WebSocket."""

UPGRADE = "apptracker.upgrade"

bp = Blueprint("realtime", __name__)


class PlainRouting:
    """WSGI middleware: has werkzeug find the route of a WebSocket as that of any request. Otherwise it wants a second
    one, beside the one that tells plain requests what is spoken there."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            environ[UPGRADE] = environ.pop("HTTP_UPGRADE")
        return self._application(environ, start_response)


@bp.record_once
def _install_routing(state: BlueprintSetupState) -> None:
    app = cast(Flask, state.app)
    app.wsgi_app = PlainRouting(app.wsgi_app)  # type: ignore[method-assign]


@bp.get("/api/realtime")
def show_page() -> Response:
    return send_web_file("realtime/index.html")


@bp.get("/api/realtime/stats")
def show_stats_now() -> ResponseReturnValue:
    project_key = take_project_key(read_query({"projectKey"}))
    access = authorize_request(Scope.READ, project_key, default_project=True)
    figures = compute_figures(context(), access.project, hub().totals, now_ms=clock.fetch_now_ms())
    return jsonify({"project_key": access.project.project_key, **show_stats(figures)})


@bp.get("/api/realtime/ws")
def open_websocket() -> ResponseReturnValue:
    take_proposed_secret()
    query = read_query({"projectKey", "limit"})
    limit = parse_limit(query.pop("limit", None), default=DEFAULT_EVENTS, most=SHOWN_EVENTS)
    named_key = take_project_key(query)
    access = authorize_request(Scope.READ, named_key, default_project=True)
    watch = Watch(access.project.project_key, read_secret(), named_key, takes_default=True, limit=limit)
    if not is_upgrade():
        return refuse_without_upgrade()
    headers = accept_handshake()
    hub().check_room()
    return HandedOver(watch, MESSAGES, status=HTTPStatus.SWITCHING_PROTOCOLS, headers=headers)


def take_proposed_secret() -> None:
    """Put a secret that stands among the proposed protocols where others are sent, unless one is there. Raises
    InvalidInput for one that is not base64url."""
    proposed = next((each for each in list_proposed() if each.startswith(SECRET_PREFIX)), None)
    if proposed is None or read_secret() is not None:
        return
    encoded = proposed.removeprefix(SECRET_PREFIX).rstrip("=")
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        message = f"The subprotocol {SECRET_PREFIX}... must hold a secret in base64url"
        raise InvalidInput(message, code="invalid_subprotocol", fields=["Sec-WebSocket-Protocol"])
    request.environ["HTTP_X_API_KEY"] = secret.decode("latin-1")


def list_proposed() -> list[str]:
    """The subprotocols that the client proposes."""
    return _split(request.headers.get("Sec-WebSocket-Protocol", ""))


def is_upgrade() -> bool:
    """Whether the request asks for a WebSocket, which only a GET of HTTP/1.1 can (RFC 6455, 4.1)."""
    asked = {each.lower() for each in _split(request.headers.get("Connection", ""))}
    is_able = request.method == "GET" and request.environ["SERVER_PROTOCOL"] != "HTTP/1.0"
    return is_able and UPGRADE in request.environ and "upgrade" in asked


def refuse_without_upgrade() -> Response:
    message = "This address speaks WebSocket; over plain HTTP ask /v1/live/stream or /api/realtime/stats"
    response = build_error(HTTPStatus.UPGRADE_REQUIRED, code="upgrade_required", message=message)
    response.headers["Upgrade"] = "websocket"
    response.headers["Connection"] = "Upgrade"
    return response


def accept_handshake() -> dict[str, str]:
    """Headers of the answer (RFC 6455, 4.2.2). Raises InvalidInput."""
    key = request.headers.get("Sec-WebSocket-Key", "").strip()
    if request.headers.get("Sec-WebSocket-Version", "").strip() != VERSION:
        raise InvalidInput(f"Sec-WebSocket-Version must be {VERSION}", fields=["Sec-WebSocket-Version"])
    if not _is_key(key):
        raise InvalidInput("Sec-WebSocket-Key must be 16 bytes in base64", fields=["Sec-WebSocket-Key"])
    if not can_hand_over():
        message = "The server that runs this process keeps no connections open: start it with gunicorn, without TLS"
        raise InvalidInput(message, code="websocket_unavailable")
    accepted = generate_accept_token(key.encode()).decode()
    chosen = {"Sec-WebSocket-Protocol": PROTOCOL} if PROTOCOL in list_proposed() else {}
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accepted, **chosen}


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (ValueError, binascii.Error):
        return False


def _split(header: str) -> list[str]:
    return [each.strip() for each in header.split(",") if each.strip()]
