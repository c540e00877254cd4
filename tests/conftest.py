"""For everybody: the service over an embedded store in a folder of the test's own, and the profiles of Hypothesis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, settings

from app import close_app, create_app
from config import Config
from stores.base import Store

pytest_plugins = ["tests.servers", "tests.scheduling"]

SECRET_TOKEN = "root-token-of-the-tests"
MakeApp = Callable[..., Flask]

# How long an example takes is the machine's affair.
ANY_MACHINE: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
# The same examples in each run, so that none fails by chance; `thorough` looks for others. Shrinking a stream takes
# minutes: only `thorough` does it.
settings.register_profile(
    "default", max_examples=60, derandomize=True, phases=[Phase.explicit, Phase.generate], **ANY_MACHINE
)
settings.register_profile("thorough", max_examples=2000, **ANY_MACHINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def build_config(data_dir: Path, **overrides: Any) -> Config:
    """Settings for one test, from no environment and no file. `env="production"` gets a token and an embedded store.

    Requests are not limited, unless the test says otherwise.
    """
    unlimited = {"rate_limit_max": 0, "user_rate_limit_max": 0, "login_rate_limit_max": 0}
    settings: dict[str, Any] = {"data_dir": data_dir, "workers": 1, "report_memory_mb": 200, **unlimited}
    if overrides.get("env") == "production":
        settings |= {"secret_token": SECRET_TOKEN, "store": "auto"}
    return Config(**(settings | overrides))


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """`make_app(env="production", ...)`: the service with these settings, over `store_object` if one is given."""
    opened: list[Flask] = []

    def make(*, store_object: Store | None = None, **overrides: Any) -> Flask:
        app = create_app(build_config(tmp_path / "data", **overrides), store=store_object)
        opened.append(app)
        return app

    yield make
    for app in opened:
        close_app(app)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The service in development mode."""
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the service in development mode."""
    return app.test_client()
