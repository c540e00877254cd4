"""The oracle's retention, active users, stickiness and lifecycle, against values worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.oracle import Json, Row
from tests.oracle.samples import ask, event


def active(person: str, *days: int, name: str = "a", hour: int = 10) -> list[Row]:
    """An event of the person on each day of January 2025, at the hour, UTC."""
    return [event(name, f"2025-01-{day:02}T{hour:02}:00:00Z", userId=person) for day in days]


def to_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def list_rows(events: list[Row], **params: Json) -> list[tuple[str, int, list[int | None]]]:
    rows = ask("retention", events, **params)["rows"]
    return [(row["bucket"][:10], row["size"], row["counts"]) for row in rows]


def list_days(answer: Row, *names: str) -> list[tuple[int, ...]]:
    return [tuple(row[name] for name in names) for row in answer["series"]]


FOUR_DAYS: Row = {"start": "2025-01-06", "to": "2025-01-09"}
COMERS = [*active("u", 6, 7, 9), *active("v", 6, 9), *active("w", 7, 8)]


# Retention


def test_cohorts_are_by_the_first_event_ever_and_what_is_not_over_is_null() -> None:
    assert list_rows(COMERS, intervals=3, **FOUR_DAYS) == [
        ("2025-01-06", 2, [2, 1, 0, 2]),
        ("2025-01-07", 1, [1, 1, 0, None]),
        ("2025-01-08", 0, [0, 0, None, None]),
        ("2025-01-09", 0, [0, None, None, None]),
    ]


def test_rates_are_of_the_size_and_the_mean_is_weighted_by_it() -> None:
    answer = ask("retention", COMERS, intervals=3, **FOUR_DAYS)
    assert [row["rates"] for row in answer["rows"]] == [
        [1.0, 0.5, 0.0, 1.0],
        [1.0, 1.0, 0.0, None],
        [None] * 4,
        [None] * 4,
    ]
    assert answer["mean"] == [1.0, 2 / 3, 0.0, 1.0]  # 3 of 3, 1 + 1 of 3, 0 of 3, 2 of 2
    assert (answer["interval"], answer["cohort"], answer["mode"]) == ("day", "first", "on")


def test_unbounded_retention_counts_who_comes_then_or_later() -> None:
    rows = list_rows(COMERS, intervals=3, mode="on_or_after", **FOUR_DAYS)
    assert rows[0] == ("2025-01-06", 2, [2, 2, 2, 2])
    assert rows[1] == ("2025-01-07", 1, [1, 1, 0, None])


def test_recurring_cohorts_hold_who_starts_in_the_interval_again() -> None:
    rows = list_rows(COMERS, intervals=1, cohort="recurring", **FOUR_DAYS)
    assert rows == [
        ("2025-01-06", 2, [2, 1]),
        ("2025-01-07", 2, [2, 1]),
        ("2025-01-08", 1, [1, 0]),
        ("2025-01-09", 2, [2, None]),
    ]


def test_who_started_before_the_range_is_in_no_first_cohort() -> None:
    rows = list_rows(COMERS, intervals=1, start="2025-01-07", to="2025-01-09")
    assert [(day, size) for day, size, _ in rows] == [("2025-01-07", 1), ("2025-01-08", 0), ("2025-01-09", 0)]


def test_start_and_return_events_may_be_chosen() -> None:
    events = [*active("u", 6, name="signup"), *active("u", 5, name="a"), *active("u", 8, name="buy")]
    events += [*active("v", 6, 9, name="signup"), *active("v", 7, name="a")]
    chosen = {"startEvent": "signup", "returnEvent": "buy", "intervals": 2}
    rows = list_rows(events, **chosen, **FOUR_DAYS)
    assert rows[0] == ("2025-01-06", 2, [0, 0, 1])
    # the second signup of v is none of first cohorts
    assert [size for _, size, _ in rows] == [2, 0, 0, 0]


def test_first_events_are_first_among_those_that_pass_the_filters() -> None:
    only_b = [{"property": "eventName", "operator": "eq", "value": "b"}]
    events = [*active("u", 6), *active("u", 7, 8, name="b")]
    rows = list_rows(events, filters=only_b, intervals=1, **FOUR_DAYS)
    assert rows[1] == ("2025-01-07", 1, [1, 1])


def test_days_after_now_are_not_over() -> None:
    rows = list_rows(COMERS, intervals=3, now_ms=to_ms("2025-01-08T00:00:00"), **FOUR_DAYS)
    assert rows[0] == ("2025-01-06", 2, [2, 1, None, None])
    almost = list_rows(COMERS, intervals=3, now_ms=to_ms("2025-01-07T23:59:00"), **FOUR_DAYS)
    assert almost[0] == ("2025-01-06", 2, [2, None, None, None])


def test_weeks_and_months_are_those_of_the_calendar() -> None:
    # Monday 6 January; Monday 13 January; February
    events = [*active("u", 12, 13), event("a", "2025-02-01T00:00:00Z", userId="u")]
    bounds: Row = {"start": "2025-01-06", "to": "2025-02-28"}
    weekly = list_rows(events, interval="week", intervals=3, **bounds)
    assert weekly[0] == ("2025-01-06", 1, [1, 1, 0, 1])  # 1 February is in the week of 27 January
    assert list_rows(events, interval="month", intervals=1, **bounds) == [
        ("2025-01-01", 1, [1, 1]),
        ("2025-02-01", 0, [0, None]),
    ]


def test_an_interval_that_the_range_cuts_at_its_end_is_not_over() -> None:
    rows = list_rows(COMERS, intervals=1, start="2025-01-06", to="2025-01-07T12:00:00Z")
    assert rows == [("2025-01-06", 2, [2, None]), ("2025-01-07", 1, [None, None])]


# Active users, stickiness


def test_weeks_and_months_of_active_users_reach_back_before_the_range() -> None:
    events = [*active("u", 1, 7), *active("v", 8), *active("w", 8, 14)]
    answer = ask("active-users", events, start="2025-01-07", to="2025-01-08")
    # 7 January looks back to the 1st, 8 January to the 2nd
    assert list_days(answer, "dau", "wau", "mau") == [(1, 1, 1), (2, 3, 3)]
    old = [event("a", "2024-12-09T00:00:00Z", userId="old"), event("a", "2024-12-10T00:00:00Z", userId="x")]
    answer = ask("active-users", [*events, *old], start="2025-01-07", to="2025-01-08")
    # 30 days that end with 7 January begin on 9 December
    assert list_days(answer, "dau", "wau", "mau") == [(1, 1, 3), (2, 3, 4)]


def test_a_first_day_that_the_range_cuts_counts_what_is_in_range() -> None:
    events = [*active("u", 7, hour=8), *active("v", 7, hour=12)]
    answer = ask("active-users", events, start="2025-01-07T10:00:00Z", to="2025-01-07")
    assert list_days(answer, "dau", "wau", "mau") == [(1, 2, 2)]


def test_stickiness_is_the_share_of_the_month_that_is_there_on_the_day() -> None:
    answer = ask("stickiness", COMERS, **FOUR_DAYS)
    assert list_days(answer, "dau", "mau", "stickiness") == [(2, 2, 1.0), (2, 3, 2 / 3), (1, 3, 1 / 3), (2, 3, 2 / 3)]
    assert answer["histogram"] == [{"days": 1, "users": 0}, {"days": 2, "users": 2}, {"days": 3, "users": 1}]
    empty = ask("stickiness", [], start="2025-01-07", to="2025-01-07")
    assert (empty["series"][0]["stickiness"], empty["histogram"]) == (None, [])


def test_days_of_a_zone_with_odd_offset_decide_who_is_active_when() -> None:
    # Kathmandu, +05:45: 18:14Z is still the 6th, 18:15Z the 7th
    events = [event("a", "18:14", userId="u"), event("a", "18:15", userId="u")]
    answer = ask("stickiness", events, tz="Asia/Kathmandu")
    assert answer["histogram"] == [{"days": 1, "users": 0}, {"days": 2, "users": 1}]
    assert answer["series"][0]["bucket"] == "2025-01-06T00:00:00+05:45"


# Lifecycle


def test_lifecycle_tells_new_returning_resurrecting_and_dormant() -> None:
    answer = ask("lifecycle", COMERS, **FOUR_DAYS)
    assert list_days(answer, "new", "returning", "resurrecting", "dormant") == [
        (2, 0, 0, 0),  # u and v
        (1, 1, 0, 1),  # w; u; v stays away
        (0, 1, 0, 1),  # w; u stays away
        (0, 0, 2, 1),  # u and v are back; w stays away
    ]


def test_lifecycle_knows_what_was_before_the_range() -> None:
    answer = ask("lifecycle", COMERS, start="2025-01-08", to="2025-01-09")
    assert list_days(answer, "new", "returning", "resurrecting", "dormant") == [(0, 1, 0, 1), (0, 0, 2, 1)]


def test_lifecycle_of_weeks() -> None:
    events = [*active("u", 6, 13, 27), *active("v", 7)]
    answer = ask("lifecycle", events, interval="week")
    assert list_days(answer, "new", "returning", "resurrecting", "dormant") == [
        (2, 0, 0, 0), (0, 1, 0, 1), (0, 0, 0, 1), (0, 0, 1, 0),
    ]  # fmt: skip
