"""/v1/annotations: what happened on a day or at a moment."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cast import Installation
from tests.specification import check_answer


@pytest.fixture
def project_key(development: Installation) -> str:
    return str(development.create_project(timezone="America/New_York")["projectKey"])


def note(installation: Installation, project_key: str, text: str = "Launch", **time: Any) -> dict[str, Any]:
    body = {"projectKey": project_key, "text": text, **time}
    answer = installation.call("POST", "/v1/annotations", body)
    assert answer.status_code == 201, answer.text
    check_answer(installation.app, answer)
    made: dict[str, Any] = answer.json
    return made


def list_texts(installation: Installation, project_key: str, query: str = "") -> list[str]:
    answer = installation.call("GET", f"/v1/annotations?projectKey={project_key}{query}")
    assert answer.status_code == 200, answer.text
    check_answer(installation.app, answer)
    return [each["text"] for each in answer.json["annotations"]]


def test_an_annotation_lives_and_dies(development: Installation, project_key: str) -> None:
    made = note(development, project_key, date="2025-01-06")
    assert made == {
        "id": made["id"],
        "date": "2025-01-06",
        "timestamp": None,
        "text": "Launch",
        "createdAt": "2025-01-06T10:00:00Z",
        "updatedAt": "2025-01-06T10:00:00Z",
    }
    path = f"/v1/annotations/{made['id']}?projectKey={project_key}"
    development.clock.advance(1500)
    moved = development.call("PATCH", path, {"timestamp": "2025-01-06T12:00:00+02:00"}).json
    assert (moved["date"], moved["timestamp"]) == (None, "2025-01-06T10:00:00Z")
    assert moved["updatedAt"] == "2025-01-06T10:00:01.500Z"
    back = development.call("PATCH", path, {"date": "2024-02-29", "text": "Leap"}).json
    assert (back["date"], back["timestamp"], back["text"]) == ("2024-02-29", None, "Leap")
    assert development.call("PATCH", path, {}).json == back
    assert development.call("DELETE", path).json == back
    for method, body in (("PATCH", {}), ("DELETE", None)):
        assert development.call(method, path, body).json["code"] == "unknown_annotation"
    assert list_texts(development, project_key) == []


def test_a_list_is_in_order_of_time_and_of_its_range_in_its_zone(development: Installation, project_key: str) -> None:
    note(development, project_key, "seven", date="2025-01-07")
    note(development, project_key, "six", date="2025-01-06")
    note(development, project_key, "four in New York", timestamp="2025-01-06T09:00:00Z")
    note(development, project_key, "midnight in New York", timestamp="2025-01-07T05:00:00Z")
    note(development, project_key, "year", date="9998-12-31")
    ordered = ["six", "four in New York", "seven", "midnight in New York", "year"]
    assert sorted(list_texts(development, project_key)[2:4]) == ["midnight in New York", "seven"]
    assert sorted(list_texts(development, project_key)) == sorted(ordered)
    assert list_texts(development, project_key, "&from=2025-01-06&to=2025-01-06") == ordered[:2]
    assert list_texts(development, project_key, "&from=2025-01-06T00:00:00&to=2025-01-06T04:00:00") == ["six"]
    utc = "&tz=UTC&from=2025-01-07&to=2025-01-07"
    assert list_texts(development, project_key, utc) == ["seven", "midnight in New York"]
    assert list_texts(development, project_key, "&to=2025-01-05") == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"text": "x"}, ["date", "timestamp"]),
        ({"text": "x", "date": "2025-01-06", "timestamp": "2025-01-06T10:00:00Z"}, ["date", "timestamp"]),
        ({"date": "2025-01-06"}, ["text"]),
        ({"date": "2025-01-06", "text": " "}, ["text"]),
        ({"date": "2025-01-06", "text": "x" * 2001}, ["text"]),
        ({"date": "2025-02-30", "text": "x"}, ["date"]),
        ({"date": "20250106", "text": "x"}, ["date"]),
        ({"date": "0001-01-01", "text": "x"}, ["date"]),
        ({"date": "9999-12-31", "text": "x"}, ["date"]),
        ({"date": None, "text": "x"}, ["date"]),
        ({"timestamp": 1736157600, "text": "x"}, ["timestamp"]),
        ({"date": "2025-01-06", "text": "x", "colour": "red"}, ["colour"]),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    development: Installation, project_key: str, fields: dict[str, Any], named: list[str]
) -> None:
    answer = development.call("POST", "/v1/annotations", {"projectKey": project_key, **fields})
    assert (answer.status_code, answer.json["fields"]) == (400, named)
    assert list_texts(development, project_key) == []


def test_a_change_is_to_a_date_or_a_timestamp(development: Installation, project_key: str) -> None:
    made = note(development, project_key, date="2025-01-06")
    both = {"projectKey": project_key, "date": "2025-01-07", "timestamp": "2025-01-06T10:00:00Z"}
    answer = development.call("PATCH", f"/v1/annotations/{made['id']}", both)
    assert (answer.status_code, answer.json["fields"]) == (400, ["date", "timestamp"])


@pytest.mark.parametrize("query", ["&from=soon", "&limit=5", "&tz=Mars", "&from=2025-01-07&to=2025-01-01", "&last=1d"])
def test_a_question_that_cannot_be_meant_is_refused(development: Installation, project_key: str, query: str) -> None:
    assert development.call("GET", f"/v1/annotations?projectKey={project_key}{query}").status_code == 400


def test_fields_stand_in_the_body_and_only_the_project_in_the_query(
    development: Installation, project_key: str
) -> None:
    body = {"text": "x", "date": "2025-01-06"}
    path = f"/v1/annotations?projectKey={project_key}"
    assert development.call("POST", path, body).status_code == 201
    for query, sent in (("&text=y", {"date": "2025-01-06"}), ("", {**body, "projectKey": project_key})):
        answer = development.call("POST", path + query, sent)
        assert (answer.status_code, answer.json["code"]) == (400, "invalid_parameter")
    assert development.call("DELETE", f"{path.replace('?', '/' + '0' * 16 + '?')}&text=y").status_code == 400
