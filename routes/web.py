"""What browsers load from here: the tracker for other sites, the dashboard's page, and the files of both."""

from __future__ import annotations

from flask import Blueprint, Response, request

from routes.headers import CACHE_HEADER, PAGE_CSP, PAGE_POLICY_HEADER
from services.web_files import WebFile, load_web_file

TRACKER_CACHE = "public, max-age=3600, stale-while-revalidate=86400"
"""Sites load the tracker with each page: a new version reaches all of them within the hour."""
ASK_EACH_TIME = "public, no-cache"
"""Kept, and asked for by its ETag: a new version counts with the next load, all of its files together."""

bp = Blueprint("web", __name__)


@bp.get("/t.js")
def show_tracker() -> Response:
    return send_web_file("tracker/t.js", cache=TRACKER_CACHE)


@bp.get("/dashboard")
def show_dashboard() -> Response:
    return send_web_file("dashboard/index.html")


@bp.get("/shared/<token>")
def show_shared_page(token: str) -> Response:
    """The page behind a link to a saved report, for people: it asks for what `/v1/shared/<token>` answers."""
    return send_web_file("dashboard/shared.html")


@bp.get("/web/<path:name>")
def show_file(name: str) -> Response:
    return send_web_file(name)


def send_web_file(name: str, *, cache: str = ASK_EACH_TIME) -> Response:
    """The file of `web/`, compressed as the browser takes it, or 304; NotFound. Pages come with their policy."""
    file = load_web_file(name)
    response = _build_response(file)
    response.headers[CACHE_HEADER] = cache
    response.vary.add("Accept-Encoding")
    if file.media_type.startswith("text/html"):
        response.headers[PAGE_POLICY_HEADER] = PAGE_CSP
    response.make_conditional(request)
    return response


def _build_response(file: WebFile) -> Response:
    for encoding, form in (("br", file.brotli), ("gzip", file.gzip)):
        if form is not None and request.accept_encodings.quality(encoding) > 0:
            response = Response(form, content_type=file.media_type, headers={"Content-Encoding": encoding})
            response.set_etag(f"{file.etag}-{encoding}")
            return response
    response = Response(file.body, content_type=file.media_type)
    response.set_etag(file.etag)
    return response
