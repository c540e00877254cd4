"""How a user comes to be: by registering, by an invitation, or by the first sign-in through the provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from services import auth, invitations, organisations, passwords, user_names, users
from services.auth import Caller
from services.context import Context
from services.errors import Forbidden
from services.fields import FieldParser, parse_fields
from services.invitations import Invitation
from services.passwords import parse_password
from services.users import User, parse_email, parse_full_name, parse_username

FIELDS: dict[str, FieldParser] = {
    "username": parse_username,
    "password": parse_password,
    "email": parse_email,
    "full_name": parse_full_name,
    "invitation": invitations.parse_token,
}


def require_admission(context: Context, fields: Mapping[str, Any], *, caller: Caller, now_ms: int) -> None:
    """Permission to register a user: who REGISTRATION lets, and who has an invitation's token."""
    token = fields.get("invitation")
    if isinstance(token, str):
        invitations.fetch_open(context, token, now_ms=now_ms)
    else:
        auth.require_registrar(context, caller)


def register(context: Context, fields: Mapping[str, Any], *, caller: Caller, now_ms: int) -> User:
    """A new user with a password. `fields`: username, password, email?, full_name?, invitation?.

    Conflict for a name that is taken. Whether the caller may register is for `require_admission` to say, before.
    """
    values = parse_fields(fields, FIELDS, required=("username", "password"))
    invitation = find_invitation(context, values.get("invitation"), now_ms=now_ms)
    email = values.get("email") or (invitation.email if invitation else None)
    user = users.build_user(values["username"], now_ms=now_ms, email=email, full_name=values.get("full_name"))
    user = msgspec.structs.replace(user, password_hash=passwords.hash_password(values["password"]))
    return admit(context, user, invitation, caller=caller, now_ms=now_ms)


def find_invitation(context: Context, token: str | None, *, now_ms: int) -> Invitation | None:
    """The open invitation with this token; None without a token. Forbidden for a token that does not work."""
    return None if token is None else invitations.fetch_open(context, token, now_ms=now_ms)


def admit(context: Context, user: User, invitation: Invitation | None, *, caller: Caller, now_ms: int) -> User:
    """Store the user as a member of the organisation that invites, else with an organisation of the user's own.

    The first user becomes superuser, except by an invitation; and in production only if SECRET_TOKEN made the user, for
    an installation that is open to everybody must not belong to whoever finds it first.
    """
    if invitation is not None:
        invitations.check_addressee(invitation, user.email)
    users.reserve_names(context, user, now_ms=now_ms)
    if invitation is None:
        may_be_first = auth.is_unlimited(context, caller)
        is_first = may_be_first and user_names.claim(context, user_names.FIRST_USER, user.user_id, now_ms=now_ms)
        user = msgspec.structs.replace(user, is_superuser=is_first)
        users.store_user(context, user)
        organisations.create_organisation(context, user.full_name or user.username, user.user_id, now_ms=now_ms)
        return user
    try:
        invitations.use_up(context, invitation, user.user_id, now_ms=now_ms)
    except Forbidden:
        user_names.release_all(context, user.user_id)
        raise
    users.store_user(context, user)
    invitations.join(context, invitation, user.user_id, now_ms=now_ms)
    return user
