"""Which events bound a series with open ends, and what else depends on how the copy holds events; numbers by hand."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.test_reports_persons import ask, create_project, list_groups

CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def on(day: int, name: str = "view", **fields: object) -> dict[str, Any]:
    return {"eventName": name, "userId": f"u{day}", "timestamp": f"2025-01-{day:02}T12:00:00Z", **fields}


EVENTS = [on(3, userAgent=CRAWLER), on(5, "buy"), on(6), on(10, "buy"), on(15), on(20, userAgent=CRAWLER)]


@pytest.fixture(params=["tail", "sealed", "sealed before the outermost", "sealed after the outermost"])
def key(request: pytest.FixtureRequest, app: Flask, client: FlaskClient) -> str:
    inner, outer = EVENTS[1:4], [EVENTS[0], *EVENTS[4:]]
    parts = {"sealed before the outermost": [inner, outer], "sealed after the outermost": [outer, inner]}
    sent = parts.get(request.param, [EVENTS])
    key = create_project(client, sent[0])
    if request.param != "tail":
        app.extensions["apptracker"].copy.seal(key, force=True)
    for events in sent[1:]:
        client.post("/v1/events/batch", json={"projectKey": key, "events": events})
    return key


@pytest.mark.parametrize(
    ("parameters", "first", "last"),
    [
        ({}, 5, 15),
        ({"includeBots": True}, 3, 20),
        ({"eventName": "buy"}, 5, 10),
        ({"from": "2025-01-06T00:00:00Z"}, 6, 15),
        ({"to": "2025-01-15T00:00:00Z"}, 5, 14),
        ({"from": "2025-01-06T00:00:00Z", "eventName": "buy"}, 6, 10),
    ],
)
def test_an_open_series_reaches_from_the_first_to_the_last_event_that_counts(
    client: FlaskClient, key: str, parameters: dict[str, Any], first: int, last: int
) -> None:
    series = ask(client, key, "events-timeseries", **parameters)["series"]
    assert [bucket["bucket"] for bucket in series] == [f"2025-01-{day:02}T00:00:00Z" for day in range(first, last + 1)]


def test_kinds_of_values_that_only_later_events_have_are_groups_of_their_own(app: Flask, client: FlaskClient) -> None:
    key = create_project(client, [on(5, metadata={"plan": "pro"}), on(6, metadata={"plan": "pro"}), on(7)])
    app.extensions["apptracker"].copy.seal(key, force=True)
    sealed = ask(client, key, "breakdown", by="metadata.plan", measure="users")
    assert list_groups(sealed) == [("pro", 2, 2), (None, 1, 1)]
    later = [on(5, metadata={"plan": 1}), on(6, metadata={"plan": 1}), on(7, metadata={"plan": 1})]
    client.post("/v1/events/batch", json={"projectKey": key, "events": later})
    for force in (False, True):  # the number is in the tail, then in a segment
        if force:
            app.extensions["apptracker"].copy.seal(key, force=True)
        answer = ask(client, key, "breakdown", by="metadata.plan", measure="users", limit=1)
        assert list_groups(answer) == [(1, 3, 3)]
        assert answer["other"] == {"groups": 2, "value": 3, "events": 3}
        assert answer["total"] == {"value": 3, "events": 6}


def test_who_begins_before_clocks_go_back_over_midnight_is_in_the_cohort_of_the_new_day(client: FlaskClient) -> None:
    # in St. John's 2010-11-07 began at 02:30Z; at 02:31Z it was 23:01 of the day before again
    times = ("2010-11-07T02:30:30Z", "2010-11-07T02:45:00Z")
    key = create_project(client, [{"eventName": "view", "userId": "ann", "timestamp": time} for time in times])
    bounds = {"from": "2010-11-06T12:00:00Z", "to": "2010-11-09T12:00:00Z"}
    rows = ask(client, key, "retention", tz="America/St_Johns", **bounds)["rows"]
    assert [(row["bucket"][:10], row["size"]) for row in rows if row["size"]] == [("2010-11-07", 1)]
