"""Revoking the keys of an app, with or without a new one in their place (references 2 and 5).

Who holds a key may revoke it and have a successor, which can do no more and works no longer than the key did. Who
administers the app may revoke any key of it, or all that it was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from services import apps, clock, keys
from services.context import Context
from services.errors import Conflict, Forbidden, InvalidInput, Unauthorized
from services.fields import format_stored_time, parse_boolean, parse_fields, parse_moment_ms, parse_text
from services.keys import ApiKey, Scope
from services.project_fields import is_project_key
from services.projects import Project, ProjectState, fetch_project

MAX_SECRET_LENGTH = 500


@dataclass(frozen=True)
class RevocationRequest:
    """Which key, named by its secret (`api_key`) or by its app and id, and whether another one takes its place."""

    api_key: str | None = None
    app_id: str | None = None
    key_id: str | None = None
    """With `app_id`; None: every working key of the app that does not administer it."""
    regenerate: bool = False
    expires_at_ms: int | None = None
    """When the new key ends; None: not said."""


def parse_revocation(fields: Mapping[str, Any], *, now_ms: int) -> RevocationRequest:
    """The request as values. Raises InvalidInput."""

    def parse_end(value: object) -> int:
        ends_at_ms = parse_moment_ms(value)
        if ends_at_ms <= now_ms:
            raise ValueError("must be in the future")
        return ends_at_ms

    values = parse_fields(
        {name: value for name, value in fields.items() if value is not None},
        {
            "apiKey": lambda value: parse_text(value, max_length=MAX_SECRET_LENGTH),
            "appId": lambda value: parse_text(value, max_length=100),
            "keyId": lambda value: parse_text(value, max_length=100),
            "regenerate": parse_boolean,
            "expiresAt": parse_end,
        },
    )
    if ("apiKey" in values) == ("appId" in values):
        message = "Send apiKey, or appId with or without keyId"
        raise InvalidInput(message, code="invalid_field", fields=["apiKey", "appId"])
    if "keyId" in values and "appId" not in values:
        raise InvalidInput("keyId needs appId", code="invalid_field", fields=["keyId"])
    asked = RevocationRequest(
        values.get("apiKey"), values.get("appId"), values.get("keyId"), values.get("regenerate", False),
        values.get("expiresAt"),
    )  # fmt: skip
    if asked.expires_at_ms is not None and not asked.regenerate:
        raise InvalidInput("expiresAt needs regenerate", code="invalid_field", fields=["expiresAt"])
    return asked


def authenticate_held_key(context: Context, asked: RevocationRequest, *, now_ms: int) -> ApiKey:
    """The key whose secret was sent. It may be over, unless another one is to take its place.

    Raises Unauthorized for a secret that is not known, or does not work any more; InvalidInput for a projectKey.
    """
    if is_project_key(str(asked.api_key)):
        message = "A projectKey is public and cannot be revoked; set allowPublicIngest of the project to false"
        raise InvalidInput(message, code="invalid_field", fields=["apiKey"])
    document = context.store.fetch_document(keys.API_KEYS, keys.hash_secret(str(asked.api_key)))
    if document is None:
        raise Unauthorized("The API key is not known", code="invalid_api_key", fields=["apiKey"])
    key = msgspec.convert(document, ApiKey)
    refusal = _find_refusal(key, now_ms)
    if asked.regenerate and refusal is not None:
        raise Unauthorized(f"The API key is {refusal}", code=f"{refusal}_api_key", fields=["apiKey"])
    return key


def revoke_held_key(context: Context, old: ApiKey, asked: RevocationRequest, *, now_ms: int) -> dict[str, Any]:
    """Revoke a key for who holds it; what is answered.

    Raises Forbidden for a successor that would outlive the key, or whose project is not active; Conflict when the key
    was revoked at the same time.
    """
    if not asked.regenerate:
        keys.revoke_key(context, old.project_key, old.key_id, now_ms=now_ms)
        return _format_revocation(old.project_key, [old])
    fetch_project(context, old.project_key, reach=ProjectState.ACTIVE)
    if not old.allows(Scope.ADMIN):
        _refuse_longer_life(old, asked)
    return _replace_key(context, old, asked, now_ms=now_ms)


def revoke_keys_of_app(
    context: Context, project: Project, asked: RevocationRequest, *, now_ms: int
) -> dict[str, Any]:
    """As an administrator of the app: revoke the key of this id, else all that work and do not administer it.

    Raises NotFound for an id that is none, Conflict where a key that is to be replaced does not work.
    """
    project_key = project.project_key
    if asked.key_id is not None:
        return _revoke_named_key(context, project_key, asked.key_id, asked, now_ms=now_ms)
    revoked = [
        key for key in keys.list_keys(context, project_key)
        if key.refusal_at(now_ms) is None and not key.allows(Scope.ADMIN)
    ]  # fmt: skip
    # the new key first: a crash in between leaves a key that nobody knows, not an app without one
    new = None
    if asked.regenerate:
        end_ms = apps.default_expiry_ms(now_ms) if asked.expires_at_ms is None else asked.expires_at_ms
        new = apps.issue_app_key(context, project_key, expires_at_ms=end_ms, now_ms=now_ms)
    for key in revoked:
        keys.revoke_key(context, project_key, key.key_id, now_ms=now_ms)
    return _format_revocation(project_key, revoked, new)


def _revoke_named_key(
    context: Context, project_key: str, key_id: str, asked: RevocationRequest, *, now_ms: int
) -> dict[str, Any]:
    old = keys.fetch_key(context, project_key, key_id)
    if not asked.regenerate:
        keys.revoke_key(context, project_key, key_id, now_ms=now_ms)
        return _format_revocation(project_key, [old])
    refusal = _find_refusal(old, now_ms)
    if refusal is not None:
        raise Conflict(f"The API key is already {refusal}", code=f"{refusal}_api_key")
    return _replace_key(context, old, asked, now_ms=now_ms)


def _find_refusal(key: ApiKey, now_ms: int) -> str | None:
    """Why the key cannot have another successor; None where it can."""
    return "rotated" if key.rotated_at is not None else key.refusal_at(now_ms)


def _refuse_longer_life(old: ApiKey, asked: RevocationRequest) -> None:
    if asked.expires_at_ms is None or old.expires_at is None:
        return
    if asked.expires_at_ms > parse_moment_ms(old.expires_at):
        message = "The new key would work longer than the old one: that needs a key with the scope 'admin'"
        raise Forbidden(message, code="missing_scope", fields=["expiresAt"])


def _replace_key(context: Context, old: ApiKey, asked: RevocationRequest, *, now_ms: int) -> dict[str, Any]:
    ends_at = old.expires_at if asked.expires_at_ms is None else clock.format_ms_sortable(asked.expires_at_ms)
    new, secret = keys.issue_key(
        context,
        old.project_key,
        name=old.name,
        scopes=old.scopes,
        expires_at=ends_at,
        rate_limit=old.rate_limit,
        counted_as=old.count_id,
        now_ms=now_ms,
    )
    changes = {"revokedAt": clock.format_ms_sortable(now_ms)}
    expected = {"revokedAt": None, "rotatedAt": None}
    if not context.store.update_document(keys.API_KEYS, old.key_hash, changes, expect=expected):
        context.store.delete_documents(keys.API_KEYS, {"keyHash": new.key_hash})
        raise Conflict("The API key was rotated or revoked at the same time", code="revoked_api_key")
    return _format_revocation(old.project_key, [old], (new, secret))


def _format_revocation(
    project_key: str, revoked: Sequence[ApiKey], new: tuple[ApiKey, str] | None = None
) -> dict[str, Any]:
    answer = {
        "revoked": True,
        "message": "API key revoked successfully",
        "appId": apps.build_app_id(project_key),
        "keyIds": [key.key_id for key in revoked],
    }
    if new is not None:
        key, secret = new
        answer |= {"apiKey": secret, "expiresAt": format_stored_time(key.expires_at)}
    return answer
