"""Users: people who log in. What they may do follows from the organisations that they belong to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec

from services import clock, passwords, user_names
from services.context import Context
from services.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthorized
from services.fields import FieldParser, format_stored_time, parse_boolean, parse_fields, parse_text
from services.passwords import parse_password
from services.tokens import AccessToken
from services.user_names import USERS

MAX_NAME_LENGTH = 100
MAX_EMAIL_LENGTH = 254
MAX_LOGIN_LENGTH = 400
USERNAME = re.compile(r"[^\s@]+")
EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
WRONG_PASSWORD = "wrong_password"
USERNAME_TAKEN = "username_taken"


class User(msgspec.Struct, frozen=True, rename="camel"):
    """One user as it is stored. Times are texts of `clock.format_ms_sortable`."""

    user_id: str
    username: str
    created_at: str
    email: str | None = None
    """In lower case."""
    is_email_verified: bool = False
    """Whether the sign-in provider said that the address is this person's."""
    full_name: str | None = None
    password_hash: str | None = None
    """None: this user only signs in through the provider."""
    google_subject: str | None = None
    is_active: bool = True
    is_superuser: bool = False
    """May do what SECRET_TOKEN may."""
    token_generation: int = 0
    """Access tokens of an older generation do not work any more."""


def parse_username(value: object) -> str:
    """1 to 100 characters without blanks and @, so that it is never taken for an e-mail address."""
    if not isinstance(value, str) or not USERNAME.fullmatch(value) or not value.isprintable():
        raise ValueError(f"must be text of 1 to {MAX_NAME_LENGTH} characters without blanks and @")
    return parse_text(value, max_length=MAX_NAME_LENGTH)


def parse_email(value: object) -> str | None:
    """An e-mail address, in lower case; None (JSON null) for none."""
    if value is None:
        return None
    if not isinstance(value, str) or not EMAIL.fullmatch(value.strip()) or not value.strip().isprintable():
        raise ValueError("must be an e-mail address")
    return user_names.fold_email(parse_text(value, max_length=MAX_EMAIL_LENGTH))


def parse_full_name(value: object) -> str | None:
    """A person's name; None (JSON null) for none."""
    return None if value is None else parse_text(value, max_length=200)


def _parse_login(value: object) -> str:
    return parse_text(value, max_length=MAX_LOGIN_LENGTH)


def _parse_tried_password(value: object) -> str:
    # A wrong one is refused by comparing; only what could be no password at all is bad input.
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_LOGIN_LENGTH:
        raise ValueError(f"must be text of 1 to {MAX_LOGIN_LENGTH} characters")
    return value


FIELDS_OF_A_LOGIN: dict[str, FieldParser] = {"username": _parse_login, "password": _parse_tried_password}
FIELDS_OF_AN_UPDATE: dict[str, FieldParser] = {"is_active": parse_boolean, "is_superuser": parse_boolean}
STORED_NAMES = {"is_active": "isActive", "is_superuser": "isSuperuser"}


def build_user(username: str, *, now_ms: int, **properties: Any) -> User:
    """A user with a new id, not stored yet."""
    return User(uuid4().hex, username, clock.format_ms_sortable(now_ms), **properties)


def reserve_names(context: Context, user: User, *, now_ms: int) -> None:
    """Take the user's names. Conflict, and nothing taken, when another user has one of them."""
    wanted = {"username": user_names.build_name_key(user.username)}
    if user.email is not None:
        wanted["email"] = user_names.build_email_key(user.email)
    if user.google_subject is not None:
        wanted["google"] = user_names.build_google_key(user.google_subject)
    for field, key in wanted.items():
        if not user_names.claim(context, key, user.user_id, now_ms=now_ms):
            user_names.release_all(context, user.user_id)
            code = USERNAME_TAKEN if field == "username" else f"{field}_taken"
            raise Conflict(f"Another user has this {field}", code=code, fields=[field])


def store_user(context: Context, user: User) -> None:
    """Store a user whose names are reserved."""
    if not context.store.insert_document(USERS, user.user_id, msgspec.to_builtins(user)):
        raise RuntimeError("two random user ids were equal: the source of randomness is broken")


def fetch_user(context: Context, user_id: str) -> User | None:
    """The user with this id."""
    document = context.store.fetch_document(USERS, user_id)
    return None if document is None else msgspec.convert(document, User)


def fetch_known_user(context: Context, user_id: str) -> User:
    """As `fetch_user`; NotFound where there is none."""
    user = fetch_user(context, user_id)
    if user is None:
        raise NotFound("There is no user with this id", code="unknown_user")
    return user


