"""The service in each environment, with its clock in the test's hands."""

from __future__ import annotations

import pytest

from tests.cast import Installation, MakeApp, install


@pytest.fixture
def production(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return install(make_app, "production", monkeypatch)


@pytest.fixture
def development(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return install(make_app, "development", monkeypatch)
