"""/v1/organisations: who works together on which projects; and /v1/invitations, by which people come in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from routes.audit import audited, declares_acts, note_act, recorded_act
from routes.auth import View, identify_request, needs_user
from routes.limits import note_bad_credentials
from routes.requests import context, read_json_object
from services import clock, invitations, memberships, organisations, users
from services.errors import Forbidden
from services.organisations import Standing
from services.roles import Role
from services.users import User

bp = Blueprint("organisations", __name__)


def needs_role(least: Role) -> Callable[[View], View]:
    """The view acts on the organisation in its path, and gets the caller's `Standing` in it in place of the id."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*, organisation_id: str, **arguments: Any) -> ResponseReturnValue:
            standing = organisations.authorize(context(), identify_request(), organisation_id, least)
            return view(standing, **arguments)

        return guarded

    return decorate


@bp.get("/v1/organisations")
def list_organisations() -> ResponseReturnValue:
    found = organisations.list_organisations(context(), identify_request())
    return jsonify({"organisations": [organisations.format_organisation(*each) for each in found]})


@bp.post("/v1/organisations")
@declares_acts("organisation.create")
def create_organisation() -> ResponseReturnValue:
    caller, now_ms = identify_request(), clock.fetch_now_ms()
    organisations.require_founder(context(), caller)
    fields = read_json_object()
    with recorded_act("organisation.create"):
        created = organisations.create_by_caller(context(), caller, fields, now_ms=now_ms)
        note_act(organisation_id=created.organisation_id)
    return jsonify(organisations.format_organisation(created, Role.OWNER if caller.user else None)), 201


@bp.get("/v1/organisations/<organisation_id>")
@needs_role(Role.VIEWER)
def show_organisation(standing: Standing) -> ResponseReturnValue:
    return jsonify(organisations.format_organisation(standing.organisation, standing.role))


@bp.patch("/v1/organisations/<organisation_id>")
@needs_role(Role.OWNER)
@audited("organisation.update")
def rename_organisation(standing: Standing) -> ResponseReturnValue:
    organisation_id = standing.organisation.organisation_id
    changed = organisations.rename_organisation(context(), organisation_id, read_json_object())
    return jsonify(organisations.format_organisation(changed, standing.role))


@bp.delete("/v1/organisations/<organisation_id>")
@needs_role(Role.OWNER)
@audited("organisation.delete")
def delete_organisation(standing: Standing) -> ResponseReturnValue:
    organisations.delete_organisation(context(), standing.organisation.organisation_id)
    return jsonify({"id": standing.organisation.organisation_id, "deleted": True})


@bp.get("/v1/organisations/<organisation_id>/members")
@needs_role(Role.VIEWER)
def list_members(standing: Standing) -> ResponseReturnValue:
    found = memberships.list_of_organisation(context(), standing.organisation.organisation_id)
    return jsonify({"members": organisations.format_members(context(), found)})


@bp.patch("/v1/organisations/<organisation_id>/members/<user_id>")
@needs_role(Role.ADMIN)
@audited("member.update")
def change_member(standing: Standing, user_id: str) -> ResponseReturnValue:
    member = organisations.change_member(context(), standing, user_id, read_json_object())
    return jsonify(organisations.format_member(member, users.fetch_known_user(context(), user_id)))


@bp.delete("/v1/organisations/<organisation_id>/members/<user_id>")
@needs_role(Role.VIEWER)
@audited("member.remove")
def remove_member(standing: Standing, user_id: str) -> ResponseReturnValue:
    """Everybody may leave; whom else one may remove, the service decides."""
    organisations.remove_member(context(), standing, user_id)
    return jsonify({"userId": user_id, "removed": True})


@bp.get("/v1/organisations/<organisation_id>/invitations")
@needs_role(Role.ADMIN)
def list_invitations(standing: Standing) -> ResponseReturnValue:
    found = invitations.list_open(context(), standing.organisation, now_ms=clock.fetch_now_ms())
    return jsonify({"invitations": [invitations.format_invitation(each) for each in found]})


@bp.post("/v1/organisations/<organisation_id>/invitations")
@needs_role(Role.ADMIN)
@audited("invitation.create")
def create_invitation(standing: Standing) -> ResponseReturnValue:
    fields = read_json_object()
    created, token = invitations.create_invitation(context(), standing, fields, now_ms=clock.fetch_now_ms())
    note_act(invitation_id=created.invitation_id)
    return jsonify({**invitations.format_invitation(created), "token": token}), 201


@bp.delete("/v1/organisations/<organisation_id>/invitations/<invitation_id>")
@needs_role(Role.ADMIN)
@audited("invitation.withdraw")
def withdraw_invitation(standing: Standing, invitation_id: str) -> ResponseReturnValue:
    invitations.withdraw(context(), standing, invitation_id)
    return jsonify({"id": invitation_id, "withdrawn": True})


@bp.post("/v1/invitations/accept")
@needs_user
@audited("invitation.accept")
def accept_invitation(user: User) -> ResponseReturnValue:
    fields = read_json_object()
    try:
        organisation, role = invitations.accept(context(), user, fields, now_ms=clock.fetch_now_ms())
    except Forbidden:
        note_bad_credentials()
        raise
    note_act(organisation_id=organisation.organisation_id)
    return jsonify(organisations.format_organisation(organisation, role))
