"""Who may do what. Credentials are a secret (SECRET_TOKEN, an API key, a user's access token, or a projectKey in their
place) and a projectKey.

Nothing is remembered between requests: each reads the key or the user, and the project, from the store, so that a
revocation or a deactivation holds at once in every process and on every host.
"""

from __future__ import annotations

import hmac

import msgspec

from services import keys, memberships, tokens, users
from services.context import Context
from services.default_project import fetch_default_project
from services.errors import Forbidden, InvalidInput, Unauthorized
from services.keys import ApiKey
from services.keys import Scope as Scope
from services.project_fields import is_project_key
from services.projects import (
    Project,
    ProjectState,
    build_unknown_project,
    check_reach,
    fetch_project,
    list_projects,
)
from services.users import User


class Caller(msgspec.Struct, frozen=True):
    """Whom the secret of a request shows; with nothing set, nobody."""

    is_root: bool = False
    """SECRET_TOKEN, or a superuser."""
    key: ApiKey | None = None
    public_key: str | None = None
    """A projectKey sent as if it were a secret: it says which project, and proves nothing."""
    user: User | None = None
    logged_in_at: int = 0
    """When the login was that the user's token carries on, in Unix time in seconds; 0 for who did not log in."""

    @property
    def project_key(self) -> str | None:
        """The project that the credentials stand for; None if they are not bound to one."""
        return self.key.project_key if self.key else self.public_key

    @property
    def is_nobody(self) -> bool:
        return not self.is_root and self.key is None and self.public_key is None and self.user is None


class Access(msgspec.Struct, frozen=True):
    """A granted request: on which project, and by what right."""

    project: Project
    key_id: str | None = None
    """The API key used; None for SECRET_TOKEN, for users and for requests without a secret."""
    is_root: bool = False
    user_id: str | None = None
    can_edit: bool = False
    """Whether what all analysts of the project share, such as saved reports, may be changed."""


def identify_caller(context: Context, secret: str | None, *, now_ms: int) -> Caller:
    """Whom the secret shows; Unauthorized for one that is not known or does not work any more, in development too."""
    if not secret:
        return Caller()
    if _is_secret_token(context, secret):
        return Caller(is_root=True)
    if is_project_key(secret):
        return Caller(public_key=secret)
    if tokens.looks_signed(secret):
        token = tokens.read_access_token(context, secret, now_ms=now_ms)
        user = users.authenticate_token(context, token)
        return Caller(is_root=user.is_superuser, user=user, logged_in_at=token.logged_in_at)
    return Caller(key=keys.authenticate(context, secret, now_ms=now_ms))


def authorize_caller(
    context: Context,
    caller: Caller,
    *,
    project_key: str | None,
    scope: Scope,
    now_ms: int,
    reach: ProjectState = ProjectState.ACTIVE,
    default_project: bool = False,
) -> Access:
    """Permission to do `scope` in the project that the key decides, or else `project_key` names.

    `reach` is how far gone a project may be for SECRET_TOKEN and users, and in development for requests without a
    secret; an API key never acts on a project that is not active. Without a secret everything goes in development; in
    production only ingest, where the project allows it. With `default_project`, who may do everything and names no
    project means the default one; in development so does a user who has none. Raises Unauthorized, Forbidden, or
    InvalidInput when no project is named.
    """
    if caller.user is not None and not caller.is_root:
        if default_project and _is_guest(context, caller.user, project_key):
            return _grant(caller, fetch_default_project(context, now_ms), is_public=False)
        return _authorize_user(context, caller.user, project_key=project_key, scope=scope, reach=reach)
    is_public = not caller.is_root and caller.key is None and context.config.is_production
    named_key = caller.project_key or project_key
    if is_public and (scope is not Scope.INGEST or not named_key):
        raise no_credentials()
    if not named_key and default_project:
        return _grant(caller, fetch_default_project(context, now_ms), is_public=False)
    if not named_key and caller.user is not None:
        named_key = _find_only_key(context, caller.user, reach)
    if not named_key:
        raise _no_project()
    if project_key and project_key != named_key:
        raise Forbidden("The API key belongs to another project", code="wrong_project", fields=["projectKey"])
    if caller.key is not None and not caller.key.allows(scope):
        raise Forbidden(f"The API key lacks the scope '{scope}'", code="missing_scope")
    project = fetch_project(context, named_key, reach=ProjectState.ACTIVE if caller.key or is_public else reach)
    if is_public and not project.allow_public_ingest:
        raise no_credentials()
    return _grant(caller, project, is_public=is_public)


