"""What holds for the analysis views whatever they show: a full funnel, tables, a person, nothing, hostile names."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import find_issues
from tests.browser.conftest import MakePage
from tests.browser.dashboard import DEVICE, Watch, open_dashboard
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
    page.emulate_media(color_scheme="dark")
    assert find_issues(page, only=["color-contrast"]) == []
    choose_tables(page)
    page.set_viewport_size(DEVICE)
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
    sent = {
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
