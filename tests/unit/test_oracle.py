"""The oracle itself, against values worked out by hand from docs/metrics.md."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle import Json, Row, split_path
from tests.oracle.samples import ask, event


def count_passing(metadata: Json, operator: str, value: Json = None, path: str = "metadata.k") -> int:
    condition = {"property": path, "operator": operator} | ({} if value is None else {"value": value})
    total = ask("overview", [event("a", metadata=metadata)], filters=[condition])["totalEvents"]
    assert isinstance(total, int)
    return total


def count_users(events: list[Row], *steps: Json, **params: Json) -> list[int]:
    return [step["users"] for step in ask("funnel", events, steps=list(steps), **params)["steps"]]


def list_series(events: list[Row], **params: Json) -> list[tuple[Any, Any]]:
    return [(row["bucket"], row["count"]) for row in ask("events-timeseries", events, **params)["series"]]


# The quick start of the reference: anon-1 opens the app at 10:00, buys at 10:05 as user-123.

QUICK_START = [
    event("app_open", "10:00", anonymousId="anon-1"),
    event("purchase_success", "10:05", anonymousId="anon-1", userId="user-123"),
]
JANUARY: Row = {"start": "2025-01-01T00:00:00Z", "to": "2025-01-10T00:00:00Z"}


def test_quick_start_overview_counts_one_person_in_one_session() -> None:
    assert ask("overview", QUICK_START) == {
        "from": None,
        "to": None,
        "tz": "UTC",
        "totalEvents": 2,
        "uniqueUsers": 1,
        "uniqueEventNames": 2,
        "sessions": 1,
        "firstEventAt": "2025-01-06T10:00:00Z",
        "lastEventAt": "2025-01-06T10:05:00Z",
    }


def test_quick_start_top_events_breaks_the_tie_by_name() -> None:
    assert ask("top-events", QUICK_START, limit=10)["events"] == [
        {"eventName": "app_open", "count": 1, "uniqueUsers": 1},
        {"eventName": "purchase_success", "count": 1, "uniqueUsers": 1},
    ]


def test_quick_start_series_has_nine_days_of_which_the_sixth_holds_both_events() -> None:
    answer = ask("events-timeseries", QUICK_START, interval="day", **JANUARY)
    assert (answer["from"], answer["to"]) == ("2025-01-01T00:00:00Z", "2025-01-10T00:00:00Z")
    assert [row["bucket"] for row in answer["series"]] == [f"2025-01-0{day}T00:00:00Z" for day in range(1, 10)]
    assert [(row["count"], row["uniqueUsers"]) for row in answer["series"]] == [(0, 0)] * 5 + [(2, 1)] + [(0, 0)] * 3


def test_quick_start_funnel_stops_at_the_screen_view_that_never_came() -> None:
    steps = ["app_open", "screen_view", "login_success", "purchase_success"]
    answer = ask("funnel", QUICK_START, steps=steps, **JANUARY)
    assert [row["users"] for row in answer["steps"]] == [1, 0, 0, 0]
    # 0 / 1 for the second; nobody to divide by from then on
    assert [row["conversionFromPrevious"] for row in answer["steps"]] == [None, 0.0, None, None]
    assert [row["conversionFromFirst"] for row in answer["steps"]] == [1.0, 0.0, 0.0, 0.0]
    assert answer["overallConversion"] == 0.0


def test_quick_start_funnel_of_both_events_counts_anonymous_and_user_as_one_person() -> None:
    answer = ask("funnel", QUICK_START, steps=["app_open", "purchase_success"])
    assert answer["steps"][1] == {
        "step": 2,
        "eventName": "purchase_success",
        "users": 1,
        "conversionFromPrevious": 1.0,
        "conversionFromFirst": 1.0,
        "medianSecondsFromPrevious": 300.0,  # 10:00 to 10:05
        "meanSecondsFromPrevious": 300.0,
    }


def test_quick_start_conversion_is_one_of_one() -> None:
    answer = ask("conversion", QUICK_START, eventName="purchase_success", **JANUARY)
    assert {key: answer[key] for key in ("eventName", "convertedUsers", "totalUsers", "conversionRate")} == {
        "eventName": "purchase_success",
        "convertedUsers": 1,
        "totalUsers": 1,
        "conversionRate": 1.0,
    }


# Population and time


def test_range_includes_its_start_and_excludes_its_end() -> None:
    events = [event("a", "10:00"), event("a", "10:30"), event("a", "11:00")]
    answer = ask("overview", events, start="2025-01-06T10:00:00Z", to="2025-01-06T11:00:00Z")
    assert (answer["totalEvents"], answer["lastEventAt"]) == (2, "2025-01-06T10:30:00Z")


def test_bare_dates_are_whole_local_days() -> None:
    # 6 January in Berlin (+01:00) is [5 January 23:00Z, 6 January 23:00Z)
    times = ["2025-01-05T22:59:59.999Z", "2025-01-05T23:00:00Z", "2025-01-06T22:59:59.999Z", "2025-01-06T23:00:00Z"]
    answer = ask("overview", [event("a", at) for at in times], start="2025-01-06", to="2025-01-06", tz="Europe/Berlin")
    assert (answer["from"], answer["to"], answer["totalEvents"]) == ("2025-01-05T23:00:00Z", "2025-01-06T23:00:00Z", 2)


def test_invalid_timestamps_are_in_no_population() -> None:
    events = [event("a", timestamp) for timestamp in ("soon", "2025-02-30T00:00:00Z", "", True, [1], {"a": 1})]
    assert ask("overview", [*events, event("a", "10:00")])["totalEvents"] == 1


def test_timestamps_are_cut_to_milliseconds_and_taken_as_utc_where_they_have_no_offset() -> None:
    events = [event("a", "2025-01-06T10:00:00.123999"), event("a", "2025-01-06T12:30:00+02:00")]
    answer = ask("overview", events)
    assert (answer["firstEventAt"], answer["lastEventAt"]) == ("2025-01-06T10:00:00.123Z", "2025-01-06T10:30:00Z")


def test_an_event_id_counts_once_and_the_first_copy_stays() -> None:
    first = event("a", "10:00")
    answer = ask("top-events", [first, {**first, "eventName": "b"}])
    assert answer["events"] == [{"eventName": "a", "count": 1, "uniqueUsers": 0}]


def test_refused_events_use_up_no_id() -> None:
    good = event("a", "10:00")
    assert ask("overview", [{**good, "eventName": ""}, {**good, "metadata": []}, good])["totalEvents"] == 1


# Persons


def test_events_before_the_login_belong_to_the_user() -> None:
    events = [event("a", "08:00", anonymousId="x"), event("b", "20:00", anonymousId="x", userId="u")]
    assert ask("overview", [*events, event("c", "21:00", userId="u")])["uniqueUsers"] == 1


def test_a_shared_anonymous_id_goes_to_the_user_seen_first_whatever_arrives_first() -> None:
    events = [
        event("login", "12:00", anonymousId="x", userId="late"),
        event("login", "11:00", anonymousId="x", userId="early"),
        event("view", "13:00", anonymousId="x"),
    ]
    # persons: late, early; the view is early's
    early = [{"property": "userId", "operator": "not_exists"}]
    assert ask("overview", events)["uniqueUsers"] == 2
    assert count_users(events, "login", "view") == [2, 1]
    assert ask("overview", events, filters=early)["uniqueUsers"] == 1


def test_equal_first_times_give_the_smallest_user_by_code_point_and_invalid_times_come_last() -> None:
    events = [
        event("view", "13:00", anonymousId="x"),
        event("login", "11:00", anonymousId="x", userId="\U0001f600"),
        event("login", "11:00", anonymousId="x", userId="\uff5e"),  # smaller by code point, greater in UTF-16
        event("login", "never", anonymousId="x", userId="A"),
        event("done", "14:00", userId="\uff5e"),
    ]
    assert count_users(events, "view", "done") == [1, 1]
    assert count_users([events[0], events[3], event("done", "14:00", userId="A")], "view", "done") == [1, 1]


def test_identity_looks_beyond_the_range() -> None:
    login = event("login", "2025-03-01T00:00:00Z", anonymousId="x", userId="u")
    events = [event("a", "10:00", anonymousId="x"), event("b", "10:01", userId="u"), login]
    assert ask("overview", events, **JANUARY)["uniqueUsers"] == 1


def test_a_user_and_an_anonymous_id_of_the_same_text_are_one_person() -> None:
    assert ask("overview", [event("a", userId="x"), event("a", anonymousId="x")])["uniqueUsers"] == 1


def test_whole_numbers_as_ids_are_their_text_and_empty_ids_are_missing() -> None:
    events = [event("a", userId=7), event("a", userId="7"), event("a", userId="", anonymousId="")]
    answer = ask("overview", events)
    assert (answer["totalEvents"], answer["uniqueUsers"]) == (3, 1)


# Sessions


@pytest.mark.parametrize(("second", "sessions"), [("10:30", 1), ("10:30:00.001", 2)])
def test_a_session_ends_after_more_than_thirty_minutes(second: str, sessions: int) -> None:
    events = [event("a", "10:00", userId="u"), event("a", second, userId="u")]
    assert ask("overview", events)["sessions"] == sessions


def test_session_ids_hold_across_gaps_and_persons_and_leave_the_rest_to_the_gap_rule() -> None:
    events = [
        event("a", "01:00", userId="u", sessionId="s"),
        event("a", "10:00", userId="v", sessionId="s"),
        event("a", "10:10", sessionId="s"),
        event("a", "09:50", userId="u"),
        event("a", "10:40", userId="u"),  # 50 minutes after the one before without a sessionId
        event("a", "10:20"),  # nobody's
    ]
    assert ask("overview", events)["sessions"] == 3


def test_sessions_are_formed_before_filters() -> None:
    events = [event(name, at, userId="u") for name, at in [("a", "10:00"), ("b", "10:20"), ("a", "10:40")]]
    only_a = [{"property": "eventName", "operator": "eq", "value": "a"}]
    # without b the two a are 40 minutes apart, but b joins them
    assert ask("overview", events, filters=only_a)["sessions"] == 1


# Filters


@pytest.mark.parametrize(
    ("metadata", "operator", "value", "passing"),
    [
        ({"k": 1}, "eq", 1.0, 1),
        ({"k": 1}, "eq", "1", 0),
        ({"k": "1"}, "eq", 1, 0),
        ({"k": True}, "eq", 1, 0),
        ({"k": True}, "eq", True, 1),
        ({"k": -0.0}, "eq", 0, 1),
        ({"k": 2**53 + 1}, "eq", 2**53, 1),  # the same double
        ({"K": 1}, "eq", 1, 0),
        ({"k": [1]}, "eq", 1, 0),
        ({"k": None}, "neq", 1, 1),
        ({}, "neq", 1, 1),
        ({"k": 1}, "neq", True, 1),
        ({"k": "b"}, "in", ["a", "b"], 1),
        ({"k": 1}, "in", ["1", True], 0),
        ({}, "not_in", ["a"], 1),
        ({"k": "abc"}, "contains", "bc", 1),
        ({"k": "abc"}, "contains", "BC", 0),
        ({"k": ["abc", 1, True]}, "contains", "bc", 0),
        ({"k": ["abc", 1]}, "contains", 1, 1),
        ({"k": [True]}, "contains", 1, 0),
        ({"k": 11}, "contains", "1", 0),
        ({"k": 11}, "not_contains", "1", 1),
        ({"k": "abc"}, "starts_with", "ab", 1),
        ({"k": "abc"}, "starts_with", "bc", 0),
        ({"k": 10}, "gt", 9, 1),
        ({"k": "10"}, "gt", "9", 0),
        ({"k": "10"}, "gt", 9, 0),
        ({"k": True}, "gte", 0, 0),
        ({}, "lt", 9, 0),
        ({"k": 9}, "lte", 9, 1),
        ({"k": 9}, "gte", 9.5, 0),
        ({"k": {}}, "exists", None, 1),
        ({"k": []}, "exists", None, 1),
        ({"k": False}, "exists", None, 1),
        ({"k": None}, "exists", None, 0),
        ({"k": None}, "not_exists", None, 1),
    ],
)
def test_filters_go_by_json_type(metadata: Json, operator: str, value: Json, passing: int) -> None:
    assert count_passing(metadata, operator, value) == passing


@pytest.mark.parametrize(
    ("path", "keys"),
    [("a.b", ["a", "b"]), (r"a\.b", ["a.b"]), (r"a\\.b", ["a\\", "b"]), ("$a", ["$a"]), ("", [""])],
)
def test_paths_split_at_dots_without_a_backslash(path: str, keys: list[str]) -> None:
    assert split_path(path) == keys


def test_unknown_fields_are_metadata_where_metadata_has_no_such_key() -> None:
    events = [event("a", plan="pro"), event("a", plan="pro", metadata={"plan": "free"})]
    condition = {"property": "metadata.plan", "operator": "eq", "value": "pro"}
    assert ask("overview", events, filters=[condition])["totalEvents"] == 1


def test_columns_are_text_and_all_filters_must_hold() -> None:
    events = [event("a", url="/x", ip="1.2.3.4"), event("a", url="/x"), event("a", ip="1.2.3.4")]
    url = {"property": "url", "operator": "eq", "value": "/x"}
    ip = {"property": "ip", "operator": "starts_with", "value": "1."}
    assert ask("overview", events, filters=[url, ip])["totalEvents"] == 1
    assert ask("overview", events, filters=[url, {**ip, "operator": "not_exists"}])["totalEvents"] == 1


# Top events, conversion


def test_top_events_are_cut_to_the_limit_after_ordering_by_code_point() -> None:
    events = [event(name) for name in ("b", "é", "A", "c", "c")]
    assert [row["eventName"] for row in ask("top-events", events, limit=3)["events"]] == ["c", "A", "b"]


def test_conversion_is_null_where_there_are_no_persons() -> None:
    answer = ask("conversion", [event("a")], eventName="a")
    assert (answer["convertedUsers"], answer["totalUsers"], answer["conversionRate"]) == (0, 0, None)


# Series


def test_hours_of_the_day_the_clock_goes_forward_in_berlin() -> None:
    # 30 March 2025: 01:59:59+01:00 is followed by 03:00:00+02:00
    series = list_series(
        [event("a", "2025-03-30T01:10:00Z")], interval="hour", tz="Europe/Berlin", start="2025-03-30", to="2025-03-30"
    )
    assert len(series) == 23
    assert series[1:3] == [("2025-03-30T01:00:00+01:00", 0), ("2025-03-30T03:00:00+02:00", 1)]


def test_hours_of_the_day_the_clock_goes_back_in_new_york_are_told_apart_by_offset() -> None:
    # 3 November 2024: 01:30-04:00 is 05:30Z, 01:30-05:00 is 06:30Z
    events = [event("a", "2024-11-03T05:30:00Z"), event("a", "2024-11-03T06:30:00Z")]
    series = list_series(events, interval="hour", tz="America/New_York", start="2024-11-03", to="2024-11-03")
    assert len(series) == 25
    assert [row for row in series if row[1]] == [("2024-11-03T01:00:00-04:00", 1), ("2024-11-03T01:00:00-05:00", 1)]


def test_the_half_hour_change_of_lord_howe_splits_an_hour() -> None:
    # 6 April 2025, 15:00Z: 02:00+11:00 becomes 01:30+10:30
    events = [event("a", at) for at in ("2025-04-05T14:45:00Z", "2025-04-05T15:05:00Z", "2025-04-05T15:35:00Z")]
    assert list_series(events, interval="hour", tz="Australia/Lord_Howe") == [
        ("2025-04-06T01:00:00+11:00", 1),
        ("2025-04-06T01:00:00+10:30", 1),
        ("2025-04-06T02:00:00+10:30", 1),
    ]


def test_a_day_without_midnight_begins_at_one() -> None:
    # Sao Paulo, 15 October 2017: 23:59:59-03:00 is followed by 01:00:00-02:00, at 03:00Z
    events = [event("a", "2017-10-15T02:59:00Z"), event("a", "2017-10-15T03:00:00Z")]
    assert list_series(events, tz="America/Sao_Paulo") == [
        ("2017-10-14T00:00:00-03:00", 1),
        ("2017-10-15T01:00:00-02:00", 1),
    ]


def test_weeks_begin_on_monday_and_months_on_the_first_in_local_time() -> None:
    # Kathmandu is +05:45: Sunday 2 February 2025 18:15Z is Monday 00:00
    events = [event("a", "2025-02-02T18:14:00Z"), event("a", "2025-02-02T18:15:00Z")]
    assert list_series(events, interval="week", tz="Asia/Kathmandu") == [
        ("2025-01-27T00:00:00+05:45", 1),
        ("2025-02-03T00:00:00+05:45", 1),
    ]
    assert list_series(events, interval="month", tz="Asia/Kathmandu") == [("2025-02-01T00:00:00+05:45", 2)]


def test_only_the_zone_utc_is_written_as_z() -> None:
    assert list_series([event("a")], tz="Europe/London") == [("2025-01-06T00:00:00+00:00", 1)]


def test_a_series_covers_the_bucket_of_the_last_instant_before_its_end_and_no_more() -> None:
    to_midnight = {"start": "2025-01-05T12:00:00Z", "to": "2025-01-07T00:00:00Z"}
    past_midnight = {"start": "2025-01-05T12:00:00Z", "to": "2025-01-07T00:00:00.001Z"}
    assert [len(list_series([], **bounds)) for bounds in (to_midnight, past_midnight)] == [2, 3]


def test_a_series_without_bounds_or_events_is_empty() -> None:
    assert list_series([]) == []
    assert list_series([event("a", "x")]) == []


def test_a_series_of_one_event_name_takes_missing_bounds_from_that_event() -> None:
    events = [event("a", "2025-01-06T00:00:00Z"), event("b", "2025-01-08T00:00:00Z")]
    assert list_series(events, eventName="b") == [("2025-01-08T00:00:00Z", 1)]


def test_the_window_before_has_the_same_wall_clock_length() -> None:
    # In Berlin 30 March 2025 has 23 hours: [29 23:00Z, 30 22:00Z); the day before is [28 23:00Z, 29 23:00Z)
    events = [event("a", f"2025-03-{at}:00Z") for at in ("28T23:00", "29T22:59", "29T23:00")]
    answer = ask("overview", events, tz="Europe/Berlin", start="2025-03-30", to="2025-03-30", compare="previous")
    assert (answer["from"], answer["to"], answer["totalEvents"]) == ("2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z", 1)
    before = answer["previous"]
    assert (before["from"], before["to"], before["totalEvents"]) == ("2025-03-28T23:00:00Z", "2025-03-29T23:00:00Z", 2)


# Funnel, ordered


def test_funnel_allows_other_events_between_and_needs_the_order() -> None:
    events = [event(name, at, userId="u") for name, at in [("a", "10:00"), ("z", "10:01"), ("b", "10:02")]]
    events += [event(name, at, userId="v") for name, at in [("b", "10:00"), ("a", "10:01")]]
    assert count_users(events, "a", "b") == [2, 1]


def test_funnel_window_is_inclusive_and_counts_from_the_entry() -> None:
    events = [event(name, at, userId="u") for name, at in [("a", "10:00"), ("b", "10:01"), ("c", "10:02")]]
    assert count_users(events, "a", "b", "c", windowSeconds=120) == [1, 1, 1]
    assert count_users(events, "a", "b", "c", windowSeconds=119) == [1, 1, 0]


def test_a_failed_early_try_does_not_hide_a_later_success() -> None:
    events = [event(name, at, userId="u") for name, at in [("a", "08:00"), ("a", "10:00"), ("b", "10:01")]]
    answer = ask("funnel", events, steps=["a", "b"], windowSeconds=3600)
    assert [row["users"] for row in answer["steps"]] == [1, 1]
    assert answer["steps"][1]["medianSecondsFromPrevious"] == 60.0  # from 10:00, not from 08:00


def test_of_equally_far_entries_the_earliest_counts() -> None:
    events = [event(name, at, userId="u") for name, at in [("a", "10:00"), ("a", "10:01"), ("b", "10:02")]]
    assert ask("funnel", events, steps=["a", "b"])["steps"][1]["meanSecondsFromPrevious"] == 120.0


def test_equal_times_count_as_ordered_but_one_event_fills_one_step() -> None:
    both = [event("b", "10:00", userId="u"), event("a", "10:00", userId="u")]
    assert count_users(both, "a", "b") == [1, 1]
    assert count_users(both, "a", "a") == [1, 0]
    assert count_users([*both, event("a", "10:00", userId="u")], "a", "a", "a") == [1, 1, 0]


def test_steps_may_have_filters_and_the_report_too() -> None:
    events = [
        event("buy", "10:00", userId="u", metadata={"price": 5}),
        event("buy", "10:01", userId="u", metadata={"price": 50}),
        event("buy", "10:00", userId="v", metadata={"price": 5}),
    ]
    dear = {"eventName": "buy", "filters": [{"property": "metadata.price", "operator": "gt", "value": 9}]}
    assert count_users(events, "buy", dear) == [2, 1]
    assert count_users(events, "buy", dear, filters=dear["filters"]) == [1, 0]


def test_medians_and_means_are_over_those_who_reached_the_step() -> None:
    events = [event("a", "10:00", userId=user) for user in "uvwx"]
    events += [event("b", at, userId=user) for at, user in [("10:00:10", "u"), ("10:00:20", "v"), ("10:01", "w")]]
    step = ask("funnel", events, steps=["a", "b"])["steps"][1]
    assert (step["medianSecondsFromPrevious"], step["meanSecondsFromPrevious"]) == (20.0, 30.0)  # of 10, 20, 60
    assert step["conversionFromPrevious"] == 0.75


def test_nobody_enters_a_funnel() -> None:
    answer = ask("funnel", [event("a")], steps=["a"])
    assert (answer["steps"][0]["users"], answer["overallConversion"]) == (0, None)


# Funnel, strict and any


def test_strict_steps_allow_nothing_strictly_between() -> None:
    def visit(*rows: tuple[str, str]) -> list[Row]:
        return [event(name, at, userId="u") for name, at in rows]

    between = visit(("a", "10:00"), ("z", "10:01"), ("b", "10:02"))
    assert count_users(between, "a", "b", order="strict") == [1, 0]
    touching = visit(("a", "10:00"), ("z", "10:00"), ("z", "10:02"), ("b", "10:02"))
    assert count_users(touching, "a", "b", order="strict") == [1, 1]
    assert count_users(visit(("a", "09:00"), ("a", "10:00"), ("b", "10:02")), "a", "b", order="strict") == [1, 1]
    not_z = [{"property": "eventName", "operator": "neq", "value": "z"}]
    assert count_users(between, "a", "b", order="strict", filters=not_z) == [1, 1]


def test_any_order_counts_how_many_steps_were_filled() -> None:
    visits = [("c", "10:00"), ("a", "10:01"), ("z", "10:02"), ("b", "10:04")]
    events = [event("b", "10:00", userId="v"), *(event(name, at, userId="u") for name, at in visits)]
    answer = ask("funnel", events, steps=["a", "b", "c"], order="any")
    assert [row["users"] for row in answer["steps"]] == [2, 1, 1]
    assert [row["medianSecondsFromPrevious"] for row in answer["steps"]] == [None, 60.0, 180.0]
    assert [row["eventName"] for row in answer["steps"]] == ["a", "b", "c"]


def test_any_order_fills_the_lowest_free_step_and_minds_the_window() -> None:
    events = [event(name, at, userId="u") for name, at in [("a", "10:00"), ("a", "10:01"), ("b", "10:03")]]
    assert count_users(events, "a", "a", "b", order="any", windowSeconds=180) == [1, 1, 1]
    assert count_users(events, "a", "a", "b", order="any", windowSeconds=179) == [1, 1, 0]


def test_any_order_counts_events_at_the_time_of_the_entry() -> None:
    events = [event("b", "10:00", userId="u"), event("a", "10:00", userId="u")]
    assert count_users(events, "a", "b", order="any") == [1, 1]


# Breakdown


def test_breakdown_groups_by_the_entry_event_of_the_chain_that_counts() -> None:
    events = [
        event("a", "08:00", userId="u", metadata={"plan": "free"}),
        event("a", "10:00", userId="u", metadata={"plan": "pro"}),
        event("b", "10:01", userId="u", metadata={"plan": "free"}),
        event("a", "10:00", userId="v", metadata={"plan": "free"}),
    ]
    answer = ask("funnel", events, steps=["a", "b"], windowSeconds=3600, breakdown="metadata.plan")
    rows = [(row["value"], [step["users"] for step in row["steps"]]) for row in answer["breakdown"]]
    assert rows == [("free", [1, 0]), ("pro", [1, 1])]
    assert [row["overallConversion"] for row in answer["breakdown"]] == [0.0, 1.0]
    assert answer["overallConversion"] == 0.5


def test_breakdown_keeps_json_types_apart_and_is_cut_to_its_limit() -> None:
    values = ["1", 1, 1.0, True, None, "x", "x", [1, "a"], {"b": 1}]
    events = [event("a", userId=f"u{number}", metadata={"k": value}) for number, value in enumerate(values)]
    answer = ask("funnel", events, steps=["a"], breakdown="metadata.k", breakdownLimit=3)
    assert answer["breakdownValues"] == 7  # "x", 1, "1", true, absent, [1,"a"], {"b":1}
    assert [(row["value"], row["steps"][0]["users"]) for row in answer["breakdown"][:2]] == [(1, 2), ("x", 2)]
    assert len(answer["breakdown"]) == 3
    whole = ask("funnel", events, steps=["a"], breakdown="metadata.k")["breakdown"]
    assert '[1,"a"]' in [row["value"] for row in whole]
