"""/v1/reports: the questions, answered as JSON or CSV."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify, request

from routes.auth import authorize_request
from routes.requests import context, read_json_object, read_query
from services.errors import InvalidInput
from services.fields import MAX_SHOWN_NAME
from services.keys import Scope
from services.reports.csv_text import format_csv
from services.reports.report import Report
from services.reports.run import REPORTS, run_report

bp = Blueprint("reports", __name__)


def _register(report: Report) -> None:
    methods = ["POST"] if report.has_body else ["GET", "POST"]
    bp.add_url_rule(
        f"/v1/reports/{report.name}", report.name, partial(_answer, report), methods=methods
    )


def _answer(report: Report) -> Response:
    fields = _read_fields()
    access = authorize_request(Scope.READ, _read_project_key(fields))
    is_csv = _wants_csv(fields.get("format"))
    answer = run_report(context(), report, fields, access.project)
    if not is_csv:
        return jsonify(answer)
    response = Response(format_csv(report, answer), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{report.name}.csv"'
    return response


def _read_fields() -> dict[str, Any]:
    """The parameters: those of the query, and those of the JSON body of a POST. Each may be given once."""
    query = read_query()
    body = read_json_object(optional=True) if request.method == "POST" else {}
    for name in query.keys() & body.keys():
        shown = name[:MAX_SHOWN_NAME]
        raise InvalidInput(f"{shown} is given in the query and in the body", code="invalid_parameter", fields=[shown])
    return query | body


def _read_project_key(fields: dict[str, Any]) -> str | None:
    project_key = fields.get("projectKey")
    if project_key is not None and not isinstance(project_key, str):
        raise InvalidInput("projectKey must be text", fields=["projectKey"])
    return project_key


def _wants_csv(value: object) -> bool:
    if value is None:
        return request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv"
    if value not in ("csv", "json"):
        raise InvalidInput("format must be json or csv", fields=["format"])
    return value == "csv"


for _report in REPORTS.values():
    _register(_report)
