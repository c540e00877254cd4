"""The shop, imported by the command line: every report as the oracle says; sessions by time as the file has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.oracle.events import parse_timestamp
from tests.pipeline import Pipeline, Row, open_pipeline, strip
from tests.shop import (
    DATA,
    EVENTS,
    MAPPING,
    SESSIONS,
    USERS,
    import_file,
    read_rows,
    tell_oracle,
    to_event,
    write_web_events,
)  # fmt: skip

MOBILE = {"property": "metadata.platform", "operator": "eq", "value": "mobile"}
BOUGHT = {"property": "eventName", "operator": "eq", "value": "purchase"}
SPRING = {"from": "2024-03-01", "to": "2024-04-15", "tz": "Europe/Berlin"}
KATHMANDU = {"tz": "Asia/Kathmandu"}
CHANNEL, PLATFORM = "metadata.acquisition_channel", "metadata.platform"

QUESTIONS: list[tuple[str, Row]] = [
    ("sessions", {"limit": 1000, "interval": "week"}),
    ("sessions", {**SPRING, "filters": [MOBILE], "interval": "day", "compare": "previous", "offset": 20}),
    ("sessions", {"filters": [BOUGHT], "interval": "month", **KATHMANDU}),
    ("paths", {"by": "event", "steps": 10, "limit": 20}),
    ("paths", {"by": "event", "start": "shipping_details", "steps": 4, "limit": 5, **SPRING}),
    ("paths", {"by": "event", "start": "payment_error", "direction": "before", "limit": 5, "filters": [MOBILE]}),
    ("retention", {"interval": "week", "intervals": 26, "to": "2024-06-30"}),
    ("retention", {"interval": "month", "mode": "on_or_after", "to": "2024-06-29", **KATHMANDU}),
    ("retention", {"interval": "week", "startEvent": "purchase", "returnEvent": "purchase", "cohort": "recurring"}),
    ("retention", {"interval": "day", "intervals": 14, "filters": [MOBILE], **SPRING}),
    ("active-users", {}),
    ("active-users", {**SPRING, "filters": [MOBILE], "compare": "previous"}),
    ("stickiness", {}),
    ("stickiness", {**SPRING, "filters": [BOUGHT]}),
    ("lifecycle", {"interval": "week"}),
    ("lifecycle", {"interval": "month", **KATHMANDU, "filters": [MOBILE]}),
    ("lifecycle", {"interval": "day", **SPRING}),
    ("breakdown", {"by": "eventName", "measure": "users", "limit": 5}),
    ("breakdown", {"by": [PLATFORM, CHANNEL], "measure": "sessions", "limit": 1000}),
    ("breakdown", {"by": [CHANNEL, "eventName"], "measure": "users", "limit": 7, **SPRING, "compare": "previous"}),
    ("breakdown", {"by": "metadata.user_cohort", "eventName": "purchase"}),
    ("users", {"limit": 1000}),
    ("users", {"search": "_005", "sort": "events", "limit": 5, "offset": 3, "filters": [MOBILE], **SPRING}),
]  # fmt: skip
WEB_QUESTIONS: list[tuple[str, Row]] = [
    ("sessions", {"interval": "day", "limit": 50}),
    ("pages", {"limit": 1000}),
    ("pages", {"limit": 3, **SPRING, "filters": [MOBILE], "compare": "previous"}),
    ("sources", {}),
    ("sources", {"by": "referrerHost", "limit": 2, **SPRING, "filters": [BOUGHT]}),
    ("sources", {"by": "utmCampaign", "limit": 1000, "filters": [MOBILE]}),
    ("devices", {"limit": 1000}),
    ("devices", {"limit": 1, **SPRING, "filters": [BOUGHT], "compare": "previous"}),
    ("locations", {"limit": 1000}),
    ("paths", {"steps": 5}),
    ("paths", {"start": "/cart", "direction": "before", "steps": 3, "limit": 4, "filters": [BOUGHT]}),
    ("breakdown", {"by": ["channel", "deviceType"], "measure": "sum", "property": "metadata.position", "limit": 4}),
    ("breakdown", {"by": "page", "measure": "median", "property": "metadata.position"}),
]


@pytest.fixture(scope="module", params=["embedded", "mongodb"])
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    mongo_uri = request.getfixturevalue("mongodb_uri") if request.param == "mongodb" else None
    with open_pipeline(tmp_path_factory.mktemp(request.param), mongo_uri) as opened:
        yield opened


@pytest.fixture(scope="module")
def shop(pipeline: Pipeline) -> str:
    """The project of the file with its session ids."""
    project_key = import_file(pipeline, DATA, *MAPPING, "--map", "session_id=sessionId")
    tell_oracle(pipeline, project_key, [to_event(row) for row in read_rows()])
    return project_key


@pytest.fixture(scope="module")
def web_shop(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The project of the same events as a website sends them, sealed as far as they are settled."""
    path, events = write_web_events(tmp_path_factory.mktemp("web"))
    project_key = import_file(pipeline, path)
    pipeline.change_layout(project_key, "seal")
    tell_oracle(pipeline, project_key, events)
    return project_key


