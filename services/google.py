"""Sign-in through Google, or another OpenID provider: the authorization code flow with PKCE (OpenID Connect Core, 3.1).

Between its two halves nothing is kept here: state, nonce and PKCE verifier travel in a signed cookie of the browser.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, cast

import msgspec
import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from services import tokens
from services.context import Context
from services.errors import NotFound, Unauthorized, Unavailable
from services.users import parse_email

SCOPE = "openid email profile"
ALGORITHMS = ["RS256", "ES256"]
"""Google signs with RS256. Never an algorithm whose key both sides have."""
STATE_SECONDS = 600
TIMEOUT_SECONDS = 10
LEEWAY_SECONDS = 60


class Page(StrEnum):
    """Where a sign-in may lead the browser."""

    DASHBOARD = "dashboard"


class Beginning(msgspec.Struct, frozen=True):
    """What a sign-in began with; kept, signed, in the browser's cookie."""

    state: str
    nonce: str
    verifier: str
    invitation: str | None = None
    page: Page | None = None
    """Where the browser is led when it is over; None for an answer in JSON."""


class Identity(msgspec.Struct, frozen=True):
    """Whom the provider vouches for."""

    subject: str
    """The provider's id of the person; never given to another one."""
    email: str | None
    """In lower case; None where the provider did not verify it."""
    name: str | None
    invitation: str | None
    """Token of the invitation with which the sign-in began."""


def begin(
    context: Context, *, redirect_uri: str, invitation: str | None, page: Page | None, now_ms: int
) -> tuple[str, str]:
    """Where to send the browser, and the state that it has to bring back, to be kept in its cookie."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    beginning = Beginning(state, nonce, verifier, invitation, page)
    with _open_session(context, redirect_uri) as session:
        provider = _fetch_json(session, context.config.google_discovery_url)
        url, _ = session.create_authorization_url(
            provider["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
        )
    claims = msgspec.to_builtins(beginning)
    return str(url), tokens.sign(context, tokens.SIGN_IN, claims, lifetime_seconds=STATE_SECONDS, now_ms=now_ms)


def read_beginning(context: Context, kept_state: str | None, *, now_ms: int) -> Beginning:
    """What `begin` gave this browser. Unauthorized for nothing, for what is not of here, and after STATE_SECONDS."""
    if not kept_state:
        raise _refuse("The sign-in did not begin in this browser, or took too long")
    return msgspec.convert(tokens.verify(context, tokens.SIGN_IN, kept_state, now_ms=now_ms), Beginning)


def finish(
    context: Context, beginning: Beginning, *, redirect_uri: str, answer: Mapping[str, str], now_ms: int
) -> Identity:
    """Who has signed in, from the parameters with which the provider sent the browser back.

    Raises Unauthorized where anything does not fit what the sign-in began with, or the provider says no.
    """
    if not hmac.compare_digest(answer.get("state", "").encode(), beginning.state.encode()):
        raise _refuse("The sign-in did not begin in this browser")
    if not answer.get("code"):
        raise _refuse("The provider did not sign you in")
    with _open_session(context, redirect_uri) as session:
        provider = _fetch_json(session, context.config.google_discovery_url)
        granted = session.fetch_token(
            provider["token_endpoint"], code=answer["code"], code_verifier=beginning.verifier, timeout=TIMEOUT_SECONDS
        )
        claims = _read_id_token(session, provider, granted, nonce=beginning.nonce, now_ms=now_ms)
    return Identity(claims["sub"], _read_email(claims), _read_name(claims), beginning.invitation)


def _read_id_token(
    session: OAuth2Session, provider: Mapping[str, Any], granted: Mapping[str, Any], *, nonce: str, now_ms: int
) -> CodeIDToken:
    key_set = KeySet.import_key_set(cast(KeySetSerialization, _fetch_json(session, provider["jwks_uri"])))
    token = jwt.decode(granted["id_token"], key_set, algorithms=ALGORITHMS)
    claims = CodeIDToken(
        token.claims,
        token.header,
        {
            "iss": {"essential": True, "value": provider["issuer"]},
            "aud": {"essential": True, "value": session.client_id},
        },
        {"nonce": nonce, "client_id": session.client_id, "access_token": granted.get("access_token")},
    )
    claims.validate(now=now_ms // 1000, leeway=LEEWAY_SECONDS)
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise ValueError("sub is no text")
    return claims


def _read_email(claims: Mapping[str, Any]) -> str | None:
    # some providers write the claim as a text
    if claims.get("email_verified") not in (True, "true"):
        return None
    try:
        return parse_email(claims.get("email"))
    except ValueError:
        return None


def _read_name(claims: Mapping[str, Any]) -> str | None:
    name = claims.get("name")
    return name.strip()[:200] or None if isinstance(name, str) and name.isprintable() else None


@contextmanager
def _open_session(context: Context, redirect_uri: str) -> Iterator[OAuth2Session]:
    """A client of the provider, whose failures become ours. NotFound without GOOGLE_CLIENT_ID."""
    config = context.config
    if config.google_client_id is None:
        raise NotFound("Google sign-in is not set up here", code="sign_in_not_configured")
    session = OAuth2Session(
        config.google_client_id,
        config.google_client_secret,
        scope=SCOPE,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )
    try:
        with session:
            yield session
    except requests.RequestException as exc:
        raise Unavailable("The sign-in provider does not answer", code="sign_in_provider_unavailable") from exc
    except (AuthlibBaseError, JoseError, KeyError, TypeError, ValueError) as exc:
        raise _refuse("The provider's answer is not valid") from exc


def _fetch_json(session: OAuth2Session, url: str) -> dict[str, Any]:
    response = session.request("GET", url, withhold_token=True, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    found = response.json()
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _refuse(message: str) -> Unauthorized:
    return Unauthorized(message, code="sign_in_failed")
