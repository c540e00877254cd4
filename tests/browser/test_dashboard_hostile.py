"""Texts and addresses that somebody else wrote: they are shown as they are, and run nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dashboard import Watch, open_dashboard
from tests.service import Service

MARKUP = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}\u2028\u202e=cmd()"
RUNS = "javascript:alert(3)//"
VIEWS = ("overview", "explore", "live", "funnel", "paths", "sessions", "users", "saved", "notes", "cohorts", "projects")
"""Those that show texts of others."""
NAMES = (MARKUP, RUNS, "__proto__", "constructor", "toString", "n" * 200)


@pytest.fixture(scope="module")
def hostile_key(service: Service) -> str:
    """projectKey of a project in which everything that others may write is of the worst kind."""
    key: str = service.create_project(name=MARKUP[:100])["projectKey"]
    events = [
        {
            "eventName": name, "userId": person, "sessionId": person, "url": url, "referrer": url,
            "metadata": {name: name, "title": MARKUP, "__proto__": {"polluted": True}, "constructor": MARKUP},
        }
        for name in NAMES for person, url in ((MARKUP, RUNS), ("__proto__", f"https://shop.example/{MARKUP}"))
    ]  # fmt: skip
    assert service.post_events(key, events).json["accepted"] == len(events)
    save(service, "/v1/annotations", key, text=MARKUP, date="2025-01-06")
    funnel = {"steps": [{"eventName": MARKUP}, {"eventName": "__proto__"}]}
    save(service, "/v1/saved-reports", key, name=MARKUP, description=MARKUP, report="funnel", parameters=funnel)
    save(service, "/v1/cohorts", key, name=MARKUP, definition={"userIds": [MARKUP, "__proto__"]})
    return key


def save(service: Service, path: str, key: str, **fields: object) -> None:
    answer = service.call("POST", path, {"projectKey": key, **fields})
    assert answer.status == 201, answer.body


def test_no_text_of_others_runs_or_leads_away(page: Page, service: Service, hostile_key: str) -> None:
    watch = Watch(page, service)
    led = "elements => elements.map(link => link.href).filter(href => !href.startsWith(location.origin + '/'))"
    state = {"funnel_steps": [{"eventName": MARKUP}, {"eventName": "__proto__"}], "explore_by": ["eventName"],
             "paths_by": "event"}  # fmt: skip
    for view in VIEWS:
        open_dashboard(page, service, hostile_key, view=view, last="all", **state)
        assert page.locator("main script, main img:not(.icon)").count() == 0
        assert page.locator("a[href]").evaluate_all(led) == []
    for person in (MARKUP, "__proto__"):
        open_dashboard(page, service, hostile_key, view="users", users_id=person, last="all")
        expect(page.locator("main")).to_contain_text(person[:20])
    assert page.evaluate("({}).polluted") is None
    assert watch.found == []


@pytest.mark.parametrize(
    "filters", ["[null]", "[[], 1]", '{"a": 1}', '[{"property": {}, "operator": [], "value": {}}]']
)
def test_a_link_with_conditions_that_are_none_shows_its_view(page: Page, service: Service, filters: str) -> None:
    key = service.create_project()["projectKey"]
    assert service.post_events(key, [{"eventName": "visit"}]).status == 200
    open_dashboard(page, service, key, view="funnel", filters=filters)
    expect(page.get_by_role("heading", level=1)).to_have_text("Funnel")


@pytest.mark.parametrize("view", ["saved", "cohorts"])
def test_a_link_leads_to_no_other_resource_than_its_views(page: Page, service: Service, view: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("?")[0]))
    key = service.create_project()["projectKey"]
    assert service.post_events(key, [{"eventName": "visit"}]).status == 200
    open_dashboard(page, service, key, view=view, **{f"{view}_id": "../annotations/x"})
    expect(page.get_by_role("alert")).to_be_visible()
    assert f"{service.url}/v1/annotations/x" not in asked


def test_live_shows_an_event_with_whatever_characters(page: Page, service: Service) -> None:
    key = service.create_project()["projectKey"]
    names = ["line\u2028and\u2029paragraph", "\r\n\r\nevent: end\ndata: {}\n\n", "\0\x1b\ufeff\U0001f600"]
    assert service.post_events(key, [{"eventName": names[0]}]).status == 200
    open_dashboard(page, service, key, view="live")
    shown = page.locator(".live-events .event-name")
    expect(shown).to_have_count(1)
    accepted = service.post_events(key, [{"eventName": name} for name in names[1:]]).json["accepted"]
    expect(shown).to_have_count(1 + accepted)
    expect(page.locator(".live-status")).to_contain_text("Connected")
