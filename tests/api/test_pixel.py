"""GET /v1/pixel.gif: an event by loading a picture."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from routes.pixel import PICTURE
from stores.base import ArrivalRow
from tests.cast import Installation

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Accept": "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "Referer": "https://shop.example/pricing?plan=pro",
}


@pytest.fixture
def project(production: Installation) -> str:
    key: str = production.create_project()["projectKey"]
    return key


def load(installation: Installation, query: str, **headers: str) -> TestResponse:
    return installation.call("GET", f"/v1/pixel.gif?{query}", headers={**BROWSER, **headers})


def stored(installation: Installation, project_key: str) -> list[ArrivalRow]:
    return [row for rows in installation.context.store.scan(project_key, 0) for row in rows]


def test_the_picture_of_a_page_is_a_page_view_of_it(production: Installation, project: str) -> None:
    answer = load(production, f"projectKey={project}")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/gif", PICTURE)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    (row,) = stored(production, project)
    assert (row.event_name, row.url, row.user_agent) == ("page_view", BROWSER["Referer"], BROWSER["User-Agent"])
    assert (row.anonymous_id, row.user_id) == (None, None)


def test_every_parameter_is_a_field_of_the_event(production: Installation, project: str) -> None:
    query = f"projectKey={project}&eventName=newsletter_opened&userId=user-123&eventId=n-7&issue=7&url=https://a.example/x"
    assert [load(production, query).status_code for _ in range(2)] == [200, 200]
    (row,) = stored(production, project)
    assert (row.event_name, row.user_id, row.event_id) == ("newsletter_opened", "user-123", "n-7")
    assert row.url == "https://a.example/x"
    assert json.loads(row.metadata) == {"issue": "7"}


@pytest.mark.parametrize("wish", [{"DNT": "1"}, {"Sec-GPC": "1"}])
def test_a_browser_that_asks_for_no_tracking_gets_only_the_picture(
    production: Installation, project: str, wish: dict[str, str]
) -> None:
    answer = load(production, f"projectKey={project}", **wish)
    assert (answer.status_code, answer.data) == (200, PICTURE)
    assert stored(production, project) == []
    assert load(production, f"projectKey={project}&dnt=ignore", **wish).status_code == 200
    (row,) = stored(production, project)
    assert json.loads(row.metadata) == {}


def test_asking_for_the_head_stores_nothing(production: Installation, project: str) -> None:
    answer = production.call("HEAD", f"/v1/pixel.gif?projectKey={project}", headers=BROWSER)
    assert (answer.status_code, answer.data) == (200, b"")
    assert stored(production, project) == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 401, "missing_credentials"),
        ("projectKey=000000000000", 403, "unknown_project"),
        ("projectKey={key}&eventName=", 400, "all_events_rejected"),
        ("projectKey={key}&eventName=" + "n" * 201, 400, "all_events_rejected"),
        ("projectKey={key}&metadata=text", 400, "all_events_rejected"),
        ("projectKey={key}&url=a&url=b", 400, "invalid_parameter"),
    ],
)
def test_what_is_wrong_is_said_by_the_status_and_to_who_reads_it_in_words(
    production: Installation, project: str, query: str, status: int, code: str
) -> None:
    shown = load(production, query.format(key=project))
    assert (shown.status_code, shown.mimetype, shown.data) == (status, "image/gif", PICTURE)
    told = load(production, query.format(key=project), Accept="*/*")
    answer: dict[str, Any] = told.get_json()
    assert (told.status_code, answer["code"]) == (status, code)
    assert stored(production, project) == []


def test_an_api_key_decides_the_project_and_needs_the_scope(production: Installation) -> None:
    project = production.create_project()
    reader = production.create_key(project["projectKey"], ["read"])["apiKey"]
    assert production.call("GET", "/v1/pixel.gif", secret=project["apiKey"]).status_code == 200
    assert production.call("GET", "/v1/pixel.gif", secret=reader).status_code == 403
    assert len(stored(production, project["projectKey"])) == 1


def test_a_project_that_takes_no_public_events_takes_no_pictures(production: Installation) -> None:
    key = production.create_project(allowPublicIngest=False)["projectKey"]
    assert load(production, f"projectKey={key}").status_code == 401
    assert stored(production, key) == []
