"""What must hold between answers, whatever the numbers are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import clock
from tests.pipeline import Pipeline, stopped_clock, strip
from tests.questions import INTERVALS, conditions, funnel_parameters, questions, streams_with
from tests.streams import Row, batches, worlds

pytestmark = pytest.mark.timeout(3600)  # the thorough profile takes its time
LAW = settings(max_examples=max(10, settings().max_examples // 3))
NEGATIONS = {"eq": "neq", "in": "not_in", "contains": "not_contains", "exists": "not_exists"}


@LAW
@given(stream=streams_with(lambda world: st.sampled_from(INTERVALS)))
def test_top_events_and_every_series_add_up_to_the_overview(
    pipeline: Pipeline, stream: tuple[list[Row], Row, str]
) -> None:
    events, params, interval = stream
    project_key = pipeline.load(events)
    total = pipeline.ask(project_key, "overview", params)["totalEvents"]
    names = pipeline.ask(project_key, "top-events", {**params, "limit": 1000})["events"]
    series = pipeline.ask(project_key, "events-timeseries", {**params, "interval": interval})["series"]
    assert sum(row["count"] for row in names) == total
    assert sum(row["count"] for row in series) == total


@LAW
@given(stream=streams_with(funnel_parameters))
def test_funnel_steps_never_rise_and_breakdowns_add_up(pipeline: Pipeline, stream: tuple[list[Row], Row, Row]) -> None:
    events, params, funnel = stream
    answer = pipeline.ask(pipeline.load(events), "funnel", {**params, **funnel, "breakdownLimit": 1000})
    users = [step["users"] for step in answer["steps"]]
    assert users == sorted(users, reverse=True)
    if "breakdown" in funnel:
        groups = [[step["users"] for step in group["steps"]] for group in answer["breakdown"]]
        assert [sum(column) for column in zip(*groups, strict=True)] == (users if groups else [])


@LAW
@given(stream=streams_with(conditions))
def test_a_condition_and_its_negation_part_the_events(pipeline: Pipeline, stream: tuple[list[Row], Row, Row]) -> None:
    events, params, condition = stream
    condition = {**condition, "operator": {new: old for old, new in NEGATIONS.items()}.get(condition["operator"], "eq")}
    condition.setdefault("value", "a")
    if condition["operator"] == "in" and not isinstance(condition["value"], list):
        condition["value"] = [condition["value"]]
    if condition["operator"] != "in" and isinstance(condition["value"], list):
        condition["value"] = condition["value"][0]
    if condition["operator"] == "exists":
        del condition["value"]
    project_key = pipeline.load(events)

    def count(*extra: Row) -> int:
        filters = [*params.get("filters", []), *extra]
        total = pipeline.ask(project_key, "overview", {**params, "filters": filters})["totalEvents"]
        assert isinstance(total, int)
        return total

    negation = {**condition, "operator": NEGATIONS[condition["operator"]]}
    assert count(condition) + count(negation) == count()


@LAW
@given(stream=streams_with(lambda world: st.lists(conditions(world), min_size=2, max_size=2)))
def test_filters_commute(pipeline: Pipeline, stream: tuple[list[Row], Row, list[Row]]) -> None:
    events, params, chosen = stream
    project_key = pipeline.load(events)
    answers = [
        pipeline.ask(project_key, "overview", {**params, "filters": filters}) for filters in (chosen, chosen[::-1])
    ]
    assert strip(answers[0]) == strip(answers[1])


@st.composite
def asked_streams(draw: st.DrawFn) -> tuple[list[Row], str, Row]:
    world = draw(worlds())
    return draw(batches(world)), *draw(questions(world))


@LAW
@given(stream=asked_streams())
def test_a_cached_answer_is_the_fresh_one_and_new_events_end_it(
    pipeline: Pipeline, stream: tuple[list[Row], str, Row]
) -> None:
    events, report, params = stream
    project_key = pipeline.load(events)
    with stopped_clock(clock.fetch_now_ms()):  # some reports are those of a minute
        fresh, cached = (pipeline.ask(project_key, report, params) for _ in range(2))
    assert (fresh["cached"], cached["cached"]) == (False, True)
    assert {**cached, "cached": False} == fresh
    pipeline.post(
        project_key, [{"eventId": "new", "eventName": "a", "timestamp": "2024-03-10T07:00:00Z", "userId": "u"}]
    )
    assert not pipeline.ask(project_key, report, params)["cached"]
    pipeline.check(project_key, report, params)
