"""The five reports over HTTP: forms of a request, CSV, comparison, cache."""

from __future__ import annotations

import csv
import io
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from columns.copy import ColumnarCopy
from columns.snapshot import CopyBehind, Snapshot
from services import single_flight
from services.reports import run

EVENTS = [
    {"eventName": "view", "userId": "ann", "timestamp": "2025-01-06T10:00:00Z", "metadata": {"plan": 'pro, "gold"'}},
    {"eventName": "view", "userId": "bob", "timestamp": "2025-01-06T11:00:00Z", "metadata": {"plan": 5}},
    {"eventName": "buy", "userId": "ann", "timestamp": "2025-01-06T10:01:30Z"},
    {"eventName": "view", "userId": "ann", "timestamp": "2025-01-05T10:00:00Z"},
]


@pytest.fixture
def project_key(client: FlaskClient) -> str:
    key: str = client.post("/v1/projects", json={"name": "Reports"}).json["projectKey"]  # type: ignore[index]
    answer = client.post("/v1/events/batch", json={"projectKey": key, "events": EVENTS})
    assert answer.json == {"accepted": 4, "duplicates": 0, "rejected": [], "warnings": []}
    return key


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_get_and_a_post_of_the_same_question_have_the_same_answer(client: FlaskClient, project_key: str) -> None:
    question = {"projectKey": project_key, "from": "2025-01-06", "to": "2025-01-06", "limit": 1}
    got = client.get("/v1/reports/top-events", query_string=question).json
    posted = client.post("/v1/reports/top-events", json=question).json
    assert got is not None
    assert posted is not None
    assert got["events"] == [{"eventName": "view", "count": 2, "uniqueUsers": 2}]
    assert (got["from"], got["to"]) == ("2025-01-06T00:00:00Z", "2025-01-07T00:00:00Z")
    assert (got.pop("cached"), posted.pop("cached")) == (False, True)
    assert posted == got


class SlowCopy:
    """A copy that is behind when it is asked, so many times."""

    def __init__(self, copy: ColumnarCopy, times: float) -> None:
        self._fetch_snapshot = copy.fetch_snapshot
        self.times = times

    def fetch_snapshot(self, project_key: str, *, epoch: int) -> Snapshot:
        """Once more behind, else what the copy has."""
        self.times -= 1
        if self.times >= 0:
            raise CopyBehind(0.756)
        return self._fetch_snapshot(project_key, epoch=epoch)


