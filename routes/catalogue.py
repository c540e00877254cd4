"""/v1/catalogue: which events and properties there are, and which values, to know what can be asked."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.named_projects import needs_reader
from routes.requests import context
from services.auth import Access
from services.catalogue import CATALOGUE, PROPERTIES, VALUES, fetch_catalogue

bp = Blueprint("catalogue", __name__)


@bp.get("/v1/catalogue")
@needs_reader
def show_catalogue(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    return jsonify(fetch_catalogue(context(), CATALOGUE, fields, access.project))


@bp.get("/v1/catalogue/properties")
@needs_reader
def show_properties(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    return jsonify(fetch_catalogue(context(), PROPERTIES, fields, access.project))


@bp.get("/v1/catalogue/values")
@needs_reader
def show_values(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    return jsonify(fetch_catalogue(context(), VALUES, fields, access.project))
