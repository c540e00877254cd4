"""The credentials of a request, and decorators that say what a view needs before it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from flask import g, request
from flask.typing import ResponseReturnValue

from routes.limits import limit_caller, note_bad_credentials
from routes.requests import context
from services import auth, clock
from services.auth import Access, Caller
from services.errors import Unauthorized
from services.keys import Scope
from services.projects import ProjectState
from services.users import User

View = Callable[..., ResponseReturnValue]


def read_secret() -> str | None:
    """What was sent as X-API-Key, else as Authorization: Bearer; None for nothing. Other schemes are not ours."""
    environ = request.environ
    secret = environ.get("HTTP_X_API_KEY", "").strip()
    if not secret:
        scheme, _, rest = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        secret = rest.strip() if scheme.lower() == "bearer" else ""
    # WSGI hands headers over as Latin-1, SECRET_TOKEN is UTF-8.
    return secret.encode("latin-1", "replace").decode("utf-8", "replace") or None


def identify_request() -> Caller:
    """Who sends this request, whose requests are counted. Unauthorized, TooManyRequests."""
    if "caller" in g:
        return cast(Caller, g.caller)
    try:
        caller = auth.identify_caller(context(), read_secret(), now_ms=clock.fetch_now_ms())
    except Unauthorized:
        note_bad_credentials()
        raise
    limit_caller(caller)
    return caller


def authorize_request(
    scope: Scope,
    project_key: str | None,
    *,
    reach: ProjectState = ProjectState.ACTIVE,
    default_project: bool = False,
) -> Access:
    """Permission for this request to do `scope` in the project that its key decides, or else `project_key` names.

    With `default_project`, SECRET_TOKEN, a superuser, and in development whoever sends nothing, mean the project
    `default` when they name none.
    """
    return auth.authorize_caller(
        context(),
        identify_request(),
        project_key=project_key,
        scope=scope,
        now_ms=clock.fetch_now_ms(),
        reach=reach,
        default_project=default_project,
    )


def needs_scope(scope: Scope, *, reach: ProjectState = ProjectState.ACTIVE) -> Callable[[View], View]:
    """The view acts on the project in its path, and gets the `Access` to it as first argument in place of the key."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*, project_key: str, **arguments: Any) -> ResponseReturnValue:
            return view(authorize_request(scope, project_key, reach=reach), **arguments)

        return guarded

    return decorate


def needs_root(view: View) -> View:
    """The view acts on the installation: SECRET_TOKEN, a superuser, in development also no secret at all."""

    @wraps(view)
    def guarded(**arguments: Any) -> ResponseReturnValue:
        auth.require_root(context(), identify_request())
        return view(**arguments)

    return guarded


def needs_user(view: View) -> View:
    """The view acts on the user who logged in, and gets it as first argument."""

    @wraps(view)
    def guarded(**arguments: Any) -> ResponseReturnValue:
        user: User = auth.require_user(identify_request())
        return view(user, **arguments)

    return guarded
