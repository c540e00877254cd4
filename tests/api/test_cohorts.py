"""/v1/cohorts: kept by analysts, named in the filters of every report."""

from __future__ import annotations

from typing import Any

import pytest

from services.cohorts import forget_person
from services.reports.run import REPORTS
from tests.cast import MINUTE_MS, Installation
from tests.people import found_team
from tests.specification import check_answer

Row = dict[str, Any]
DAY = "2025-01-0{}T08:00:00Z"
EVENTS = [
    {"eventName": "buy", "userId": "ann", "timestamp": DAY.format(5), "metadata": {"plan": "pro"}},
    {"eventName": "buy", "userId": "ann", "timestamp": DAY.format(6)},
    {"eventName": "view", "userId": "ann", "timestamp": DAY.format(1)},
    {"eventName": "buy", "userId": "bob", "timestamp": DAY.format(2)},
    {"eventName": "view", "userId": "bob", "timestamp": DAY.format(6)},
    {"eventName": "view", "userId": "cat", "timestamp": DAY.format(3)},
    {"eventName": "view", "anonymousId": "a-cat", "timestamp": DAY.format(2)},
    {"eventName": "login", "anonymousId": "a-cat", "userId": "cat", "timestamp": DAY.format(4)},
    {"eventName": "view", "anonymousId": "dan", "timestamp": DAY.format(4)},
    {"eventName": "tick", "timestamp": DAY.format(4)},
]


@pytest.fixture
def project_key(development: Installation) -> str:
    """Ten events: four of ann and bob's buy, the others view; `dan` is anonymous, the tick is nobody's."""
    key = str(development.create_project()["projectKey"])
    sent = development.call("POST", "/v1/events/batch", {"projectKey": key, "events": EVENTS})
    assert sent.json["accepted"] == len(EVENTS)
    return key


def create(installation: Installation, project_key: str, **definition: Any) -> str:
    body = {"projectKey": project_key, "name": "Some", "definition": definition}
    answer = installation.call("POST", "/v1/cohorts", body)
    assert answer.status_code == 201, answer.text
    check_answer(installation.app, answer)
    return str(answer.json["id"])


def is_in(*cohort_ids: str, operator: str = "in") -> Row:
    return {"property": "cohort", "operator": operator, "value": list(cohort_ids)}


def list_users(installation: Installation, project_key: str, *filters: Row, **params: Any) -> list[str]:
    body = {"projectKey": project_key, "filters": list(filters), **params}
    answer = installation.call("POST", "/v1/reports/users", body)
    assert answer.status_code == 200, answer.text
    return sorted(user["userId"] for user in answer.json["users"])


BUYS = {"eventName": "buy"}
VIEWS = {"eventName": "view"}


@pytest.mark.parametrize(
    ("conditions", "match", "persons"),
    [
        ([BUYS], "all", ["ann", "bob"]),
        ([{**BUYS, "atLeast": 2}], "all", ["ann"]),
        ([{**BUYS, "atMost": 1}], "all", ["bob"]),
        ([{**BUYS, "atMost": 0}], "all", ["cat", "dan"]),
        ([{**BUYS, "atLeast": 0, "atMost": 1}], "all", ["bob", "cat", "dan"]),
        ([{**BUYS, "negate": True}], "all", ["cat", "dan"]),
        ([{**BUYS, "atLeast": 2, "negate": True}], "all", ["bob", "cat", "dan"]),
        ([BUYS, {"eventName": "login"}], "any", ["ann", "bob", "cat"]),
        ([BUYS, {**VIEWS, "atLeast": 2}], "all", []),
        ([{**VIEWS, "atLeast": 2}], "all", ["cat"]),
        ([{"filters": [{"property": "metadata.plan", "operator": "eq", "value": "pro"}]}], "all", ["ann"]),
        ([{**BUYS, "filters": [{"property": "metadata.plan", "operator": "not_exists"}]}], "all", ["ann", "bob"]),
        # 2025-01-06T10:01 is the end of the present minute
        ([{**BUYS, "withinDays": 2}], "all", ["ann"]),
        ([{**BUYS, "withinDays": 5}], "all", ["ann", "bob"]),
        ([{**BUYS, "withinDays": 5, "atLeast": 2}], "all", ["ann"]),
        ([{"filters": [], "withinDays": 2, "negate": True}], "all", ["cat", "dan"]),
    ],
)
def test_conditions_tell_persons(
    development: Installation, project_key: str, conditions: list[Row], match: str, persons: list[str]
) -> None:
    cohort_id = create(development, project_key, match=match, conditions=conditions)
    assert list_users(development, project_key, is_in(cohort_id)) == persons


