"""What the service signs: access tokens of users (JWT, RFC 7519), and the short-lived state of a Google sign-in.

Each purpose has a signing key of its own, derived from SECRET_KEY, so nothing signed for one passes for another.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import jwt
import msgspec

from services.context import Context
from services.errors import Unauthorized

ALGORITHM = "HS256"
ISSUER = "apptracker"
ACCESS = "access token"
SIGN_IN = "sign-in state"
MAX_TOKEN_LENGTH = 4096
LOGIN_LIFETIME_SECONDS = 30 * 86_400
"""How long a login may be carried on by tokens that are exchanged for new ones."""


class AccessToken(msgspec.Struct, frozen=True):
    """What an access token says."""

    user_id: str = msgspec.field(name="sub")
    generation: int = msgspec.field(name="gen")
    """Of the user's tokens when this one was issued, see `services.users`."""
    logged_in_at: int = msgspec.field(name="auth_time")
    """When the login was that it carries on, in Unix time in seconds."""


def looks_signed(secret: str) -> bool:
    """Whether the secret has the form of a JWT. API keys and projectKeys have no dots."""
    return secret.count(".") == 2


def issue_access_token(
    context: Context, user_id: str, *, generation: int, now_ms: int, logged_in_at: int | None = None
) -> tuple[str, int]:
    """A user's access token and the seconds that it works. `generation` is the user's own, see `services.users`.

    `logged_in_at`, Unix time in seconds, is when the login was that the token carries on; now by default. A token that
    carries on an older login ends with that, LOGIN_LIFETIME_SECONDS after it; then there is none any more, but
    Unauthorized `expired_login`.
    """
    lifetime_seconds = context.config.access_token_expire_minutes * 60
    if logged_in_at is None:
        logged_in_at = now_ms // 1000
    else:
        lifetime_seconds = min(lifetime_seconds, logged_in_at + LOGIN_LIFETIME_SECONDS - now_ms // 1000)
        if lifetime_seconds <= 0:
            raise Unauthorized("The login was 30 days ago; log in again", code="expired_login")
    claims = {"sub": user_id, "gen": generation, "auth_time": logged_in_at}
    return sign(context, ACCESS, claims, lifetime_seconds=lifetime_seconds, now_ms=now_ms), lifetime_seconds


def read_access_token(context: Context, token: str, *, now_ms: int) -> AccessToken:
    """What an access token says; Unauthorized `invalid_token` or `expired_token`."""
    claims = verify(context, ACCESS, token, now_ms=now_ms)
    # tokens of version 0.2 have no auth_time: each was given out by logging in
    try:
        return msgspec.convert({"auth_time": claims["iat"], **claims}, AccessToken)
    except msgspec.ValidationError:
        raise _invalid() from None


def sign(context: Context, purpose: str, claims: Mapping[str, Any], *, lifetime_seconds: int, now_ms: int) -> str:
    """The claims as a JWT that `verify` accepts for this purpose until `lifetime_seconds` from now."""
    issued_at = now_ms // 1000
    registered = {"iss": ISSUER, "iat": issued_at, "exp": issued_at + lifetime_seconds, "jti": secrets.token_hex(16)}
    return jwt.encode({**claims, **registered}, _derive_key(context, purpose), algorithm=ALGORITHM)


def verify(context: Context, purpose: str, token: str, *, now_ms: int) -> dict[str, Any]:
    """The claims of a token that was signed here for this purpose; Unauthorized if it was not, or has expired."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise _invalid()
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            _derive_key(context, purpose),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            # the time is the caller's, so it is compared below
            options={"require": ["exp", "iat", "iss", "jti"], "verify_exp": False, "verify_iat": False},
        )
    except (jwt.InvalidTokenError, ValueError):
        raise _invalid() from None
    if not isinstance(claims["exp"], int):
        raise _invalid()
    if now_ms >= claims["exp"] * 1000:
        raise Unauthorized("The token has expired; log in again", code="expired_token")
    return claims


def _derive_key(context: Context, purpose: str) -> bytes:
    return hmac.new(context.config.secret_key.encode(), f"apptracker {purpose}".encode(), hashlib.sha256).digest()


def _invalid() -> Unauthorized:
    return Unauthorized("The token is not valid", code="invalid_token")