def test_a_report_waits_a_moment_for_a_copy_that_is_behind(
    client: FlaskClient, project_key: str, copy: ColumnarCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowCopy(copy, times=3)
    monkeypatch.setattr(copy, "fetch_snapshot", slow.fetch_snapshot)
    monkeypatch.setattr(run, "COPY_BEHIND_WAIT_SECONDS", 600)
    monkeypatch.setattr(run, "COPY_BEHIND_LOOK_SECONDS", 0)
    answer = client.get(f"/v1/reports/overview?projectKey={project_key}")
    assert (answer.status_code, slow.times) == (200, -1)
    assert answer.json is not None
    assert answer.json["totalEvents"] == 4


def test_a_copy_that_stays_behind_is_told(
    client: FlaskClient, project_key: str, copy: ColumnarCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "fetch_snapshot", SlowCopy(copy, times=math.inf).fetch_snapshot)
    monkeypatch.setattr(run, "COPY_BEHIND_WAIT_SECONDS", 0)
    answer = client.get(f"/v1/reports/overview?projectKey={project_key}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json is not None
    assert answer.json["code"] == "copy_behind"
    assert "(76% done)" in answer.json["error"]


def test_an_acknowledged_event_is_in_the_next_answer_though_the_last_was_cached(
    client: FlaskClient, project_key: str
) -> None:
    url = f"/v1/reports/overview?projectKey={project_key}"
    first, second = client.get(url).json, client.get(url).json
    assert first is not None
    assert second is not None
    assert (first["totalEvents"], second["cached"]) == (4, True)
    assert second["generatedAt"] == first["generatedAt"]
    client.post("/v1/events/batch", json={"projectKey": project_key, "events": [{"eventName": "late"}]})
    third = client.get(url).json
    assert third is not None
    assert (third["totalEvents"], third["cached"]) == (5, False)


def test_a_comparison_has_the_range_before(client: FlaskClient, project_key: str) -> None:
    question = {"projectKey": project_key, "from": "2025-01-06", "to": "2025-01-06", "compare": "previous"}
    answer = client.get("/v1/reports/conversion", query_string=question | {"eventName": "buy"}).json
    assert answer is not None
    assert (answer["convertedUsers"], answer["totalUsers"], answer["conversionRate"]) == (1, 2, 0.5)
    assert answer["previous"] == {
        "from": "2025-01-05T00:00:00Z",
        "to": "2025-01-06T00:00:00Z",
        "eventName": "buy",
        "convertedUsers": 0,
        "totalUsers": 1,
        "conversionRate": 0.0,
    }


@pytest.mark.parametrize("ask", [{"query_string": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}])
def test_csv_is_to_be_had_by_parameter_and_by_header(
    client: FlaskClient, project_key: str, ask: dict[str, Any]
) -> None:
    ask = ask | {"query_string": {"projectKey": project_key, **ask.get("query_string", {})}}
    answer = client.get("/v1/reports/top-events", **ask)
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="top-events.csv"'
    assert answer.text == "eventName,count,uniqueUsers\r\nview,3,2\r\nbuy,1,1\r\n"


def test_csv_of_a_comparison_tells_the_periods_apart(client: FlaskClient, project_key: str) -> None:
    question = {"projectKey": project_key, "from": "2025-01-06", "to": "2025-01-06", "compare": "previous"}
    answer = client.get("/v1/reports/overview", query_string=question | {"format": "csv"})
    rows = read_csv(answer.text)
    assert [(row["period"], row["totalEvents"], row["uniqueUsers"]) for row in rows] == [
        ("current", "3", "2"),
        ("previous", "1", "1"),
    ]


def test_csv_of_a_breakdown_has_a_row_a_value_and_step(client: FlaskClient, project_key: str) -> None:
    question = {
        "projectKey": project_key, "from": "2025-01-06", "steps": ["view", "buy"], "breakdown": "metadata.plan",
        "format": "csv",
    }  # fmt: skip
    rows = read_csv(client.post("/v1/reports/funnel", json=question).text)
    assert [(row["value"], row["step"], row["users"], row["medianSecondsFromPrevious"]) for row in rows] == [
        ("5", "1", "1", ""),
        ("5", "2", "0", ""),
        ('pro, "gold"', "1", "1", ""),
        ('pro, "gold"', "2", "1", "90.0"),
    ]


def test_csv_without_rows_has_its_header(client: FlaskClient, project_key: str) -> None:
    question = {"projectKey": project_key, "from": "2030-01-01", "to": "2030-01-01", "format": "csv"}
    assert client.get("/v1/reports/top-events", query_string=question).text == "eventName,count,uniqueUsers\r\n"


def test_a_wrong_question_is_an_error_in_json_though_csv_was_asked_for(client: FlaskClient, project_key: str) -> None:
    answer = client.get("/v1/reports/conversion", query_string={"projectKey": project_key, "format": "csv"})
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["fields"] == ["eventName"]


def test_identical_questions_at_the_same_time_are_computed_once(
    app: Flask, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, may_go = threading.Semaphore(0), threading.Event()
    computed = []
    compute = run.compute_report

    def compute_when_all_wait(*arguments: Any) -> bytes:
        computed.append(threading.get_ident())
        may_go.wait(30)
        return compute(*arguments)

    join = single_flight.SingleFlight.run

    def join_aloud(self: Any, key: str, work: Callable[[], bytes]) -> bytes:
        waiting.release()
        return join(self, key, work)

    monkeypatch.setattr(run, "compute_report", compute_when_all_wait)
    monkeypatch.setattr(single_flight.SingleFlight, "run", join_aloud)
    answers: list[int] = []

    def ask() -> None:
        answer = app.test_client().get(f"/v1/reports/overview?projectKey={project_key}").json
        assert answer is not None
        answers.append(answer["totalEvents"])

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=30)
    may_go.set()
    for thread in threads:
        thread.join(30)
    assert answers == [4] * 5
    assert len(computed) == 1


def test_an_error_reaches_everyone_who_waits_and_the_next_computes_anew() -> None:
    flights: single_flight.SingleFlight[int] = single_flight.SingleFlight()

    def fail() -> int:
        raise ValueError("no number")

    with pytest.raises(ValueError, match="no number"):
        flights.run("key", fail)
    assert flights.run("key", lambda: 5) == 5