def test_days_count_back_from_the_end_of_the_range(development: Installation, project_key: str) -> None:
    cohort_id = create(development, project_key, conditions=[{**BUYS, "withinDays": 2}])
    for to, persons in (("2025-01-03", ["bob"]), ("2025-01-05", ["ann"]), ("2025-01-04", []), ("2999-01-01", ["ann"])):
        assert list_users(development, project_key, is_in(cohort_id), to=to) == persons


def test_a_cohort_that_counts_back_from_now_changes_with_time(development: Installation, project_key: str) -> None:
    cohort_id = create(development, project_key, conditions=[{**BUYS, "withinDays": 1}])
    assert list_users(development, project_key, is_in(cohort_id)) == ["ann"]
    development.clock.advance(24 * 60 * MINUTE_MS)
    assert list_users(development, project_key, is_in(cohort_id)) == []


def test_a_list_names_persons_as_reports_show_them(development: Installation, project_key: str) -> None:
    cohort_id = create(development, project_key, userIds=["ann", "dan", "a-cat", "stranger"])
    assert list_users(development, project_key, is_in(cohort_id)) == ["ann", "dan"]


def test_erased_persons_are_taken_out_of_lists(development: Installation, project_key: str) -> None:
    both = create(development, project_key, userIds=["ann", "bob"])
    only = create(development, project_key, userIds=["ann"])
    create(development, project_key, conditions=[BUYS])
    now_ms = development.clock.now_ms
    for _ in range(2):
        forget_person(development.context, project_key, lambda user_id: user_id == "ann", now_ms=now_ms)
        assert list_users(development, project_key, is_in(both)) == ["bob"]
        assert list_users(development, project_key, is_in(only)) == []


def test_operators_join_cohorts_and_keep_the_rest_with_nobodys_events(
    development: Installation, project_key: str
) -> None:
    buyers = create(development, project_key, conditions=[BUYS])
    dan = create(development, project_key, userIds=["dan"])

    def count(operator: str, value: Any) -> Any:
        filters = [{"property": "cohort", "operator": operator, "value": value}]
        body = {"projectKey": project_key, "filters": filters}
        return development.call("POST", "/v1/reports/overview", body).json["totalEvents"]

    assert [count("eq", buyers), count("neq", buyers)] == [5, 5]
    assert [count("in", [buyers, dan]), count("not_in", [dan, buyers])] == [6, 4]
    both = [is_in(buyers, operator="not_in"), is_in(dan)]
    assert list_users(development, project_key, *both) == ["dan"]


@pytest.mark.parametrize("report", sorted(REPORTS))
def test_every_report_takes_a_cohort(development: Installation, project_key: str, report: str) -> None:
    cohort_id = create(development, project_key, conditions=[BUYS])
    needed: dict[str, Row] = {
        "funnel": {"steps": ["view", {"eventName": "buy", "filters": [is_in(cohort_id)]}]},
        "conversion": {"eventName": "buy"},
        "breakdown": {"by": "eventName"},
    }
    body = {"projectKey": project_key, "filters": [is_in(cohort_id)], **needed.get(report, {})}
    answer = development.call("POST", f"/v1/reports/{report}", body)
    assert answer.status_code == 200, answer.text


def test_a_persons_profile_takes_a_cohort(development: Installation, project_key: str) -> None:
    cohort_id = create(development, project_key, conditions=[BUYS])
    for user_id, events in (("ann", 3), ("cat", 0)):
        body = {"projectKey": project_key, "filters": [is_in(cohort_id)]}
        assert development.call("POST", f"/v1/reports/users/{user_id}", body).json["totalEvents"] == events


def test_the_steps_of_a_funnel_may_ask_for_different_cohorts(development: Installation, project_key: str) -> None:
    once, listed = (
        create(development, project_key, conditions=[{**BUYS, "atMost": 1}]),
        create(development, project_key, userIds=["ann"]),
    )
    steps = [{"eventName": "buy"}, {"eventName": "view", "filters": [is_in(once)]}]
    answer = development.call("POST", "/v1/reports/funnel", {"projectKey": project_key, "steps": steps}).json
    assert [step["users"] for step in answer["steps"]] == [2, 1]
    steps[1] = {"eventName": "view", "filters": [is_in(listed)]}
    answer = development.call("POST", "/v1/reports/funnel", {"projectKey": project_key, "steps": steps}).json
    assert [step["users"] for step in answer["steps"]] == [2, 0]


