"""What is left of an erased project in the files of the embedded store."""

from __future__ import annotations

from pathlib import Path

from tests.pipeline import open_pipeline


def test_nothing_that_was_sent_is_left_in_any_file(tmp_path: Path) -> None:
    with open_pipeline(tmp_path, None) as pipeline:
        project_key = pipeline.create_project()
        events = [
            {"eventName": "seen", "metadata": {"note": "stored-secret"}},
            {"eventName": "", "note": "kept-secret"},
        ]
        pipeline.client.post("/v1/events/batch", json={"projectKey": project_key, "events": events})
        assert find_files(tmp_path, b"stored-secret")
        assert find_files(tmp_path, b"kept-secret")
        pipeline.client.delete(f"/v1/projects/{project_key}?erase=true")
        assert find_files(tmp_path, b"stored-secret") == []
        assert find_files(tmp_path, b"kept-secret") == []


def test_nothing_of_rejected_events_is_left_where_none_was_stored(tmp_path: Path) -> None:
    with open_pipeline(tmp_path, None) as pipeline:
        project_key = pipeline.create_project()
        refused = {"projectKey": project_key, "events": [{"eventName": "", "note": "kept-secret"}]}
        assert pipeline.client.post("/v1/events/batch", json=refused).status_code == 400
        assert find_files(tmp_path, b"kept-secret")
        pipeline.client.delete(f"/v1/projects/{project_key}?erase=true")
        assert find_files(tmp_path, b"kept-secret") == []


def find_files(directory: Path, content: bytes) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file() and content in path.read_bytes()]
