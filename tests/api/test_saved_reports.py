"""/v1/saved-reports and /v1/shared: questions that are kept, asked again, and shown by a link."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from services.reports.run import REPORTS
from services.saved_reports import SHARED_LINKS
from tests.cast import HOUR_MS, SECRET_TOKEN, Installation, MakeApp, install
from tests.people import found_team
from tests.specification import check_answer

EVENTS = [
    {"eventName": "view", "userId": "ann", "timestamp": "2025-01-06T08:00:00Z"},
    {"eventName": "buy", "userId": "ann", "timestamp": "2025-01-06T09:00:00Z"},
    {"eventName": "view", "userId": "bob", "timestamp": "2025-01-03T09:00:00Z"},
]
LINK_FIELDS = ("token", "url", "createdAt", "expiresAt")
Row = dict[str, Any]


@pytest.fixture
def project_key(production: Installation) -> str:
    key = str(production.create_project()["projectKey"])
    sent = production.call("POST", "/v1/events/batch", {"projectKey": key, "events": EVENTS})
    assert sent.json["accepted"] == 3
    return key


def save(installation: Installation, project_key: str, report: str = "overview", **parameters: Any) -> str:
    """The id of a new saved report."""
    body = {"projectKey": project_key, "name": "Saved", "report": report, "parameters": parameters}
    answer = installation.call("POST", "/v1/saved-reports", body, secret=SECRET_TOKEN)
    assert answer.status_code == 201, answer.text
    check_answer(installation.app, answer)
    return str(answer.json["id"])


def ask(installation: Installation, project_key: str, report_id: str, query: str = "") -> Any:
    path = f"/v1/saved-reports/{report_id}/result?projectKey={project_key}{query}"
    return installation.call("GET", path, secret=SECRET_TOKEN)


def share(installation: Installation, project_key: str, report_id: str, **fields: Any) -> Row:
    path = f"/v1/saved-reports/{report_id}/share"
    made: Row = installation.as_root("POST", path, {"projectKey": project_key, **fields})
    assert tuple(made) == LINK_FIELDS
    return made


def follow(installation: Installation, link: Row, query: str = "", **more: Any) -> Any:
    """What whoever has the link gets to see."""
    return installation.call("GET", f"/v1/shared/{link['token']}{query}", **more)


def test_a_saved_report_lives_and_dies(production: Installation, project_key: str) -> None:
    report_id = save(production, project_key, "top-events", limit=5, **{"from": "2025-01-01"})
    path = f"/v1/saved-reports/{report_id}?projectKey={project_key}"
    assert production.as_root("GET", path) == {
        "id": report_id,
        "name": "Saved",
        "description": None,
        "report": "top-events",
        "parameters": {"limit": 5, "from": "2025-01-01"},
        "share": None,
        "createdAt": "2025-01-06T10:00:00Z",
        "updatedAt": "2025-01-06T10:00:00Z",
    }
    production.clock.advance(HOUR_MS)
    changed = production.as_root("PATCH", path, {"name": "Other", "parameters": {}})
    assert (changed["name"], changed["parameters"], changed["updatedAt"]) == ("Other", {}, "2025-01-06T11:00:00Z")
    listed = production.as_root("GET", f"/v1/saved-reports?projectKey={project_key}")["savedReports"]
    assert listed == [changed]
    assert production.as_root("DELETE", path) == changed
    for method in ("GET", "PATCH", "DELETE"):
        body = {} if method == "PATCH" else None
        answer = production.call(method, path, body, secret=SECRET_TOKEN)
        assert (answer.status_code, answer.json["code"]) == (404, "unknown_saved_report")


def test_the_result_is_that_of_the_report(production: Installation, project_key: str) -> None:
    report_id = save(production, project_key, "conversion", eventName="buy")
    saved = ask(production, project_key, report_id).json
    body = {"projectKey": project_key, "eventName": "buy"}
    asked = production.as_root("POST", "/v1/reports/conversion", body)
    assert (saved["convertedUsers"], saved["totalUsers"]) == (1, 2)
    assert saved | {"cached": True} == asked


@pytest.mark.parametrize("report", sorted(REPORTS))
def test_every_report_can_be_saved_and_answers_as_documented(
    production: Installation, project_key: str, report: str
) -> None:
    needed: dict[str, Row] = {
        "funnel": {"steps": ["view", "buy"]},
        "conversion": {"eventName": "buy"},
        "breakdown": {"by": ["eventName", "userId"]},
    }
    answer = ask(production, project_key, save(production, project_key, report, **needed.get(report, {})))
    assert answer.status_code == 200, answer.text
    check_answer(production.app, answer)


def test_a_relative_range_moves_with_time_and_is_cached_meanwhile(production: Installation, project_key: str) -> None:
    report_id = save(production, project_key, last="1d", tz="Europe/Berlin")
    first, second = (ask(production, project_key, report_id).json for _ in range(2))
    assert (first["from"], first["to"]) == ("2025-01-05T23:00:00Z", "2025-01-06T23:00:00Z")
    assert (first["totalEvents"], first["cached"], second["cached"]) == (2, False, True)
    production.clock.advance(24 * HOUR_MS)
    moved = ask(production, project_key, report_id).json
    assert (moved["from"], moved["totalEvents"]) == ("2025-01-06T23:00:00Z", 0)


def test_any_report_takes_a_relative_range(production: Installation, project_key: str) -> None:
    for last, total in (("24h", 2), ("1d", 2), ("4d", 3), ("1w", 2), ("2w", 3), ("1m", 3), ("1h", 0)):
        body = {"projectKey": project_key, "last": last}
        assert production.as_root("POST", "/v1/reports/overview", body)["totalEvents"] == total, last
    body = {"projectKey": project_key, "last": "3d", "compare": "previous"}
    answer = production.as_root("POST", "/v1/reports/overview", body)
    assert answer["previous"]["from"] == "2025-01-01T00:00:00Z"
    assert answer["previous"]["totalEvents"] == 1


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("last=30d&from=2025-01-01", ["last", "from"]),
        ("last=30d&to=2025-01-01", ["last", "to"]),
        ("last=1d&from=2025-01-01&to=2025-01-02", ["last", "from", "to"]),
        ("last=30", ["last"]),
        ("last=", ["last"]),
    ],
)
def test_a_relative_range_that_cannot_be_meant_is_refused(
    production: Installation, project_key: str, query: str, fields: list[str]
) -> None:
    path = f"/v1/reports/overview?projectKey={project_key}&{query}"
    answer = production.call("GET", path, secret=SECRET_TOKEN)
    assert (answer.status_code, answer.json["fields"]) == (400, fields)


def test_the_question_of_the_moment_is_in_place_of_the_saved_one(production: Installation, project_key: str) -> None:
    report_id = save(production, project_key, last="1d", compare="previous")
    assert ask(production, project_key, report_id, "&from=2025-01-03&to=2025-01-03").json["totalEvents"] == 1
    week = ask(production, project_key, report_id, "&last=2w&tz=Europe/Berlin").json
    assert (week["totalEvents"], week["tz"]) == (3, "Europe/Berlin")
    answer = ask(production, project_key, report_id, "&format=csv")
    check_answer(production.app, answer)
    assert answer.mimetype == "text/csv"
    assert answer.text.startswith("period,totalEvents,")
    for query, field in (("&filters=[]", "filters"), ("&limit=1", "limit"), ("&from=soon", "from")):
        refused = ask(production, project_key, report_id, query)
        assert (refused.status_code, refused.json["fields"]) == (400, [field])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"report": "overview"}, "name"),
        ({"name": "x"}, "report"),
        ({"name": "x", "report": "users/{id}"}, "report"),
        ({"name": "x", "report": ["overview"]}, "report"),
        ({"name": "x", "report": "overview", "parameters": []}, "parameters"),
        ({"name": "x", "report": "overview", "parameters": {"limit": 1}}, "parameters.limit"),
        ({"name": "x", "report": "conversion"}, "parameters.eventName"),
        ({"name": "x", "report": "overview", "parameters": {"projectKey": "a1b2c3d4e5f6"}}, "parameters.projectKey"),
        ({"name": "x", "report": "overview", "parameters": {"format": "csv"}}, "parameters.format"),
        ({"name": "x", "report": "overview", "parameters": {"from": "soon"}}, "parameters.from"),
        ({"name": "x", "report": "overview", "parameters": {"filters": [{}]}}, "parameters.filters[0].property"),
        ({"name": "x", "report": "overview", "owner": "me"}, "owner"),
        ({"name": "", "report": "overview"}, "name"),
    ],
)
def test_what_the_report_would_refuse_is_not_saved(
    production: Installation, project_key: str, body: Row, field: str
) -> None:
    answer = production.call("POST", "/v1/saved-reports", {"projectKey": project_key, **body}, secret=SECRET_TOKEN)
    assert (answer.status_code, answer.json["fields"]) == (400, [field]), answer.text
    assert production.fetch_documents("saved_reports", project_key) == []


def test_a_change_must_leave_report_and_parameters_that_go_together(
    production: Installation, project_key: str
) -> None:
    report_id = save(production, project_key, "top-events", limit=5)
    path = f"/v1/saved-reports/{report_id}"
    for change in ({"report": "overview"}, {"parameters": {"interval": "day"}}):
        answer = production.call("PATCH", path, {"projectKey": project_key, **change}, secret=SECRET_TOKEN)
        assert answer.status_code == 400, answer.text
    changed = production.as_root("PATCH", path, {"projectKey": project_key, "report": "overview", "parameters": {}})
    assert (changed["report"], changed["parameters"]) == ("overview", {})


def test_a_link_shows_the_result_to_anybody_and_nothing_else(production: Installation, project_key: str) -> None:
    report_id = save(production, project_key, "conversion", eventName="buy")
    link = share(production, project_key, report_id)
    assert link["url"] == f"http://localhost/v1/shared/{link['token']}"
    answer = follow(production, link)
    check_answer(production.app, answer)
    assert (answer.json["convertedUsers"], answer.headers["Cache-Control"]) == (1, "no-store")
    assert follow(production, link, "?format=csv").text.startswith("eventName,convertedUsers,")
    # credentials are not looked at, whatever they are
    assert follow(production, link, secret="ak_live_wrong").status_code == 200
    for query in ("?from=2025-01-01", "?projectKey=" + project_key, "?filters=[]"):
        assert follow(production, link, query).status_code == 400
    for path in ("/v1/saved-reports", f"/v1/saved-reports/{report_id}", "/v1/reports/overview"):
        path += f"?projectKey={project_key}"
        assert production.call("GET", path, secret=link["token"]).status_code == 401


def test_a_link_shows_what_the_report_is_by_now(production: Installation, project_key: str) -> None:
    report_id = save(production, project_key, "conversion", eventName="buy")
    link = share(production, project_key, report_id)
    body = {"projectKey": project_key, "parameters": {"eventName": "view"}}
    production.as_root("PATCH", f"/v1/saved-reports/{report_id}", body)
    event = {"eventName": "view", "userId": "cat", "timestamp": "2025-01-06T08:00:00Z"}
    production.call("POST", "/v1/events/batch", {"projectKey": project_key, "events": [event]})
    assert follow(production, link).json["convertedUsers"] == 3


def test_a_revoked_a_replaced_an_expired_and_an_unknown_link_are_all_the_same(
    production: Installation, project_key: str
) -> None:
    report_id = save(production, project_key)
    path = f"/v1/saved-reports/{report_id}"
    replaced = share(production, project_key, report_id)
    revoked = share(production, project_key, report_id)
    assert [follow(production, link).status_code for link in (replaced, revoked)] == [404, 200]
    shown = production.as_root("DELETE", f"{path}/share?projectKey={project_key}")
    assert shown["share"] is None
    expired = share(production, project_key, report_id, expiresAt="2025-01-06T11:00:00Z")
    assert follow(production, expired).status_code == 200
    shown = production.as_root("GET", f"{path}?projectKey={project_key}")
    assert shown["share"] == {"createdAt": "2025-01-06T10:00:00Z", "expiresAt": "2025-01-06T11:00:00Z"}
    production.clock.advance(HOUR_MS)
    unknown = [{"token": token} for token in ("A" * 43, "x", "é", "a" * 5000)]
    for link in (replaced, revoked, expired, *unknown):
        answer = follow(production, link)
        assert (answer.status_code, answer.json["code"]) == (404, "unknown_link")
        assert answer.json["error"] == "This link shows nothing, or does not any more"


def test_a_link_ends_with_its_report_and_rests_with_its_project(production: Installation, project_key: str) -> None:
    report_id = save(production, project_key)
    link = share(production, project_key, report_id)
    project = f"/v1/projects/{project_key}"
    production.as_root("DELETE", project)
    assert follow(production, link).json["code"] == "unknown_link"
    production.as_root("PATCH", project, {"isActive": True})
    assert follow(production, link).status_code == 200
    production.as_root("DELETE", f"/v1/saved-reports/{report_id}?projectKey={project_key}")
    assert follow(production, link).json["code"] == "unknown_link"
    share(production, project_key, save(production, project_key))
    production.as_root("DELETE", f"{project}?erase=true")
    for collection in ("saved_reports", SHARED_LINKS):
        assert production.fetch_documents(collection, project_key) == []


def test_the_token_is_stored_and_logged_nowhere(
    production: Installation, project_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        link = share(production, project_key, save(production, project_key))
        assert follow(production, link).status_code == 200
    store = production.context.store
    stored = [store.find_documents(name) for name in ("saved_reports", SHARED_LINKS, "audit_log")]
    assert all(stored)
    assert link["token"] not in json.dumps(stored)
    logged = json.dumps([{**vars(record), "args": None} for record in caplog.records], default=str)
    assert "/v1/shared/<token>" in logged
    assert link["token"] not in logged


def test_who_has_a_link_learns_the_name_of_what_it_shows_and_nothing_of_the_project(
    production: Installation, project_key: str
) -> None:
    report_id = save(production, project_key, "events-timeseries", interval="hour", last="24h")
    project = f"projectKey={project_key}"
    changes = {"projectKey": project_key, "name": "By the hour", "description": "For the board"}
    production.as_root("PATCH", f"/v1/saved-reports/{report_id}", changes)
    link = share(production, project_key, report_id, expiresAt="2025-01-07T00:00:00Z")
    address = f"/v1/shared/{link['token']}/about"
    about = production.call("GET", address)
    check_answer(production.app, about)
    assert about.json == {
        "name": "By the hour", "description": "For the board", "report": "events-timeseries", "interval": "hour",
        "expiresAt": "2025-01-07T00:00:00Z",
    }  # fmt: skip
    production.as_root("DELETE", f"/v1/saved-reports/{report_id}/share?{project}")
    assert (production.call("GET", address).status_code, production.call("GET", address).json["code"]) == (
        404, "unknown_link"
    )  # fmt: skip


def test_a_link_has_a_page_for_people_that_tells_nothing_by_itself(
    production: Installation, project_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = share(production, project_key, save(production, project_key))["token"]
    with caplog.at_level(logging.DEBUG):
        page = production.call("GET", f"/shared/{token}")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert page.text == production.call("GET", f"/shared/{'A' * 43}").text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert token not in json.dumps([{**vars(record), "args": None} for record in caplog.records], default=str)


def test_links_are_counted_by_address(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = install(make_app, "production", monkeypatch, rate_limit_max=3)
    key = str(limited.create_project()["projectKey"])
    link = share(limited, key, save(limited, key))
    answers = [follow(limited, link) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    check_answer(limited.app, answers[-1])
    assert "Retry-After" in answers[-1].headers


def test_the_address_of_a_link_is_the_public_one(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    public = install(make_app, "production", monkeypatch, public_url="https://stats.example.com/in/")
    key = str(public.create_project()["projectKey"])
    link = share(public, key, save(public, key))
    assert link["url"] == f"https://stats.example.com/in/v1/shared/{link['token']}"


def test_analysts_save_and_share_and_viewers_read(production: Installation, quick_passwords: None) -> None:
    team = found_team(production, "red")
    body = {"projectKey": team.project_key, "name": "x", "report": "overview"}
    made = production.call("POST", "/v1/saved-reports", body, secret=team.tokens["analyst"])
    assert made.status_code == 201
    path = f"/v1/saved-reports/{made.json['id']}"
    viewer = team.tokens["viewer"]
    assert production.call("GET", f"{path}/result", secret=viewer).status_code == 200
    for method, address in (("PATCH", path), ("DELETE", path), ("POST", f"{path}/share"), ("DELETE", f"{path}/share")):
        refused = production.call(method, address, secret=viewer)
        assert (refused.status_code, refused.json["code"]) == (403, "missing_role")
    assert production.call("POST", f"{path}/share", secret=team.tokens["analyst"]).status_code == 201