def test_a_changed_definition_and_new_events_are_in_the_next_answer(
    development: Installation, project_key: str
) -> None:
    cohort_id = create(development, project_key, conditions=[BUYS])
    assert list_users(development, project_key, is_in(cohort_id)) == ["ann", "bob"]
    event = {"eventName": "buy", "userId": "eve", "timestamp": DAY.format(6)}
    development.call("POST", "/v1/events/batch", {"projectKey": project_key, "events": [event]})
    assert list_users(development, project_key, is_in(cohort_id)) == ["ann", "bob", "eve"]
    body = {"projectKey": project_key, "definition": {"userIds": ["cat"]}}
    changed = development.call("PATCH", f"/v1/cohorts/{cohort_id}", body).json
    assert (changed["name"], changed["definition"]) == ("Some", {"userIds": ["cat"]})
    assert list_users(development, project_key, is_in(cohort_id)) == ["cat"]


def test_the_count_is_of_persons_that_were_seen_and_is_cached(development: Installation, project_key: str) -> None:
    listed = create(development, project_key, userIds=["ann", "stranger"])
    path = f"/v1/cohorts/{listed}/count?projectKey={project_key}"
    first, second = (development.call("GET", path) for _ in range(2))
    check_answer(development.app, first)
    assert (first.json["persons"], first.json["cached"], second.json["cached"]) == (1, False, True)
    buyers = create(development, project_key, conditions=[BUYS])
    path = f"/v1/cohorts/{buyers}/count?projectKey={project_key}&tz=Europe/Berlin&includeBots=true"
    assert development.call("GET", path).json["persons"] == 2


def test_crawlers_are_in_cohorts_only_where_they_are_in_reports(development: Installation, project_key: str) -> None:
    bot = {"eventName": "buy", "userId": "crawler", "userAgent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}
    human = {"eventName": "view", "userId": "crawler"}
    development.call("POST", "/v1/events/batch", {"projectKey": project_key, "events": [bot, human]})
    cohort_id = create(development, project_key, conditions=[BUYS])
    assert list_users(development, project_key, is_in(cohort_id)) == ["ann", "bob"]
    assert list_users(development, project_key, is_in(cohort_id), includeBots=True) == ["ann", "bob", "crawler"]


def test_a_cohort_lives_and_dies(development: Installation, project_key: str) -> None:
    big = {"conditions": [{"filters": [{"property": "metadata.n", "operator": "lt", "value": 2**70}]}], "match": "any"}
    cohort_id = create(development, project_key, **big)
    path = f"/v1/cohorts/{cohort_id}?projectKey={project_key}"
    assert development.call("GET", path).json["definition"] == big
    listed = development.call("GET", f"/v1/cohorts?projectKey={project_key}").json["cohorts"]
    assert [entry["id"] for entry in listed] == [cohort_id]
    assert "definition" not in listed[0]
    assert development.call("DELETE", path).json["id"] == cohort_id
    for method in ("GET", "DELETE"):
        assert development.call(method, path).json["code"] == "unknown_cohort"
    body = {"projectKey": project_key, "filters": [is_in(cohort_id)]}
    answer = development.call("POST", "/v1/reports/overview", body)
    assert (answer.status_code, answer.json["code"], answer.json["fields"]) == (
        400, "unknown_cohort", ["filters[0].value"],
    )  # fmt: skip


def test_a_cohort_of_another_project_is_unknown(development: Installation, project_key: str) -> None:
    other = str(development.create_project("Other")["projectKey"])
    foreign = create(development, other, userIds=["ann"])
    assert development.call("GET", f"/v1/cohorts/{foreign}?projectKey={project_key}").status_code == 404
    steps = ["view", {"eventName": "buy", "filters": [is_in(foreign)]}]
    answer = development.call("POST", "/v1/reports/funnel", {"projectKey": project_key, "steps": steps})
    assert (answer.json["code"], answer.json["fields"]) == ("unknown_cohort", ["steps[1].filters[0].value"])


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ("buy", "definition"),
        ({}, "definition.conditions"),
        ({"conditions": []}, "definition.conditions"),
        ({"conditions": [BUYS] * 21}, "definition.conditions"),
        ({"conditions": [BUYS], "match": "none"}, "definition.match"),
        ({"conditions": [BUYS], "userIds": ["ann"]}, "definition.conditions"),
        ({"userIds": ["ann", 7]}, "definition.userIds"),
        ({"userIds": ["a"] * 10_001}, "definition.userIds"),
        ({"conditions": [{}]}, "definition.conditions[0]"),
        ({"conditions": [BUYS, {"atLeast": 2}]}, "definition.conditions[1]"),
        ({"conditions": [{"eventName": ""}]}, "definition.conditions[0].eventName"),
        ({"conditions": [{**BUYS, "atLeast": 0}]}, "definition.conditions[0]"),
        ({"conditions": [{**BUYS, "atLeast": 3, "atMost": 2}]}, "definition.conditions[0].atMost"),
        ({"conditions": [{**BUYS, "atLeast": 1.5}]}, "definition.conditions[0].atLeast"),
        ({"conditions": [{**BUYS, "withinDays": 0}]}, "definition.conditions[0].withinDays"),
        ({"conditions": [{**BUYS, "negate": 1}]}, "definition.conditions[0].negate"),
        ({"conditions": [{**BUYS, "often": 1}]}, "definition.conditions[0].often"),
        ({"conditions": [{"filters": "[]"}]}, "definition.conditions[0].filters"),
        ({"conditions": [{"filters": [{"property": "x", "operator": "exists"}]}]},
         "definition.conditions[0].filters[0].property"),
        ({"conditions": [{"filters": [{"property": "cohort", "operator": "eq", "value": "0" * 16}]}]},
         "definition.conditions[0].filters[0].property"),
    ],
)  # fmt: skip
def test_a_definition_that_cannot_be_meant_is_refused_by_name(
    development: Installation, project_key: str, definition: Any, field: str
) -> None:
    body = {"projectKey": project_key, "name": "x", "definition": definition}
    answer = development.call("POST", "/v1/cohorts", body)
    assert (answer.status_code, answer.json["fields"]) == (400, [field]), answer.text
    assert development.fetch_documents("cohorts", project_key) == []


