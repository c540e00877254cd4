"""Views on what analysts keep in a project: the query or the body names the project, where the key does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from routes.auth import authorize_request, identify_request
from routes.requests import read_json_object, read_query
from services.auth import Access
from services.errors import Forbidden, InvalidInput
from services.fields import MAX_SHOWN_NAME
from services.keys import Scope

View = Callable[..., ResponseReturnValue]


def needs_reader(view: View) -> View:
    """The view reads; it gets the `Access` and the other fields of the request as its first arguments."""
    return _guard(view, partial(authorize_request, Scope.READ))


def needs_editor(view: View) -> View:
    """The view changes what all analysts of the project share, and gets the same arguments. That needs the scope
    `admin`, or a user whose role is at least `analyst`."""
    return _guard(view, _authorize_editing)


def _guard(view: View, authorize: Callable[[str | None], Access]) -> View:
    @wraps(view)
    def guarded(**arguments: Any) -> ResponseReturnValue:
        identify_request()
        fields = read_fields()
        access = authorize(read_project_key(fields))
        fields.pop("projectKey", None)
        return view(access, fields, **arguments)

    return guarded


def _authorize_editing(project_key: str | None) -> Access:
    access = authorize_request(Scope.READ, project_key)
    if access.can_edit:
        return access
    if access.user_id is not None:
        raise Forbidden("Your role may not change what is kept in the project", code="missing_role")
    raise Forbidden(f"The API key lacks the scope '{Scope.ADMIN}'", code="missing_scope")


def read_fields() -> dict[str, Any]:
    """The fields of the query; where the method has a body, those of that, and of the query only the project."""
    if request.method not in ("POST", "PATCH"):
        return dict(read_query())
    return join_fields(read_query({"projectKey"}), read_json_object(optional=True))


def join_fields(query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """The fields of both. InvalidInput for one that is in both."""
    for name in query.keys() & body.keys():
        shown = name[:MAX_SHOWN_NAME]
        raise InvalidInput(f"{shown} is given in the query and in the body", code="invalid_parameter", fields=[shown])
    return query | body


def read_project_key(fields: dict[str, Any]) -> str | None:
    """The project that a request names, if it names one."""
    project_key = fields.get("projectKey")
    if project_key is not None and not isinstance(project_key, str):
        raise InvalidInput("projectKey must be text", fields=["projectKey"])
    return project_key


def refuse_fields(fields: dict[str, Any]) -> None:
    """Raise InvalidInput for fields of a request that takes none but the project."""
    for name in fields:
        shown = name[:MAX_SHOWN_NAME]
        raise InvalidInput(f"{shown} is not a parameter here", code="invalid_parameter", fields=[shown])
