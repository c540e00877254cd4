"""The service in each environment, with its clock in the test's hands."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from flask import Flask

from columns.copy import ColumnarCopy
from services import passwords
from tests.cast import Installation, MakeApp, install


@pytest.fixture
def production(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return install(make_app, "production", monkeypatch)


@pytest.fixture
def development(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return install(make_app, "development", monkeypatch)


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords hashed with the least work that argon2 takes, for tests with many users."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._hash_of_nobody.cache_clear()


@pytest.fixture
def copy(app: Flask) -> ColumnarCopy:
    """The columnar copy of the service under test."""
    found: ColumnarCopy = app.extensions["apptracker"].copy
    return found
