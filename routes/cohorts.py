"""/v1/cohorts: groups of persons, kept to be named in filters."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.audit import audited, note_act
from routes.named_projects import needs_editor, needs_reader, refuse_fields
from routes.requests import context
from services import clock, cohorts
from services.auth import Access
from services.cohort_sizes import count_persons
from services.cohorts import COHORTS

bp = Blueprint("cohorts", __name__)


@bp.get("/v1/cohorts")
@needs_reader
def list_cohorts(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    refuse_fields(fields)
    found = COHORTS.list(context(), access.project.project_key)
    return jsonify({"cohorts": [cohorts.format_entry(document) for document in found]})


@bp.post("/v1/cohorts")
@needs_editor
@audited("cohort.create")
def create_cohort(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    made = cohorts.create_cohort(context(), access.project.project_key, fields, now_ms=clock.fetch_now_ms())
    note_act(cohort_id=made["id"])
    return jsonify(cohorts.format_cohort(made)), 201


@bp.get("/v1/cohorts/<cohort_id>")
@needs_reader
def show_cohort(access: Access, fields: dict[str, Any], cohort_id: str) -> ResponseReturnValue:
    refuse_fields(fields)
    return jsonify(cohorts.format_cohort(COHORTS.fetch(context(), access.project.project_key, cohort_id)))


@bp.patch("/v1/cohorts/<cohort_id>")
@needs_editor
@audited("cohort.update")
def update_cohort(access: Access, fields: dict[str, Any], cohort_id: str) -> ResponseReturnValue:
    changed = cohorts.update_cohort(
        context(), access.project.project_key, cohort_id, fields, now_ms=clock.fetch_now_ms()
    )
    note_act(fields=sorted(fields))
    return jsonify(cohorts.format_cohort(changed))


@bp.delete("/v1/cohorts/<cohort_id>")
@needs_editor
@audited("cohort.delete")
def delete_cohort(access: Access, fields: dict[str, Any], cohort_id: str) -> ResponseReturnValue:
    refuse_fields(fields)
    return jsonify(cohorts.format_cohort(COHORTS.delete(context(), access.project.project_key, cohort_id)))


@bp.get("/v1/cohorts/<cohort_id>/count")
@needs_reader
def count_cohort(access: Access, fields: dict[str, Any], cohort_id: str) -> ResponseReturnValue:
    refuse_fields({name: value for name, value in fields.items() if name not in ("tz", "includeBots")})
    return jsonify(count_persons(context(), access.project, cohort_id, fields))
