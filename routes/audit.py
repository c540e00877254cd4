"""The audit log: `audited` records what a view does, /v1/audit-log shows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import msgspec
from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from routes.auth import authorize_request, identify_request
from routes.requests import context, parse_limit, read_query, request_id
from services import audit, auth, clock, organisations
from services.audit import Entry, Outcome
from services.auth import Access
from services.errors import AppTrackerError
from services.keys import Scope
from services.organisations import Standing
from services.projects import ProjectState
from services.roles import Role

DEFAULT_ENTRIES = 100
OUR_ID = re.compile(r"[0-9a-f]{16,64}")

bp = Blueprint("audit", __name__)

View = TypeVar("View", bound=Callable[..., Any])


def audited(action: str) -> Callable[[View], View]:
    """The view is an administrative act: an entry of the audit log is stored before it runs, and completed after it.

    Put below the decorators that grant the permission (`needs_scope`, `needs_root`): what they refuse is no act, and
    leaves no entry. What the act is on is taken from the view's arguments; what else the entry is about, the view says
    by `note_act`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def recorded(*arguments: Any, **named: Any) -> Any:
            with recorded_act(action, *arguments, **_pick_ids(named)):
                return view(*arguments, **named)

        return cast(View, declares_acts(action)(recorded))

    return decorate


def declares_acts(*actions: str) -> Callable[[View], View]:
    """Say of a view that it opens `recorded_act` itself, since it finds out on its way what is done."""

    def decorate(view: View) -> View:
        view.audited_as = actions  # type: ignore[attr-defined]
        return view

    return decorate


@bp.get("/v1/audit-log")
def list_audit_log() -> ResponseReturnValue:
    query = read_query({"projectKey", "organisationId", "limit", "before"})
    project_key, organisation_id = _authorize_reading(query.get("projectKey"), query.get("organisationId"))
    limit = parse_limit(query.get("limit"), default=DEFAULT_ENTRIES, most=audit.MAX_ENTRIES)
    entries = audit.list_entries(
        context(),
        project_key=project_key,
        organisation_id=organisation_id,
        limit=limit,
        before=audit.parse_cursor(query.get("before")),
    )
    next_page = entries[-1].entry_id if len(entries) == limit else None
    return jsonify({"entries": [audit.format_entry(entry) for entry in entries], "nextBefore": next_page})


def _authorize_reading(project_key: str | None, organisation_id: str | None) -> tuple[str | None, str | None]:
    """What the caller may read about: the project as its administrator, the organisation as its owner, or everything.

    Of both together what is about both. An API key that names nothing reads about its project.
    """
    caller = identify_request()
    if organisation_id is not None:
        organisations.authorize(context(), caller, organisation_id, Role.OWNER)
    if project_key is not None or (caller.key is not None and organisation_id is None):
        project_key = authorize_request(Scope.ADMIN, project_key, reach=ProjectState.ERASED).project.project_key
    if project_key is None and organisation_id is None:
        auth.require_root(context(), caller)
    return project_key, organisation_id


@contextmanager
def recorded_act(action: str, *granted: object, **target: str) -> Iterator[None]:
    """Record what happens in the block, which must begin when the caller is known and the permission granted.

    `granted` may hold the `Access` or the `Standing` by which it was. `target`: ids of what is acted on.
    """
    access = next((each for each in granted if isinstance(each, Access)), None)
    standing = next((each for each in granted if isinstance(each, Standing)), None)
    entry = audit.begin_entry(
        context(),
        action,
        audit.describe_caller(g.caller),
        request_id=request_id(),
        address=request.remote_addr,
        now_ms=clock.fetch_now_ms(),
        project_key=access.project.project_key if access else None,
        organisation_id=_find_organisation_id(access, standing),
        target=_name_as_answers_do(target),
    )
    g.act, g.act_target = {}, {}
    try:
        yield
    except AppTrackerError as error:
        _complete(entry, Outcome.REFUSED, code=error.code)
        raise
    _complete(entry, Outcome.DONE)


def _find_organisation_id(access: Access | None, standing: Standing | None) -> str | None:
    if access is not None:
        return access.project.organisation_id
    return standing.organisation.organisation_id if standing else None


def note_act(*, project_key: str | None = None, organisation_id: str | None = None, **target: Any) -> None:
    """Add to the entry of this request's act what it is about: ids, and as `fields` the names of changed fields."""
    noted = {"project_key": project_key, "organisation_id": organisation_id}
    g.act |= {name: value for name, value in noted.items() if value is not None}
    g.act_target |= _name_as_answers_do(target)


def _complete(entry: Entry, outcome: Outcome, code: str | None = None) -> None:
    target = {**entry.target, **g.act_target}
    audit.complete_entry(context(), msgspec.structs.replace(entry, outcome=outcome, code=code, target=target, **g.act))


def _pick_ids(arguments: Mapping[str, object]) -> dict[str, str]:
    """The ids among a view's arguments. They come from the path: what has another form than ours may be anything."""
    return {
        name: value
        for name, value in arguments.items()
        if name.endswith("_id") and isinstance(value, str) and OUR_ID.fullmatch(value)
    }


def _name_as_answers_do(target: Mapping[str, Any]) -> dict[str, Any]:
    """`key_id` is `keyId` in the log, as in every answer."""
    return {re.sub("_([a-z])", lambda found: found.group(1).upper(), name): each for name, each in target.items()}
