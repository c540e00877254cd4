"""The one place where a failure becomes an HTTP answer: `{"error", "code", "requestId", "fields"}`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from routes.requests import request_id
from services import errors
from services.errors import AppTrackerError
from stores.base import StoreUnavailable

STORE_RETRY_AFTER_SECONDS = 2

STATUS_OF: dict[type[AppTrackerError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

# What the framework itself refuses, in the product's words.
_FRAMEWORK_ERRORS = {
    400: ("bad_request", "The request cannot be understood"),
    404: ("unknown_address", "There is nothing at this address"),
    405: ("method_not_allowed", "This address does not take this method"),
    413: ("body_too_large", "The body is too large"),
    415: ("unsupported_media_type", "The body's content type is not understood here"),
}

_logger = logging.getLogger("apptracker.errors")


def build_error(
    status: int, *, code: str, message: str, fields: Sequence[str] = (), extra: dict[str, Any] | None = None
) -> Response:
    """The error envelope as a response; `extra` adds members to it."""
    body = {"error": message, "code": code, "requestId": request_id(), "fields": list(fields), **(extra or {})}
    response = jsonify(body)
    response.status_code = status
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def status_of(error: AppTrackerError) -> HTTPStatus:
    """The status of the nearest class in STATUS_OF; 500 for a kind that is not there."""
    known = (STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)
    return next(known, HTTPStatus.INTERNAL_SERVER_ERROR)


def _answer_product_error(error: AppTrackerError) -> ResponseReturnValue:
    response = build_error(status_of(error), code=error.code, message=error.message, fields=error.fields)
    if isinstance(error, errors.TooManyRequests | errors.Unavailable):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _answer_store_unavailable(error: StoreUnavailable) -> ResponseReturnValue:
    _logger.warning("The store is not available: %s", error, exc_info=error)
    message = "The database is not available; nothing was lost, try again"
    response = build_error(HTTPStatus.SERVICE_UNAVAILABLE, code="store_unavailable", message=message)
    response.headers["Retry-After"] = str(STORE_RETRY_AFTER_SECONDS)
    return response


def _answer_framework_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if status < HTTPStatus.BAD_REQUEST:
        return error.get_response()
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
    code, message = _FRAMEWORK_ERRORS.get(status, (phrase.lower().replace(" ", "_"), phrase))
    response = build_error(status, code=code, message=message)
    # Allow of a 405, Retry-After of a 429 and the like belong to the answer; its type and length are ours.
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _answer_unexpected(error: Exception) -> ResponseReturnValue:
    _logger.error("Unexpected %s", type(error).__name__, exc_info=error)
    message = "Something went wrong on our side; it has been logged"
    return build_error(HTTPStatus.INTERNAL_SERVER_ERROR, code="internal_error", message=message)


def install(app: Flask) -> None:
    """Answer every failure in one shape."""
    app.register_error_handler(AppTrackerError, _answer_product_error)
    app.register_error_handler(StoreUnavailable, _answer_store_unavailable)
    app.register_error_handler(HTTPException, _answer_framework_error)
    app.register_error_handler(Exception, _answer_unexpected)
