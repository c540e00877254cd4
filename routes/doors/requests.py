"""What the routes of the other systems need of a request."""

from __future__ import annotations

from flask import request

from routes.batches import read_event_body
from routes.events import JSON_TYPES
from routes.requests import context
from services.apps import parse_app_id
from services.errors import InvalidInput, UnsupportedMedia


def read_json_body() -> bytes:
    """The body of a request that brings events, decompressed. Raises UnsupportedMedia for another type than JSON."""
    if request.mimetype not in JSON_TYPES and not request.mimetype.endswith("+json"):
        message = "The body must be JSON: send Content-Type: application/json"
        raise UnsupportedMedia(message, fields=["Content-Type"])
    return read_event_body(context().config.max_body_bytes)


def take_project_key(query: dict[str, str]) -> str | None:
    """The project that the query names by `projectKey` or `appId`, which are taken out of it; None: by neither.

    Raises InvalidInput for a projectKey that is empty, which must not be taken for the default project.
    """
    project_key, app_id = query.pop("projectKey", None), query.pop("appId", None)
    if project_key == "":
        raise InvalidInput("projectKey must not be empty", code="invalid_parameter", fields=["projectKey"])
    if app_id is None:
        return project_key
    named = parse_app_id(app_id)
    if project_key not in (None, named):
        message = "projectKey and appId are not of the same project"
        raise InvalidInput(message, code="invalid_parameter", fields=["projectKey", "appId"])
    return named
