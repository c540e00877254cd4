"""The headers around every answer: who may call from a page (CORS), and what a browser may do with it."""

from __future__ import annotations

from flask import Flask, Response
from flask_cors import CORS

from routes.requests import REQUEST_ID_HEADER, context

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # An answer of the API is never a page; the documentation's pages set their own policy.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
HSTS = "max-age=31536000; includeSubDomains"
PREFLIGHT_SECONDS = 600


def _add_security_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if context().config.is_production:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    return response


def install(app: Flask) -> None:
    """Security headers on every answer, CORS headers for the origins that the settings allow."""
    app.after_request(_add_security_headers)
    origins = app.extensions["apptracker"].config.allowed_origins
    if origins:
        CORS(
            app,
            origins="*" if "*" in origins else list(origins),
            expose_headers=[REQUEST_ID_HEADER, "Retry-After"],
            max_age=PREFLIGHT_SECONDS,
            send_wildcard=True,
        )
