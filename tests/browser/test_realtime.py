"""Reference 4's live page, /api/realtime/: it connects, shows what happens, comes again, and keeps a key to itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import find_issues
from tests.browser.conftest import SECRET_TOKEN, MakePage
from tests.browser.dashboard import Watch, measure_arrival
from tests.service import Service

SHOWN_WITHIN_SECONDS = 2
LOST = "Connection lost, trying again …"
NOTE_STATES = """() => {
    const status = document.querySelector("[role=status]");
    window.states = [];
    new MutationObserver(() => states.push(status.textContent)).observe(status, { childList: true });
}"""
"""Note what the page says of its connection from now on: it may be lost for a moment only."""


@pytest.fixture
def project_key(service: Service) -> str:
    """A project without events."""
    key: str = service.create_project(name="Live")["projectKey"]
    return key


def open_live(page: Page, service: Service, project_key: str) -> None:
    page.goto(f"{service.url}/api/realtime/?projectKey={project_key}")
    expect(page.get_by_role("status")).to_have_text("Connected")


def send(service: Service, project_key: str, secret: str | None = None, **event: object) -> None:
    answer = service.post_events(project_key, [{"eventName": "page_view", **event}], secret=secret)
    assert answer.status == 200


def test_events_appear_within_two_seconds_and_figures_follow(page: Page, service: Service, project_key: str) -> None:
    watch = Watch(page, service)
    open_live(page, service, project_key)
    expect(page.get_by_text("No events yet.")).to_be_visible()
    seconds = []
    for number in range(3):
        send(service, project_key, userId=f"visitor-{number}", url=f"https://shop.example/{number}")
        seconds.append(measure_arrival(page, "#events tr", f"visitor-{number}"))
        expect(page.locator("#events tr").first).to_contain_text(f"https://shop.example/{number}")
    assert sorted(seconds)[1] < SHOWN_WITHIN_SECONDS, "of three, one may have waited for a busy machine"
    expect(page.locator("#events tr")).to_have_count(3)
    expect(page.locator("[data-figure=total_events] dd")).to_have_text("3")
    expect(page.locator("[data-figure=current_visitors] dd")).to_have_text("3")
    expect(page.locator("[data-figure=page_views_per_minute] dd")).to_have_text("3")
    assert watch.found == []


def test_what_visitors_send_is_text_and_nothing_else(page: Page, service: Service, project_key: str) -> None:
    open_live(page, service, project_key)
    name = "<img src=x onerror=alert(1)><b>bold</b>"
    send(service, project_key, eventName=name)
    expect(page.locator("#events td").nth(1)).to_have_text(name)
    assert page.locator("#events img, #events b").count() == 0


def test_a_pause_holds_the_list_and_nothing_is_lost(page: Page, service: Service, project_key: str) -> None:
    open_live(page, service, project_key)
    send(service, project_key, eventName="before")
    rows = page.locator("#events tr")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    send(service, project_key, eventName="meanwhile")
    expect(page.locator("[data-figure=total_events] dd")).to_have_text("2")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Go on").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("meanwhile")


def test_a_connection_that_breaks_is_made_again_and_nothing_is_missed(
    page: Page, service: Service, project_key: str
) -> None:
    open_live(page, service, project_key)
    send(service, project_key, eventName="before")
    expect(page.locator("#events tr")).to_have_count(1)
    page.evaluate(NOTE_STATES)
    service.kill_workers()
    page.wait_for_function("lost => states.includes(lost)", arg=LOST)
    send(service, project_key, eventName="meanwhile")
    expect(page.get_by_role("status")).to_have_text("Connected")
    expect(page.locator("#events tr")).to_have_count(2)


def test_in_production_a_key_is_asked_for_kept_in_the_tab_and_never_in_an_address(
    page: Page, production: Service
) -> None:
    project_key = production.create_project(name="Locked", secret=SECRET_TOKEN)["projectKey"]
    keys = f"/v1/projects/{project_key}/keys"
    secret = production.call("POST", keys, {"name": "r", "scopes": ["read"]}, secret=SECRET_TOKEN).json["apiKey"]
    send(production, project_key, SECRET_TOKEN, eventName="sign_up")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(f"{production.url}/api/realtime/")
    expect(page.get_by_role("alert")).to_contain_text("Credentials are required")
    field = page.get_by_label("API key, or the token of a user")
    field.fill("ak_live_" + "A" * 43)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("alert")).to_have_text("The API key is not known")
    field.fill(secret)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("status")).to_have_text("Connected")
    expect(page.locator("#events tr").first).to_contain_text("sign_up")
    expect(page.get_by_role("alert")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("status")).to_have_text("Connected")
    assert page.evaluate("localStorage.length") == 0
    assert any("/api/realtime/ws" in url for url in asked)
    assert [url for url in asked if secret in url] == []
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("alert")).to_contain_text("Credentials are required")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_usable_by_everybody(
    make_page: MakePage, service: Service, project_key: str, scheme: str, width: int
) -> None:
    page = make_page(color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce")
    service.create_project(name="a project of a long name " * 4)
    open_live(page, service, project_key)
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
    send(service, project_key, userId="somebody", url="https://shop.example/" + "long/" * 20, userAgent=agent)
    expect(page.locator("#events tr")).to_have_count(1)
    assert find_issues(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
