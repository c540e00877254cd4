"""What happens now, in the page as it happens; and how an empty project comes to its first event."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import find_issues
from tests.browser.conftest import MakePage
from tests.browser.dashboard import Watch, build_address, measure_arrival, open_dashboard, wait_until_shown
from tests.browser.site import Site
from tests.servers import require
from tests.service import PATIENCE_SECONDS, Service

SHOWN_WITHIN_SECONDS = 2
Run = Callable[[str], None]


@pytest.fixture
def project_key(service: Service) -> str:
    """A project without events."""
    key: str = service.create_project(name="Blog")["projectKey"]
    return key


def test_events_and_figures_appear_as_they_are_stored(page: Page, service: Service, project_key: str) -> None:
    watch = Watch(page, service)
    open_dashboard(page, service, project_key, view="live")
    expect(page.locator(".live-status")).to_contain_text("Connected")
    expect(page.get_by_text("No event has arrived yet.")).to_be_visible()
    seconds = []
    for number, name in enumerate(["page_view", "sign_up", "buy"], start=1):
        event = {"eventName": name, "userId": f"person-{number}", "url": f"https://blog.example/{number}?a=b"}
        assert service.post_events(project_key, [event]).status == 200
        seconds.append(measure_arrival(page, ".live-events tbody tr", name))
        expect(page.locator(".live-events tbody tr").first).to_contain_text(f"/{number}?a=b")
    assert sorted(seconds)[1] < SHOWN_WITHIN_SECONDS, "of three, one may have waited for a busy machine"
    expect(page.locator("[data-figure=totalEvents] .live-value")).to_have_text("3")
    expect(page.locator("[data-figure=currentVisitors] .live-value")).to_have_text("3")
    expect(page.locator("[data-figure=pageViewsLastMinute] .live-value")).to_have_text("1")
    expect(page.locator(".live-strip")).to_contain_text("3")
    expect(page.locator(".live-strip")).to_contain_text("visitors now")
    assert watch.found == []


def test_what_events_contain_is_shown_as_text(page: Page, service: Service, project_key: str) -> None:
    watch = Watch(page, service)
    markup = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    event = {"eventName": markup, "userId": markup, "url": f"https://blog.example/?q={markup}"}
    open_dashboard(page, service, project_key, view="live")
    assert service.post_events(project_key, [event]).status == 200
    expect(page.locator(".live-events .event-name")).to_have_text(markup)
    expect(page.locator(".live-events img, .live-events script")).to_have_count(0)
    page.locator(".live-events tbody a").click()
    wait_until_shown(page)
    open_dashboard(page, service, project_key, view="start")
    expect(page.locator(".first-event .event-name")).to_have_text(markup)
    assert watch.found == []


def test_a_pause_holds_the_list_and_what_came_meanwhile_is_there_after_it(
    page: Page, service: Service, project_key: str
) -> None:
    open_dashboard(page, service, project_key, view="live")
    assert service.post_events(project_key, [{"eventName": "before"}]).status == 200
    names = page.locator(".live-events .event-name")
    expect(names).to_have_text(["before"])
    page.get_by_role("button", name="Pause").click()
    assert service.post_events(project_key, [{"eventName": "meanwhile"}]).status == 200
    expect(page.locator("[data-figure=totalEvents] .live-value")).to_have_text("2")
    expect(names).to_have_text(["before"])
    page.get_by_role("button", name="Go on").click()
    expect(names).to_have_text(["meanwhile", "before"])


def test_one_stream_serves_the_whole_page_and_follows_the_project(
    page: Page, service: Service, project_key: str, demo_key: str
) -> None:
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/v1/live/stream" in request.url else None)
    open_dashboard(page, service, demo_key, view="live")
    expect(page.locator("[data-figure=totalEvents] .live-value")).to_have_text("20,000")
    assert [url.partition("projectKey=")[2] for url in streams] == [demo_key]
    page.get_by_label("Project", exact=True).select_option(project_key)
    expect(page.locator("[data-figure=totalEvents] .live-value")).to_have_text("0")
    expect(page.locator(".live-events")).to_have_count(0)
    assert [url.partition("projectKey=")[2] for url in streams] == [demo_key, project_key]


def test_an_empty_project_says_how_to_begin_and_turns_live_with_the_first_event_of_a_page(
    page: Page, make_page: MakePage, service: Service, site: Site, project_key: str
) -> None:
    page.goto(build_address(service, project_key))
    expect(page.get_by_role("heading", name="Waiting for the first event of Blog")).to_be_visible()
    wait_until_shown(page)
    assert find_issues(page) == []
    snippet = page.get_by_label("Website", exact=True).inner_text()
    visitor = make_page()
    visitor.goto(site.put("/", f"<!doctype html><title>Hello</title>{snippet}"))
    expect(page.get_by_role("heading", name="The first event has arrived")).to_be_visible()
    expect(page.locator(".first-event")).to_contain_text("the latest is page_view")
    page.get_by_role("link", name="Watch them live").click()
    expect(page.locator(".live-events tbody tr").first).to_contain_text("page_view")


def run_in_shell(text: str) -> None:
    subprocess.run(["bash", "-c", text], check=True, timeout=PATIENCE_SECONDS, capture_output=True)


def run_in_python(text: str) -> None:
    subprocess.run([sys.executable, "-c", text], check=True, timeout=PATIENCE_SECONDS, capture_output=True)


def run_in_node(text: str) -> None:
    if shutil.which("node") is None:
        require("node is not installed")
    subprocess.run(["node", "-e", text], check=True, timeout=PATIENCE_SECONDS, capture_output=True)


@pytest.mark.parametrize(("tab", "run"), [("curl", run_in_shell), ("Python", run_in_python), ("Node", run_in_node)])
def test_what_it_says_to_run_works_as_it_stands(
    page: Page, service: Service, project_key: str, tab: str, run: Run
) -> None:
    open_dashboard(page, service, project_key, view="start")
    page.get_by_role("group", name="Send with").get_by_role("button", name=tab).click()
    run(page.get_by_label(tab, exact=True).inner_text())
    expect(page.locator(".first-event")).to_contain_text("the latest is hello")


def test_a_project_that_takes_no_public_events_offers_a_key_for_its_first_one(page: Page, service: Service) -> None:
    key = service.create_project(name="Ledger", allowPublicIngest=False)["projectKey"]
    open_dashboard(page, service, key, view="start")
    expect(page.get_by_text("a page cannot keep one secret")).to_be_visible()
    page.get_by_role("group", name="Send with").get_by_role("button", name="Python").click()
    page.get_by_role("button", name="Make a key that may send").click()
    shown = page.get_by_label("Python", exact=True)
    expect(shown).to_contain_text("ak_live_")
    run_in_python(shown.inner_text())
    expect(page.locator(".first-event")).to_contain_text("The first event has arrived")
    keys = service.call("GET", f"/v1/projects/{key}/keys").json["keys"]
    assert [each["scopes"] for each in keys if each["name"] == "First steps"] == [["ingest"]]
    assert json.dumps(keys).count("First steps") == 1
