"""What must hold between the answers of different reports: parts add up, and one number is one number everywhere."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline import Pipeline, strip
from tests.questions import LONG_INTERVALS, SOURCES, own_parameters, questions, streams_with
from tests.streams import Row

pytestmark = pytest.mark.timeout(3600)  # the thorough profile takes its time
LAW = settings(max_examples=max(8, settings().max_examples // 6))
ALL = 1000


def add_up(rows: list[Row], name: str) -> int:
    return sum(row[name] for row in rows)


@LAW
@given(stream=streams_with(lambda world: own_parameters(world, "breakdown")))
def test_groups_and_other_add_up_to_the_overview(pipeline: Pipeline, stream: tuple[list[Row], Row, Row]) -> None:
    events, params, own = stream
    project_key = pipeline.load(events)
    own = {name: value for name, value in own.items() if name in ("by", "limit")}
    overview = pipeline.ask(project_key, "overview", params)
    for measure, total in (("events", "totalEvents"), ("users", "uniqueUsers"), ("sessions", "sessions")):
        answer = pipeline.ask(project_key, "breakdown", {**params, **own, "measure": measure})
        parts = [*answer["groups"], *([answer["other"]] if answer["other"] else [])]
        assert add_up(parts, "events") == answer["total"]["events"] == overview["totalEvents"]
        assert answer["total"]["value"] == overview[total]
        if measure == "events":
            assert add_up(parts, "value") == overview[total]
        else:  # one person or session may be in several groups
            values = [part["value"] for part in parts]
            assert max(values, default=0) <= overview[total] <= sum(values)


@LAW
@given(stream=streams_with(lambda world: st.just(None)))
def test_devices_and_locations_add_up_to_the_overview(pipeline: Pipeline, stream: tuple[list[Row], Row, Any]) -> None:
    events, params, _ = stream
    project_key = pipeline.load(events)
    total = pipeline.ask(project_key, "overview", params)["totalEvents"]
    answers = [pipeline.ask(project_key, report, {**params, "limit": ALL}) for report in ("devices", "locations")]
    lists = {name: rows for answer in answers for name, rows in answer.items() if isinstance(rows, list)}
    assert len(lists) == 8
    assert {name: add_up(rows, "count") for name, rows in lists.items()} == dict.fromkeys(lists, total)


@LAW
@given(stream=streams_with(lambda world: st.sampled_from(SOURCES)))
def test_every_report_that_counts_sessions_counts_the_same(
    pipeline: Pipeline, stream: tuple[list[Row], Row, str]
) -> None:
    events, params, by = stream
    project_key = pipeline.load(events)
    sessions = pipeline.ask(project_key, "overview", params)["sessions"]
    answer = pipeline.ask(project_key, "sessions", {**params, "limit": ALL, "interval": "day"})
    assert answer["sessions"] == len(answer["items"]) == add_up(answer["series"], "sessions") == sessions
    assert answer["bounces"] == add_up(answer["series"], "bounces") == add_up(answer["items"], "isBounce")
    assert answer["pageViews"] == add_up(answer["items"], "pageViews")
    sources = pipeline.ask(project_key, "sources", {**params, "by": by, "limit": ALL})["sources"]
    assert add_up(sources, "sessions") == sessions
    pages = pipeline.ask(project_key, "pages", {**params, "limit": ALL})["pages"]
    with_pages = sum(item["entryPage"] is not None for item in answer["items"])
    assert add_up(pages, "entries") == add_up(pages, "exits") == with_pages
    assert pipeline.ask(project_key, "paths", {**params, "limit": 100})["sessions"] == with_pages


@LAW
@given(stream=streams_with(lambda world: own_parameters(world, "paths")))
def test_links_of_paths_sum_to_nodes(pipeline: Pipeline, stream: tuple[list[Row], Row, Row]) -> None:
    events, params, own = stream
    answer = pipeline.ask(pipeline.load(events), "paths", {**params, **own})
    nodes = {(node["step"], node["name"]): node["sessions"] for node in answer["nodes"]}
    assert len(nodes) == len(answer["nodes"])
    assert add_up([node for node in answer["nodes"] if node["step"] == 0], "sessions") == answer["sessions"]
    for (step, name), sessions in nodes.items():
        arriving = [link for link in answer["links"] if (link["step"] + 1, link["target"]) == (step, name)]
        leaving = [link for link in answer["links"] if (link["step"], link["source"]) == (step, name)]
        assert add_up(leaving, "sessions") <= sessions
        assert step == 0 or add_up(arriving, "sessions") == sessions


@LAW
@given(stream=streams_with(lambda world: own_parameters(world, "retention")))
def test_unbounded_retention_never_rises_and_holds_the_bounded(
    pipeline: Pipeline, stream: tuple[list[Row], Row, Row]
) -> None:
    events, params, own = stream
    project_key = pipeline.load(events)
    unbounded, bounded = (
        pipeline.ask(project_key, "retention", {**params, **own, "mode": mode})["rows"]
        for mode in ("on_or_after", "on")
    )
    for row, strict in zip(unbounded, bounded, strict=True):
        known = [count for count in row["counts"] if count is not None]
        assert row["counts"][len(known) :] == [None] * (len(row["counts"]) - len(known))
        assert known == sorted(known, reverse=True)
        assert all(count <= row["size"] for count in known)
        assert all(on <= after for on, after in zip(strict["counts"], known, strict=False))
        assert (strict["bucket"], strict["size"]) == (row["bucket"], row["size"])


@LAW
@given(stream=streams_with(lambda world: LONG_INTERVALS))
def test_active_users_are_those_of_the_series(pipeline: Pipeline, stream: tuple[list[Row], Row, str]) -> None:
    events, params, interval = stream
    project_key = pipeline.load(events)
    overview = pipeline.ask(project_key, "overview", params)
    series = pipeline.ask(project_key, "events-timeseries", params)["series"]
    active = pipeline.ask(project_key, "active-users", params)["series"]
    assert [(row["bucket"], row["dau"]) for row in active] == [(row["bucket"], row["uniqueUsers"]) for row in series]
    assert all(row["dau"] <= row["wau"] <= row["mau"] for row in active)
    stickiness = pipeline.ask(project_key, "stickiness", params)
    assert [(row["dau"], row["mau"]) for row in stickiness["series"]] == [(row["dau"], row["mau"]) for row in active]
    assert add_up(stickiness["histogram"], "users") == overview["uniqueUsers"]
    days = sum(row["days"] * row["users"] for row in stickiness["histogram"])
    assert days == add_up(series, "uniqueUsers")
    assert pipeline.ask(project_key, "users", {**params, "limit": ALL})["total"] == overview["uniqueUsers"]
    lifecycle = pipeline.ask(project_key, "lifecycle", {**params, "interval": interval})["series"]
    wholes = pipeline.ask(project_key, "events-timeseries", {**params, "interval": interval})["series"]
    assert [row["bucket"] for row in lifecycle] == [row["bucket"] for row in wholes]
    for row, whole in zip(lifecycle, wholes, strict=True):
        assert row["new"] + row["returning"] + row["resurrecting"] == whole["uniqueUsers"]
    for before, row in pairwise(lifecycle[1:]):
        assert row["returning"] + row["dormant"] == before["new"] + before["returning"] + before["resurrecting"]


@LAW
@given(stream=streams_with(lambda world: questions(world)))
def test_the_window_before_is_the_report_over_it(
    pipeline: Pipeline, stream: tuple[list[Row], Row, tuple[str, Row]]
) -> None:
    events, _, (report, params) = stream
    if not {"from", "to"} <= params.keys():
        params |= {"from": "2024-03-31", "to": "2024-04-02", "tz": "Europe/Berlin"}
    params["compare"] = "previous"
    project_key = pipeline.load(events)
    answer = strip(pipeline.ask(project_key, report, params))
    window = {"from": answer["previous"]["from"], "to": answer["previous"]["to"]}
    alone = {name: value for name, value in params.items() if name != "compare"}
    before = strip(pipeline.ask(project_key, report, {**alone, **window}))
    assert answer["previous"] == {name: value for name, value in before.items() if name != "tz"}
