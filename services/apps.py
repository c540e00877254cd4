"""Apps, as references 2 and 5 call projects: registered by name, known by a UUID, with a key that ingests and reads.

An appId is the projectKey written as a UUID, so that neither has to be looked up to find the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from services import auth, clock, keys, organisations, projects
from services.auth import Caller
from services.context import Context
from services.errors import Forbidden
from services.fields import FieldParser, format_stored_time, parse_fields, parse_text
from services.keys import ApiKey, Scope, parse_expiry_ms
from services.project_fields import parse_domain, parse_organisation_id, parse_timezone

APP_ID_END: Final = "8000-8000-617070747263"
"""Version 8 (RFC 9562: of the maker's own kind), then `apptrc`."""
APP_ID: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-" + APP_ID_END)
KEY_DAYS: Final = 365
KEY_NAME: Final = "App key"
KEY_SCOPES: Final = (Scope.INGEST, Scope.READ)

FIELDS_OF_AN_APP: Final[dict[str, FieldParser]] = {
    "name": partial(parse_text, max_length=200),
    "domain": parse_domain,
    "timezone": parse_timezone,
    "organisationId": parse_organisation_id,
    "ownerEmail": partial(parse_text, max_length=254),
    "description": partial(parse_text, max_length=2000),
    "expiresAt": lambda value: value,
}
FIELDS_OF_THE_PROJECT = ("name", "domain", "timezone", "organisationId")
"""The others are taken from clients that send them, and not kept."""


def build_app_id(project_key: str) -> str:
    """The app's id, a UUID."""
    return f"{project_key[:8]}-{project_key[8:]}-{APP_ID_END}"


def parse_app_id(app_id: str) -> str:
    """The projectKey of an app; Forbidden `unknown_project` for what is no app's id."""
    found = APP_ID.fullmatch(app_id.lower())
    if found is None:
        raise Forbidden("There is no app with this appId", code="unknown_project", fields=["appId"])
    return found.group(1) + found.group(2)


def register_app(context: Context, fields: Mapping[str, Any], *, caller: Caller, now_ms: int) -> dict[str, Any]:
    """A new project and its key, which is not to be had again, as the API shows them.

    A user's app comes into the organisation where the user may make projects. Raises InvalidInput, and Unauthorized or
    Forbidden where REGISTRATION asks for more than the caller is.
    """
    values = parse_fields(
        _find_home(context, fields, caller),
        {**FIELDS_OF_AN_APP, "expiresAt": lambda value: parse_expiry_ms(value, now_ms)},
        required=("name",),
    )
    own = {name: values[name] for name in FIELDS_OF_THE_PROJECT if name in values}
    project = projects.store_under_free_key(context, own, now_ms)
    expires_at_ms = values.get("expiresAt", default_expiry_ms(now_ms))
    key, secret = issue_app_key(context, project.project_key, expires_at_ms=expires_at_ms, now_ms=now_ms)
    return {
        "appId": build_app_id(project.project_key),
        "apiKey": secret,
        "expiresAt": format_stored_time(key.expires_at),
        "projectKey": project.project_key,
        "name": project.name,
        "domain": project.domain,
    }


def _find_home(context: Context, fields: Mapping[str, Any], caller: Caller) -> Mapping[str, Any]:
    """The fields, with the organisation that the app comes into."""
    if caller.user is not None:
        return organisations.choose_home(context, caller, fields)
    auth.require_registrar(context, caller)
    organisations.check_home(context, caller, fields)
    return fields


def default_expiry_ms(now_ms: int) -> int:
    """When the key of an app ends if nothing else is asked for; a whole second."""
    return now_ms - now_ms % 1000 + KEY_DAYS * clock.DAY_MS


def issue_app_key(
    context: Context, project_key: str, *, expires_at_ms: int | None, now_ms: int
) -> tuple[ApiKey, str]:
    """A key of the kind that an app gets when it is registered."""
    return keys.issue_key(
        context, project_key, name=KEY_NAME, scopes=list(KEY_SCOPES), expires_at=_format_end(expires_at_ms),
        now_ms=now_ms,
    )  # fmt: skip


def describe_keys(context: Context, project_key: str, *, now_ms: int) -> dict[str, Any]:
    """What may be shown again: the public key in full, of the secret ones prefix and state."""
    found = keys.list_keys(context, project_key)
    return {
        "appId": build_app_id(project_key),
        "apiKey": project_key,
        "keys": [_format_key(key, now_ms) for key in found],
    }


def _format_key(key: ApiKey, now_ms: int) -> dict[str, Any]:
    refusal = key.refusal_at(now_ms)
    return {
        "id": key.key_id,
        "prefix": key.prefix,
        "scopes": [scope.value for scope in key.scopes],
        "isActive": refusal is None,
        "state": refusal or "active",
        "expiresAt": format_stored_time(key.expires_at),
        "createdAt": format_stored_time(key.created_at),
    }


def _format_end(expires_at_ms: int | None) -> str | None:
    return None if expires_at_ms is None else clock.format_ms_sortable(expires_at_ms)
