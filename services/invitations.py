"""Invitations into an organisation: a token that works once, shown once, stored as its SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from services import clock, memberships, users
from services.context import Context
from services.errors import Conflict, Forbidden, NotFound
from services.fields import format_stored_time, parse_fields, parse_moment_ms, parse_text
from services.organisations import (
    INVITATIONS,
    ORGANISATIONS,
    Organisation,
    Standing,
    check_may_manage,
    fetch_organisation,
    list_as_owner,
)
from services.roles import Role, parse_role
from services.users import User, parse_email

TOKEN_BYTES = 32
MAX_TOKEN_LENGTH = 200
DEFAULT_DAYS = 7


class Invitation(msgspec.Struct, frozen=True, rename="camel"):
    """One invitation as it is stored. Times are texts of `clock.format_ms_sortable`."""

    invitation_id: str
    organisation_id: str
    role: Role
    created_at: str
    expires_at: str
    email: str | None = None
    """Only a user with this address may take it; None: whoever has the token."""
    invited_by: str | None = None
    """The user whose right to give the role it rests on; None: SECRET_TOKEN."""
    used_at: str | None = None
    used_by: str | None = None


def parse_token(value: object) -> str:
    """What may be an invitation's token."""
    return parse_text(value, max_length=MAX_TOKEN_LENGTH)


def create_invitation(
    context: Context, standing: Standing, fields: Mapping[str, Any], *, now_ms: int
) -> tuple[Invitation, str]:
    """A new invitation and its token, which is not to be had again. `fields`: role, email?, expiresAt? (in a week).

    Forbidden for a role that the caller may not give.
    """
    values = parse_fields(
        fields,
        {"role": parse_role, "email": parse_email, "expiresAt": lambda value: _parse_end_ms(value, now_ms)},
        required=("role",),
    )
    check_may_manage(standing, values["role"])
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation = Invitation(
        invitation_id=_hash_token(token),
        organisation_id=standing.organisation.organisation_id,
        role=values["role"],
        created_at=clock.format_ms_sortable(now_ms),
        expires_at=clock.format_ms_sortable(values.get("expiresAt", now_ms + DEFAULT_DAYS * clock.DAY_MS)),
        email=values.get("email"),
        invited_by=standing.user_id,
    )
    if not context.store.insert_document(INVITATIONS, invitation.invitation_id, msgspec.to_builtins(invitation)):
        raise RuntimeError("two tokens of 256 random bits were equal: the source of randomness is broken")
    return invitation, token


def _parse_end_ms(value: object, now_ms: int) -> int:
    expires_at_ms = parse_moment_ms(value)
    if expires_at_ms <= now_ms:
        raise ValueError("must be in the future")
    return expires_at_ms


def list_open(context: Context, organisation: Organisation, *, now_ms: int) -> list[Invitation]:
    """The organisation's invitations that still work, oldest first."""
    equals = {"organisationId": organisation.organisation_id, "usedAt": None}
    documents = context.store.find_documents(INVITATIONS, equals, order_by="createdAt")
    found = [msgspec.convert(document, Invitation) for document in documents]
    return [invitation for invitation in found if _is_open(context, invitation, now_ms=now_ms)]


def _is_open(context: Context, invitation: Invitation, *, now_ms: int) -> bool:
    is_fresh = invitation.used_at is None and invitation.expires_at > clock.format_ms_sortable(now_ms)
    return is_fresh and _may_still_invite(context, invitation)


def _may_still_invite(context: Context, invitation: Invitation) -> bool:
    """Whether who invited may still give the role. Else who was demoted could come back by an invitation of before."""
    if invitation.invited_by is None:
        return True
    inviter = users.fetch_user(context, invitation.invited_by)
    if inviter is None or not inviter.is_active:
        return False
    role = memberships.fetch_role(context, invitation.organisation_id, inviter.user_id)
    return inviter.is_superuser or (role is not None and role.may_manage(invitation.role))


def withdraw(context: Context, standing: Standing, invitation_id: str) -> None:
    """Void an invitation. NotFound where the organisation has no open one with this id."""
    document = context.store.fetch_document(INVITATIONS, invitation_id)
    invitation = None if document is None else msgspec.convert(document, Invitation)
    organisation_id = standing.organisation.organisation_id
    if invitation is None or invitation.organisation_id != organisation_id or invitation.used_at is not None:
        raise NotFound("The organisation has no open invitation with this id", code="unknown_invitation")
    check_may_manage(standing, invitation.role)
    context.store.delete_documents(INVITATIONS, {"invitationId": invitation_id, "usedAt": None})


def fetch_open(context: Context, token: str, *, now_ms: int) -> Invitation:
    """The invitation with this token; Forbidden for one that is unknown, used, withdrawn or expired, or whose author
    may not give the role any more."""
    document = context.store.fetch_document(INVITATIONS, _hash_token(token))
    invitation = None if document is None else msgspec.convert(document, Invitation)
    is_open = (
        invitation is not None
        and _is_open(context, invitation, now_ms=now_ms)
        and context.store.fetch_document(ORGANISATIONS, invitation.organisation_id) is not None
    )
    if invitation is None or not is_open:
        raise _not_valid()
    return invitation


def check_addressee(invitation: Invitation, email: str | None) -> None:
    """Forbidden for somebody else's invitation."""
    if invitation.email is not None and invitation.email != email:
        raise Forbidden("The invitation is for another e-mail address", code="invitation_for_another")


def accept(context: Context, user: User, fields: Mapping[str, Any], *, now_ms: int) -> tuple[Organisation, Role]:
    """Make the user a member; of several who use an invitation at the same time one succeeds."""
    token = parse_fields(fields, {"token": parse_token}, required=("token",))["token"]
    invitation = fetch_open(context, token, now_ms=now_ms)
    check_addressee(invitation, user.email)
    if memberships.fetch_role(context, invitation.organisation_id, user.user_id) is not None:
        raise _is_member()
    use_up(context, invitation, user.user_id, now_ms=now_ms)
    join(context, invitation, user.user_id, now_ms=now_ms)
    return fetch_organisation(context, invitation.organisation_id), invitation.role


def use_up(context: Context, invitation: Invitation, user_id: str, *, now_ms: int) -> None:
    """Take the invitation, to `join` with it. Forbidden when somebody else was faster.

    A crash in between costs the invitation, and never lets in two.
    """
    changes = {"usedAt": clock.format_ms_sortable(now_ms), "usedBy": user_id}
    if not context.store.update_document(INVITATIONS, invitation.invitation_id, changes, expect={"usedAt": None}):
        raise _not_valid()


def join(context: Context, invitation: Invitation, user_id: str, *, now_ms: int) -> None:
    """Make the user, who is stored and has used the invitation up, a member. Conflict for who became one meanwhile,
    maybe with another role."""
    if not memberships.add(context, invitation.organisation_id, user_id, invitation.role, now_ms=now_ms):
        raise _is_member()
    if invitation.role is Role.OWNER:
        list_as_owner(context, invitation.organisation_id, user_id)


def _hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _is_member() -> Conflict:
    return Conflict("You are a member of the organisation already", code="already_member")


def _not_valid() -> Forbidden:
    return Forbidden("The invitation does not exist, was used or has expired", code="invalid_invitation")


def format_invitation(invitation: Invitation) -> dict[str, Any]:
    """The invitation as the API shows it: never its token."""
    return {
        "id": invitation.invitation_id,
        "role": invitation.role,
        "email": invitation.email,
        "createdAt": format_stored_time(invitation.created_at),
        "expiresAt": format_stored_time(invitation.expires_at),
    }
