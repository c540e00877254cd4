"""Exchanging a token for a new one: it carries the login on, for at most 30 days, and never past a revocation."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from services import tokens
from tests.cast import MINUTE_MS, SECRET_TOKEN, START_MS, Installation, MakeApp, install
from tests.people import PASSWORD, log_in, register

DAY_MS = 24 * 60 * MINUTE_MS


def refresh(installation: Installation, token: str) -> Any:
    return installation.call("POST", "/api/auth/refresh", headers={"Authorization": f"Bearer {token}"})


def works(installation: Installation, token: str) -> bool:
    status = installation.call("GET", "/api/auth/me", secret=token).status_code
    assert status in (200, 401)
    return bool(status == 200)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_a_new_token_works_its_whole_time_from_the_exchange_on(production: Installation) -> None:
    register(production, "analyst")
    first = log_in(production, "analyst")
    production.clock.advance(29 * MINUTE_MS)
    answer = refresh(production, first)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    told = answer.json
    second = told.pop("access_token")
    assert told == {"token_type": "bearer", "expires_in": 30 * 60}
    assert works(production, first)
    production.clock.advance(MINUTE_MS)
    assert not works(production, first)
    production.clock.advance(29 * MINUTE_MS - 1)
    assert works(production, second)
    production.clock.advance(1)
    assert not works(production, second)


def test_an_expired_token_is_not_exchanged(production: Installation) -> None:
    register(production, "analyst")
    token = log_in(production, "analyst")
    production.clock.advance(30 * MINUTE_MS)
    assert code_of(refresh(production, token)) == (401, "expired_token")


def test_a_login_ends_after_30_days_however_often_its_token_is_exchanged(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install(make_app, "production", monkeypatch, access_token_expire_minutes=24 * 60)
    register(installation, "analyst")
    token = log_in(installation, "analyst")
    for _ in range(59):
        installation.clock.advance(DAY_MS // 2)
        token = refresh(installation, token).json["access_token"]
    # half a day is left of the 30
    assert installation.clock.now_ms == START_MS + 29 * DAY_MS + DAY_MS // 2
    installation.clock.advance(DAY_MS // 2 - 1000)
    last = refresh(installation, token)
    assert last.json["expires_in"] == 1
    assert works(installation, last.json["access_token"])
    installation.clock.advance(1000)
    assert not works(installation, last.json["access_token"])
    assert not works(installation, token)


def test_a_token_that_outlives_the_30_days_by_its_setting_is_not_exchanged_after_them(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install(make_app, "production", monkeypatch, access_token_expire_minutes=60 * 24 * 60)
    register(installation, "analyst")
    token = log_in(installation, "analyst")
    installation.clock.advance(30 * DAY_MS)
    assert works(installation, token)
    assert code_of(refresh(installation, token)) == (401, "expired_login")


@pytest.mark.parametrize("act", ["logging out everywhere", "changing the password", "deactivating"])
def test_what_voids_a_token_voids_all_that_came_from_it(production: Installation, act: str) -> None:
    user_id = register(production, "analyst")["id"]
    old = log_in(production, "analyst")
    new = refresh(production, old).json["access_token"]
    if act == "logging out everywhere":
        production.call("POST", "/api/auth/logout-everywhere", secret=old)
    elif act == "changing the password":
        body = {"current_password": PASSWORD, "new_password": "another good one"}
        production.call("POST", "/api/auth/password", body, secret=old)
    else:
        production.as_root("PATCH", f"/api/auth/users/{user_id}", {"is_active": False})
    for token in (old, new):
        assert code_of(refresh(production, token)) == (401, "revoked_token")


def test_a_token_of_before_there_was_a_login_time_is_of_the_time_it_was_given_out(production: Installation) -> None:
    register(production, "analyst")
    claims = jwt.decode(log_in(production, "analyst"), options={"verify_signature": False})
    del claims["auth_time"]
    lifetime = claims["exp"] - claims["iat"]
    now_ms = production.clock.now_ms
    token = tokens.sign(production.context, tokens.ACCESS, claims, lifetime_seconds=lifetime, now_ms=now_ms)
    production.clock.advance(MINUTE_MS)
    renewed = jwt.decode(refresh(production, token).json["access_token"], options={"verify_signature": False})
    assert renewed["auth_time"] == START_MS // 1000


@pytest.mark.parametrize("secret", [SECRET_TOKEN, "key"])
def test_keys_and_the_secret_token_are_not_exchanged(production: Installation, secret: str) -> None:
    sent = production.create_project()["apiKey"] if secret == "key" else secret
    assert code_of(refresh(production, sent)) == (403, "user_required")
    assert code_of(production.call("POST", "/api/auth/refresh")) == (401, "missing_credentials")
