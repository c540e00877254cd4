"""Passwords: argon2id, and the same work whether or not there is something to compare with."""

from __future__ import annotations

import threading
import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 8
MAX_LENGTH = 200
HASHES_AT_ONCE = 4
"""Each takes 19 MiB for its time; a flood of logins waits here, and does not take a worker's memory."""

# OWASP's password storage cheat sheet, argon2id: m=19 MiB, t=2, p=1.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
_slots = threading.BoundedSemaphore(HASHES_AT_ONCE)


def parse_password(value: object) -> str:
    """A password as it was typed, blanks included, 8 to 200 characters; equal looking ones are made equal (NFKC)."""
    expected = f"must be text of {MIN_LENGTH} to {MAX_LENGTH} characters"
    if not isinstance(value, str) or not MIN_LENGTH <= len(value) <= MAX_LENGTH:
        raise ValueError(expected)
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
        raise ValueError(f"{expected}, without NUL and lone surrogates")
    return unicodedata.normalize("NFKC", value)


def hash_password(password: str) -> str:
    """The argon2id hash to store, with salt and parameters inside."""
    with _slots:
        return _hasher.hash(password)


def verify_password(stored_hash: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed. Without a hash: False, after as much work."""
    with _slots:
        try:
            return _hasher.verify(stored_hash or _hash_of_nobody(), password) and stored_hash is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(stored_hash: str) -> bool:
    """Whether the hash was made with other parameters than are used now."""
    return _hasher.check_needs_rehash(stored_hash)


@lru_cache(maxsize=1)
def _hash_of_nobody() -> str:
    return _hasher.hash("nobody's password")
