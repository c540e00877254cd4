"""/v1/projects: create, list, show, change, deactivate and erase projects."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.audit import audited, declares_acts, note_act, recorded_act
from routes.auth import authorize_request, identify_request, needs_scope
from routes.keys import bp as keys_bp
from routes.requests import context, read_json_object, read_query
from services import auth, clock, organisations, projects
from services.auth import Access
from services.errors import InvalidInput
from services.keys import Scope
from services.projects import ProjectState

bp = Blueprint("projects", __name__)
bp.register_blueprint(keys_bp)


@bp.post("/v1/projects")
@declares_acts("project.create")
def create_project() -> ResponseReturnValue:
    caller = identify_request()
    organisations.require_project_maker(context(), caller)
    with recorded_act("project.create"):
        fields = organisations.choose_home(context(), caller, read_json_object())
        project, secret = projects.create_project(context(), fields, clock.fetch_now_ms())
        note_act(project_key=project.project_key, organisation_id=project.organisation_id)
    return jsonify({**projects.format_project(project), "apiKey": secret}), 201


@bp.get("/v1/projects")
def list_projects() -> ResponseReturnValue:
    named_key = read_query({"projectKey"}).get("projectKey")
    found = auth.list_projects_of_caller(context(), identify_request(), named_key, now_ms=clock.fetch_now_ms())
    return jsonify({"projects": [projects.format_project(project) for project in found]})


@bp.get("/v1/projects/<project_key>")
@needs_scope(Scope.READ, reach=ProjectState.INACTIVE)
def show_project(access: Access) -> ResponseReturnValue:
    return jsonify(projects.format_project(access.project))


@bp.patch("/v1/projects/<project_key>")
@needs_scope(Scope.ADMIN, reach=ProjectState.INACTIVE)
@audited("project.update")
def update_project(access: Access) -> ResponseReturnValue:
    fields = read_json_object()
    organisations.check_home(context(), identify_request(), fields, home=access.project.organisation_id)
    project = projects.update_project(context(), access.project.project_key, fields)
    note_act(fields=sorted(fields))
    return jsonify(projects.format_project(project))


@bp.delete("/v1/projects/<project_key>")
@declares_acts("project.deactivate", "project.erase")
def remove_project(project_key: str) -> ResponseReturnValue:
    if not _reads_erase():
        access = authorize_request(Scope.ADMIN, project_key, reach=ProjectState.INACTIVE)
        with recorded_act("project.deactivate", access):
            project = projects.deactivate_project(context(), access.project.project_key)
        return jsonify(projects.format_project(project))
    # An erasure that was cut short is finished by the same request, so it reaches what it erased before.
    access = authorize_request(Scope.ADMIN, project_key, reach=ProjectState.ERASED)
    with recorded_act("project.erase", access):
        erased_events = projects.erase_project(context(), access.project.project_key, now_ms=clock.fetch_now_ms())
    return jsonify(projects.format_erasure(access.project.project_key, erased_events))


def _reads_erase() -> bool:
    """Whether `?erase=true` is there. Anything but true and false is refused: a slip must not decide what is lost."""
    text = read_query({"erase"}).get("erase", "false")
    if text not in ("true", "false"):
        raise InvalidInput("erase must be true or false", code="invalid_parameter", fields=["erase"])
    return text == "true"
