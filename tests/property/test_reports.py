"""Every report over every stream is what the oracle says, on each store and whatever the copy's layout."""

from __future__ import annotations

import pytest
from hypothesis import given, note

from tests.pipeline import Pipeline
from tests.questions import Part, scenarios

pytestmark = pytest.mark.timeout(7200)  # the thorough profile takes its time


@given(parts=scenarios())
def test_reports_equal_the_oracle_in_every_layout(pipeline: Pipeline, parts: list[Part]) -> None:
    project_key = pipeline.create_project()
    for part in parts:
        note(repr(part))
        pipeline.post(project_key, part.events)
        for change in part.layout_changes:
            pipeline.change_layout(project_key, change)
        for report, params in part.questions:
            pipeline.check(project_key, report, params)
