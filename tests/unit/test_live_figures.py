"""The figures of the last minutes: exact, over what a process may read of what arrives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from services import clock
from services.context import Context
from services.live.figures import READ_EVENTS_PER_SECOND, FigureReader, SealedTotals, compute_figures
from services.projects import Project, fetch_project
from tests.cast import START_MS, Installation, MakeApp, install

SEAL_EVENTS = 100


@pytest.fixture
def installation(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return install(make_app, "development", monkeypatch, seal_events=SEAL_EVENTS)


@pytest.fixture
def project(installation: Installation) -> Project:
    return fetch_project(installation.context, installation.create_project()["projectKey"])


@pytest.fixture
def numbers() -> Iterator[int]:
    return itertools.count()


def send(installation: Installation, project: Project, count: int, numbers: Iterator[int]) -> None:
    """So many page views, each of somebody else, now."""
    events = [{"eventName": "page_view", "userId": f"u-{next(numbers)}"} for _ in range(count)]
    body = {"projectKey": project.project_key, "events": events}
    assert installation.call("POST", "/v1/events/batch", body).status_code == 200


class Seconds:
    """A monotonic clock in the test's hands."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_what_a_process_may_read_is_counted_at_once(
    installation: Installation, project: Project, numbers: Iterator[int]
) -> None:
    seconds = Seconds()
    reader = FigureReader(SealedTotals(), monotonic=seconds)
    send(installation, project, 30, numbers)
    assert reader.read(installation.context, project).current_visitors == 30
    seconds.now += 2
    send(installation, project, 20, numbers)
    figures = reader.read(installation.context, project)
    assert (figures.current_visitors, figures.total_events, figures.as_of) == (50, 50, "2025-01-06T10:00:00Z")


def test_of_more_than_it_may_read_what_is_sealed_is_counted_as_of_the_last_of_it(
    installation: Installation, project: Project, numbers: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, seconds = installation.context, Seconds()
    reader = FigureReader(SealedTotals(), monotonic=seconds)
    send(installation, project, 100, numbers)
    context.copy.seal(project.project_key)
    installation.clock.advance(30_000)
    send(installation, project, SEAL_EVENTS + 1, numbers)
    read = spy_on_scans(context, monkeypatch)
    figures = reader.read(context, project)
    assert (figures.current_visitors, figures.events_last_minute, figures.total_events) == (100, 100, 100)
    assert (figures.as_of, figures.generated_at) == (clock.format_ms(START_MS), clock.format_ms(START_MS + 30_000))
    assert read == []
    context.copy.seal(project.project_key)
    figures = reader.read(context, project)
    assert (figures.total_events, figures.as_of) == (201, clock.format_ms(START_MS + 30_000))


def test_where_nothing_is_sealed_yet_what_waits_is_counted_all_the_same(
    installation: Installation, project: Project, numbers: Iterator[int]
) -> None:
    send(installation, project, SEAL_EVENTS + 50, numbers)
    figures = FigureReader(SealedTotals()).read(installation.context, project)
    assert (figures.current_visitors, figures.total_events) == (SEAL_EVENTS + 50, SEAL_EVENTS + 50)


def test_what_it_may_read_grows_with_time(
    installation: Installation, project: Project, numbers: Iterator[int]
) -> None:
    seconds = Seconds()
    reader = FigureReader(SealedTotals(), monotonic=seconds)
    send(installation, project, 1, numbers)
    installation.context.copy.seal(project.project_key, force=True)
    reader.read(installation.context, project)
    send(installation, project, 50, numbers)
    seconds.now += 49 / READ_EVENTS_PER_SECOND
    assert reader.read(installation.context, project).total_events == 1
    seconds.now += 1 / READ_EVENTS_PER_SECOND
    assert reader.read(installation.context, project).total_events == 51


def test_sealed_events_are_counted_once_and_anew_when_they_change(
    installation: Installation, project: Project, numbers: Iterator[int]
) -> None:
    context, totals = installation.context, SealedTotals()

    def count() -> int:
        return compute_figures(context, project, totals, now_ms=START_MS).total_events

    assert count() == 0
    send(installation, project, 10, numbers)
    assert count() == 10
    context.copy.seal(project.project_key, force=True)
    assert count() == 10
    send(installation, project, 5, numbers)
    assert count() == 15
    path = f"/v1/users/u-3/data?projectKey={project.project_key}"
    assert installation.call("DELETE", path).status_code == 200
    assert count() == 14


def spy_on_scans(context: Context, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is read from the store from now on, for the tail."""
    scanned: list[Any] = []
    scan = context.store.scan

    def note(*arguments: Any, **named: Any) -> Any:
        scanned.append(arguments)
        return scan(*arguments, **named)

    monkeypatch.setattr(context.store, "scan", note)
    return scanned
