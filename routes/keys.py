"""/v1/projects/{projectKey}/keys: list, create, rotate and revoke a project's API keys."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.auth import needs_scope
from routes.requests import context, read_json_object
from services import clock, keys
from services.auth import Access
from services.keys import ApiKey, Scope
from services.projects import ProjectState

bp = Blueprint("keys", __name__)


@bp.get("/v1/projects/<project_key>/keys")
@needs_scope(Scope.ADMIN, reach=ProjectState.INACTIVE)
def list_keys(access: Access) -> ResponseReturnValue:
    now_ms = clock.fetch_now_ms()
    found = keys.list_keys(context(), access.project.project_key)
    return jsonify({"keys": [keys.format_key(key, now_ms=now_ms) for key in found]})


@bp.post("/v1/projects/<project_key>/keys")
@needs_scope(Scope.ADMIN, reach=ProjectState.INACTIVE)
def create_key(access: Access) -> ResponseReturnValue:
    now_ms = clock.fetch_now_ms()
    key, secret = keys.create_key(context(), access.project.project_key, read_json_object(), now_ms=now_ms)
    return _answer_with_secret(key, secret, now_ms)


@bp.post("/v1/projects/<project_key>/keys/<key_id>/rotate")
@needs_scope(Scope.ADMIN, reach=ProjectState.INACTIVE)
def rotate_key(access: Access, key_id: str) -> ResponseReturnValue:
    now_ms = clock.fetch_now_ms()
    fields = read_json_object(optional=True)
    key, secret = keys.rotate_key(context(), access.project.project_key, key_id, fields, now_ms=now_ms)
    return _answer_with_secret(key, secret, now_ms)


@bp.delete("/v1/projects/<project_key>/keys/<key_id>")
@needs_scope(Scope.ADMIN, reach=ProjectState.INACTIVE)
def revoke_key(access: Access, key_id: str) -> ResponseReturnValue:
    now_ms = clock.fetch_now_ms()
    key = keys.revoke_key(context(), access.project.project_key, key_id, now_ms=now_ms)
    return jsonify(keys.format_key(key, now_ms=now_ms))


def _answer_with_secret(key: ApiKey, secret: str, now_ms: int) -> ResponseReturnValue:
    """The only answer that ever holds the secret."""
    return jsonify({**keys.format_key(key, now_ms=now_ms), "apiKey": secret}), 201
