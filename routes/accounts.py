"""/api/auth: register, log in, and what users and superusers do about accounts."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from routes.audit import audited, declares_acts, note_act, recorded_act
from routes.auth import identify_request, needs_root, needs_user
from routes.limits import limit_login
from routes.requests import context, read_json_object
from services import apps, auth, clock, memberships, registration, tokens, users
from services.users import User

bp = Blueprint("accounts", __name__)


@bp.post("/api/auth/register")
@declares_acts("user.register", "app.register")
def register() -> ResponseReturnValue:
    """A user where a password is given, else an app (references 2 and 5 register those at the same address)."""
    caller, now_ms = identify_request(), clock.fetch_now_ms()
    if not auth.is_unlimited(context(), caller):
        limit_login()
    fields = read_json_object()
    if "username" in fields or "password" in fields:
        registration.require_admission(context(), fields, caller=caller, now_ms=now_ms)
        with recorded_act("user.register"):
            user = registration.register(context(), fields, caller=caller, now_ms=now_ms)
            note_newcomer(user)
        return jsonify(users.format_user(user)), 201
    auth.require_registrar(context(), caller)
    with recorded_act("app.register"):
        app = apps.register_app(context(), fields, caller=caller, now_ms=now_ms)
        note_act(project_key=app["projectKey"])
    return jsonify(app), 201


@bp.get("/api/auth/methods")
def list_methods() -> ResponseReturnValue:
    """The ways to log in here, for pages that offer them."""
    ways = ["password"] if context().config.google_client_id is None else ["password", "google"]
    return jsonify({"methods": ways})


@bp.post("/api/auth/login")
def log_in() -> ResponseReturnValue:
    limit_login()
    return answer_with_token(users.log_in(context(), read_json_object()))


@bp.post("/api/auth/refresh")
@needs_user
def refresh_token(user: User) -> ResponseReturnValue:
    """A new token in exchange for one that still works: who is at work is not logged out in the middle of it."""
    return answer_with_token(user, logged_in_at=identify_request().logged_in_at)


@bp.get("/api/auth/me")
@needs_user
def show_me(user: User) -> ResponseReturnValue:
    return jsonify(users.format_user(user))


@bp.post("/api/auth/password")
@needs_user
@audited("user.password")
def change_password(user: User) -> ResponseReturnValue:
    limit_login()
    return answer_with_token(users.change_password(context(), user, read_json_object()))


@bp.post("/api/auth/logout-everywhere")
@needs_user
@audited("user.logout_everywhere")
def log_out_everywhere(user: User) -> ResponseReturnValue:
    users.revoke_tokens(context(), user.user_id)
    return jsonify({"logged_out": True})


@bp.get("/api/auth/users")
@needs_root
def list_users() -> ResponseReturnValue:
    return jsonify({"users": [users.format_user(user) for user in users.list_users(context())]})


@bp.patch("/api/auth/users/<user_id>")
@needs_root
@audited("user.update")
def update_user(user_id: str) -> ResponseReturnValue:
    fields = read_json_object()
    note_act(fields=sorted(fields.keys() & users.FIELDS_OF_AN_UPDATE.keys()))
    return jsonify(users.format_user(users.update_user(context(), user_id, fields)))


def note_newcomer(user: User) -> User:
    """Add to the entry of this request's act which user came, and into which organisation."""
    home = memberships.list_of_user(context(), user.user_id)[0]
    note_act(user_id=user.user_id, organisation_id=home.organisation_id)
    return user


def answer_with_token(user: User, *, logged_in_at: int | None = None) -> Response:
    """A new access token, as OAuth 2.0 (RFC 6749, 5.1) writes it; for a login of `logged_in_at`, by default of now."""
    token, expires_in = issue_token(user, logged_in_at=logged_in_at)
    response = jsonify({"access_token": token, "token_type": "bearer", "expires_in": expires_in})
    response.headers["Cache-Control"] = "no-store"
    return response


def issue_token(user: User, *, logged_in_at: int | None = None) -> tuple[str, int]:
    """A new access token of the user, and the seconds that it works."""
    return tokens.issue_access_token(
        context(),
        user.user_id,
        generation=user.token_generation,
        now_ms=clock.fetch_now_ms(),
        logged_in_at=logged_in_at,
    )