@pytest.fixture(scope="module")
def by_time(pipeline: Pipeline) -> str:
    """The project of the file without its session ids."""
    return import_file(pipeline, DATA, *MAPPING, "--drop", "session_id")


def number_questions(questions: list[tuple[str, Row]]) -> Any:
    ids = [f"{number}-{report}" for number, (report, _) in enumerate(questions)]
    return pytest.mark.parametrize(("report", "params"), questions, ids=ids)


@number_questions(QUESTIONS)
def test_reports_of_the_imported_shop_equal_the_oracle(pipeline: Pipeline, shop: str, report: str, params: Row) -> None:
    pipeline.check(shop, report, params)


@number_questions(WEB_QUESTIONS)
def test_reports_of_the_shop_as_a_website_equal_the_oracle(
    pipeline: Pipeline, web_shop: str, report: str, params: Row
) -> None:
    pipeline.check(web_shop, report, params)


def test_a_customers_journey_equals_the_oracle_page_by_page(pipeline: Pipeline, web_shop: str) -> None:
    for user_id in ("user_0000", "user_0599", "nobody"):
        pipeline.check_user(web_shop, user_id, {}, limit=20)


class TestSessionsByTime:
    """The file once more, without its column of session ids: sessions are then formed by the 30 minutes' rule."""

    def test_they_are_exactly_the_sessions_that_the_file_names(
        self, pipeline: Pipeline, shop: str, by_time: str
    ) -> None:
        given, formed = (list_all_sessions(pipeline, project_key) for project_key in (shop, by_time))
        assert len(given) == len(formed) == SESSIONS
        assert {session.pop("sessionId") for session in formed} == {None}
        assert len({session.pop("sessionId") for session in given}) == SESSIONS
        assert formed == given

    @pytest.mark.parametrize("params", [SPRING, {**SPRING, "filters": [MOBILE]}, {"filters": [BOUGHT]}])
    def test_they_give_the_same_numbers_in_ranges_and_under_filters(
        self, pipeline: Pipeline, shop: str, by_time: str, params: Row
    ) -> None:
        asked = {**params, "limit": 0, "interval": "week"}
        given, formed = (strip(pipeline.ask(key, "sessions", asked)) for key in (shop, by_time))
        assert formed == given

    def test_the_reason_is_that_pauses_within_are_short_and_pauses_between_are_long(self) -> None:
        """Every limit from 1,677 s (28 minutes) to 38,401 s (over ten hours) gives the same sessions of this file."""
        within, between = list_pauses()
        assert (len(within), len(between)) == (EVENTS - SESSIONS, SESSIONS - USERS)
        assert (max(within), min(between)) == (1677, 38_402)
        assert count_sessions(1676) == SESSIONS + 1
        assert [count_sessions(limit) for limit in (1677, 1800, 38_401)] == [SESSIONS] * 3
        assert count_sessions(38_402) == SESSIONS - 1


def list_pauses() -> tuple[list[int], list[int]]:
    """Seconds between each user's events that follow each other: within a session of the file, and between two."""
    by_user: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in read_rows():
        by_user[row["user_id"]].append((parse_timestamp(row["timestamp"]) or 0, row["session_id"]))
    pauses: dict[bool, list[int]] = {True: [], False: []}
    for moments in by_user.values():
        for (earlier, session), (later, next_session) in pairwise(sorted(moments)):
            pauses[session == next_session].append((later - earlier) // 1000)
    return pauses[True], pauses[False]


def count_sessions(limit_seconds: int) -> int:
    """How many there would be if longer pauses ended them."""
    within, between = list_pauses()
    return USERS + sum(pause > limit_seconds for pause in within + between)


def list_all_sessions(pipeline: Pipeline, project_key: str) -> list[Row]:
    """Every session of the project, page by page."""
    pages = (
        pipeline.ask(project_key, "sessions", {"limit": 1000, "offset": offset})["items"]
        for offset in range(0, SESSIONS + 1000, 1000)
    )
    return [session for page in pages for session in page]
