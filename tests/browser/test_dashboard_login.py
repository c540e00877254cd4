"""Coming in, staying in, and leaving. In production nothing is shown before."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import SECRET_TOKEN, MakePage
from tests.browser.dashboard import open_dashboard, wait_until_shown
from tests.service import Service

PASSWORD = "correct horse"
CHOOSE_ANOTHER_RANGE = """() => {
    const range = document.querySelector("[data-control=range]");
    if (range === null) return;
    range.value = "7d";
    range.dispatchEvent(new Event("change", { bubbles: true }));
}"""
"""Has the page ask its reports, if it has not asked something by itself since and so shows the login already."""


@pytest.fixture(scope="module")
def shop(production: Service) -> dict[str, str]:
    """A project of the user `ada` with two events, and a key that may read it."""
    user = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
    assert production.call("POST", "/api/auth/register", user, secret=SECRET_TOKEN).status in (200, 201)
    login = production.call("POST", "/api/auth/login", {"username": "ada", "password": PASSWORD}).json
    token = login["access_token"]
    organisation = production.call("GET", "/v1/organisations", secret=token).json["organisations"][0]["id"]
    project_key = production.create_project(secret=token, name="Ada's shop", organisationId=organisation)["projectKey"]
    production.post_events(project_key, [{"eventName": "a"}, {"eventName": "b"}], secret=token)
    key = production.call(
        "POST", f"/v1/projects/{project_key}/keys", {"name": "reader", "scopes": ["read"]}, secret=token
    ).json["apiKey"]
    return {"projectKey": project_key, "token": token, "apiKey": key}


def log_in(page: Page, name: str = "ada", password: str = PASSWORD) -> None:
    page.get_by_label("User name or e-mail").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in", exact=True).last.click()


def test_nothing_is_shown_to_strangers(page: Page, production: Service, shop: dict[str, str]) -> None:
    open_dashboard(page, production, shop["projectKey"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert "Ada" not in page.content()
    expect(page.get_by_role("navigation")).to_be_hidden()


def test_a_user_comes_in_and_stays(page: Page, make_page: MakePage, production: Service, shop: dict[str, str]) -> None:
    open_dashboard(page, production)
    log_in(page, password="wrong")
    expect(page.get_by_role("alert")).to_have_text("The username or the password is wrong")
    log_in(page)
    expect(page.locator("[data-figure=events]")).to_have_text("2")
    expect(page.locator("#account-name")).to_have_text("ada")
    page.reload()
    expect(page.locator("[data-figure=events]")).to_have_text("2")
    assert page.evaluate("sessionStorage.length") == 0
    assert "token" not in page.url
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert page.evaluate("localStorage.getItem('apptracker.user')") is None


def test_a_key_comes_in_for_this_tab_and_only_looks(page: Page, production: Service, shop: dict[str, str]) -> None:
    open_dashboard(page, production)
    page.get_by_label("API key or SECRET_TOKEN").fill("ak_live_unknown")
    page.get_by_role("button", name="Look with the key").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("API key or SECRET_TOKEN").fill(shop["apiKey"])
    page.get_by_role("button", name="Look with the key").click()
    expect(page.locator("[data-figure=events]")).to_have_text("2")
    expect(page.locator("#account-name")).to_have_text("API key")
    assert page.get_by_role("button", name="as a report").count() == 0
    assert page.evaluate("localStorage.getItem('apptracker.user')") is None
    assert shop["apiKey"] in page.evaluate("sessionStorage.getItem('apptracker.secret')")


def test_secret_token_sees_every_project(page: Page, production: Service, shop: dict[str, str]) -> None:
    open_dashboard(page, production)
    page.get_by_label("API key or SECRET_TOKEN").fill(SECRET_TOKEN)
    page.get_by_role("button", name="Look with the key").click()
    wait_until_shown(page)
    expect(page.get_by_label("Project").locator(f"option[value='{shop['projectKey']}']")).to_have_text("Ada's shop")


def test_a_session_that_ended_elsewhere_leads_to_the_login(
    page: Page, production: Service, shop: dict[str, str]
) -> None:
    open_dashboard(page, production)
    log_in(page)
    expect(page.locator("[data-figure=events]")).to_have_text("2")
    token = page.evaluate("JSON.parse(localStorage.getItem('apptracker.user')).token")
    wait_until_shown(page)
    assert production.call("POST", "/api/auth/logout-everywhere", secret=token).status == 200
    page.evaluate(CHOOSE_ANOTHER_RANGE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    log_in(page)
    expect(page.locator("[data-figure=events]")).to_have_text("2")


def test_tabs_of_one_browser_show_the_same_user(page: Page, production: Service, shop: dict[str, str]) -> None:
    bob = {"username": "bob", "password": PASSWORD}
    assert production.call("POST", "/api/auth/register", bob, secret=SECRET_TOKEN).status == 201
    open_dashboard(page, production)
    log_in(page)
    expect(page.locator("#account-name")).to_have_text("ada")
    other = page.context.new_page()
    open_dashboard(other, production)
    expect(other.locator("#account-name")).to_have_text("ada")
    other.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    log_in(other, "bob")
    expect(page.locator("#account-name")).to_have_text("bob")


def test_in_development_one_is_in_at_once_and_may_log_in(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    expect(page.locator("[data-figure=users]")).to_be_visible()
    page.get_by_role("link", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.go_back()
    expect(page.locator("[data-figure=users]")).to_be_visible()


def test_a_failure_is_told_and_can_be_tried_again(page: Page, service: Service, demo_key: str) -> None:
    def fail(route: Route) -> None:
        told = {"error": "The database is away", "code": "store_unavailable", "requestId": "r-1", "fields": []}
        route.fulfill(status=500, json=told)

    page.route("**/v1/reports/pages*", fail)
    open_dashboard(page, service, demo_key)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The database is away")
    expect(alert).to_contain_text("r-1")
    page.unroute("**/v1/reports/pages*")
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="/bikes").first).to_be_visible()


def test_a_question_that_is_asked_too_early_is_asked_again(page: Page, service: Service, demo_key: str) -> None:
    asked: list[str] = []

    def refuse_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            told = {"error": "Too many requests", "code": "too_many_requests", "requestId": "r-1", "fields": []}
            route.fulfill(status=429, headers={"Retry-After": "1"}, json=told)
        else:
            route.continue_()

    page.route("**/v1/reports/pages*", refuse_once)
    open_dashboard(page, service, demo_key)
    expect(page.get_by_role("button", name="/bikes").first).to_be_visible()
    assert len(asked) == 2