def _grant(caller: Caller, project: Project, *, is_public: bool) -> Access:
    return Access(
        project,
        key_id=caller.key.key_id if caller.key else None,
        is_root=caller.is_root,
        user_id=caller.user.user_id if caller.user else None,
        can_edit=caller.key.allows(Scope.ADMIN) if caller.key else not is_public,
    )


def _authorize_user(
    context: Context, user: User, *, project_key: str | None, scope: Scope, reach: ProjectState
) -> Access:
    """By the user's role in the organisation of the project, which by default is the only one he sees."""
    project = fetch_project(context, project_key or _find_only_key(context, user, reach), reach=ProjectState.ERASED)
    role = memberships.fetch_role(context, project.organisation_id, user.user_id)
    if role is None:
        raise build_unknown_project(project.project_key)
    check_reach(project, reach)
    if scope not in role.scopes:
        raise Forbidden(f"Your role '{role}' may not do this in the project", code="missing_role")
    return Access(project, user_id=user.user_id, can_edit=role.can_edit)


def _is_guest(context: Context, user: User, project_key: str | None) -> bool:
    """Whether the user has no project in development: there, who logs in is not to be let do less than nobody."""
    return not project_key and not context.config.is_production and not list_visible_projects(context, user)


def _find_only_key(context: Context, user: User, reach: ProjectState) -> str:
    found = [project for project in list_visible_projects(context, user) if project.state <= reach]
    if len(found) != 1:
        raise _no_project()
    return found[0].project_key


def list_visible_projects(context: Context, user: User) -> list[Project]:
    """The projects of the user's organisations, oldest first."""
    found = [
        project
        for membership in memberships.list_of_user(context, user.user_id)
        for project in list_projects(context, organisation_id=membership.organisation_id)
    ]
    return sorted(found, key=lambda project: (project.created_at, project.project_key))


def list_projects_of_caller(context: Context, caller: Caller, project_key: str | None, *, now_ms: int) -> list[Project]:
    """The projects that the caller may read, oldest first; with a key the one it names."""
    if is_unlimited(context, caller):
        return list_projects(context, project_key)
    if caller.user is not None and project_key is None:
        return list_visible_projects(context, caller.user)
    access = authorize_caller(
        context, caller, project_key=project_key, scope=Scope.READ, now_ms=now_ms, reach=ProjectState.INACTIVE
    )
    return [access.project]


def require_root(context: Context, caller: Caller) -> None:
    """Permission to act on the whole installation: SECRET_TOKEN, a superuser, or in development no secret at all."""
    if is_unlimited(context, caller):
        return
    if caller.key is None and caller.user is None:
        raise no_credentials()
    raise Forbidden("This needs SECRET_TOKEN or a superuser", code="secret_token_required")


def require_registrar(context: Context, caller: Caller) -> None:
    """Permission to register users and apps: anybody's where REGISTRATION is open, else as `require_root`.

    There, nobody is let in without a secret in development either.
    """
    if context.config.registration == "open" or caller.is_root:
        return
    if caller.key is None and caller.user is None:
        raise Unauthorized("Registering needs SECRET_TOKEN, a superuser or an invitation", code="missing_credentials")
    raise Forbidden("Registering needs SECRET_TOKEN, a superuser or an invitation", code="registration_closed")


def require_user(caller: Caller) -> User:
    """The user who calls; Forbidden for keys and SECRET_TOKEN, which are nobody in particular."""
    if caller.user is not None:
        return caller.user
    if caller.key is not None or caller.is_root:
        raise Forbidden("This needs a user who logged in", code="user_required")
    raise Unauthorized("Log in, and send the token as Authorization: Bearer", code="missing_credentials")


def is_unlimited(context: Context, caller: Caller) -> bool:
    """Whether the caller may do everything: root, and in development who sends no secret."""
    return caller.is_root or (caller.is_nobody and not context.config.is_production)


def no_credentials() -> Unauthorized:
    return Unauthorized(
        "Credentials are required: an API key in the header X-API-Key or Authorization: Bearer",
        code="missing_credentials",
    )


def _no_project() -> InvalidInput:
    return InvalidInput("projectKey is required", code="missing_project_key", fields=["projectKey"])


def _is_secret_token(context: Context, secret: str) -> bool:
    token = context.config.secret_token
    return bool(token) and hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), str(token).encode())
