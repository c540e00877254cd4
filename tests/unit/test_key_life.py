"""When an API key works and what it allows."""

from __future__ import annotations

import pytest

from services import clock
from services.keys import ApiKey, Scope, format_key

NOON_MS = 1_736_164_800_000
"""2025-01-06T12:00:00Z."""


def build_key(scopes: list[Scope] | None = None, **times_ms: int) -> ApiKey:
    times = {name: clock.format_ms_sortable(ms) for name, ms in times_ms.items()}
    created_at = clock.format_ms_sortable(NOON_MS - 1000)
    return ApiKey("hash", "id", "a1b2c3d4e5f6", "key", "ak_live_abcd", scopes or [Scope.READ], created_at, **times)


def test_a_key_works_until_the_millisecond_it_expires() -> None:
    key = build_key(expires_at=NOON_MS)
    assert key.refusal_at(NOON_MS - 1) is None
    assert key.refusal_at(NOON_MS) == "expired"


def test_a_rotated_key_works_until_its_grace_ends() -> None:
    key = build_key(rotated_at=NOON_MS - 5, grace_ends_at=NOON_MS)
    assert key.refusal_at(NOON_MS - 1) is None
    assert key.refusal_at(NOON_MS) == "rotated"


def test_grace_does_not_outlive_expiry_or_revocation() -> None:
    assert build_key(expires_at=NOON_MS, grace_ends_at=NOON_MS + 9).refusal_at(NOON_MS) == "expired"
    assert build_key(revoked_at=NOON_MS, grace_ends_at=NOON_MS + 9).refusal_at(NOON_MS) == "revoked"


def test_a_revoked_key_does_not_work() -> None:
    assert build_key(revoked_at=NOON_MS).refusal_at(NOON_MS) == "revoked"


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (Scope.INGEST, {Scope.INGEST}),
        (Scope.READ, {Scope.READ}),
        (Scope.ADMIN, {Scope.INGEST, Scope.READ, Scope.ADMIN}),
    ],
)
def test_admin_implies_the_others_which_imply_nothing(scope: Scope, allowed: set[Scope]) -> None:
    assert {wanted for wanted in Scope if build_key([scope]).allows(wanted)} == allowed


def test_a_shown_key_has_neither_secret_nor_hash_and_times_without_idle_zeros() -> None:
    shown = format_key(build_key(expires_at=NOON_MS + 1), now_ms=NOON_MS)
    assert shown == {
        "id": "id",
        "name": "key",
        "prefix": "ak_live_abcd",
        "scopes": ["read"],
        "rateLimit": None,
        "isActive": True,
        "createdAt": "2025-01-06T11:59:59Z",
        "expiresAt": "2025-01-06T12:00:00.001Z",
        "lastUsedAt": None,
        "rotatedAt": None,
        "graceEndsAt": None,
        "revokedAt": None,
    }
