"""/api/auth/google: sign-in through Google, or another OpenID provider."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from routes.accounts import answer_with_token, issue_token, note_newcomer
from routes.audit import note_act, recorded_act
from routes.auth import identify_request
from routes.limits import limit_login
from routes.requests import context, read_query
from services import clock
from services.errors import AppTrackerError, NotFound
from services.fields import FieldParser, parse_choice, parse_fields
from services.invitations import parse_token
from services.users import User

if TYPE_CHECKING:
    from services.google import Beginning, Identity

START_PATH = "/api/auth/google"
CALLBACK_PATH = "/api/auth/google/callback"
DASHBOARD_PATH = "/dashboard"
STATE_COOKIE = "apptracker_sign_in"

bp = Blueprint("google", __name__)


@bp.get(START_PATH)
def start_sign_in() -> ResponseReturnValue:
    google, _ = _load_services()
    identify_request()
    fields: dict[str, FieldParser] = {"invitation": parse_token, "page": partial(parse_choice, choices=google.Page)}
    asked = parse_fields(read_query(set(fields)), fields)
    address, state = google.begin(
        context(),
        redirect_uri=_build_address(CALLBACK_PATH),
        invitation=asked.get("invitation"),
        page=asked.get("page"),
        now_ms=clock.fetch_now_ms(),
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
        secure=_build_address(CALLBACK_PATH).startswith("https:"),
        samesite="Lax",
    )
    return response


@bp.get(CALLBACK_PATH)
def finish_sign_in() -> ResponseReturnValue:
    google, _ = _load_services()
    identify_request()
    limit_login()
    now_ms = clock.fetch_now_ms()
    beginning = google.read_beginning(context(), request.cookies.get(STATE_COOKIE), now_ms=now_ms)
    response: Response
    if beginning.page is None:
        response = answer_with_token(_find_user(beginning, now_ms))
    else:
        response = _lead_to_dashboard(beginning, now_ms)
    response.delete_cookie(STATE_COOKIE, path=START_PATH)
    return response


def _lead_to_dashboard(beginning: Beginning, now_ms: int) -> Response:
    """To the page, with a token or why there is none in the address's fragment, which browsers send to nobody."""
    try:
        brought = {"access_token": issue_token(_find_user(beginning, now_ms))[0]}
    except AppTrackerError as error:
        brought = {"sign_in_error": error.message}
    response = redirect(f"{_build_address(DASHBOARD_PATH)}#{urlencode(brought)}")
    response.headers["Cache-Control"] = "no-store"
    return response


def _find_user(beginning: Beginning, now_ms: int) -> User:
    """Who has signed in; a new user, where that may be."""
    google, sign_in = _load_services()
    redirect_uri = _build_address(CALLBACK_PATH)
    identity = google.finish(context(), beginning, redirect_uri=redirect_uri, answer=read_query(), now_ms=now_ms)
    return _admit(sign_in, identity, now_ms)


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


def _build_address(path: str) -> str:
    """The whole address of a path of ours, as browsers reach it."""
    base = context().config.public_url or request.url_root
    return base.rstrip("/") + path
