"""Cohorts in the filters of every report: who is in one is what the oracle says, on each store and in any layout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from services import clock
from tests.oracle import compute_answer_over
from tests.pipeline import Pipeline, find_differences, stopped_clock, strip
from tests.questions import LAYOUT_CHANGES, conditions, questions
from tests.streams import NAMES, PERSONS, Json, Row, World, batches, client_events, moments, worlds

pytestmark = pytest.mark.timeout(7200)  # the thorough profile takes its time
STAND_INS = ("first", "second")
"""Ids of cohorts until they are made."""


@st.composite
def cohort_conditions(draw: st.DrawFn, world: World) -> Row:
    condition: Row = {}
    kind = draw(st.sampled_from(["name", "name", "name", "filters", "both"]))
    if kind != "filters":
        condition["eventName"] = draw(st.sampled_from(NAMES[:3]))
    if kind != "name":
        condition["filters"] = draw(st.lists(conditions(world), max_size=1))
    if draw(st.booleans()):
        condition["atLeast"] = draw(st.integers(1, 4))
    if draw(st.booleans()):
        condition["atMost"] = draw(st.integers(condition.get("atLeast", 0), 5))
        if "atLeast" not in condition and draw(st.booleans()):
            condition["atLeast"] = 0
    if draw(st.integers(0, 2)):
        condition["withinDays"] = draw(st.integers(1, 6))
    if not draw(st.integers(0, 3)):
        condition["negate"] = draw(st.booleans())
    return condition


def definitions(world: World) -> st.SearchStrategy[Row]:
    listed = st.fixed_dictionaries(
        {"userIds": st.lists(st.sampled_from([*PERSONS, "x", "y", "7", "nobody"]), min_size=1, max_size=3)}
    )
    told = st.fixed_dictionaries(
        {"conditions": st.lists(cohort_conditions(world), min_size=1, max_size=3)},
        optional={"match": st.sampled_from(["all", "any"])},
    )
    return st.one_of(told, told, told, listed)


cohort_filters: st.SearchStrategy[Row] = st.one_of(
    st.fixed_dictionaries(
        {
            "property": st.just("cohort"),
            "operator": st.sampled_from(["eq", "neq"]),
            "value": st.sampled_from(STAND_INS),
        }
    ),
    st.fixed_dictionaries(
        {
            "property": st.just("cohort"),
            "operator": st.sampled_from(["in", "not_in"]),
            "value": st.lists(st.sampled_from(STAND_INS), min_size=1, max_size=2),
        }
    ),
)


@dataclass(frozen=True)
class Case:
    """A stream, two cohorts, and questions whose filters name them, asked some days after the anchor."""

    events: list[Row]
    layout_changes: list[str]
    definitions: dict[str, Row]
    questions: list[tuple[str, Row]]
    now_ms: int


def presents(world: World) -> st.SearchStrategy[int]:
    """The present in milliseconds, around the events or after them."""
    return st.builds(
        lambda moment, days, ms: clock.to_ms(moment + timedelta(days=days)) + ms,
        moments(world.anchor), st.sampled_from([0, 0, 3, 6]), st.sampled_from([0, 1234, 59_999]),
    )  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> Case:
    world = draw(worlds())
    asked = []
    for report, params in draw(st.lists(questions(world), min_size=1, max_size=3)):
        filters = draw(st.lists(cohort_filters, min_size=1, max_size=2))
        if report == "funnel" and draw(st.booleans()):
            params = {**params, "steps": [put_into_step(step, filters) for step in params["steps"]]}
        else:
            params = {**params, "filters": [*params.get("filters", []), *filters]}
        asked.append((report, params))
    return Case(
        draw(batches(world)),
        draw(st.lists(st.sampled_from(LAYOUT_CHANGES), max_size=2)),
        {name: draw(definitions(world)) for name in STAND_INS},
        asked,
        draw(presents(world)),
    )


def put_into_step(step: Json, filters: list[Row]) -> Row:
    step = {"eventName": step} if isinstance(step, str) else step
    return {**step, "filters": [*step.get("filters", []), *filters]}


def name_cohorts(value: Json, ids: dict[str, str]) -> Json:
    """The question with the cohorts' ids in place of their stand-ins."""
    if isinstance(value, list):
        return [name_cohorts(each, ids) for each in value]
    if isinstance(value, dict):
        if value.get("property") == "cohort":
            sought = value["value"]
            return {**value, "value": ids[sought] if isinstance(sought, str) else [ids[each] for each in sought]}
        return {name: name_cohorts(each, ids) for name, each in value.items()}
    return value


