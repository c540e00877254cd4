"""The browser itself: it runs, its pages see the service, and a site is another origin."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.dashboard import Watch
from tests.browser.site import Site
from tests.service import Service


def test_a_page_of_another_origin_may_send_events_and_may_not_ask_in_production(
    page: Page, site: Site, production: Service
) -> None:
    page.goto(site.put("/", "<title>Shop</title>"))
    ask = "([url, options]) => fetch(url, options).then(answer => answer.status, () => 'refused')"
    batch = {"method": "POST", "body": '{"projectKey": "000000000000", "events": [{"eventName": "a"}]}'}
    json_batch = {**batch, "headers": {"Content-Type": "application/json"}}
    assert page.evaluate(ask, [f"{production.url}/v1/events/batch", batch]) == 403
    assert page.evaluate(ask, [f"{production.url}/v1/events/batch", json_batch]) == 403
    assert page.evaluate(ask, [f"{production.url}/v1/projects", {}]) == "refused"


def test_the_demo_project_has_all_its_events(service: Service, demo_key: str) -> None:
    assert service.ask(demo_key, "overview", includeBots="true")["totalEvents"] == 20_000


def test_the_documentation_asks_nobody_else_and_has_no_errors(page: Page, service: Service) -> None:
    watch = Watch(page, service)
    page.goto(f"{service.url}/swagger")
    expect(page.locator(".opblock").first).to_be_visible()
    expect(page.locator(".info .title")).to_contain_text("AppTracker")
    assert watch.found == []
