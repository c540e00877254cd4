"""Services to break, on each store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service import Service

StartService = Callable[..., Service]


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """`start_service(**settings)`: a running service with a folder of its own; `until` as in `Service.start`."""
    if sys.platform != "linux":
        pytest.skip("the processes of a service are found in /proc")
    started: list[Service] = []

    def start(*, until: str = "/health/ready", **settings: Any) -> Service:
        service = Service(tmp_path / f"host-{len(started)}", **settings)
        started.append(service)
        service.start(until=until)
        return service

    yield start
    for service in started:
        service.close()


@pytest.fixture(params=["embedded", "mongodb"])
def store_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings that name each store in turn, empty."""
    if request.param == "embedded":
        return {}
    uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("mongodb_database")
    return {"mongo_uri": uri, "mongo_db_name": database}
