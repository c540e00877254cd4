"""What holds for the analysis views whatever they show: a full funnel, tables, a person, nothing, hostile names."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.accessibility import find_issues
from tests.browser.conftest import MakePage
from tests.browser.dashboard import DEVICE, Watch, build_address, change_system_theme, open_dashboard
from tests.browser.days import RANGE
from tests.service import Service

pytestmark = pytest.mark.xdist_group("browser")
FUNNEL = {
    "funnel_steps": [
        {"eventName": "product_view", "filters": [{"property": "metadata.category", "operator": "exists"}]},
        {"eventName": "add_to_cart", "filters": []},
    ],
    "funnel_breakdown": "metadata.category",
}
VIEWS = ["funnel", "retention", "paths", "sessions", "active-users", "users"]


def choose_tables(page: Page) -> None:
    for button in page.get_by_role("button", name="Table", exact=True).all():
        button.click()


@pytest.mark.parametrize(("view", "state"), [("funnel", FUNNEL), ("paths", {}), ("users", {"users_id": "ann"})])
def test_a_full_view_is_accessible_fits_a_phone_and_asks_nobody_else(
    make_page: MakePage, service: Service, days_key: str, view: str, state: dict[str, object]
) -> None:
    page = make_page(color_scheme="light", reduced_motion="reduce")
    watch = Watch(page, service)
    open_dashboard(page, service, days_key, view=view, **{**RANGE, **state})
    assert find_issues(page) == []
    change_system_theme(page, "dark")
    assert find_issues(page, only=["color-contrast"]) == []
    choose_tables(page)
    page.set_viewport_size({"width": DEVICE["width"], "height": DEVICE["height"]})
    assert find_issues(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= DEVICE["width"]
    assert watch.found == []


def test_a_project_without_events_says_so_in_every_view(page: Page, service: Service) -> None:
    project_key = service.create_project()["projectKey"]
    for view in VIEWS:
        open_dashboard(page, service, project_key, view=view, **(FUNNEL if view == "funnel" else {}))
        expect(page.locator(".view .panel .error")).to_have_count(0)
        if view == "funnel":
            expect(page.locator(".funnel-users")).to_have_text(["0 people", "0 people"])
        else:
            expect(page.locator(".view .panel .empty").first).to_be_visible()


def test_names_are_shown_as_they_were_sent_whatever_they_look_like(page: Page, service: Service) -> None:
    hostile = "<img src=x onerror=\"document.title='hacked'\">"
    project_key = service.create_project()["projectKey"]
    sent: dict[str, Any] = {
        "eventName": hostile,
        "userId": hostile,
        "url": f"https://shop.example/{quote(hostile)}",
        "metadata": {hostile: hostile},
    }
    times = [{"timestamp": f"2025-01-06T10:00:0{second}Z"} for second in range(2)]
    assert service.post_events(project_key, [sent | time for time in times]).json["accepted"] == 2
    watch = Watch(page, service)
    steps = [{"eventName": hostile, "filters": [{"property": "userId", "operator": "eq", "value": hostile}]}] * 2
    for view in VIEWS:
        open_dashboard(page, service, project_key, view=view, **RANGE, funnel_steps=steps, paths_by="event")
        choose_tables(page)
        expect(page.locator("img[src=x]")).to_have_count(0)
    page.get_by_role("link", name=hostile).click()
    expect(page.locator(".journey-name")).to_have_text([hostile, hostile])
    page.get_by_text("Details").first.click()
    expect(page.locator(".journey-event dl").first).to_contain_text(hostile)
    assert page.title() == "People – AppTracker"
    assert watch.found == []


SAVED = [
    ("funnel", {
        "steps": ["a", {"eventName": "b", "filters": [{"property": "country", "operator": "eq", "value": "DE"}]}],
        "windowSeconds": 1234, "order": "any", "breakdown": "browser",
    }, {}),
    ("retention", {
        "interval": "month", "intervals": 30, "startEvent": "a", "returnEvent": "b", "cohort": "recurring",
        "mode": "on_or_after",
    }, {}),
    ("retention", {}, {"interval": "day", "intervals": 12, "cohort": "first", "mode": "on"}),
    ("paths", {"by": "event", "start": "a", "direction": "before", "steps": 5}, {"limit": 10}),
    ("users", {"search": "a", "sort": "events", "limit": 50, "offset": 50}, {}),
    ("lifecycle", {}, {"interval": "day"}),
]  # fmt: skip


@pytest.mark.parametrize(("report", "parameters", "defaults"), SAVED)
def test_a_view_opened_with_a_saved_reports_parameters_asks_for_just_that(
    page: Page, service: Service, days_key: str, report: str, parameters: dict[str, Any], defaults: dict[str, Any]
) -> None:
    page.goto(build_address(service, days_key))
    module = {"lifecycle": "active_users"}.get(report, report)
    script = "async ([view, parameters]) => (await import(`/web/dashboard/views/${view}.js`)).toState(parameters)"
    state = page.evaluate(script, [module, parameters])
    asked: list[dict[str, Any]] = []
    page.on(
        "request", lambda request: asked.append(read_question(request)) if f"/reports/{report}" in request.url else None
    )
    open_dashboard(page, service, days_key, **{key.replace(".", "_"): value for key, value in state.items() if value})
    said = defaults | parameters
    expected = {name: str(value) for name, value in said.items() if name != "steps"}
    assert any(expected.items() <= question.items() for question in asked), (expected, asked)
    if report == "funnel":
        assert json.loads(asked[0]["steps"]) == [{"eventName": "a", "filters": []}, parameters["steps"][1]]


def read_question(request: Request) -> dict[str, str]:
    """The parameters that a report was asked with, as texts."""
    if request.method == "GET":
        return dict(parse_qsl(urlsplit(request.url).query))
    body = request.post_data_json or {}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
