"""What every view needs of a request: the context, its JSON body, its id; and what is noted when it is answered."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, cast

import msgspec
from flask import Flask, Response, current_app, g, request
from flask.json.provider import JSONProvider

from services import logs, telemetry
from services.context import Context
from services.errors import InvalidInput, UnsupportedMedia
from services.fields import MAX_SHOWN_NAME

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID_HEADER = "X-Request-Id"
# Probes and scrapes ask every few seconds; events come by the thousand, and /metrics counts them.
QUIET_PATHS = frozenset(
    {"/health", "/health/ready", "/metrics", "/t.js", "/v1/pixel.gif", "/v1/events/batch", "/track",
     "/api/analytics/collect", "/api/events"}
)
HIDDEN_PARTS = {
    "/v1/users/": "<person_id>", "/v1/reports/users/": "<person_id>", "/v1/shared/": "<token>", "/shared/": "<token>",
}  # fmt: skip
"""What follows these is the id of a person or a secret, also where no route has the rest of the path or the method."""

_request_id_pattern = re.compile(r"[A-Za-z0-9._-]{1,128}")
_trace_pattern = re.compile(r"([0-9a-f]{32})\b")


def context() -> Context:
    """What this process has open."""
    return cast(Context, current_app.extensions["apptracker"])


def read_json_object(*, optional: bool = False) -> dict[str, Any]:
    """The request's body as a JSON object; with `optional`, {} for no body.

    A missing Content-Type counts as JSON. Raises UnsupportedMedia for another type or an encoded body, InvalidInput
    for what is not JSON (NaN, numbers beyond double and text that is not Unicode included) or not an object.
    """
    body = request.get_data(cache=True)
    if optional and not body:
        return {}
    if request.content_type and not request.is_json:
        raise UnsupportedMedia("The body must be JSON: send Content-Type: application/json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("This address takes no compressed bodies", code="unsupported_content_encoding")
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"The body is not valid JSON: {exc}" if body else "The body is empty", code="invalid_json")
    except RecursionError:
        raise InvalidInput("The body is not usable JSON: it is nested too deeply", code="invalid_json")
    if not isinstance(document, dict):
        raise InvalidInput("The body must be a JSON object", code="invalid_body")
    return document


def read_query(known: Collection[str] | None = None, *, repeatable: Collection[str] = ()) -> dict[str, str]:
    """The parameters of the query; of `repeatable` ones the first value.

    Raises InvalidInput for another one that is given twice, or that is not `known`.
    """
    if not request.environ.get("QUERY_STRING"):
        return {}
    for name, values in request.args.lists():
        if known is not None and name not in known:
            message = f"{name[:MAX_SHOWN_NAME]} is not a parameter here"
        elif len(values) > 1 and name not in repeatable:
            message = f"{name[:MAX_SHOWN_NAME]} is given more than once"
        else:
            continue
        raise InvalidInput(message, code="invalid_parameter", fields=[name[:MAX_SHOWN_NAME]])
    return request.args.to_dict()


def parse_limit(text: str | None, *, default: int, most: int) -> int:
    """How many entries of a list are asked for, 1 to `most`; `default` where the query does not say."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise InvalidInput(f"limit must be a whole number from 1 to {most}", code="invalid_parameter", fields=["limit"])
    return int(text)


def request_id() -> str:
    """The id of this request: the caller's own, if it sent a usable one, else a new one."""
    return cast(str, g.request_id)


def _choose_request_id(sent: str | None) -> str:
    # Ids must differ, they need not be secret; asking the kernel would hand the interpreter to another thread.
    return sent if sent and _request_id_pattern.fullmatch(sent) else f"{random.getrandbits(128):032x}"


class CompactJson(JSONProvider):
    """JSON as `msgspec` writes it: compact, fields in the order they were put, NaN as null."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return msgspec.json.decode(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        document = self._prepare_response_obj(args, kwargs)
        return Response(msgspec.json.encode(document) + b"\n", mimetype="application/json")


class SlashNormaliser:
    """WSGI middleware: `/v1/projects/` is `/v1/projects`, without a redirect (which would lose the body of a POST).

    A slash that was sent percent-encoded belongs to what it ends, an id for example, and stays.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.endswith("/"):
            sent = str(environ.get("RAW_URI") or path).partition("?")[0]
            literal = len(sent) - len(sent.rstrip("/"))
            environ["PATH_INFO"] = path[: len(path) - literal] or "/"
        return self._application(environ, start_response)


def _start_request() -> None:
    environ, noted = request.environ, g._get_current_object()
    noted.started = time.perf_counter()
    noted.request_id = _choose_request_id(environ.get("HTTP_X_REQUEST_ID"))
    logs.current_request_id.set(noted.request_id)
    sent = environ.get("HTTP_X_CLOUD_TRACE_CONTEXT") or environ.get("HTTP_TRACEPARENT")
    trace = _trace_pattern.search(sent) if sent else None
    logs.current_trace.set(trace.group(1) if trace else None)


def _note_answer(response: Response) -> Response:
    asked = request._get_current_object()  # type: ignore[attr-defined]  # each look through the proxy costs
    seconds = time.perf_counter() - g.started
    route = asked.url_rule.rule if asked.url_rule else None
    telemetry.record_request(method=asked.method, route=route, status=response.status_code, seconds=seconds)
    logs.record_request(
        method=asked.method,
        path=describe_path(asked.path, route),
        status=response.status_code,
        seconds=seconds,
        user_agent=asked.environ.get("HTTP_USER_AGENT"),
        remote_ip=asked.remote_addr,
        quiet=asked.path in QUIET_PATHS,
    )
    response.headers.add(REQUEST_ID_HEADER, request_id())
    return response


def describe_path(path: str, route: str | None) -> str:
    """The path as it may be logged: the route in its place where it holds a secret or the id of a person, which may
    have been erased since."""
    beginning = next((each for each in HIDDEN_PARTS if path.startswith(each)), None)
    return path if beginning is None else route or beginning + HIDDEN_PARTS[beginning]


def _forget_request(_: BaseException | None) -> None:
    logs.current_request_id.set(None)
    logs.current_trace.set(None)


def install(app: Flask) -> None:
    """Request ids, JSON, slashes, and a log line and counts for every answer."""
    app.json = CompactJson(app)
    app.url_map.merge_slashes = False
    app.wsgi_app = SlashNormaliser(app.wsgi_app)  # type: ignore[method-assign]
    app.before_request_funcs.setdefault(None, []).insert(0, _start_request)
    app.after_request(_note_answer)
    app.teardown_request(_forget_request)