@settings(max_examples=max(15, settings().max_examples // 3))
@given(case=cases())
def test_cohorts_in_filters_have_the_persons_of_the_oracle(pipeline: Pipeline, case: Case) -> None:
    note(repr(case))
    project_key = pipeline.load(case.events)
    for change in case.layout_changes:
        pipeline.change_layout(project_key, change)
    ids = {name: create(pipeline, project_key, definition) for name, definition in case.definitions.items()}
    known = {ids[name]: definition for name, definition in case.definitions.items()}
    for report, asked in case.questions:
        check(pipeline, project_key, report, name_cohorts(asked, ids), known, now_ms=case.now_ms)


@st.composite
def memberships(draw: st.DrawFn) -> tuple[list[Row], list[Row], list[Row], int]:
    """A long stream, definitions, ranges to ask them for, and the present."""
    world = draw(worlds())
    zones = {"tz": st.sampled_from([world.zone, world.zone, "UTC"])}
    ends = moments(world.anchor).map(lambda moment: moment.isoformat())
    days = moments(world.anchor).map(lambda moment: moment.date().isoformat())
    ranges = st.fixed_dictionaries({}, optional={**zones, "to": st.one_of(ends, ends, days)})
    return (
        draw(st.lists(client_events(world), min_size=40, max_size=60)),
        draw(st.lists(definitions(world), min_size=2, max_size=4)),
        draw(st.lists(ranges, min_size=2, max_size=3)),
        draw(presents(world)),
    )


@given(case=memberships())
def test_the_persons_of_a_cohort_are_those_of_the_oracle(
    pipeline: Pipeline, case: tuple[list[Row], list[Row], list[Row], int]
) -> None:
    events, drawn, ranges, now_ms = case
    project_key = pipeline.load(events)
    for definition in drawn:
        cohort_id = create(pipeline, project_key, definition)
        filters = [{"property": "cohort", "operator": "eq", "value": cohort_id}]
        for time_range in ranges:
            params = {**time_range, "filters": filters, "limit": 1000}
            check(pipeline, project_key, "users", params, {cohort_id: definition}, now_ms=now_ms)


def check(
    pipeline: Pipeline, project_key: str, report: str, params: Row, cohorts: dict[str, Row], *, now_ms: int
) -> None:
    """Hold one answer, as it is at a time, to the oracle's."""
    with stopped_clock(now_ms):
        answer = pipeline.request(project_key, report, params, by_post=True)
    assert answer.status_code == 200, answer.text
    events = list(pipeline.kept[project_key].values())
    expected = compute_answer_over(report, events, {**params, "cohorts": cohorts}, now_ms=now_ms)
    actual: Any = answer.json
    differences = find_differences(strip(actual), expected)
    assert not differences, "\n".join([f"{report} {params!r} {cohorts!r}", *differences, f"{actual!r}"])


def create(pipeline: Pipeline, project_key: str, definition: Row) -> str:
    body = {"projectKey": project_key, "name": "drawn", "definition": definition}
    answer = pipeline.client.post("/v1/cohorts", json=body)
    assert answer.status_code == 201, answer.text
    cohort_id: str = answer.json["id"]  # type: ignore[index]
    return cohort_id
