"""Upkeep in the background, a round at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services import clock, maintenance
from services.audit import AUDIT_LOG
from services.context import Context
from services.retention_policy import RetentionClock
from services.sealing import SealingProcess
from tests.pipeline import open_pipeline

DAY_MS = 86_400_000


@pytest.fixture(params=["sqlite", "mongodb"])
def context_of_two_days(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Context]:
    """An installation with one act, whose audit log is kept for two days."""
    mongo_uri = request.getfixturevalue("mongodb_uri") if request.param == "mongodb" else None
    with open_pipeline(tmp_path, mongo_uri, audit_retention_days=2) as pipeline:
        pipeline.create_project()
        yield pipeline.client.application.extensions["apptracker"]


def test_a_sweep_removes_what_is_in_the_audit_log_for_longer_than_it_is_kept(context_of_two_days: Context) -> None:
    context = context_of_two_days
    (entry,) = context.store.find_documents(AUDIT_LOG)
    then_ms = clock.to_ms(datetime.fromisoformat(entry["at"]))
    maintenance.sweep(context, [], RetentionClock(), now_ms=then_ms + 2 * DAY_MS)
    assert context.store.find_documents(AUDIT_LOG) == [entry]
    maintenance.sweep(context, [], RetentionClock(), now_ms=then_ms + 2 * DAY_MS + 1)
    assert context.store.find_documents(AUDIT_LOG) == []


def test_an_audit_log_of_no_days_is_kept_for_ever(tmp_path: Path) -> None:
    with open_pipeline(tmp_path, None, audit_retention_days=0) as pipeline:
        pipeline.create_project()
        context = pipeline.client.application.extensions["apptracker"]
        maintenance.sweep(context, [], RetentionClock(), now_ms=clock.to_ms(datetime(9999, 12, 31, tzinfo=UTC)))
        assert len(context.store.find_documents(AUDIT_LOG)) == 1


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


def test_a_round_tells_whether_there_was_a_copy_to_extend(tmp_path: Path) -> None:
    with open_pipeline(tmp_path, None, seal_events=3) as pipeline:
        context = pipeline.client.application.extensions["apptracker"]
        project_key = pipeline.create_project()
        sealing = ScriptedSealing()
        for number, expected in enumerate(([], [], [project_key])):
            assert maintenance.run_round(context, sealing, is_sweep=False) is bool(expected)
            assert sealing.started == expected
            for event_id in (f"a{number}", f"b{number}"):
                event = {"eventName": "seen", "eventId": event_id, "timestamp": "2025-01-06T10:00:00Z"}
                pipeline.post(project_key, [event])


class ScriptedSealing(SealingProcess):
    """Notes what is to be sealed, and leaves it."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, project_key: str, epoch: int) -> None:
        """Nothing but a note."""
        self.started.append(project_key)

    def wait(self) -> None:
        """Nobody to wait for."""
