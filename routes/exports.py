"""/v1/reports/export: events as a file, streamed."""

from __future__ import annotations

from flask import Blueprint, Response, request

from routes.auth import authorize_request, identify_request
from routes.named_projects import join_fields, read_project_key
from routes.requests import context, read_json_object, read_query
from services.keys import Scope
from services.reports.export import start_export

bp = Blueprint("exports", __name__)


@bp.route("/v1/reports/export", methods=["GET", "POST"])
def export_events() -> Response:
    identify_request()
    fields = join_fields(read_query(), read_json_object(optional=True) if request.method == "POST" else {})
    access = authorize_request(Scope.READ, read_project_key(fields))
    export = start_export(context(), access.project, fields)
    response = Response(export.stream(), mimetype=export.writing.mimetype)
    response.call_on_close(export.close)
    response.headers["Content-Disposition"] = f'attachment; filename="{export.filename}"'
    response.headers["Cache-Control"] = "no-store"
    return response
