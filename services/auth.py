"""Who may do what. Credentials are a secret (SECRET_TOKEN, an API key, or a projectKey in its place) and a projectKey.

Nothing is remembered between requests: each reads the key and the project from the store, so that a revocation or
a deactivation holds at once in every process and on every host.
"""

from __future__ import annotations

import hmac

import msgspec

from services import keys
from services.context import Context
from services.errors import Forbidden, InvalidInput, Unauthorized
from services.keys import ApiKey
from services.keys import Scope as Scope
from services.projects import Project, ProjectState, fetch_project, is_project_key


class Caller(msgspec.Struct, frozen=True):
    """Whom the secret of a request shows; with nothing set, nobody."""

    is_root: bool = False
    key: ApiKey | None = None
    public_key: str | None = None
    """A projectKey sent as if it were a secret: it says which project, and proves nothing."""

    @property
    def project_key(self) -> str | None:
        """The project that the credentials stand for; None if they are not bound to one."""
        return self.key.project_key if self.key else self.public_key


class Access(msgspec.Struct, frozen=True):
    """A granted request: on which project, and by what right."""

    project: Project
    key_id: str | None = None
    """The API key used; None for SECRET_TOKEN and for requests without a secret."""
    is_root: bool = False


def authorize(
    context: Context,
    *,
    secret: str | None,
    project_key: str | None,
    scope: Scope,
    now_ms: int,
    reach: ProjectState = ProjectState.ACTIVE,
) -> Access:
    """Permission to do `scope` in the project that the key decides, or else `project_key` names.

    `reach` is how far gone a project may be for SECRET_TOKEN, and in development for requests without a secret;
    an API key never acts on a project that is not active. Without a secret everything goes in development; in
    production only ingest, where the project allows it. Raises Unauthorized, Forbidden, or InvalidInput when no
    project is named.
    """
    caller = identify_caller(context, secret, now_ms=now_ms)
    return authorize_caller(context, caller, project_key=project_key, scope=scope, reach=reach)


def authorize_caller(
    context: Context, caller: Caller, *, project_key: str | None, scope: Scope, reach: ProjectState
) -> Access:
    """As `authorize`, for credentials that were already looked up."""
    is_public = not caller.is_root and caller.key is None and context.config.is_production
    named_key = caller.project_key or project_key
    if is_public and (scope is not Scope.INGEST or not named_key):
        raise _no_credentials()
    if not named_key:
        raise InvalidInput("projectKey is required", code="missing_project_key", fields=["projectKey"])
    if project_key and project_key != named_key:
        raise Forbidden("The API key belongs to another project", code="wrong_project", fields=["projectKey"])
    if caller.key is not None and not caller.key.allows(scope):
        raise Forbidden(f"The API key lacks the scope '{scope}'", code="missing_scope")
    project = fetch_project(context, named_key, reach=ProjectState.ACTIVE if caller.key or is_public else reach)
    if is_public and not project.allow_public_ingest:
        raise _no_credentials()
    return Access(project, caller.key.key_id if caller.key else None, caller.is_root)


def authorize_root(context: Context, *, secret: str | None, now_ms: int) -> None:
    """Permission to act on the whole installation: SECRET_TOKEN, or in development no secret at all."""
    caller = identify_caller(context, secret, now_ms=now_ms)
    if _is_unlimited(context, caller):
        return
    if caller.key is None:
        raise _no_credentials()
    raise Forbidden("This needs SECRET_TOKEN; an API key belongs to one project", code="secret_token_required")


def authorize_listing(context: Context, *, secret: str | None, project_key: str | None, now_ms: int) -> str | None:
    """The one project that the caller gets to see in a list; None for all of them."""
    caller = identify_caller(context, secret, now_ms=now_ms)
    if _is_unlimited(context, caller):
        return project_key
    access = authorize_caller(context, caller, project_key=project_key, scope=Scope.READ, reach=ProjectState.INACTIVE)
    return access.project.project_key


def identify_caller(context: Context, secret: str | None, *, now_ms: int) -> Caller:
    """Whom the secret shows; Unauthorized for one that is not known or does not work any more, in development too."""
    if not secret:
        return Caller()
    if _is_secret_token(context, secret):
        return Caller(is_root=True)
    if is_project_key(secret):
        return Caller(public_key=secret)
    return Caller(key=keys.authenticate(context, secret, now_ms=now_ms))


def _is_secret_token(context: Context, secret: str) -> bool:
    token = context.config.secret_token
    return bool(token) and hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), str(token).encode())


def _is_unlimited(context: Context, caller: Caller) -> bool:
    return caller.is_root or (caller == Caller() and not context.config.is_production)


def _no_credentials() -> Unauthorized:
    return Unauthorized(
        "Credentials are required: an API key in the header X-API-Key or Authorization: Bearer",
        code="missing_credentials",
    )
