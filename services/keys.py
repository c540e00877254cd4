"""API keys: secrets that belong to one project, each with scopes; they expire, are revoked or rotated.

Only the SHA-256 of a secret is stored, as the id of its document: with 256 random bits a slow hash would add nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from services import clock
from services.context import Context
from services.errors import Conflict, Forbidden, NotFound, Unauthorized
from services.fields import format_stored_time, parse_fields, parse_moment_ms, parse_text, parse_whole_number
from stores.base import StoreUnavailable

API_KEYS = "api_keys"
SECRET_BYTES = 32
VISIBLE_CHARACTERS = 4
LAST_USED_STEP_MS = 60_000
DEFAULT_GRACE_SECONDS = 24 * 60 * 60
MAX_GRACE_SECONDS = 30 * 24 * 60 * 60
MAX_RATE_LIMIT = 100_000_000


class Scope(StrEnum):
    """What a key may do. `admin` includes the others; `read` and `ingest` do not include each other."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


class ApiKey(msgspec.Struct, frozen=True, rename="camel"):
    """One key as it is stored. Times are texts of `clock.format_ms_sortable`, so they compare as times do."""

    key_hash: str
    key_id: str
    project_key: str
    name: str
    prefix: str
    """The first characters of the secret, by which people recognise it."""
    scopes: list[Scope]
    created_at: str
    expires_at: str | None = None
    last_used_at: str | None = None
    revoked_at: str | None = None
    rotated_at: str | None = None
    grace_ends_at: str | None = None
    rate_limit: int | None = None
    """Requests in a window; 0: no limit, None: RATE_LIMIT_MAX."""
    counted_as: str | None = None
    """The id of the key in whose place it came: their requests are counted together, so that a successor is not a
    way to ask more. None: it is counted by its own id."""

    @property
    def count_id(self) -> str:
        """By what its requests are counted."""
        return self.counted_as or self.key_id

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do what `scope` stands for."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def refusal_at(self, now_ms: int) -> str | None:
        """Why the key does not work at this time: `revoked`, `expired` or `rotated`; None while it works."""
        now = clock.format_ms_sortable(now_ms)
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        if self.grace_ends_at is not None and self.grace_ends_at <= now:
            return "rotated"
        return None


def parse_scopes(value: object) -> list[Scope]:
    """At least one scope, each once, in the order of `Scope`."""
    known = [scope.value for scope in Scope]
    if not isinstance(value, list) or not value or any(item not in known for item in value):
        raise ValueError(f"must be a list of one or more of {', '.join(known)}")
    return [scope for scope in Scope if scope.value in value]


def parse_expiry_ms(value: object, now_ms: int) -> int | None:
    """When the key ends, after `now_ms`; None (JSON null) for never."""
    if value is None:
        return None
    expires_at_ms = parse_moment_ms(value)
    if expires_at_ms <= now_ms:
        raise ValueError("must be in the future")
    return expires_at_ms


def parse_rate_limit(value: object) -> int | None:
    """Requests in a window; 0 for no limit, None (JSON null) for that of the settings."""
    return None if value is None else parse_whole_number(value, least=0, most=MAX_RATE_LIMIT)


