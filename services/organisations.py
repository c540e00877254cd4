"""Organisations: what projects and their analysts belong to.

Who the owners are is written twice. A membership with the role says what the owner may do; the organisation's own list
says that there is one left. An owner is listed after becoming one, and taken off the list before ceasing to be one,
atomically and never the last: so an organisation keeps an owner, whoever leaves or is demoted at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec

from services import auth, clock, memberships, users
from services.auth import Caller
from services.context import Context
from services.errors import Conflict, Forbidden, InvalidInput, NotFound
from services.fields import FieldParser, format_stored_time, parse_fields, parse_text
from services.memberships import Membership
from services.project_fields import ORGANISATION_ID
from services.projects import list_projects
from services.roles import Role, parse_role

ORGANISATIONS = "organisations"
INVITATIONS = "invitations"

FIELDS: dict[str, FieldParser] = {"name": partial(parse_text, max_length=200)}


class Organisation(msgspec.Struct, frozen=True, rename="camel"):
    """One organisation as it is stored."""

    organisation_id: str
    name: str
    created_at: str
    owner_ids: str = ""
    """Ids of owners, separated by blanks: as one text, so that it can be compared and replaced atomically."""


class Standing(msgspec.Struct, frozen=True):
    """A granted request: in which organisation, and by what right."""

    organisation: Organisation
    role: Role
    """The caller's; OWNER for who may do everything."""
    user_id: str | None = None


def authorize(context: Context, caller: Caller, organisation_id: str, least: Role) -> Standing:
    """Permission to do in the organisation what needs the role `least`.

    NotFound for one that does not exist, and just so for one in which the caller is no member. Forbidden for API keys,
    which belong to a project, and for too low a role; Unauthorized without credentials.
    """
    require_founder(context, caller)
    organisation = fetch_organisation(context, organisation_id)
    user_id = caller.user.user_id if caller.user else None
    if auth.is_unlimited(context, caller):
        return Standing(organisation, Role.OWNER, user_id)
    role = memberships.fetch_role(context, organisation_id, str(user_id))
    if role is None:
        raise _unknown_organisation()
    if not role.covers(least):
        raise Forbidden(f"Your role '{role}' may not do this in the organisation", code="missing_role")
    return Standing(organisation, role, user_id)


def fetch_organisation(context: Context, organisation_id: str) -> Organisation:
    """The organisation with this id; NotFound where there is none."""
    is_id = ORGANISATION_ID.fullmatch(organisation_id)
    document = context.store.fetch_document(ORGANISATIONS, organisation_id) if is_id else None
    if document is None:
        raise _unknown_organisation()
    return msgspec.convert(document, Organisation)


def list_organisations(context: Context, caller: Caller) -> list[tuple[Organisation, Role | None]]:
    """The caller's organisations with the role in each, oldest first; all of them for who may do everything."""
    user = None if auth.is_unlimited(context, caller) and caller.user is None else auth.require_user(caller)
    own = memberships.list_of_user(context, user.user_id) if user else []
    roles = {each.organisation_id: each.role for each in own}
    if auth.is_unlimited(context, caller):
        documents = context.store.find_documents(ORGANISATIONS, order_by="createdAt")
    else:
        fetched = [context.store.fetch_document(ORGANISATIONS, organisation_id) for organisation_id in roles]
        documents = [document for document in fetched if document is not None]
    found = [msgspec.convert(document, Organisation) for document in documents]
    found.sort(key=lambda organisation: (organisation.created_at, organisation.organisation_id))
    return [(organisation, roles.get(organisation.organisation_id)) for organisation in found]


def create_organisation(context: Context, name: str, owner_id: str | None, *, now_ms: int) -> Organisation:
    """A new organisation. Without an owner, one has to be invited into it."""
    organisation = Organisation(uuid4().hex, name, clock.format_ms_sortable(now_ms), owner_id or "")
    if owner_id is not None:
        memberships.add(context, organisation.organisation_id, owner_id, Role.OWNER, now_ms=now_ms)
    document = msgspec.to_builtins(organisation)
    if not context.store.insert_document(ORGANISATIONS, organisation.organisation_id, document):
        raise RuntimeError("two random organisation ids were equal: the source of randomness is broken")
    return organisation


def require_founder(context: Context, caller: Caller) -> None:
    """Permission to found organisations: every user's."""
    if not auth.is_unlimited(context, caller):
        auth.require_user(caller)


def create_by_caller(context: Context, caller: Caller, fields: Mapping[str, Any], *, now_ms: int) -> Organisation:
    """A new organisation, owned by the user who calls; without an owner where that is SECRET_TOKEN."""
    name = parse_fields(fields, FIELDS, required=("name",))["name"]
    return create_organisation(context, name, caller.user.user_id if caller.user else None, now_ms=now_ms)


def rename_organisation(context: Context, organisation_id: str, fields: Mapping[str, Any]) -> Organisation:
    """The organisation with these fields changed."""
    values = parse_fields(fields, FIELDS)
    if values:
        context.store.update_document(ORGANISATIONS, organisation_id, values)
    return fetch_organisation(context, organisation_id)


def delete_organisation(context: Context, organisation_id: str) -> None:
    """Remove an organisation that has no projects, its members and invitations. Conflict while it has some."""
    if list_projects(context, organisation_id=organisation_id):
        raise Conflict("The organisation still has projects: erase them, or give them away", code="has_projects")
    context.store.delete_documents(INVITATIONS, {"organisationId": organisation_id})
    context.store.delete_documents(ORGANISATIONS, {"organisationId": organisation_id})
    memberships.remove_all(context, organisation_id)


