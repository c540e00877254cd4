"""Projects, keys, members and accounts are managed in the dashboard, and everybody sees only what he may."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import find_issues
from tests.browser.conftest import SECRET_TOKEN, MakePage
from tests.browser.dashboard import build_address, open_dashboard, wait_until_shown
from tests.browser.workspace import (
    PASSWORD,
    Team,
    enter,
    find_row,
    found_team,
    list_menu,
    log_in,
    read_secret,
    register,
)
from tests.service import Service

LOOK = ["Overview", "Explore", "Live", "Funnel", "Retention", "Paths", "Sessions", "Active people", "People",
        "Saved reports", "Annotations", "Cohorts", "Send events", "Projects"]  # fmt: skip
MENUS = {
    "viewer": [*LOOK, "Members", "Account"],
    "analyst": [*LOOK, "Members", "Account"],
    "admin": [*LOOK, "API keys", "Members", "Account"],
    "owner": [*LOOK, "API keys", "Members", "Account"],
}
PROJECT_BUTTONS = {"viewer": [], "analyst": [], "admin": ["Settings", "Deactivate", "Erase"],
                   "owner": ["Settings", "Deactivate", "Erase"]}  # fmt: skip
EDITING = {"viewer": [], "analyst": ["New annotation"], "admin": ["New annotation"], "owner": ["New annotation"]}
INVITING = {"viewer": [], "analyst": [], "admin": ["Invite somebody"], "owner": ["Invite somebody"]}
CHANGEABLE = {"viewer": 0, "analyst": 0, "admin": 3, "owner": 4}
"""How many of the four members have a role that one may change."""


@pytest.fixture(scope="module")
def team(production: Service) -> Team:
    return found_team(production)


@pytest.mark.parametrize("role", ["viewer", "analyst", "admin", "owner"])
def test_each_role_sees_only_what_it_may(page: Page, production: Service, team: Team, role: str) -> None:
    enter(page, production, team.tokens[role], view="projects")
    assert list_menu(page) == MENUS[role]
    row = find_row(page, f"Shop {team.name}")
    expect(row).to_contain_text(role)
    assert row.get_by_role("button").all_inner_texts() == PROJECT_BUTTONS[role]
    open_dashboard(page, production, team.project_key, view="notes")
    assert page.locator(".panel-actions button").all_inner_texts() == EDITING[role]
    open_dashboard(page, production, team.project_key, view="members", members_organisation=team.organisation_id)
    assert find_row(page, team.name_member("owner")).is_visible()
    assert page.locator(".panel-actions button").all_inner_texts() == INVITING[role]
    expect(page.locator("tbody select")).to_have_count(CHANGEABLE[role])
    for hidden in {"keys", "accounts"} - ({"keys"} if role in ("admin", "owner") else set()):
        open_dashboard(page, production, team.project_key, view=hidden)
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_a_newcomer_makes_a_project_changes_it_puts_it_aside_and_erases_it(page: Page, production: Service) -> None:
    name = f"newcomer-{uuid4().hex[:6]}"
    register(production, name, secret=SECRET_TOKEN)
    enter(page, production, log_in(production, name))
    expect(page.get_by_role("heading", level=1)).to_have_text("Projects")
    page.get_by_role("button", name="New project").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Corner shop")
    dialog.get_by_label("Time zone").fill("Europe/Berlin")
    assert find_issues(page) == []
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Corner shop is ready")).to_be_visible()
    api_key = read_secret(page, "API key")
    project = production.call("GET", "/v1/projects", secret=api_key).json["projects"][0]
    assert (project["name"], project["timezone"]) == ("Corner shop", "Europe/Berlin")
    expect(page.get_by_role("heading", name="Waiting for the first event of Corner shop")).to_be_visible()

    page.get_by_role("link", name="Projects").click()
    page.get_by_role("button", name="Settings of Corner shop").click()
    dialog.get_by_label("Name").fill("High street")
    dialog.get_by_label("Days to keep events").fill("90")
    dialog.get_by_label("Addresses (IP) of visitors").select_option("drop")
    dialog.get_by_label("Time zone").fill("Mars/Olympus")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("timezone")
    dialog.get_by_label("Time zone").fill("UTC")
    dialog.get_by_role("button", name="Save").click()
    expect(find_row(page, "High street")).to_contain_text("90 days")
    expect(page.get_by_label("Project", exact=True)).to_have_text("High street")
    changed = production.call("GET", "/v1/projects", secret=api_key).json["projects"][0]
    assert [changed[field] for field in ("name", "timezone", "retentionDays", "ipPolicy")] == [
        "High street", "UTC", 90, "drop"
    ]  # fmt: skip

    page.get_by_role("button", name="Deactivate High street").click()
    dialog.get_by_role("button", name="Deactivate").click()
    expect(find_row(page, "High street")).to_contain_text("inactive")
    page.get_by_role("button", name="Activate High street").click()
    expect(page.get_by_role("button", name="Deactivate High street")).to_be_visible()

    page.get_by_role("button", name="Erase High street").click()
    dialog.get_by_label("to confirm").fill("High")
    dialog.get_by_role("button", name="Erase for good").click()
    expect(dialog.get_by_role("alert")).to_have_text("That is not the name of the project.")
    dialog.get_by_label("to confirm").fill("High street")
    dialog.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("There is no project yet.")).to_be_visible()
    assert production.call("GET", "/v1/projects", secret=api_key).status in (401, 403)


def test_a_key_is_made_shown_once_rotated_and_revoked(page: Page, production: Service, team: Team) -> None:
    enter(page, production, team.tokens["admin"], team.project_key, view="keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("dashboard of the board")
    dialog.get_by_label("Send events (ingest)").uncheck()
    dialog.get_by_role("button", name="Make the key").click()
    expect(dialog.get_by_role("alert")).to_have_text("Choose what the key may do.")
    dialog.get_by_label("Ask for reports (read)").check()
    dialog.get_by_role("button", name="Make the key").click()
    first = read_secret(page, "API key")
    assert production.ask(team.project_key, "overview", secret=first)["totalEvents"] == 3
    refused = production.post_events(team.project_key, [{"eventName": "x"}], secret=first)
    assert refused.status == 403
    row = find_row(page, "dashboard of the board")
    expect(row).to_contain_text("read")
    assert first not in page.content()

    row.get_by_role("button", name="Rotate").click()
    dialog.get_by_label("The old secret works").select_option("0")
    dialog.get_by_role("button", name="Rotate").click()
    second = read_secret(page, "API key")
    statuses = [production.call("GET", "/v1/projects", secret=secret).status for secret in (first, second)]
    assert statuses == [401, 200]

    expect(row).to_have_count(2)  # the list knows of the second one
    row.filter(has_text="works").get_by_role("button", name="Revoke").click()
    dialog.get_by_role("button", name="Revoke").click()
    expect(row.filter(has_text="revoked")).to_have_count(1)
    assert production.call("GET", "/v1/projects", secret=second).status == 401


def test_somebody_is_invited_registers_is_promoted_and_removed(
    page: Page, make_page: MakePage, production: Service, team: Team
) -> None:
    enter(page, production, team.tokens["owner"], view="members", members_organisation=team.organisation_id)
    page.get_by_role("button", name="Invite somebody").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("As").select_option("viewer")
    dialog.get_by_role("button", name="Make a link").click()
    link = read_secret(page, "link")
    expect(find_row(page, "whoever has the link")).to_have_count(1)

    guest, name = make_page(), f"guest-{team.name}"
    guest.goto(link)
    expect(guest.get_by_text("You are invited.")).to_be_visible()
    assert find_issues(guest) == []
    guest.get_by_label("User name", exact=True).fill(name)
    guest.get_by_label("Password").first.fill(PASSWORD)
    guest.get_by_role("button", name="Register").click()
    expect(guest.locator("#account-name")).to_have_text(name)
    expect(guest.get_by_label("Project", exact=True)).to_contain_text(f"Shop {team.name}")
    assert "invitation" not in guest.url

    page.reload()
    wait_until_shown(page)
    expect(find_row(page, "whoever has the link")).to_have_count(0)
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as changed:
        page.get_by_label(f"Role of {name}").select_option("analyst")
    assert changed.value.ok
    expect(page.get_by_label(f"Role of {name}")).to_have_value("analyst")
    roles = {each["username"]: each["role"] for each in list_members(team)}
    assert roles[name] == "analyst"
    find_row(page, name).get_by_role("button", name="Remove").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(find_row(page, name)).to_have_count(0)
    assert name not in {each["username"] for each in list_members(team)}


def list_members(team: Team) -> list[dict[str, str]]:
    found: list[dict[str, str]] = team.call("GET", f"/v1/organisations/{team.organisation_id}/members")["members"]
    return found


def test_who_has_an_account_joins_by_a_link_and_a_used_link_says_so(
    page: Page, production: Service, team: Team
) -> None:
    name = f"joiner-{team.name}"
    register(production, name, secret=SECRET_TOKEN)
    path = f"/v1/organisations/{team.organisation_id}/invitations"
    token = team.call("POST", path, {"role": "viewer"})["token"]
    page.goto(build_address(production, invitation=token))
    login = page.locator("form").filter(has_text="You have an account already?")
    login.get_by_label("User name or e-mail").fill(name)
    login.get_by_label("Password").fill(PASSWORD)
    login.get_by_role("button", name="Log in to join").click()
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_label("Project", exact=True)).to_contain_text(f"Shop {team.name}")
    page.goto(build_address(production, invitation=token))
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_the_last_owner_is_told_why_he_stays(page: Page, production: Service, team: Team) -> None:
    enter(page, production, team.tokens["owner"], view="members", members_organisation=team.organisation_id)
    own_role = page.get_by_label(f"Role of {team.name_member('owner')}")
    own_role.select_option("viewer")
    expect(find_row(page, team.name_member("owner")).get_by_role("alert")).to_contain_text("owner")
    expect(own_role).to_have_value("owner")


def test_the_operator_makes_and_locks_out_users(page: Page, production: Service) -> None:
    name = f"made-{uuid4().hex[:6]}"
    open_dashboard(page, production, view="accounts")
    page.get_by_label("API key or SECRET_TOKEN").fill(SECRET_TOKEN)
    page.get_by_role("button", name="Look with the key").click()
    page.get_by_role("link", name="Users").click()
    page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User name").fill(name)
    dialog.get_by_label("First password").fill(PASSWORD)
    dialog.get_by_role("button", name="Create").click()
    expect(find_row(page, name)).to_be_visible()
    token = log_in(production, name)
    find_row(page, name).get_by_role("button", name="Deactivate").click()
    dialog.get_by_role("button", name="Deactivate").click()
    expect(find_row(page, name)).to_contain_text("deactivated")
    assert production.call("GET", "/api/auth/me", secret=token).status == 401


def test_a_page_that_stays_open_renews_its_login_and_a_closed_one_does_not(
    page: Page, make_page: MakePage, production: Service, team: Team
) -> None:
    page.clock.install()
    enter(page, production, team.tokens["viewer"], team.project_key, view="members")
    first = read_token(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/auth/refresh" in request.url else None)
    page.clock.fast_forward("14:00")
    page.clock.fast_forward("02:00")
    page.wait_for_function("first => JSON.parse(localStorage.getItem('apptracker.user')).token !== first", arg=first)
    assert len(asked) == 1
    assert production.call("GET", "/api/auth/me", secret=read_token(page)).status == 200
    closed = make_page()
    expired = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwIn0.c2ln"
    enter(closed, production, expired, team.project_key)
    expect(closed.get_by_role("heading", level=1)).to_have_text("Log in")


def read_token(page: Page) -> str:
    return str(page.evaluate("JSON.parse(localStorage.getItem('apptracker.user')).token"))


def test_a_password_is_changed_and_one_leaves_everywhere(page: Page, production: Service) -> None:
    name = f"careful-{uuid4().hex[:6]}"
    register(production, name, secret=SECRET_TOKEN)
    elsewhere = log_in(production, name)
    enter(page, production, log_in(production, name), view="account")
    page.get_by_label("Current password").fill("wrong")
    for label in ("New password", "New password again"):
        page.get_by_label(label, exact=True).fill("another good one")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("The current password is wrong").first).to_be_visible()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("The password is changed.").first).to_be_visible()
    assert production.call("GET", "/api/auth/me", secret=elsewhere).status == 401
    third = log_in(production, name, "another good one")
    page.reload()
    wait_until_shown(page)
    page.get_by_role("button", name="Log out everywhere").click()
    page.get_by_role("dialog").get_by_role("button", name="Log out everywhere").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert production.call("GET", "/api/auth/me", secret=third).status == 401
