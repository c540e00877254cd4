"""The HTTP surface: each view parses, calls one service and answers."""

from __future__ import annotations

from importlib import import_module

from flask import Flask

RESOURCES = (
    "health", "database", "metrics", "projects", "accounts", "google", "organisations", "audit", "events", "reports",
    "exports", "catalogue", "persons", "saved_reports", "annotations", "cohorts", "doors.tracking", "doors.apps",
    "doors.visits", "pixel", "doors.realtime", "live", "web",
)  # fmt: skip
"""Modules of this package; each has one blueprint, `bp`, whose rules are written in full."""


def register_blueprints(app: Flask) -> None:
    """Add every resource, what surrounds their answers, and their documentation."""
    for resource in RESOURCES:
        app.register_blueprint(import_module(f"routes.{resource}").bp)
    for surrounding in ("requests", "errors", "headers", "openapi"):
        import_module(f"routes.{surrounding}").install(app)
