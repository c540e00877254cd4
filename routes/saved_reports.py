"""/v1/saved-reports: questions kept to be asked again; /v1/shared shows one to whoever has the link to it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from routes.audit import audited, note_act
from routes.limits import limit_caller
from routes.named_projects import needs_editor, needs_reader, refuse_fields
from routes.reports import answer_report
from routes.requests import context, read_query
from services import clock, saved_reports
from services.auth import Access, Caller
from services.saved_reports import SAVED_REPORTS, format_saved_report

bp = Blueprint("saved_reports", __name__)


@bp.get("/v1/saved-reports")
@needs_reader
def list_saved_reports(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    refuse_fields(fields)
    found = SAVED_REPORTS.list(context(), access.project.project_key)
    return jsonify({"savedReports": [format_saved_report(document) for document in found]})


@bp.post("/v1/saved-reports")
@needs_editor
@audited("saved_report.create")
def create_saved_report(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    made = saved_reports.create_saved_report(context(), access.project, fields, now_ms=clock.fetch_now_ms())
    note_act(saved_report_id=made["id"])
    return jsonify(format_saved_report(made)), 201


@bp.get("/v1/saved-reports/<saved_report_id>")
@needs_reader
def show_saved_report(access: Access, fields: dict[str, Any], saved_report_id: str) -> ResponseReturnValue:
    refuse_fields(fields)
    return jsonify(format_saved_report(SAVED_REPORTS.fetch(context(), access.project.project_key, saved_report_id)))


@bp.patch("/v1/saved-reports/<saved_report_id>")
@needs_editor
@audited("saved_report.update")
def update_saved_report(access: Access, fields: dict[str, Any], saved_report_id: str) -> ResponseReturnValue:
    changed = saved_reports.update_saved_report(
        context(), access.project, saved_report_id, fields, now_ms=clock.fetch_now_ms()
    )
    note_act(fields=sorted(fields))
    return jsonify(format_saved_report(changed))


@bp.delete("/v1/saved-reports/<saved_report_id>")
@needs_editor
@audited("saved_report.delete")
def delete_saved_report(access: Access, fields: dict[str, Any], saved_report_id: str) -> ResponseReturnValue:
    refuse_fields(fields)
    gone = saved_reports.delete_saved_report(context(), access.project.project_key, saved_report_id)
    return jsonify(format_saved_report(gone))


@bp.get("/v1/saved-reports/<saved_report_id>/result")
@needs_reader
def ask_saved_report(access: Access, fields: dict[str, Any], saved_report_id: str) -> Response:
    document = SAVED_REPORTS.fetch(context(), access.project.project_key, saved_report_id)
    report, question = saved_reports.build_question(document, fields)
    return answer_report(report, question, access.project)


@bp.post("/v1/saved-reports/<saved_report_id>/share")
@needs_editor
@audited("saved_report.share")
def share_saved_report(access: Access, fields: dict[str, Any], saved_report_id: str) -> ResponseReturnValue:
    document, token = saved_reports.share(
        context(), access.project.project_key, saved_report_id, fields, now_ms=clock.fetch_now_ms()
    )
    base = (context().config.public_url or request.url_root).rstrip("/")
    answer = {"token": token, "url": f"{base}/v1/shared/{token}", **saved_reports.format_share(document)}
    response = jsonify(answer)
    response.headers["Cache-Control"] = "no-store"
    return response, 201


@bp.delete("/v1/saved-reports/<saved_report_id>/share")
@needs_editor
@audited("saved_report.unshare")
def unshare_saved_report(access: Access, fields: dict[str, Any], saved_report_id: str) -> ResponseReturnValue:
    refuse_fields(fields)
    project_key = access.project.project_key
    document = saved_reports.unshare(context(), project_key, saved_report_id, now_ms=clock.fetch_now_ms())
    return jsonify(format_saved_report(document))


@bp.get("/v1/shared/<token>/about")
def describe_shared_report(token: str) -> ResponseReturnValue:
    limit_caller(Caller())
    document, _ = saved_reports.fetch_shared(context(), token, now_ms=clock.fetch_now_ms())
    return jsonify(saved_reports.format_shared(document))


@bp.get("/v1/shared/<token>")
def show_shared_report(token: str) -> Response:
    # whoever it is: requests are counted by the client's address, and no credentials are looked at
    limit_caller(Caller())
    asked_format = read_query({"format"})
    document, project = saved_reports.fetch_shared(context(), token, now_ms=clock.fetch_now_ms())
    report, question = saved_reports.build_question(document, asked_format)
    response = answer_report(report, question, project)
    response.headers["Cache-Control"] = "no-store"
    return response
