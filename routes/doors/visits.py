"""Reference 4: events of pages, and the analytics of them. Its users are those of `routes.accounts`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from routes.auth import authorize_request
from routes.batches import record_request_batch, refuse_batch
from routes.doors.requests import read_json_body, take_project_key
from routes.requests import context, read_query
from services import clock
from services.doors import page_funnel, page_reports, visit_buckets, visits
from services.keys import Scope

PAGES = "pages"
"""The one parameter that may be given several times."""

bp = Blueprint("visits", __name__)


@bp.post("/api/events")
def create_visit() -> ResponseReturnValue:
    project_key = take_project_key(read_query({"projectKey"}))
    access = authorize_request(Scope.INGEST, project_key, default_project=True)
    max_bytes = context().config.max_event_bytes
    batch, event_id = visits.decode_visit(read_json_body(), max_bytes=max_bytes, now_ms=clock.fetch_now_ms())
    result = record_request_batch(access.project, batch)
    if result.is_refused:
        return refuse_batch(result)
    return jsonify(visits.fetch_visit(context(), access.project, event_id))


@bp.get("/api/events")
def list_visit_buckets() -> ResponseReturnValue:
    return _answer(visit_buckets.fetch_visit_buckets)


@bp.get("/api/events/<event_id>")
def show_visit(event_id: str) -> ResponseReturnValue:
    project_key = take_project_key(read_query({"projectKey"}))
    access = authorize_request(Scope.READ, project_key, default_project=True)
    return jsonify(visits.fetch_visit(context(), access.project, event_id))


@bp.get("/api/analytics/sessions")
def show_sessions() -> ResponseReturnValue:
    return _answer(page_reports.fetch_sessions)


@bp.get("/api/analytics/funnel")
def show_page_funnel() -> ResponseReturnValue:
    return _answer(page_funnel.fetch_page_funnel)


@bp.get("/api/analytics/retention")
def show_retention() -> ResponseReturnValue:
    return _answer(page_reports.fetch_retention)


@bp.get("/api/analytics/pages")
def show_pages() -> ResponseReturnValue:
    return _answer(page_reports.fetch_pages)


@bp.get("/api/analytics/traffic-sources")
def show_traffic_sources() -> ResponseReturnValue:
    return _answer(page_reports.fetch_traffic_sources)


@bp.get("/api/analytics/devices")
def show_devices() -> ResponseReturnValue:
    return _answer(page_reports.fetch_devices)


def _answer(fetch: Callable[..., Any]) -> ResponseReturnValue:
    query = read_query(repeatable={PAGES})
    project_key = take_project_key(query)
    fields: dict[str, Any] = {**query, **({PAGES: request.args.getlist(PAGES)} if PAGES in query else {})}
    access = authorize_request(Scope.READ, project_key, default_project=True)
    return jsonify(fetch(context(), access.project, fields, now_ms=clock.fetch_now_ms()))