def find_user(context: Context, key: str) -> User | None:
    """The user who has this key of `user_names`."""
    user_id = user_names.fetch_owner_id(context, key)
    return None if user_id is None else fetch_user(context, user_id)


def list_users(context: Context) -> list[User]:
    """All users, oldest first."""
    return [msgspec.convert(document, User) for document in context.store.find_documents(USERS, order_by="createdAt")]


def authenticate_token(context: Context, token: AccessToken) -> User:
    """The user whose access token this is. Reads the store each time, so a revocation holds at once everywhere."""
    user = fetch_user(context, token.user_id)
    if user is None or not user.is_active or user.token_generation != token.generation:
        raise Unauthorized("The token was revoked; log in again", code="revoked_token")
    return user


def log_in(context: Context, fields: Mapping[str, Any]) -> User:
    """The user with this username (or e-mail address) and password; Unauthorized for a wrong pair.

    Which of the two was wrong is not told, nor by the time that the answer takes.
    """
    values = parse_fields(fields, FIELDS_OF_A_LOGIN, required=tuple(FIELDS_OF_A_LOGIN))
    login = values["username"]
    user = find_user(context, (user_names.build_email_key if "@" in login else user_names.build_name_key)(login))
    if not _has_password(user, values["password"]) or user is None:
        raise Unauthorized("The username or the password is wrong", code="invalid_credentials")
    if not user.is_active:
        raise Forbidden("This user was deactivated", code="inactive_user")
    if user.password_hash is not None and passwords.is_outdated(user.password_hash):
        changes = {"passwordHash": passwords.hash_password(parse_password(values["password"]))}
        context.store.update_document(USERS, user.user_id, changes, expect={"passwordHash": user.password_hash})
    return user


def _has_password(user: User | None, tried: str) -> bool:
    try:
        password = parse_password(tried)
    except ValueError:
        password = ""
    return passwords.verify_password(user.password_hash if user else None, password)


def change_password(context: Context, user: User, fields: Mapping[str, Any]) -> User:
    """The user with a new password; every access token given out before stops working.

    Who has no password yet, because of signing in through the provider, sets one without naming the current one.
    """
    parsers: dict[str, FieldParser] = {"current_password": _parse_tried_password, "new_password": parse_password}
    has_one = user.password_hash is not None
    values = parse_fields(fields, parsers, required=tuple(parsers) if has_one else ("new_password",))
    if has_one and not _has_password(user, values["current_password"]):
        raise InvalidInput("The current password is wrong", code=WRONG_PASSWORD, fields=["current_password"])
    changes = {"passwordHash": passwords.hash_password(values["new_password"])}
    if not _change_and_revoke(context, user, changes):
        raise Conflict("The password was changed at the same time, or you logged out everywhere", code="tokens_revoked")
    return fetch_known_user(context, user.user_id)


def revoke_tokens(context: Context, user_id: str, changes: Mapping[str, Any] | None = None) -> User:
    """The user, all of whose access tokens stopped working at the moment of the changes to the stored fields."""
    while not _change_and_revoke(context, fetch_known_user(context, user_id), changes or {}):
        pass
    return fetch_known_user(context, user_id)


def _change_and_revoke(context: Context, user: User, changes: Mapping[str, Any]) -> bool:
    """False, and nothing changed, where the tokens were revoked since the user was read."""
    raised = {**changes, "tokenGeneration": user.token_generation + 1}
    expected = {"tokenGeneration": user.token_generation}
    return context.store.update_document(USERS, user.user_id, raised, expect=expected)


def update_user(context: Context, user_id: str, fields: Mapping[str, Any]) -> User:
    """The user with these fields changed. Tokens of a deactivated user stay void when the user is active again."""
    values = parse_fields(fields, FIELDS_OF_AN_UPDATE)
    changes = {STORED_NAMES[name]: value for name, value in values.items()}
    if values.get("is_active") is False:
        return revoke_tokens(context, user_id, changes)
    if changes:
        context.store.update_document(USERS, user_id, changes)
    return fetch_known_user(context, user_id)


def format_user(user: User) -> dict[str, Any]:
    """The user as reference 4's clients expect: never the password's hash."""
    return {
        "id": user.user_id,
        "email": user.email,
        "username": user.username,
        "full_name": user.full_name,
        "is_active": user.is_active,
        "is_superuser": user.is_superuser,
        "created_at": format_stored_time(user.created_at),
    }
