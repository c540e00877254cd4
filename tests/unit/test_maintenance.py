"""Upkeep in the background, a round at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from services import maintenance
from services.sealing import SealingProcess
from tests.pipeline import open_pipeline


def test_a_sweep_finds_the_event_that_surfaced_in_a_sealed_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_pipeline(tmp_path, None) as pipeline:
        project_key = pipeline.create_project()
        for event_id in ("a", "a", "b"):
            event = {"eventName": "seen", "eventId": event_id, "timestamp": "2025-01-06T10:00:00Z"}
            pipeline.post(project_key, [event])
        pipeline.copy.seal(project_key, force=True)
        assert pipeline.copy.count_unsealed(project_key) == 0
        _surface_late(tmp_path / "events.db", position=2)
        monkeypatch.setattr("columns.sealer.AUDIT_AFTER_MS", -1)
        context = pipeline.client.application.extensions["apptracker"]
        maintenance.run_round(context, SealingProcess(context.config), is_sweep=True)
        assert pipeline.ask(project_key, "overview", {})["totalEvents"] == 3


def _surface_late(path: Path, *, position: int) -> None:
    """A copy of the first event appears at the position that its duplicate was refused."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO events SELECT ?, project, 'late', event_name, occurred_at, received_at, anonymous_id,"
            " user_id, session_id, url, referrer, user_agent, ip, metadata, enriched FROM events WHERE id = 1",
            (position,),
        )
    connection.close()
