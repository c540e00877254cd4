"""The documentation: `openapi.yaml` and `openapi/` as one document at /apispec.json, Swagger UI for it at /swagger."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from flasgger import Swagger
from flask import Blueprint, Flask, Response, redirect, request
from flask.typing import ResponseReturnValue

from routes.headers import PAGE_POLICY_HEADER

FRAME = Path(__file__).with_name("openapi.yaml")
RESOURCES = FRAME.with_suffix("")
"""Folder of a file for each resource, with `paths` and `components` of its own."""
SWAGGER_PATH = "/swagger"
# Swagger UI starts from inline scripts and styles and draws with data: images; nothing comes from other hosts.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

bp = Blueprint("documentation", __name__, template_folder="templates")


@bp.get("/docs")
@bp.get("/api/docs")
@bp.get("/redoc")
def lead_to_documentation() -> ResponseReturnValue:
    return redirect(request.root_path + SWAGGER_PATH)


@lru_cache(maxsize=1)
def load_specification() -> dict[str, Any]:
    """The hand-written OpenAPI document. Read when first asked for: a worker that nobody asks does not hold it."""
    document = read_yaml(FRAME)
    for path in sorted(RESOURCES.glob("*.yaml")):
        resource = read_yaml(path)
        add_members(document["paths"], resource.get("paths", {}))
        for kind, members in resource["components"].items():
            add_members(document["components"].setdefault(kind, {}), members)
    return document


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    mapping: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506 - both are safe loaders
    return mapping


def add_members(target: dict[str, Any], members: dict[str, Any]) -> None:
    """Add what another file defines. ValueError for a name that is there already."""
    twice = target.keys() & members.keys()
    if twice:
        raise ValueError(f"defined in two files of the OpenAPI document: {', '.join(sorted(twice))}")
    target.update(members)


class Documentation(Swagger):
    """flasgger's pages over the document as it is written, nothing collected from docstrings."""

    def get_apispecs(self, endpoint: str = "apispec") -> dict[str, Any]:
        return load_specification()


def _set_page_policy(response: Response) -> Response:
    response.headers[PAGE_POLICY_HEADER] = PAGE_POLICY
    return response


def install(app: Flask) -> None:
    """Serve the document and its pages. Last of all, since flasgger wraps `add_url_rule`."""
    app.register_blueprint(bp)
    Documentation(
        app,
        config={
            "title": "AppTracker API",
            "openapi": "3.0.3",
            "headers": [],
            "specs": [{"endpoint": "apispec", "route": "/apispec.json"}],
            "specs_route": SWAGGER_PATH,
            "static_url_path": "/flasgger_static",
            "swagger_ui": True,
            "auth": {},  # else the page's script names Python's None
            "ui_params": {"persistAuthorization": "true", "displayRequestDuration": "true"},
        },
    )
    app.after_request_funcs.setdefault("flasgger", []).append(_set_page_policy)
