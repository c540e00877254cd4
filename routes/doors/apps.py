"""References 2 and 5: keys of apps, `collect`, and the summaries. Apps are registered at /api/auth/register, as users
are (`routes.accounts`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.audit import declares_acts, note_act, recorded_act
from routes.auth import authorize_request, identify_request
from routes.batches import format_verdicts, record_request_batch, refuse_batch
from routes.doors.requests import read_json_body, take_project_key
from routes.limits import note_bad_credentials
from routes.requests import context, read_json_object, read_query
from services import app_keys, apps, clock
from services.doors import summaries
from services.doors.collect import decode_collected_batch, decode_collected_event, has_events
from services.errors import Unauthorized
from services.keys import Scope
from services.projects import ProjectState

PROJECT_PARAMETERS = {"appId", "projectKey"}

bp = Blueprint("apps", __name__)


@bp.get("/api/auth/api-key")
def show_api_key() -> ResponseReturnValue:
    access = authorize_request(Scope.READ, take_project_key(read_query(PROJECT_PARAMETERS)))
    return jsonify(apps.describe_keys(context(), access.project.project_key, now_ms=clock.fetch_now_ms()))


@bp.post("/api/auth/revoke")
@declares_acts("key.revoke")
def revoke_api_key() -> ResponseReturnValue:
    identify_request()
    now_ms = clock.fetch_now_ms()
    asked = app_keys.parse_revocation(read_json_object(), now_ms=now_ms)
    if asked.app_id is None:
        return _revoke_held_key(asked, now_ms)
    access = authorize_request(Scope.ADMIN, apps.parse_app_id(asked.app_id), reach=ProjectState.INACTIVE)
    with recorded_act("key.revoke", access):
        answer = app_keys.revoke_keys_of_app(context(), access.project, asked, now_ms=now_ms)
        note_act(key_ids=answer["keyIds"])
    return jsonify(answer)


def _revoke_held_key(asked: app_keys.RevocationRequest, now_ms: int) -> ResponseReturnValue:
    """Who holds the key needs no other credentials; those that are sent must be good all the same."""
    try:
        key = app_keys.authenticate_held_key(context(), asked, now_ms=now_ms)
    except Unauthorized:
        note_bad_credentials()
        raise
    with recorded_act("key.revoke", key_id=key.key_id):
        note_act(project_key=key.project_key)
        answer = app_keys.revoke_held_key(context(), key, asked, now_ms=now_ms)
    return jsonify(answer)


@bp.post("/api/analytics/collect")
def collect() -> ResponseReturnValue:
    identify_request()
    project_key = take_project_key(read_query(PROJECT_PARAMETERS))
    body, now_ms = read_json_body(), clock.fetch_now_ms()
    config, own_id = context().config, {}
    if has_events(body):
        batch = decode_collected_batch(
            body, max_events=config.max_batch_events, max_bytes=config.max_body_bytes, project_key=project_key
        )
    else:
        batch, event_id = decode_collected_event(
            body, max_bytes=config.max_event_bytes, project_key=project_key, now_ms=now_ms
        )
        own_id = {"eventId": event_id}
    access = authorize_request(Scope.INGEST, batch.project_key)
    result = record_request_batch(access.project, batch)
    if result.is_refused:
        return refuse_batch(result)
    message = "Event collected" if own_id else "Events collected"
    return jsonify({"status": "ok", "message": message, **own_id, **format_verdicts(result)}), 201


@bp.get("/api/analytics/event-summary")
def show_event_summary() -> ResponseReturnValue:
    return _answer(summaries.fetch_event_summary)


@bp.get("/api/analytics/user-stats")
def show_user_stats() -> ResponseReturnValue:
    return _answer(summaries.fetch_user_stats)


@bp.get("/api/analytics/daily-stats")
def show_daily_stats() -> ResponseReturnValue:
    return _answer(summaries.fetch_daily_stats)


@bp.get("/api/analytics/top-pages")
def show_top_pages() -> ResponseReturnValue:
    return _answer(summaries.fetch_top_pages)


def _answer(fetch: Callable[..., Any]) -> ResponseReturnValue:
    query = read_query()
    access = authorize_request(Scope.READ, take_project_key(query))
    return jsonify(fetch(context(), access.project, query, now_ms=clock.fetch_now_ms()))