def change_member(context: Context, standing: Standing, user_id: str, fields: Mapping[str, Any]) -> Membership:
    """The member with another role. Forbidden for a role that the caller may not give or take, Conflict for the last
    owner."""
    new = parse_fields(fields, {"role": parse_role}, required=("role",))["role"]
    member = fetch_member(context, standing.organisation, user_id)
    for role in (member.role, new):
        check_may_manage(standing, role)
    organisation_id = member.organisation_id
    if member.role is Role.OWNER and new is not Role.OWNER:
        _take_off_owners(context, organisation_id, user_id)
    if not memberships.change_role(context, organisation_id, user_id, member.role, new):
        raise Conflict("The member's role was changed at the same time", code="role_changed")
    if new is Role.OWNER:
        list_as_owner(context, organisation_id, user_id)
    return fetch_member(context, standing.organisation, user_id)


def remove_member(context: Context, standing: Standing, user_id: str) -> None:
    """End a membership: somebody's below the caller, or the caller's own. Conflict for the last owner."""
    member = fetch_member(context, standing.organisation, user_id)
    if user_id != standing.user_id:
        check_may_manage(standing, member.role)
    if member.role is Role.OWNER:
        _take_off_owners(context, member.organisation_id, user_id)
    if not memberships.remove(context, member):
        raise Conflict("The member's role was changed at the same time", code="role_changed")


def fetch_member(context: Context, organisation: Organisation, user_id: str) -> Membership:
    """The member with this user id; NotFound where there is none such."""
    member = memberships.fetch(context, organisation.organisation_id, user_id)
    if member is None:
        raise NotFound("The organisation has no member with this id", code="unknown_member")
    return member


def check_may_manage(standing: Standing, role: Role) -> None:
    """Forbidden for a role that the caller may not give or take away."""
    if not standing.role.may_manage(role):
        raise Forbidden(f"Your role '{standing.role}' may not manage the role '{role}'", code="missing_role")


def list_as_owner(context: Context, organisation_id: str, user_id: str) -> None:
    """Have a member who has become owner count as one."""
    while True:
        organisation = fetch_organisation(context, organisation_id)
        listed = organisation.owner_ids.split()
        if user_id in listed or _replace_owners(context, organisation, [*listed, user_id]):
            return


def _take_off_owners(context: Context, organisation_id: str, user_id: str) -> None:
    while True:
        organisation = fetch_organisation(context, organisation_id)
        left = [owner_id for owner_id in organisation.owner_ids.split() if owner_id != user_id]
        # a listed one who was demoted while becoming owner is none
        if not any(memberships.fetch_role(context, organisation_id, each) is Role.OWNER for each in left):
            raise Conflict("The organisation needs an owner: make somebody else one first", code="last_owner")
        if _replace_owners(context, organisation, left):
            return


def _replace_owners(context: Context, organisation: Organisation, owner_ids: list[str]) -> bool:
    changes, expected = {"ownerIds": " ".join(owner_ids)}, {"ownerIds": organisation.owner_ids}
    return context.store.update_document(ORGANISATIONS, organisation.organisation_id, changes, expect=expected)


def require_project_maker(context: Context, caller: Caller) -> None:
    """Permission to make projects at all, before their fields are read: not for API keys, nor for nobody."""
    if caller.user is None:
        auth.require_root(context, caller)


def choose_home(context: Context, caller: Caller, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new project, with the organisation that it comes into: the one named, else the only one in which
    the user who calls may make projects. Forbidden, InvalidInput where there is none, or more than one."""
    if caller.user is None or fields.get("organisationId") is not None:
        check_home(context, caller, fields)
        return dict(fields)
    own = memberships.list_of_user(context, caller.user.user_id)
    possible = [each.organisation_id for each in own if each.role.covers(Role.ADMIN)]
    if len(possible) == 1:
        return {**fields, "organisationId": possible[0]}
    if caller.is_root:
        return dict(fields)
    if not possible:
        raise Forbidden("You are owner or admin of no organisation", code="missing_role")
    raise InvalidInput("organisationId is required", code="missing_organisation_id", fields=["organisationId"])


def check_home(context: Context, caller: Caller, fields: Mapping[str, Any], *, home: str | None = None) -> None:
    """Permission to put a project into the organisation that the fields name, if they name one, or to take it out.

    `home` is the organisation that it is in: giving it away, out of reach of the owners, is for owners.
    """
    named = fields.get("organisationId")
    if isinstance(named, str) and ORGANISATION_ID.fullmatch(named):
        authorize(context, caller, named, Role.ADMIN)
        if home not in (None, named) and not auth.is_unlimited(context, caller):
            authorize(context, caller, str(home), Role.OWNER)
    elif "organisationId" in fields and named is None:
        auth.require_root(context, caller)
    # anything else is refused with all other wrong fields by who reads them


def _unknown_organisation() -> NotFound:
    return NotFound("There is no organisation with this id", code="unknown_organisation")


def format_organisation(organisation: Organisation, role: Role | None) -> dict[str, Any]:
    """The organisation as the API shows it; `role` is the caller's."""
    return {
        "id": organisation.organisation_id,
        "name": organisation.name,
        "createdAt": format_stored_time(organisation.created_at),
        "role": role,
    }


def format_members(context: Context, found: list[Membership]) -> list[dict[str, Any]]:
    """Members as the API shows them; without those whose registration did not come to its end."""
    known = [(member, users.fetch_user(context, member.user_id)) for member in found]
    return [format_member(member, user) for member, user in known if user is not None]


def format_member(member: Membership, user: users.User) -> dict[str, Any]:
    return {
        "userId": user.user_id,
        "username": user.username,
        "email": user.email,
        "fullName": user.full_name,
        "role": member.role,
        "isActive": user.is_active,
        "createdAt": format_stored_time(member.created_at),
    }
