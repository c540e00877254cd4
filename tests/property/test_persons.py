"""Every person's profile and journey is what the oracle says."""

from __future__ import annotations

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.pipeline import Pipeline
from tests.questions import LAYOUT_CHANGES, common_parameters
from tests.streams import PERSONS, Row, World, batches, worlds

pytestmark = pytest.mark.timeout(3600)  # the thorough profile takes its time


@st.composite
def visits(draw: st.DrawFn) -> tuple[list[list[Row]], list[str], list[Row]]:
    world: World = draw(worlds())
    params = draw(common_parameters(world))
    posted = draw(st.lists(batches(world), min_size=1, max_size=2))
    return posted, draw(st.lists(st.sampled_from(LAYOUT_CHANGES), max_size=2)), [{}, params]


@settings(max_examples=max(8, settings().max_examples // 6))
@given(
    visit=visits(),
    persons=st.sets(st.sampled_from([*PERSONS, "7", "nobody"]), min_size=2, max_size=3),
    limit=st.sampled_from([2, 3, 7, 50]),
)
def test_profiles_and_journeys_equal_the_oracle(
    pipeline: Pipeline, visit: tuple[list[list[Row]], list[str], list[Row]], persons: set[str], limit: int
) -> None:
    posted, layout_changes, questions = visit
    note(repr(posted))
    project_key = pipeline.create_project()
    for batch in posted:
        pipeline.post(project_key, batch)
    for change in layout_changes:
        pipeline.change_layout(project_key, change)
    for params in questions:
        params.pop("compare", None)
        for person in persons:
            pipeline.check_user(project_key, person, params, limit=limit)
