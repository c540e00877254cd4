"""/v1/annotations: what happened when, kept beside the reports."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.audit import audited, note_act
from routes.named_projects import needs_editor, needs_reader, refuse_fields
from routes.requests import context
from services import annotations as kept_annotations
from services import clock
from services.annotations import ANNOTATIONS, format_annotation
from services.auth import Access

bp = Blueprint("annotations", __name__)


@bp.get("/v1/annotations")
@needs_reader
def list_annotations(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    found = kept_annotations.list_annotations(context(), access.project, fields)
    return jsonify({"annotations": [format_annotation(document) for document in found]})


@bp.post("/v1/annotations")
@needs_editor
@audited("annotation.create")
def create_annotation(access: Access, fields: dict[str, Any]) -> ResponseReturnValue:
    made = kept_annotations.create_annotation(
        context(), access.project.project_key, fields, now_ms=clock.fetch_now_ms()
    )
    note_act(annotation_id=made["id"])
    return jsonify(format_annotation(made)), 201


@bp.patch("/v1/annotations/<annotation_id>")
@needs_editor
@audited("annotation.update")
def update_annotation(access: Access, fields: dict[str, Any], annotation_id: str) -> ResponseReturnValue:
    changed = kept_annotations.update_annotation(
        context(), access.project.project_key, annotation_id, fields, now_ms=clock.fetch_now_ms()
    )
    note_act(fields=sorted(fields))
    return jsonify(format_annotation(changed))


@bp.delete("/v1/annotations/<annotation_id>")
@needs_editor
@audited("annotation.delete")
def delete_annotation(access: Access, fields: dict[str, Any], annotation_id: str) -> ResponseReturnValue:
    refuse_fields(fields)
    return jsonify(format_annotation(ANNOTATIONS.delete(context(), access.project.project_key, annotation_id)))
