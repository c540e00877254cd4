"""The reports about persons, each with equal SQL written by hand for DuckDB alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bench.mongo_reports import GAP_MS, Rows
from bench.report_cases import COUNTED, Case, quote
from bench.session_cases import read_ms
from columns.properties import build_column_name

INTERVALS = 12
VALUES = 10
EVENTS, IDS = 50, 100
"""What the reports show when nothing else is said: intervals after a cohort's; values; events and ids of a person."""

PROFILE = {
    "browser": "browser", "browserVersion": "browser_version", "os": "os", "osVersion": "os_version",
    "deviceType": "device_type", "screen": "screen", "country": "country", "region": "region", "city": "city",
}  # fmt: skip
"""Property that a person's profile shows -> column."""


def list_person_cases(key: str, user_ids: Sequence[str]) -> list[Case]:
    """Over all events. `key`: of the metadata, to break down by; `user_ids`: all there are, the busiest first, of which
    that one's journey is told, and of one amid them. None: no journeys."""
    cases = [
        Case("retention by week", "retention", {"interval": "week"}, RETENTION_SQL, pick_retention, most_seconds=1),
        Case("active-users", "active-users", {}, ACTIVE_USERS_SQL, pick_active_users),
        Case(
            "breakdown, users by metadata", "breakdown", {"by": [f"metadata.{key}"], "measure": "users"},
            build_breakdown_sql(build_column_name(f"/{key}", "text")), pick_breakdown, most_seconds=1,
        ),
    ]  # fmt: skip
    if user_ids:
        cases += [
            build_journey_case("a person's journey", user_ids[len(user_ids) // 2]),
            build_journey_case("the busiest person's journey", user_ids[0]),
        ]
    return cases


def build_journey_case(name: str, user_id: str) -> Case:
    """What is known of one person."""
    return Case(name, "user", {"userId": user_id}, build_journey_sql(user_id), pick_journey, most_seconds=0.1)


RETENTION_SQL = f"""
    WITH active AS (
        SELECT DISTINCT person, date_trunc('week', occurred_at)::DATE AS week
        FROM events WHERE {COUNTED} AND person IS NOT NULL
    ),
    cohorts AS (SELECT person, min(week) AS cohort FROM active GROUP BY person)
    SELECT epoch_ms(cohort::TIMESTAMP), (week - cohort) // 7 AS later, count(*) AS persons,
        max(persons) OVER (PARTITION BY cohort)
    FROM active JOIN cohorts USING (person) WHERE later <= {INTERVALS} GROUP BY cohort, later ORDER BY ALL"""
"""A row a cohort and week after it in which somebody came: how many did, and the size of the cohort."""


def pick_retention(answer: dict[str, Any]) -> Rows:
    return [
        (read_ms(row["bucket"]), later, count, row["size"])
        for row in answer["rows"] for later, count in enumerate(row["counts"]) if count
    ]  # fmt: skip


ACTIVE_USERS_SQL = f"""
    WITH active AS (
        SELECT DISTINCT person, occurred_at::DATE AS day FROM events WHERE {COUNTED} AND person IS NOT NULL
    ),
    spans AS (
        SELECT day, coalesce(lead(day) OVER (PARTITION BY person ORDER BY day) - day, 30) AS days FROM active
    ),
    changes AS (
        SELECT day, 1 AS d, 1 AS w, 1 AS m FROM spans
        UNION ALL SELECT day + 1, -1, 0, 0 FROM spans
        UNION ALL SELECT day + least(days, 7)::INT, 0, -1, 0 FROM spans
        UNION ALL SELECT day + least(days, 30)::INT, 0, 0, -1 FROM spans
    ),
    daily AS (SELECT day, sum(d) AS d, sum(w) AS w, sum(m) AS m FROM changes GROUP BY day)
    SELECT epoch_ms(day::TIMESTAMP), (sum(d) OVER days)::BIGINT, (sum(w) OVER days)::BIGINT, (sum(m) OVER days)::BIGINT
    FROM daily WHERE day <= (SELECT max(day) FROM active) WINDOW days AS (ORDER BY day) ORDER BY day"""
"""A row a day on which somebody came or was no longer counted: a person counts from each active day on until the next
one, or until the window has passed."""


def pick_active_users(answer: dict[str, Any]) -> Rows:
    return [(read_ms(row["bucket"]), row["dau"], row["wau"], row["mau"]) for row in answer["series"]]


def build_breakdown_sql(column: str) -> str:
    """A row a value that is shown, then one of all other values (without any: none), then one of all events."""
    return f"""
        WITH valued AS (
            SELECT {column} AS value, person, count(*) AS events FROM events WHERE {COUNTED} GROUP BY ALL
        ),
        ranked AS (
            SELECT value, count(person) AS users, sum(events) AS events,
                row_number() OVER (ORDER BY users DESC, value NULLS LAST) AS rank
            FROM valued GROUP BY value
        ),
        parts AS (
            SELECT CASE WHEN rank <= {VALUES} THEN rank ELSE {VALUES} + 1 END AS part, r.value, v.person, v.events
            FROM valued v JOIN ranked r ON v.value IS NOT DISTINCT FROM r.value
        )
        SELECT part, CASE WHEN part <= {VALUES} THEN any_value(value) END, count(DISTINCT person), sum(events)::BIGINT
        FROM parts GROUP BY part
        UNION ALL
        SELECT {VALUES} + 2, NULL, count(DISTINCT person), sum(events)::BIGINT FROM valued
        ORDER BY 1"""


def pick_breakdown(answer: dict[str, Any]) -> Rows:
    rows = [
        (rank, group["values"][0], group["value"], group["events"])
        for rank, group in enumerate(answer["groups"], start=1)
    ]
    for place, name in enumerate(("other", "total"), start=VALUES + 1):
        if answer[name] is not None:
            rows.append((place, None, answer[name]["value"], answer[name]["events"]))
    return rows


def build_journey_sql(user_id: str) -> str:
    """What is told of the person, beside each of the latest events."""
    latest = ", ".join(f"arg_max({column}, (occurred_at, event_id))" for column in PROFILE.values())
    return f"""
        WITH everything AS MATERIALIZED (
            SELECT event_id, event_name, occurred_at, is_bot, anonymous_id, session_id, url, page, referrer, metadata,
                {", ".join(PROFILE.values())}
            FROM events WHERE person = md5_number({quote(user_id)})::UUID
        ),
        own AS (SELECT * FROM everything WHERE {COUNTED}),
        ids AS (SELECT list_sort(list(DISTINCT anonymous_id))[:{IDS}] FROM everything WHERE anonymous_id IS NOT NULL),
        pauses AS (
            SELECT occurred_at - lag(occurred_at) OVER (ORDER BY occurred_at) AS pause FROM own WHERE session_id IS NULL
        ),
        profile AS (
            SELECT epoch_ms(min(occurred_at)), epoch_ms(max(occurred_at)), count(*),
                count(DISTINCT session_id)
                + (SELECT count(*) FROM pauses WHERE pause IS NULL OR pause > INTERVAL {GAP_MS} MILLISECOND),
                {latest}
            FROM own
        ),
        counts AS (
            SELECT list(event_name ORDER BY events DESC, event_name), list(events ORDER BY events DESC, event_name)
            FROM (SELECT event_name, count(*) AS events FROM own GROUP BY event_name)
        ),
        latest AS (
            SELECT event_id, event_name, epoch_ms(occurred_at) AS ms, session_id, url, page, referrer,
                coalesce(metadata, '{{}}')
            FROM own ORDER BY occurred_at DESC, event_id DESC LIMIT {EVENTS}
        )
        SELECT * FROM ids, profile, counts, latest ORDER BY ms DESC, event_id DESC"""


def pick_journey(answer: dict[str, Any]) -> Rows:
    told = (
        answer["anonymousIds"], read_ms(answer["firstSeen"]), read_ms(answer["lastSeen"]), answer["totalEvents"],
        answer["sessions"], *(answer["properties"].get(name) for name in PROFILE),
        [row["eventName"] for row in answer["eventCounts"]], [row["count"] for row in answer["eventCounts"]],
    )  # fmt: skip
    return [
        (
            *told, event["eventId"], event["eventName"], read_ms(event["timestamp"]), event["sessionId"], event["url"],
            event["page"], event["referrer"], msgspec.json.encode(event["metadata"]).decode(),
        )
        for event in answer["events"]
    ]  # fmt: skip
