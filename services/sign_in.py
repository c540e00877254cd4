"""Which user an identity that the provider vouches for is; where there is none yet, one is registered."""

from __future__ import annotations

import re
import secrets

from services import auth, invitations, memberships, registration, user_names, users
from services.auth import Caller
from services.context import Context
from services.errors import Conflict, Forbidden
from services.google import Identity
from services.invitations import Invitation
from services.user_names import USERS, build_email_key, build_google_key
from services.users import MAX_NAME_LENGTH, User

ATTEMPTS = 5
SUFFIX_BYTES = 3


def find_known(context: Context, identity: Identity) -> User | None:
    """The user who signed in with this identity before. Forbidden for one who was deactivated."""
    return _check_active(users.find_user(context, build_google_key(identity.subject)))


def find_addressee(context: Context, identity: Identity) -> User | None:
    """The user who has the identity's verified address. Forbidden for one who was deactivated."""
    return None if identity.email is None else _check_active(users.find_user(context, build_email_key(identity.email)))


def _check_active(user: User | None) -> User | None:
    if user is not None and not user.is_active:
        raise Forbidden("This user was deactivated", code="inactive_user")
    return user


def link(context: Context, user: User, identity: Identity, *, now_ms: int) -> User:
    """The user as this identity. A password and tokens from before the address was proved do not work any more: they
    may be those of somebody who registered with a stranger's address and waited for this.

    Forbidden for a user who is another identity of the provider.
    """
    if user.google_subject not in (None, identity.subject):
        raise Forbidden("The address belongs to another account of the provider", code="linked_to_another")
    if not user.is_email_verified:
        user = users.revoke_tokens(context, user.user_id, {"passwordHash": None, "isEmailVerified": True})
    context.store.update_document(USERS, user.user_id, {"googleSubject": identity.subject})
    # last: from now on the identity leads straight to the user
    if not user_names.claim(context, build_google_key(identity.subject), user.user_id, now_ms=now_ms):
        raise Conflict("You are registering in another window; try again", code="google_taken")
    return user


def find_invitation(context: Context, user: User, identity: Identity, *, now_ms: int) -> Invitation | None:
    """The invitation with which the sign-in began; None without one, and for who is a member already. Forbidden for
    one that does not work, or is somebody else's."""
    if identity.invitation is None:
        return None
    invitation = invitations.fetch_open(context, identity.invitation, now_ms=now_ms)
    invitations.check_addressee(invitation, identity.email)
    role = memberships.fetch_role(context, invitation.organisation_id, user.user_id)
    return invitation if role is None else None


def join(context: Context, user: User, invitation: Invitation, *, now_ms: int) -> None:
    """Make the user a member of the organisation that invites."""
    invitations.use_up(context, invitation, user.user_id, now_ms=now_ms)
    invitations.join(context, invitation, user.user_id, now_ms=now_ms)


def register(context: Context, identity: Identity, *, now_ms: int) -> User:
    """A new user for this identity, under the rule of REGISTRATION: with an invitation, or where it is open to all."""
    caller = Caller()
    if identity.invitation is None:
        auth.require_registrar(context, caller)
    invitation = registration.find_invitation(context, identity.invitation, now_ms=now_ms)
    base = build_username(identity)
    for attempt in range(ATTEMPTS):
        user = users.build_user(
            base if attempt == 0 else f"{base}-{secrets.token_hex(SUFFIX_BYTES)}",
            now_ms=now_ms,
            email=identity.email,
            is_email_verified=identity.email is not None,
            full_name=identity.name,
            google_subject=identity.subject,
        )
        try:
            return registration.admit(context, user, invitation, caller=caller, now_ms=now_ms)
        except Conflict as error:
            if error.code != users.USERNAME_TAKEN:
                raise
    raise Conflict("No username is free for you", code=users.USERNAME_TAKEN)


def build_username(identity: Identity) -> str:
    """What stands before the @ of the address; `user` where there is none."""
    local_part = (identity.email or "").partition("@")[0]
    fitting = re.sub(r"[^\w.+-]", "", local_part)[: MAX_NAME_LENGTH - 2 * SUFFIX_BYTES - 1]
    return fitting or "user"
