"""retention, active-users, stickiness and lifecycle over HTTP; every number computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from services import clock

Ask = Any


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    """`ask(report, events, **parameters)`: the JSON answer over a project that holds (person, name, time) events."""

    def answer(report: str, events: list[tuple[str, str, str]], **parameters: object) -> dict[str, Any]:
        key = client.post("/v1/projects", json={"name": "Returning"}).json["projectKey"]  # type: ignore[index]
        posted = [{"anonymousId": person, "eventName": name, "timestamp": time} for person, name, time in events]
        if posted:
            sent = client.post("/v1/events/batch", json={"projectKey": key, "events": posted}).json
            assert sent is not None
            assert sent["accepted"] == len(events)
        response = client.post(f"/v1/reports/{report}", json={"projectKey": key, **parameters})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json  # type: ignore[assignment]
        return found

    return answer


def list_counts(answer: dict[str, Any]) -> list[tuple[int, list[int | None]]]:
    return [(row["size"], row["counts"]) for row in answer["rows"]]


WEEK = [
    ("ann", "open", "2025-01-06T10:00:00Z"),
    ("ann", "open", "2025-01-07T10:00:00Z"),
    ("ann", "buy", "2025-01-09T10:00:00Z"),
    ("bob", "open", "2025-01-06T11:00:00Z"),
    ("bob", "buy", "2025-01-08T11:00:00Z"),
    ("cid", "open", "2025-01-07T12:00:00Z"),
    ("cid", "open", "2025-01-08T12:00:00Z"),
]
FOUR_DAYS = {"from": "2025-01-06", "to": "2025-01-09", "intervals": 3}


def test_retention_counts_those_who_come_again_on_a_day(ask: Ask) -> None:
    answer = ask("retention", WEEK, **FOUR_DAYS)
    assert (answer["interval"], answer["cohort"], answer["mode"]) == ("day", "first", "on")
    assert [row["bucket"][:10] for row in answer["rows"]] == ["2025-01-06", "2025-01-07", "2025-01-08", "2025-01-09"]
    assert list_counts(answer) == [
        (2, [2, 1, 1, 1]),
        (1, [1, 1, 0, None]),
        (0, [0, 0, None, None]),
        (0, [0, None, None, None]),
    ]
    assert answer["rows"][0]["rates"] == [1.0, 0.5, 0.5, 0.5]
    assert answer["rows"][2]["rates"] == [None] * 4
    # weighted: on the second day after, one of two and none of one
    assert answer["mean"] == [1.0, 2 / 3, 1 / 3, 0.5]


def test_unbounded_retention_counts_a_day_or_any_later_one(ask: Ask) -> None:
    answer = ask("retention", WEEK, mode="on_or_after", **FOUR_DAYS)
    assert list_counts(answer)[:2] == [(2, [2, 2, 2, 1]), (1, [1, 1, 0, None])]


def test_a_return_after_the_last_interval_shown_counts_as_later(ask: Ask) -> None:
    answer = ask("retention", WEEK, mode="on_or_after", **{**FOUR_DAYS, "intervals": 1})
    assert list_counts(answer)[0] == (2, [2, 2])


def test_recurring_cohorts_have_everybody_who_starts_in_an_interval(ask: Ask) -> None:
    answer = ask("retention", WEEK, cohort="recurring", startEvent="open", returnEvent="buy", **FOUR_DAYS)
    assert list_counts(answer) == [
        (2, [0, 0, 1, 1]),
        (2, [0, 0, 1, None]),
        (1, [0, 0, None, None]),
        (0, [0, None, None, None]),
    ]


def test_who_started_before_the_range_is_in_no_first_cohort(ask: Ask) -> None:
    answer = ask("retention", WEEK, **{"from": "2025-01-07", "to": "2025-01-09", "intervals": 1})
    assert [row["size"] for row in answer["rows"]] == [1, 0, 0]


def test_a_start_earlier_on_the_first_day_than_the_range_is_not_in_it(ask: Ask) -> None:
    answer = ask("retention", WEEK, **{"from": "2025-01-06T10:30:00Z", "to": "2025-01-06", "intervals": 1})
    assert [row["size"] for row in answer["rows"]] == [1]


def test_an_interval_that_the_range_cuts_off_is_not_over(ask: Ask) -> None:
    answer = ask("retention", WEEK, **{"from": "2025-01-06", "to": "2025-01-08T23:00:00Z", "intervals": 3})
    assert list_counts(answer)[0] == (2, [2, 1, None, None])


def test_without_an_end_the_intervals_until_now_are_over(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "fetch_now_ms", lambda: 1_736_550_000_000)  # 2025-01-10T23:00:00Z
    answer = ask("retention", WEEK, intervals=6)
    assert list_counts(answer)[0] == (2, [2, 1, 1, 1, None, None, None])
    assert list_counts(answer)[1] == (1, [1, 1, 0, None, None, None, None])
    assert answer["mean"][4:] == [None, None, None]


def test_retention_by_the_week_begins_on_mondays(ask: Ask) -> None:
    events = [("ann", "open", "2025-01-05T12:00:00Z"), ("ann", "open", "2025-01-06T12:00:00Z")]
    answer = ask("retention", events, interval="week", intervals=1, **{"from": "2025-01-01", "to": "2025-01-12"})
    assert [row["bucket"] for row in answer["rows"]] == ["2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"]
    assert list_counts(answer) == [(1, [1, 1]), (0, [0, None])]


def test_days_of_a_half_hour_zone_begin_at_its_midnight(ask: Ask) -> None:
    # 18:15 UTC is midnight in Kathmandu
    events = [("ann", "open", "2025-01-06T18:14:00Z"), ("ann", "open", "2025-01-06T18:15:00Z")]
    answer = ask("retention", events, tz="Asia/Kathmandu", intervals=1, **{"from": "2025-01-06", "to": "2025-01-07"})
    assert [row["bucket"] for row in answer["rows"]] == ["2025-01-06T00:00:00+05:45", "2025-01-07T00:00:00+05:45"]
    assert list_counts(answer) == [(1, [1, 1]), (0, [0, None])]


def test_the_day_after_a_short_one_is_the_next(ask: Ask) -> None:
    # in Berlin 2025-03-30 has 23 hours, from 23:00 UTC to 22:00 UTC
    events = [("ann", "open", "2025-03-29T23:00:00Z"), ("ann", "open", "2025-03-30T22:00:00Z")]
    answer = ask("retention", events, tz="Europe/Berlin", intervals=1, **{"from": "2025-03-30", "to": "2025-03-31"})
    assert [row["bucket"] for row in answer["rows"]] == ["2025-03-30T00:00:00+01:00", "2025-03-31T00:00:00+02:00"]
    assert list_counts(answer)[0] == (1, [1, 1])


def test_a_date_that_a_zone_skipped_is_no_interval(ask: Ask) -> None:
    # Samoa had no 2011-12-30: its 29th was followed by its 31st
    events = [("ann", "open", "2011-12-30T09:00:00Z"), ("ann", "open", "2011-12-30T11:00:00Z")]
    common = {"tz": "Pacific/Apia", "from": "2011-12-29", "to": "2011-12-31"}
    answer = ask("retention", events, intervals=1, **common)
    assert [row["bucket"][:10] for row in answer["rows"]] == ["2011-12-29", "2011-12-31"]
    assert list_counts(answer)[0] == (1, [1, 1])
    lifecycle = ask("lifecycle", events, **common)
    assert [(row["new"], row["returning"], row["resurrecting"]) for row in lifecycle["series"]] == [
        (1, 0, 0),
        (0, 1, 0),
    ]


def test_too_many_numbers_are_refused(client: FlaskClient) -> None:
    key = client.post("/v1/projects", json={"name": "Returning"}).json["projectKey"]  # type: ignore[index]
    question = {"projectKey": key, "from": "2020-01-01", "to": "2024-12-31", "intervals": 366}
    answer = client.post("/v1/reports/retention", json=question)
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["fields"] == ["from", "to", "interval", "intervals"]


VISITS = [
    ("ann", "open", "2025-01-01T10:00:00Z"),
    ("ann", "open", "2025-01-08T10:00:00Z"),
    ("bob", "open", "2025-01-02T10:00:00Z"),
    ("bob", "open", "2025-01-31T10:00:00Z"),
    ("cid", "open", "2025-01-31T10:00:00Z"),
    ("cid", "open", "2025-02-01T10:00:00Z"),
]


def list_series(answer: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return [(row["bucket"][5:10], *(row[name] for name in names)) for row in answer["series"]]


def test_active_users_look_back_before_the_range(ask: Ask) -> None:
    answer = ask("active-users", VISITS, **{"from": "2025-01-07", "to": "2025-01-09"})
    # on the 8th the week holds the 2nd to the 8th: ann by the 8th, bob by the 2nd; on the 9th bob's day has left it
    assert list_series(answer, "dau", "wau", "mau") == [
        ("01-07", 0, 2, 2),
        ("01-08", 1, 2, 2),
        ("01-09", 0, 1, 2),
    ]


def test_a_person_leaves_the_month_after_thirty_days(ask: Ask) -> None:
    answer = ask("active-users", VISITS, **{"from": "2025-01-30", "to": "2025-02-08"})
    assert [row["mau"] for row in answer["series"]] == [2, 3, 3, 3, 3, 3, 3, 3, 2, 2]
    assert [row["dau"] for row in answer["series"]] == [0, 2, 1, 0, 0, 0, 0, 0, 0, 0]
    assert [row["wau"] for row in answer["series"]] == [0, 2, 2, 2, 2, 2, 2, 2, 1, 0]


def test_events_before_the_range_are_in_the_week_of_its_first_day_but_not_in_the_day(ask: Ask) -> None:
    answer = ask("active-users", VISITS, **{"from": "2025-01-08T11:00:00Z", "to": "2025-01-08T12:00:00Z"})
    assert list_series(answer, "dau", "wau", "mau") == [("01-08", 0, 2, 2)]


@pytest.mark.parametrize(
    ("report", "empty"),
    [
        ("active-users", {"series": []}),
        ("stickiness", {"series": [], "histogram": []}),
        ("lifecycle", {"series": []}),
        ("retention", {"rows": [], "mean": [None, None]}),
    ],
)
def test_without_events_and_bounds_there_are_no_intervals(ask: Ask, report: str, empty: dict[str, Any]) -> None:
    answer = ask(report, [], **({"intervals": 1} if report == "retention" else {}))
    assert {name: answer[name] for name in empty} == empty


def test_stickiness_is_the_day_by_the_month(ask: Ask) -> None:
    answer = ask("stickiness", VISITS, **{"from": "2025-01-31", "to": "2025-02-01"})
    assert list_series(answer, "dau", "mau", "stickiness") == [("01-31", 2, 3, 2 / 3), ("02-01", 1, 3, 1 / 3)]
    assert answer["histogram"] == [{"days": 1, "users": 1}, {"days": 2, "users": 1}]


def test_the_histogram_has_no_gaps(ask: Ask) -> None:
    events = [("ann", "open", f"2025-01-0{day}T10:00:00Z") for day in (1, 2, 3)] + [VISITS[4]]
    answer = ask("stickiness", events)
    assert answer["histogram"] == [{"days": 1, "users": 1}, {"days": 2, "users": 0}, {"days": 3, "users": 1}]
    assert answer["series"][-1]["stickiness"] == 0.5  # of the 30 days to the 31st the 2nd and 3rd are two


STATES = ("new", "returning", "resurrecting", "dormant")


def test_lifecycle_tells_new_returning_resurrecting_and_dormant_persons(ask: Ask) -> None:
    answer = ask("lifecycle", WEEK, **{"from": "2025-01-06", "to": "2025-01-10"})
    assert list_series(answer, *STATES) == [
        ("01-06", 2, 0, 0, 0),
        ("01-07", 1, 1, 0, 1),
        ("01-08", 0, 1, 1, 1),
        ("01-09", 0, 0, 1, 2),
        ("01-10", 0, 0, 0, 1),
    ]


def test_lifecycle_knows_what_was_before_the_range(ask: Ask) -> None:
    answer = ask("lifecycle", WEEK, **{"from": "2025-01-08", "to": "2025-01-09"})
    assert list_series(answer, *STATES) == [("01-08", 0, 1, 1, 1), ("01-09", 0, 0, 1, 2)]


def test_lifecycle_of_a_range_that_begins_amid_a_week(ask: Ask) -> None:
    # by the week: ann is new in it though her first event lies before the range; bob is not in what is left of it
    events = [WEEK[0], WEEK[2], WEEK[3]]
    answer = ask("lifecycle", events, interval="week", **{"from": "2025-01-08", "to": "2025-01-19"})
    assert list_series(answer, *STATES) == [("01-06", 1, 0, 0, 0), ("01-13", 0, 0, 0, 2)]


def test_lifecycle_by_months_across_a_clock_change(ask: Ask) -> None:
    # 22:30 UTC on March 31 is April 1 in Berlin, in summer time
    events = [("ann", "open", "2025-02-28T23:30:00Z"), ("ann", "open", "2025-03-31T22:30:00Z")]
    answer = ask("lifecycle", events, interval="month", tz="Europe/Berlin")
    assert [row["bucket"] for row in answer["series"]] == ["2025-03-01T00:00:00+01:00", "2025-04-01T00:00:00+02:00"]
    assert list_series(answer, *STATES) == [("03-01", 1, 0, 0, 0), ("04-01", 0, 1, 0, 0)]


def test_filters_hold_before_the_range_too(ask: Ask) -> None:
    buys = [{"property": "eventName", "operator": "eq", "value": "buy"}]
    answer = ask("lifecycle", WEEK, filters=buys, **{"from": "2025-01-09", "to": "2025-01-09"})
    assert list_series(answer, *STATES) == [("01-09", 1, 0, 0, 1)]


def test_hours_are_no_interval_of_these_reports(client: FlaskClient) -> None:
    key = client.post("/v1/projects", json={"name": "Returning"}).json["projectKey"]  # type: ignore[index]
    for report in ("retention", "lifecycle"):
        answer = client.get(f"/v1/reports/{report}?projectKey={key}&interval=hour")
        assert answer.status_code == 400
        assert answer.json is not None
        assert answer.json["fields"] == ["interval"]
