"""Logging in to the dashboard through Google, against an OpenID provider in a thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from services import clock
from tests.browser.conftest import SECRET_TOKEN, run_service
from tests.browser.dashboard import Watch, open_dashboard, read_query, wait_until_shown
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, open_provider
from tests.service import Service

PASSWORD = "correct horse"
ADA = {"sub": "1001", "email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"}
NO_ADDRESS_LEFT = "location.hash === '' && !location.href.includes('token')"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with open_provider(clock.fetch_now_ms) as running:
        yield running


@pytest.fixture(scope="module")
def trusting(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in production that trusts the provider, with the superuser `eve`."""
    folder = tmp_path_factory.mktemp("google") / "data"
    google = {"google_client_id": CLIENT_ID, "google_client_secret": CLIENT_SECRET}
    for service in run_service(
        folder, env="production", store="embedded", secret_token=SECRET_TOKEN, workers=1,
        google_discovery_url=provider.discovery_url, **google,
    ):  # fmt: skip
        register(service, "eve")
        yield service


def register(service: Service, name: str) -> str:
    """A user with an organisation, by the address name@example.com; a token."""
    user = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    assert service.call("POST", "/api/auth/register", user, secret=SECRET_TOKEN).status == 201
    login = service.call("POST", "/api/auth/login", {"username": name, "password": PASSWORD})
    return str(login.json["access_token"])


def test_a_user_comes_in_through_google_to_where_he_was_and_no_token_stays_in_the_address(
    page: Page, trusting: Service, provider: Provider
) -> None:
    register(trusting, "ada")
    provider.present = ADA
    open_dashboard(page, trusting, view="projects", last="7d")
    page.get_by_role("button", name="Log in with Google").click()
    expect(page.locator("#account-name")).to_have_text("ada")
    expect(page.get_by_role("heading", level=1)).to_have_text("Projects")
    assert read_query(page) == {"view": "projects", "last": "7d"}
    assert page.evaluate(NO_ADDRESS_LEFT)
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(page.locator("#account-name")).to_have_text("ada")


def test_who_is_invited_registers_through_google(page: Page, trusting: Service, provider: Provider) -> None:
    owner = register(trusting, "owen")
    organisation = trusting.call("GET", "/v1/organisations", secret=owner).json["organisations"][0]["id"]
    body = {"email": "new@example.com", "role": "viewer"}
    invited = trusting.call("POST", f"/v1/organisations/{organisation}/invitations", body, secret=owner)
    provider.present = {"sub": "2002", "email": "new@example.com", "email_verified": True}
    open_dashboard(page, trusting, invitation=invited.json["token"])
    page.get_by_role("button", name="Register with Google").click()
    expect(page.locator("#account-name")).to_have_text("new")
    assert "invitation" not in page.url


def test_who_may_not_come_in_reads_why(page: Page, trusting: Service, provider: Provider) -> None:
    provider.present = {"sub": "3003", "email": "stranger@example.com", "email_verified": True}
    open_dashboard(page, trusting)
    page.get_by_role("button", name="Log in with Google").click()
    expect(page.get_by_role("alert")).to_have_text("Registering needs SECRET_TOKEN, a superuser or an invitation")
    assert page.evaluate(NO_ADDRESS_LEFT)
    page.reload()
    wait_until_shown(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_link_with_a_token_logs_nobody_in(page: Page, trusting: Service) -> None:
    token = register(trusting, "mallory")
    page.goto(f"{trusting.url}/dashboard#access_token={token}")
    wait_until_shown(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert page.evaluate(NO_ADDRESS_LEFT)
    assert page.evaluate("localStorage.getItem('apptracker.user')") is None


def test_without_google_there_is_no_such_button(page: Page, production: Service) -> None:
    watch = Watch(page, production)
    with page.expect_response("**/api/auth/methods"):
        open_dashboard(page, production)
    expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Log in with Google")).to_be_hidden()
    assert [found for found in watch.found if "401" not in found] == []
