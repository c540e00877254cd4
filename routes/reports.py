"""/v1/reports: the questions, answered as JSON or CSV."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from routes.auth import authorize_request, identify_request
from routes.named_projects import join_fields, read_project_key
from routes.requests import context, read_json_object, read_query
from services.errors import InvalidInput
from services.keys import Scope
from services.projects import Project
from services.reports import user
from services.reports.csv_text import format_csv
from services.reports.report import Report
from services.reports.run import REPORTS, run_report

bp = Blueprint("reports", __name__)


class AnyTextConverter(BaseConverter):
    """The rest of a path, whatever it is: ids of persons are made by others, and may have slashes in them."""

    regex = r"[\s\S]+"
    part_isolating = False


@bp.record_once
def _install_converters(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["any_text"] = AnyTextConverter


def _register(report: Report) -> None:
    methods = ["POST"] if report.has_body else ["GET", "POST"]
    bp.add_url_rule(
        f"/v1/reports/{report.name}", report.name, partial(_answer, report), methods=methods
    )


@bp.route("/v1/reports/users/<any_text:user_id>", methods=["GET", "POST"])
def ask_user(user_id: str) -> Response:
    return _answer(user.REPORT, userId=user_id)


def _answer(report: Report, **of_path: str) -> Response:
    identify_request()
    fields = _read_fields(of_path)
    access = authorize_request(Scope.READ, read_project_key(fields))
    return answer_report(report, fields, access.project)


def answer_report(report: Report, fields: dict[str, Any], project: Project) -> Response:
    """The report in the form that is asked for, to whoever may have it."""
    is_csv = _wants_csv(fields.get("format"))
    answer = run_report(context(), report, fields, project)
    if not is_csv:
        return jsonify(answer)
    response = Response(format_csv(report, answer), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{report.name}.csv"'
    return response


def _read_fields(of_path: dict[str, str]) -> dict[str, Any]:
    """The parameters: those of the path, of the query, and of the JSON body of a POST. Each may be given once."""
    query = read_query()
    body = read_json_object(optional=True) if request.method == "POST" else {}
    fields = join_fields(query, body)
    for name in of_path.keys() & fields.keys():
        raise InvalidInput(f"{name} is given in the path already", code="invalid_parameter", fields=[name])
    return fields | of_path


def _wants_csv(value: object) -> bool:
    if value is None:
        return request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv"
    if value not in ("csv", "json"):
        raise InvalidInput("format must be json or csv", fields=["format"])
    return value == "csv"


for _report in REPORTS.values():
    _register(_report)
