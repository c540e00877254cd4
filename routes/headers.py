"""The headers around every answer: who may call from a page (CORS), and what a browser may do with it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from flask import Flask, Response, request
from flask_cors import CORS

from routes.requests import REQUEST_ID_HEADER
from services.context import Context

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
PAGE_POLICY_HEADER = "Content-Security-Policy"
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""An answer of the API is never a page; the views of pages set their own policy."""
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of our own pages: they load nothing from other hosts and run nothing that stands in a page."""
CACHE_HEADER = "Cache-Control"
"""What is answered is for who asked: X-API-Key does not tell a proxy so, as Authorization does, and a path that ends in
the id of a person may look like that of a picture."""
HSTS = "max-age=31536000; includeSubDomains"
RATE_LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
PREFLIGHT_SECONDS = 600
PUBLIC_PATHS = frozenset({"/v1/events/batch", "/v1/pixel.gif", "/t.js"})
"""What any site may call, whatever CORS_ORIGINS says: it takes a projectKey, which is public, and no credentials that a
browser would add by itself."""
PUBLIC_HEADERS = (("Access-Control-Allow-Origin", "*"), ("Cross-Origin-Resource-Policy", "cross-origin"))
PUBLIC_EXPOSED = (("Access-Control-Expose-Headers", f"{REQUEST_ID_HEADER}, Retry-After"),)
PUBLIC_PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, Content-Encoding"),
    ("Access-Control-Max-Age", "86400"),
)


def install(app: Flask) -> None:
    """Security headers on every answer, CORS headers for the origins that the settings allow."""
    config = cast(Context, app.extensions["apptracker"]).config
    always = [*SECURITY_HEADERS.items(), *([("Strict-Transport-Security", HSTS)] if config.is_production else [])]

    def add_security_headers(response: Response) -> Response:
        headers = response.headers
        for name, value in always:
            headers.add(name, value)
        if PAGE_POLICY_HEADER not in headers:
            headers.add(PAGE_POLICY_HEADER, API_POLICY)
        if CACHE_HEADER not in headers:
            headers.add(CACHE_HEADER, "no-store")
        return response

    app.after_request(add_security_headers)
    app.after_request(_open_public_paths)
    if config.allowed_origins:
        CORS(
            app,
            origins="*" if "*" in config.allowed_origins else list(config.allowed_origins),
            expose_headers=[REQUEST_ID_HEADER, "Retry-After", *RATE_LIMIT_HEADERS],
            max_age=PREFLIGHT_SECONDS,
            send_wildcard=True,
        )
        _skip_without_origin(app)


def _open_public_paths(response: Response) -> Response:
    environ = request.environ
    if environ["PATH_INFO"] in PUBLIC_PATHS:
        headers = response.headers
        if "HTTP_ORIGIN" not in environ and response.status_code == HTTPStatus.OK:
            # flask-cors, which sees errors by a way of its own, had nothing to do: nothing need be looked for, which
            # would take longer than all the rest
            for name, value in (*PUBLIC_HEADERS, *_list_further_headers(environ)):
                headers.add(name, value)
            return response
        for name, value in PUBLIC_HEADERS:
            headers[name] = value
        for name, value in _list_further_headers(environ):
            headers.setdefault(name, value)
    return response


def _list_further_headers(environ: WSGIEnvironment) -> tuple[tuple[str, str], ...]:
    return PUBLIC_PREFLIGHT if environ["REQUEST_METHOD"] == "OPTIONS" else PUBLIC_EXPOSED


def _skip_without_origin(app: Flask) -> None:
    """Have flask-cors look only at what browsers ask from other pages: it costs a tenth of a small ingest request."""
    add_cors_headers = app.after_request_funcs[None].pop()

    def add_where_asked(response: Response) -> Response:
        if "HTTP_ORIGIN" in request.environ:
            return cast(Response, add_cors_headers(response))
        response.headers.add("Vary", "Origin")
        return response

    app.after_request(add_where_asked)
