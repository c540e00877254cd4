"""What each route asks of its caller. A new route has to be put here: the tests of permissions say so by name.

One line a route. Routes of one kind, such as reports, are told by how their address begins.
"""

from __future__ import annotations

from enum import Enum, auto


class Right(Enum):
    """What a caller needs to have, or to be."""

    PUBLIC = auto()
    """Nothing."""
    INGEST = auto()
    """May send events to the project; a projectKey alone will do."""
    READ = auto()
    """May read the project's reports."""
    LIST = auto()
    """May read anything at all; gets to see that."""
    EDIT = auto()
    """May change what all analysts of the project share."""
    ADMIN = auto()
    """May administer the project."""
    ROOT = auto()
    """SECRET_TOKEN or a superuser."""
    REGISTRAR = auto()
    """May register users and apps; where REGISTRATION is `invite` as ROOT."""
    MAKER = auto()
    """May make projects: owner or admin of some organisation."""
    USER = auto()
    """Is a user, who acts on himself."""
    FOUNDER = auto()
    """May found organisations: every user."""
    MEMBER = auto()
    """Is a member of the organisation."""
    ORGANISATION_ADMIN = auto()
    """Is admin or owner of the organisation."""
    ORGANISATION_OWNER = auto()
    """Is owner of the organisation."""


CALLERS = (
    "nobody", "public key", "ingest key", "read key", "admin key", "other project's key",
    "viewer", "analyst", "admin", "owner", "outsider", "superuser", "root",
)  # fmt: skip
"""`outsider` owns another organisation, and `other project's key` may do everything in its project."""

_ROOT = {"superuser", "root"}
_USERS = {"viewer", "analyst", "admin", "owner", "outsider", "superuser"}
_MANAGERS = {"admin", "owner"} | _ROOT

ALLOWED: dict[Right, set[str]] = {
    Right.PUBLIC: set(CALLERS),
    Right.INGEST: {"nobody", "public key", "ingest key", "admin key"} | _MANAGERS,
    Right.READ: {"read key", "admin key", "viewer", "analyst"} | _MANAGERS,
    Right.LIST: {"read key", "admin key", "viewer", "analyst"} | _MANAGERS,
    Right.EDIT: {"admin key", "analyst"} | _MANAGERS,
    Right.ADMIN: {"admin key"} | _MANAGERS,
    Right.ROOT: _ROOT,
    Right.REGISTRAR: _ROOT,
    Right.MAKER: {"outsider"} | _MANAGERS,
    Right.USER: _USERS,
    Right.FOUNDER: _USERS | {"root"},
    Right.MEMBER: {"viewer", "analyst"} | _MANAGERS,
    Right.ORGANISATION_ADMIN: _MANAGERS,
    Right.ORGANISATION_OWNER: {"owner"} | _ROOT,
}
OF_ORGANISATIONS = {Right.MEMBER, Right.ORGANISATION_ADMIN, Right.ORGANISATION_OWNER}

