"""/v1/projects/{projectKey}/keys: list, create, rotate and revoke a project's API keys."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.audit import audited, note_act
from routes.auth import identify_request, needs_scope
from routes.requests import context, read_json_object
from services import auth, clock, keys
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
@audited("key.create")
def create_key(access: Access) -> ResponseReturnValue:
    now_ms, caller = clock.fetch_now_ms(), identify_request()
    key, secret = keys.create_key(
        context(),
        access.project.project_key,
        read_json_object(),
        now_ms=now_ms,
        is_root=auth.is_unlimited(context(), caller),
        creator=caller.key,
    )
    note_act(key_id=key.key_id)
    return _answer_with_secret(key, secret, now_ms)


@bp.post("/v1/projects/<project_key>/keys/<key_id>/rotate")
@needs_scope(Scope.ADMIN, reach=ProjectState.INACTIVE)
@audited("key.rotate")
def rotate_key(access: Access, key_id: str) -> ResponseReturnValue:
    now_ms = clock.fetch_now_ms()
    fields = read_json_object(optional=True)
    key, secret = keys.rotate_key(context(), access.project.project_key, key_id, fields, now_ms=now_ms)
    note_act(new_key_id=key.key_id)
    return _answer_with_secret(key, secret, now_ms)


@bp.delete("/v1/projects/<project_key>/keys/<key_id>")
@needs_scope(Scope.ADMIN, reach=ProjectState.INACTIVE)
@audited("key.revoke")
def revoke_key(access: Access, key_id: str) -> ResponseReturnValue:
    now_ms = clock.fetch_now_ms()
    key = keys.revoke_key(context(), access.project.project_key, key_id, now_ms=now_ms)
    return jsonify(keys.format_key(key, now_ms=now_ms))


def _answer_with_secret(key: ApiKey, secret: str, now_ms: int) -> ResponseReturnValue:
    """The only answer that ever holds the secret."""
    return jsonify({**keys.format_key(key, now_ms=now_ms), "apiKey": secret}), 201
