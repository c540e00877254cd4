"""/v1/users/<id>/data: all that is held about a person, to give to that person or to erase."""

from __future__ import annotations

import hashlib
import hmac

from flask import Blueprint, Response, jsonify, stream_with_context
from flask.typing import ResponseReturnValue

from routes.audit import declares_acts, recorded_act
from routes.auth import authorize_request
from routes.requests import context, read_query
from services import clock, erasure, person_data
from services.auth import Access
from services.errors import InvalidInput
from services.keys import Scope
from services.projects import ProjectState
from services.reports.user import parse_user_id

bp = Blueprint("persons", __name__)


@bp.get("/v1/users/<any_text:person_id>/data")
@declares_acts("person.read")
def show_data(person_id: str) -> ResponseReturnValue:
    access = _authorize()
    with recorded_act("person.read", access, person=_hash_id(access, person_id)):
        project = access.project
        person = erasure.find_person(context(), project, _check_id(person_id))
        if not person.event_count and not erasure.is_named_in_rejections(context(), project, person):
            raise erasure.build_unknown()
    lines = person_data.stream_person(context(), project, person)
    response = Response(stream_with_context(lines), mimetype="application/x-ndjson")
    response.headers["Content-Disposition"] = 'attachment; filename="person.ndjson"'
    return response


@bp.delete("/v1/users/<any_text:person_id>/data")
@declares_acts("person.erase")
def erase_data(person_id: str) -> ResponseReturnValue:
    access = _authorize()
    with recorded_act("person.erase", access, person=_hash_id(access, person_id)):
        erased = erasure.erase_person(context(), access.project, _check_id(person_id), now_ms=clock.fetch_now_ms())
    return jsonify({"userId": person_id, **erasure.format_erasure(erased)})


def _authorize() -> Access:
    project_key = read_query({"projectKey"}).get("projectKey")
    return authorize_request(Scope.ADMIN, project_key, reach=ProjectState.INACTIVE)


def _check_id(person_id: str) -> str:
    try:
        return parse_user_id(person_id)
    except ValueError as exc:
        raise InvalidInput(f"userId {exc}", code="invalid_parameter", fields=["userId"]) from None


def _hash_id(access: Access, person_id: str) -> str:
    """What the audit log has in place of the id: who knows the id and SECRET_KEY can tell that it was meant."""
    text = f"{access.project.project_key}:{person_id}".encode("utf-8", "replace")
    return hmac.new(context().config.secret_key.encode(), text, hashlib.sha256).hexdigest()