RIGHTS: dict[tuple[str, str], Right] = {
    ("GET", "/health"): Right.PUBLIC,
    ("GET", "/health/ready"): Right.PUBLIC,
    ("GET", "/metrics"): Right.PUBLIC,
    ("GET", "/db/health"): Right.PUBLIC,
    ("POST", "/db/test-insert"): Right.ROOT,
    ("POST", "/api/auth/register"): Right.REGISTRAR,
    ("POST", "/api/auth/login"): Right.PUBLIC,
    ("GET", "/api/auth/methods"): Right.PUBLIC,
    ("POST", "/api/auth/refresh"): Right.USER,
    ("GET", "/api/auth/me"): Right.USER,
    ("POST", "/api/auth/password"): Right.USER,
    ("POST", "/api/auth/logout-everywhere"): Right.USER,
    ("GET", "/api/auth/users"): Right.ROOT,
    ("PATCH", "/api/auth/users/<user_id>"): Right.ROOT,
    ("GET", "/v1/projects"): Right.LIST,
    ("POST", "/v1/projects"): Right.MAKER,
    ("GET", "/v1/projects/<project_key>"): Right.READ,
    ("PATCH", "/v1/projects/<project_key>"): Right.ADMIN,
    ("DELETE", "/v1/projects/<project_key>"): Right.ADMIN,
    ("GET", "/v1/projects/<project_key>/keys"): Right.ADMIN,
    ("POST", "/v1/projects/<project_key>/keys"): Right.ADMIN,
    ("DELETE", "/v1/projects/<project_key>/keys/<key_id>"): Right.ADMIN,
    ("POST", "/v1/projects/<project_key>/keys/<key_id>/rotate"): Right.ADMIN,
    ("GET", "/v1/organisations"): Right.FOUNDER,
    ("POST", "/v1/organisations"): Right.FOUNDER,
    ("GET", "/v1/organisations/<organisation_id>"): Right.MEMBER,
    ("PATCH", "/v1/organisations/<organisation_id>"): Right.ORGANISATION_OWNER,
    ("DELETE", "/v1/organisations/<organisation_id>"): Right.ORGANISATION_OWNER,
    ("GET", "/v1/organisations/<organisation_id>/members"): Right.MEMBER,
    ("PATCH", "/v1/organisations/<organisation_id>/members/<user_id>"): Right.ORGANISATION_ADMIN,
    ("DELETE", "/v1/organisations/<organisation_id>/members/<user_id>"): Right.ORGANISATION_ADMIN,
    ("GET", "/v1/organisations/<organisation_id>/invitations"): Right.ORGANISATION_ADMIN,
    ("POST", "/v1/organisations/<organisation_id>/invitations"): Right.ORGANISATION_ADMIN,
    ("DELETE", "/v1/organisations/<organisation_id>/invitations/<invitation_id>"): Right.ORGANISATION_ADMIN,
    ("POST", "/v1/invitations/accept"): Right.USER,
    ("GET", "/v1/audit-log"): Right.ADMIN,
    ("GET", "/v1/users/<any_text:person_id>/data"): Right.ADMIN,
    ("DELETE", "/v1/users/<any_text:person_id>/data"): Right.ADMIN,
    ("POST", "/v1/events/batch"): Right.INGEST,
    ("GET", "/v1/pixel.gif"): Right.INGEST,
    ("GET", "/v1/rejections"): Right.READ,
    ("POST", "/v1/annotations"): Right.EDIT,
    ("PATCH", "/v1/annotations/<annotation_id>"): Right.EDIT,
    ("DELETE", "/v1/annotations/<annotation_id>"): Right.EDIT,
    ("POST", "/v1/cohorts"): Right.EDIT,
    ("PATCH", "/v1/cohorts/<cohort_id>"): Right.EDIT,
    ("DELETE", "/v1/cohorts/<cohort_id>"): Right.EDIT,
    ("POST", "/v1/saved-reports"): Right.EDIT,
    ("PATCH", "/v1/saved-reports/<saved_report_id>"): Right.EDIT,
    ("DELETE", "/v1/saved-reports/<saved_report_id>"): Right.EDIT,
    ("POST", "/v1/saved-reports/<saved_report_id>/share"): Right.EDIT,
    ("DELETE", "/v1/saved-reports/<saved_report_id>/share"): Right.EDIT,
    ("GET", "/v1/shared/<token>"): Right.PUBLIC,
    ("GET", "/v1/shared/<token>/about"): Right.PUBLIC,
    ("POST", "/track"): Right.INGEST,
    ("GET", "/api/auth/api-key"): Right.READ,
    ("POST", "/api/auth/revoke"): Right.ADMIN,
    ("POST", "/api/analytics/collect"): Right.INGEST,
    ("POST", "/api/events"): Right.INGEST,
    ("GET", "/v1/live/stream"): Right.READ,
    ("GET", "/api/realtime/stats"): Right.READ,
}
BEGINNINGS: dict[tuple[str, str], Right] = {
    ("GET", "/v1/reports/"): Right.READ,
    ("POST", "/v1/reports/"): Right.READ,
    ("GET", "/v1/annotations"): Right.READ,
    ("GET", "/v1/catalogue"): Right.READ,
    ("GET", "/v1/cohorts"): Right.READ,
    ("GET", "/v1/saved-reports"): Right.READ,
    ("GET", "/api/analytics/"): Right.READ,
    ("GET", "/api/events"): Right.READ,
}
"""Where RIGHTS names no route: by method and how the address begins."""

TESTED_ELSEWHERE = {
    "/api/auth/google": "test_google: needs a provider",
    "/api/auth/google/callback": "test_google: needs a provider",
    "/swagger": "the documentation", "/redoc": "the documentation", "/docs": "the documentation",
    "/api/docs": "the documentation", "/oauth2-redirect.html": "the documentation",
    "/apispec.json": "the documentation",
    "/apidocs/index.html": "the documentation", "/flasgger_static/<path:filename>": "the documentation",
    "/api/realtime": "test_realtime: a page", "/api/realtime/ws": "test_realtime: a WebSocket",
    "/t.js": "test_web: a file for everybody", "/dashboard": "test_web: a page",
    "/shared/<token>": "test_web: a page", "/web/<path:name>": "test_web: files",
}  # fmt: skip


def find_right(method: str, rule: str) -> Right | None:
    """What the route asks of its caller; None for one that is not classified."""
    by_beginning = (right for (of, start), right in BEGINNINGS.items() if of == method and rule.startswith(start))
    return RIGHTS.get((method, rule)) or next(by_beginning, None)


def expect_status(right: Right, caller: str, *, names_tenant: bool) -> int | None:
    """The status with which the caller is refused; None for one who is let in.

    Where a request names nothing of the tenant's, who belongs to another one means that, and is let in to it.
    """
    same_right_elsewhere = {"other project's key": "admin key", "outsider": "owner"}
    meant = caller if names_tenant else same_right_elsewhere.get(caller, caller)
    if meant in ALLOWED[right] or caller in ALLOWED[right]:
        return None
    if caller in ("nobody", "public key"):
        return 401
    return 404 if right in OF_ORGANISATIONS and caller == "outsider" else 403
