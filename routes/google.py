"""/api/auth/google: sign-in through Google, or another OpenID provider."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, cast

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from routes.accounts import answer_with_token, note_newcomer
from routes.audit import note_act, recorded_act
from routes.auth import identify_request
from routes.limits import limit_login
from routes.requests import context, read_query
from services import clock
from services.errors import NotFound
from services.fields import parse_fields
from services.invitations import parse_token
from services.users import User

if TYPE_CHECKING:
    from services.google import Identity

START_PATH = "/api/auth/google"
CALLBACK_PATH = "/api/auth/google/callback"
STATE_COOKIE = "apptracker_sign_in"

bp = Blueprint("google", __name__)


@bp.get(START_PATH)
def start_sign_in() -> ResponseReturnValue:
    google, _ = _load_services()
    identify_request()
    asked = parse_fields(read_query({"invitation"}), {"invitation": parse_token})
    address, state = google.begin(
        context(), redirect_uri=_build_redirect_uri(), invitation=asked.get("invitation"), now_ms=clock.fetch_now_ms()
    )
    response = redirect(address)
    response.headers["Cache-Control"] = "no-store"
    # Lax: the provider sends the browser back by a link from its own page
    response.set_cookie(
        STATE_COOKIE,
        state,
        max_age=google.STATE_SECONDS,
        path=START_PATH,
        httponly=True,
        secure=_build_redirect_uri().startswith("https:"),
        samesite="Lax",
    )
    return response


@bp.get(CALLBACK_PATH)
def finish_sign_in() -> ResponseReturnValue:
    google, sign_in = _load_services()
    identify_request()
    limit_login()
    now_ms = clock.fetch_now_ms()
    identity = google.finish(
        context(),
        redirect_uri=_build_redirect_uri(),
        answer=read_query(),
        kept_state=request.cookies.get(STATE_COOKIE),
        now_ms=now_ms,
    )
    response = answer_with_token(_admit(sign_in, identity, now_ms))
    response.delete_cookie(STATE_COOKIE, path=START_PATH)
    return response


def _admit(sign_in: ModuleType, identity: Identity, now_ms: int) -> User:
    """The user with this identity, else with its address; else a new one."""
    user: User | None = sign_in.find_known(context(), identity)
    addressee: User | None = sign_in.find_addressee(context(), identity) if user is None else None
    if addressee is not None:
        with recorded_act("user.link", user_id=addressee.user_id):
            user = cast(User, sign_in.link(context(), addressee, identity, now_ms=now_ms))
    if user is None:
        with recorded_act("user.register"):
            return note_newcomer(sign_in.register(context(), identity, now_ms=now_ms))
    invitation = sign_in.find_invitation(context(), user, identity, now_ms=now_ms)
    if invitation is not None:
        with recorded_act("invitation.accept", user_id=user.user_id):
            note_act(organisation_id=invitation.organisation_id)
            sign_in.join(context(), user, invitation, now_ms=now_ms)
    return user


def _load_services() -> tuple[ModuleType, ModuleType]:
    """The services behind. Where sign-in is not set up their libraries are not even loaded."""
    if context().config.google_client_id is None:
        raise NotFound("Google sign-in is not set up here", code="sign_in_not_configured")
    from services import google, sign_in

    return google, sign_in


def _build_redirect_uri() -> str:
    base = context().config.public_url or request.url_root
    return base.rstrip("/") + CALLBACK_PATH