def create_key(
    context: Context,
    project_key: str,
    fields: Mapping[str, Any],
    *,
    now_ms: int,
    is_root: bool,
    creator: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """A new key of the project and its secret, which is not to be had again.

    `fields`: name, scopes, expiresAt?, rateLimit?. A limit above RATE_LIMIT_MAX, or above that of the key that creates
    it, is Forbidden unless `is_root`: who administers a project does not decide what it may ask of the installation.
    """
    values = parse_fields(
        fields,
        {
            "name": lambda value: parse_text(value, max_length=200),
            "scopes": parse_scopes,
            "expiresAt": lambda value: parse_expiry_ms(value, now_ms),
            "rateLimit": parse_rate_limit,
        },
        required=("name", "scopes"),
    )
    if not is_root:
        _check_rate_limit(context, values.get("rateLimit"), creator.rate_limit if creator else None)
    expires_at_ms = values.get("expiresAt")
    return issue_key(
        context,
        project_key,
        name=values["name"],
        scopes=values["scopes"],
        expires_at=None if expires_at_ms is None else clock.format_ms_sortable(expires_at_ms),
        rate_limit=values.get("rateLimit"),
        now_ms=now_ms,
    )


def _check_rate_limit(context: Context, asked: int | None, own: int | None) -> None:
    default = context.config.rate_limit_max
    most = min((each for each in (default, own) if each), default=0)
    if most and not 1 <= (default if asked is None else asked) <= most:
        message = f"rateLimit must be from 1 to {most}; only SECRET_TOKEN and superusers may allow more"
        raise Forbidden(message, code="rate_limit_too_high", fields=["rateLimit"])


def issue_key(
    context: Context,
    project_key: str,
    *,
    name: str,
    scopes: list[Scope],
    expires_at: str | None,
    now_ms: int,
    rate_limit: int | None = None,
    counted_as: str | None = None,
) -> tuple[ApiKey, str]:
    """Store a key of these properties under a fresh secret; both."""
    random_part = secrets.token_urlsafe(SECRET_BYTES)
    prefix = context.config.api_key_prefix
    secret = prefix + random_part
    key = ApiKey(
        key_hash=hash_secret(secret),
        key_id=secrets.token_hex(8),
        project_key=project_key,
        name=name,
        prefix=prefix + random_part[:VISIBLE_CHARACTERS],
        scopes=scopes,
        created_at=clock.format_ms_sortable(now_ms),
        expires_at=expires_at,
        rate_limit=rate_limit,
        counted_as=counted_as,
    )
    if not context.store.insert_document(API_KEYS, key.key_hash, msgspec.to_builtins(key)):
        raise RuntimeError("two secrets of 256 random bits were equal: the source of randomness is broken")
    return key, secret


def list_keys(context: Context, project_key: str) -> list[ApiKey]:
    """All keys the project ever had, oldest first, also those that no longer work."""
    documents = context.store.find_documents(API_KEYS, {"projectKey": project_key}, order_by="createdAt")
    return [msgspec.convert(document, ApiKey) for document in documents]


def fetch_key(context: Context, project_key: str, key_id: str) -> ApiKey:
    """The project's key with this id; NotFound where it has none such, also if another project has."""
    for key in list_keys(context, project_key):
        if key.key_id == key_id:
            return key
    raise NotFound("The project has no API key with this id", code="unknown_api_key")


def authenticate(context: Context, secret: str, *, now_ms: int) -> ApiKey:
    """The working key that has this secret; Unauthorized if there is none or it is revoked, expired or rotated out.

    Reads the store every time, so a revocation holds at once in every process.
    """
    document = context.store.fetch_document(API_KEYS, hash_secret(secret))
    if document is None:
        raise Unauthorized("The API key is not known", code="invalid_api_key")
    key = msgspec.convert(document, ApiKey)
    refusal = key.refusal_at(now_ms)
    if refusal is not None:
        raise Unauthorized(f"The API key is {refusal}", code=f"{refusal}_api_key")
    record_use(context, key, now_ms=now_ms)
    return key


def record_use(context: Context, key: ApiKey, *, now_ms: int) -> None:
    """Note that the key was used, to the minute. When the store refuses, the request it came with still goes on."""
    if key.last_used_at is not None and now_ms - parse_moment_ms(key.last_used_at) < LAST_USED_STEP_MS:
        return
    changes = {"lastUsedAt": clock.format_ms_sortable(now_ms)}
    try:
        context.store.update_document(API_KEYS, key.key_hash, changes, expect={"lastUsedAt": key.last_used_at})
    except StoreUnavailable:
        # A full disk must not stop reports; a request that needs to write fails on its own write.
        return


def revoke_key(context: Context, project_key: str, key_id: str, *, now_ms: int) -> ApiKey:
    """The key, which from now on does not work. Of several who revoke it the first one's time stays."""
    key = fetch_key(context, project_key, key_id)
    changes = {"revokedAt": clock.format_ms_sortable(now_ms)}
    context.store.update_document(API_KEYS, key.key_hash, changes, expect={"revokedAt": None})
    return fetch_key(context, project_key, key_id)


def rotate_key(
    context: Context, project_key: str, key_id: str, fields: Mapping[str, Any], *, now_ms: int
) -> tuple[ApiKey, str]:
    """A successor with the same name, scopes, limit and end, and its secret; the old key works `graceSeconds` more.

    Raises Conflict when the key is revoked, expired or rotated, also by somebody at the same time: one of them wins.
    The successor is stored first: a crash in between leaves a key that nobody knows, not a project without one.
    """
    values = parse_fields(
        fields, {"graceSeconds": lambda value: parse_whole_number(value, least=0, most=MAX_GRACE_SECONDS)}
    )
    old = fetch_key(context, project_key, key_id)
    refusal = "rotated" if old.rotated_at is not None else old.refusal_at(now_ms)
    if refusal is not None:
        raise Conflict(f"The API key is already {refusal}", code=f"{refusal}_api_key")
    new, secret = issue_key(
        context,
        project_key,
        name=old.name,
        scopes=old.scopes,
        expires_at=old.expires_at,
        rate_limit=old.rate_limit,
        counted_as=old.count_id,
        now_ms=now_ms,
    )
    grace_ends_at_ms = now_ms + 1000 * values.get("graceSeconds", DEFAULT_GRACE_SECONDS)
    changes = {
        "rotatedAt": clock.format_ms_sortable(now_ms),
        "graceEndsAt": clock.format_ms_sortable(grace_ends_at_ms),
    }
    expected = {"rotatedAt": None, "revokedAt": None}
    if not context.store.update_document(API_KEYS, old.key_hash, changes, expect=expected):
        context.store.delete_documents(API_KEYS, {"keyHash": new.key_hash})
        raise Conflict("The API key was rotated or revoked at the same time", code="rotated_api_key")
    return new, secret


def hash_secret(secret: str) -> str:
    """The id under which a secret's key is stored: SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def format_key(key: ApiKey, *, now_ms: int) -> dict[str, Any]:
    """The key as the API shows it: never its secret nor the hash of it."""
    return {
        "id": key.key_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": [scope.value for scope in key.scopes],
        "rateLimit": key.rate_limit,
        "isActive": key.refusal_at(now_ms) is None,
        "createdAt": format_stored_time(key.created_at),
        "expiresAt": format_stored_time(key.expires_at),
        "lastUsedAt": format_stored_time(key.last_used_at),
        "rotatedAt": format_stored_time(key.rotated_at),
        "graceEndsAt": format_stored_time(key.grace_ends_at),
        "revokedAt": format_stored_time(key.revoked_at),
    }
