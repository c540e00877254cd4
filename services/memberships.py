"""Who belongs to which organisation, and as what."""

from __future__ import annotations

import msgspec

from services import clock
from services.context import Context
from services.roles import Role

MEMBERSHIPS = "memberships"


class Membership(msgspec.Struct, frozen=True, rename="camel"):
    """One user in one organisation, as it is stored."""

    organisation_id: str
    user_id: str
    role: Role
    created_at: str


def build_membership_id(organisation_id: str, user_id: str) -> str:
    return f"{organisation_id}:{user_id}"


def fetch(context: Context, organisation_id: str, user_id: str) -> Membership | None:
    """The user's membership in the organisation; None for who is no member."""
    document = context.store.fetch_document(MEMBERSHIPS, build_membership_id(organisation_id, user_id))
    return None if document is None else msgspec.convert(document, Membership)


def fetch_role(context: Context, organisation_id: str | None, user_id: str) -> Role | None:
    """The user's role in the organisation; None for who is no member, and where there is no organisation."""
    membership = fetch(context, organisation_id, user_id) if organisation_id is not None else None
    return None if membership is None else membership.role


def list_of_user(context: Context, user_id: str) -> list[Membership]:
    """The user's memberships, oldest first."""
    return _find(context, {"userId": user_id})


def list_of_organisation(context: Context, organisation_id: str) -> list[Membership]:
    """The organisation's members, oldest first."""
    return _find(context, {"organisationId": organisation_id})


def add(context: Context, organisation_id: str, user_id: str, role: Role, *, now_ms: int) -> bool:
    """Make the user a member; False, and nothing changed, for one who is."""
    membership = Membership(organisation_id, user_id, role, clock.format_ms_sortable(now_ms))
    document_id = build_membership_id(organisation_id, user_id)
    return context.store.insert_document(MEMBERSHIPS, document_id, msgspec.to_builtins(membership))


def change_role(context: Context, organisation_id: str, user_id: str, old: Role, new: Role) -> bool:
    """Give a member another role; False if the role is not the old one any more."""
    document_id = build_membership_id(organisation_id, user_id)
    return context.store.update_document(MEMBERSHIPS, document_id, {"role": new.value}, expect={"role": old.value})


def remove(context: Context, membership: Membership) -> bool:
    """End the membership; False, and nothing changed, if it ended already or has another role."""
    equals = {"organisationId": membership.organisation_id, "userId": membership.user_id, "role": membership.role.value}
    return context.store.delete_documents(MEMBERSHIPS, equals) > 0


def remove_all(context: Context, organisation_id: str) -> None:
    context.store.delete_documents(MEMBERSHIPS, {"organisationId": organisation_id})


def _find(context: Context, equals: dict[str, str]) -> list[Membership]:
    documents = context.store.find_documents(MEMBERSHIPS, dict(equals), order_by="createdAt")
    return [msgspec.convert(document, Membership) for document in documents]
