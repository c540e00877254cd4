"""An export from gunicorn: streamed, and cut off in a way that a client notices when the rest cannot be had."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.service import Service

HOURS, EVENTS_OF_HOUR = 2, 60_000
"""More than fits in a piece, so that each hour is one."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path / "data", workers=1)
    running.start()
    yield running
    running.close()


def load(service: Service) -> str:
    project_key: str = service.create_project()["projectKey"]
    for start in range(0, HOURS * EVENTS_OF_HOUR, 2000):
        moment = f"2025-01-06T{10 + start // EVENTS_OF_HOUR}:00:00Z"
        events = [
            {"eventName": "view", "eventId": f"e{number:07}", "userId": f"u{number}", "timestamp": moment,
             "url": f"https://shop.example/products/{number}"}
            for number in range(start, start + 2000)
        ]  # fmt: skip
        assert service.post_events(project_key, events).status == 200
    return project_key


def test_an_export_streams_all_events_and_a_broken_one_is_noticed(service: Service) -> None:
    project_key = load(service)
    path = f"/v1/reports/export?projectKey={project_key}"
    whole = service.call("GET", path)
    assert whole.headers["Transfer-Encoding"] == "chunked"
    ids = [json.loads(line)["eventId"] for line in whole.body.splitlines()]
    assert ids == [f"e{number:07}" for number in range(HOURS * EVENTS_OF_HOUR)]

    with closing(http.client.HTTPConnection("127.0.0.1", service.config.port, timeout=60)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        # the service waits for its reader in the middle of the first piece
        assert response.read(1000)
        assert service.call("DELETE", f"/v1/projects/{project_key}?erase=true").status == 200
        with pytest.raises(http.client.IncompleteRead):
            response.read()
    assert service.call("GET", "/health/ready").status == 200