@pytest.mark.parametrize(
    ("operator", "value", "field"),
    [
        ("gt", "0" * 16, "operator"),
        ("exists", None, "operator"),
        ("eq", None, "value"),
        ("eq", ["0" * 16], "value"),
        ("in", "0" * 16, "value"),
        ("in", [], "value"),
        ("in", [7], "value"),
        ("not_in", [f"{number:016x}" for number in range(11)], "value"),
        ("eq", "x", "value"),
        ("eq", "../projects", "value"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_by_name(
    development: Installation, project_key: str, operator: str, value: Any, field: str
) -> None:
    filters = [{"property": "cohort", "operator": operator, "value": value}]
    answer = development.call("POST", "/v1/reports/overview", {"projectKey": project_key, "filters": filters})
    assert (answer.status_code, answer.json["fields"]) == (400, [f"filters[0].{field}"]), answer.text


def test_a_report_names_at_most_ten_cohorts(development: Installation, project_key: str) -> None:
    ids = [create(development, project_key, userIds=["ann"]) for _ in range(11)]
    assert list_users(development, project_key, is_in(*ids[:5]), is_in(*ids[:10])) == ["ann"]
    body = {"projectKey": project_key, "filters": [is_in(*ids[:5]), is_in(*ids[5:])]}
    answer = development.call("POST", "/v1/reports/overview", body)
    assert (answer.status_code, answer.json["fields"]) == (400, ["filters"])


def test_analysts_keep_cohorts_and_viewers_use_them(production: Installation, quick_passwords: None) -> None:
    team = found_team(production, "red")
    body = {"projectKey": team.project_key, "name": "x", "definition": {"userIds": ["ann"]}}
    for role, status in (("analyst", 201), ("viewer", 403)):
        assert production.call("POST", "/v1/cohorts", body, secret=team.tokens[role]).status_code == status
    reader = production.create_key(team.project_key, ["read"])["apiKey"]
    refused = production.call("POST", "/v1/cohorts", body, secret=reader)
    assert (refused.status_code, refused.json["code"]) == (403, "missing_scope")
    (cohort,) = production.call("GET", "/v1/cohorts", secret=reader).json["cohorts"]
    path = f"/v1/cohorts/{cohort['id']}"
    assert production.call("GET", path + "/count", secret=team.tokens["viewer"]).status_code == 200
    log = production.as_root("GET", f"/v1/audit-log?projectKey={team.project_key}")["entries"]
    (act,) = [act for act in log if act["action"] == "cohort.create"]
    assert (act["outcome"], act["targets"]) == ("done", [{"kind": "cohort", "id": cohort["id"]}])


def test_cohorts_go_with_their_project(development: Installation, project_key: str) -> None:
    create(development, project_key, userIds=["ann"])
    development.call("DELETE", f"/v1/projects/{project_key}?erase=true")
    assert development.fetch_documents("cohorts", project_key) == []
