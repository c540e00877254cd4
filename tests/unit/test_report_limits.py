"""What a single question may cost the report engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.reports.run import MAX_PROPERTIES
from tests.pipeline import open_pipeline


def build_steps(properties: int) -> list[dict[str, Any]]:
    """Steps of ten filters, each on a property of its own."""
    filters = [
        {"property": f"metadata.p{number}", "operator": "contains", "value": "x"} for number in range(properties)
    ]
    return [{"eventName": "seen", "filters": filters[first : first + 10]} for first in range(0, properties, 10)]


def test_a_report_reads_so_many_properties_and_no_more(tmp_path: Path) -> None:
    with open_pipeline(tmp_path, None) as pipeline:
        project_key = pipeline.create_project()
        asked = {"projectKey": project_key, "steps": build_steps(MAX_PROPERTIES)}
        assert pipeline.client.post("/v1/reports/funnel", json=asked).status_code == 200
        refused = pipeline.client.post("/v1/reports/funnel", json={**asked, "breakdown": "metadata.another"})
        assert (refused.status_code, refused.get_json()["code"]) == (400, "invalid_input")


def test_a_report_beyond_the_engines_memory_is_unavailable_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.reports.run.MAX_PROPERTIES", 1_000)
    with open_pipeline(tmp_path, None, report_memory_mb=64) as pipeline:
        project_key = pipeline.create_project()
        pipeline.client.post("/v1/events/batch", json={"projectKey": project_key, "events": [{"eventName": "seen"}]})
        asked = {"projectKey": project_key, "steps": build_steps(200)}
        answer = pipeline.client.post("/v1/reports/funnel", json=asked)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "report_too_large")
        assert answer.headers["Retry-After"]
