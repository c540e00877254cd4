"""What analysts keep: saved reports and links to them, annotations on the series, cohorts as filters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import find_issues
from tests.browser.conftest import MakePage
from tests.browser.dashboard import (
    DEVICE,
    Watch,
    find_panel,
    format_number,
    open_dashboard,
    read_lines,
    read_query,
    wait_until_shown,
)
from tests.browser.workspace import Team, enter, find_row, found_team, read_secret
from tests.service import Service


@pytest.fixture(scope="module")
def team(production: Service) -> Team:
    return found_team(production)


def keep(service: Service, project_key: str, report: str, **parameters: Any) -> dict[str, Any]:
    """A new saved report of the name `report`."""
    body = {"projectKey": project_key, "name": f"Kept {report}", "report": report, "parameters": parameters}
    answer = service.call("POST", "/v1/saved-reports", body)
    assert answer.status == 201, answer.body
    kept: dict[str, Any] = answer.json
    return kept


def test_a_panel_is_saved_asked_again_shared_and_the_link_taken_back(
    page: Page, make_page: MakePage, production: Service, team: Team
) -> None:
    enter(page, production, team.tokens["analyst"], team.project_key, last="7d", view="sessions")
    page.get_by_role("button", name="Save Sessions at a glance as a report").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("last 7 days")
    dialog.get_by_label("Name").fill("Sessions of the week")
    assert find_issues(page) == []
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)

    page.get_by_role("link", name="Saved reports").click()
    wait_until_shown(page)
    page.get_by_role("link", name="Sessions of the week").click()
    wait_until_shown(page)
    expect(page.locator("[data-figure=sessions] .figure-value")).to_have_text("2")
    page.get_by_role("button", name="Share Sessions of the week").click()
    dialog.get_by_role("button", name="Make a link").click()
    link = read_secret(page, "link")

    guest = make_page(viewport=DEVICE)
    watch = Watch(guest, production)
    guest.goto(link)
    expect(guest.get_by_role("heading", level=1)).to_have_text("Sessions of the week")
    expect(guest.locator("[data-figure=sessions] .figure-value")).to_have_text("2")
    assert find_issues(guest) == []
    assert guest.evaluate("document.documentElement.scrollWidth") <= 390
    assert watch.found == []

    page.get_by_role("button", name="Take the link to Sessions of the week back").click()
    dialog.get_by_role("button", name="Take it back").click()
    expect(dialog).to_have_count(0)
    guest.reload()
    expect(guest.get_by_role("alert")).to_contain_text("This link shows nothing")

    page.get_by_role("link", name="Open as Sessions, to change it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sessions")
    assert read_query(page)["last"] == "7d"


def test_a_viewer_sees_saved_reports_and_can_change_none(page: Page, production: Service, team: Team) -> None:
    body = {"projectKey": team.project_key, "name": "All time", "report": "overview", "parameters": {}}
    team.call("POST", "/v1/saved-reports", body)
    enter(page, production, team.tokens["viewer"], team.project_key, view="saved")
    row = find_row(page, "All time")
    expect(row.get_by_role("button")).to_have_count(0)
    row.get_by_role("link", name="All time").click()
    wait_until_shown(page)
    expect(page.locator("[data-figure=totalEvents] .figure-value")).to_have_text("3")
    expect(page.get_by_role("button", name="Share")).to_have_count(0)
    open_dashboard(page, production, team.project_key, view="overview")
    expect(page.get_by_role("button", name="as a report")).to_have_count(0)
    expect(page.get_by_role("button", name="Add an annotation")).to_have_count(0)


def test_a_saved_report_of_every_kind_is_shown_with_the_numbers_of_the_api(
    page: Page, service: Service, demo_key: str
) -> None:
    watch = Watch(page, service)
    open_dashboard(page, service, demo_key, view="saved")
    for report, question in KINDS.items():
        kept = keep(service, demo_key, report, **question)
        page.evaluate(SHOW, kept["id"])
        expect(page.get_by_role("heading", name=kept["name"], level=2)).to_be_visible()
        wait_until_shown(page)
        answer = service.call("GET", f"/v1/saved-reports/{kept['id']}/result", query={"projectKey": demo_key}).json
        for number in FIRST_NUMBERS[report](answer):
            expect(page.locator(".panel-body").get_by_text(format_number(number), exact=True).first).to_be_visible()
    assert watch.found == []


SHOW = """async (id) => (await import("/web/dashboard/state.js")).state.set({ "saved.id": id })"""
KINDS: dict[str, dict[str, Any]] = {
    "overview": {"last": "30d"},
    "top-events": {"last": "30d"},
    "events-timeseries": {"last": "12m", "interval": "month"},
    "funnel": {"last": "30d", "steps": ["product_view", "add_to_cart"], "breakdown": "deviceType"},
    "conversion": {"last": "30d", "eventName": "add_to_cart"},
    "pages": {"last": "30d"},
    "sources": {"last": "30d"},
    "devices": {"last": "30d"},
    "locations": {"last": "30d"},
    "paths": {"last": "30d", "start": "/"},
    "retention": {"last": "30d", "interval": "week"},
    "active-users": {"last": "30d"},
    "stickiness": {"last": "30d"},
    "lifecycle": {"last": "12w", "interval": "week"},
    "breakdown": {"last": "30d", "by": ["deviceType", "browser"], "measure": "events"},
    "users": {"last": "30d"},
}
FIRST_NUMBERS: dict[str, Any] = {
    "overview": lambda answer: [answer["totalEvents"], answer["uniqueUsers"], answer["sessions"]],
    "top-events": lambda answer: [answer["events"][0]["count"], answer["events"][0]["uniqueUsers"]],
    "events-timeseries": lambda answer: [answer["series"][-1]["count"], answer["series"][-2]["uniqueUsers"]],
    "funnel": lambda answer: [step["users"] for step in answer["steps"]],
    "conversion": lambda answer: [answer["convertedUsers"], answer["totalUsers"]],
    "pages": lambda answer: [answer["pages"][0]["views"], answer["pages"][0]["visitors"]],
    "sources": lambda answer: [answer["sources"][0]["sessions"]],
    "devices": lambda answer: [answer["deviceTypes"][0]["count"], answer["screens"][0]["count"]],
    "locations": lambda answer: [answer["countries"][0]["count"]],
    "paths": lambda answer: [answer["sessions"], answer["links"][0]["sessions"]],
    "retention": lambda answer: [answer["rows"][0]["size"]],
    "active-users": lambda answer: [answer["series"][-1]["mau"]],
    "stickiness": lambda answer: [answer["series"][-1]["mau"]],
    "lifecycle": lambda answer: [answer["series"][-2]["new"], answer["series"][-2]["dormant"]],
    "breakdown": lambda answer: [group["value"] for group in answer["groups"][:3]],
    "users": lambda answer: [answer["total"], answer["users"][0]["events"]],
}


def test_an_annotation_is_put_on_the_chart_changed_and_deleted(page: Page, service: Service) -> None:
    project_key = service.create_project(name="Shop")["projectKey"]
    assert service.post_events(project_key, [{"eventName": "visit", "userId": "ann"}]).status == 200
    open_dashboard(page, service, project_key, view="overview", last="7d")
    find_panel(page, "At a glance").get_by_role("button", name="Add an annotation").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What happened").fill("Version 2")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog).to_have_count(0)
    kept = service.call("GET", "/v1/annotations", query={"projectKey": project_key}).json["annotations"]
    assert [(each["text"], each["date"]) for each in kept] == [("Version 2", datetime.now(UTC).date().isoformat())]
    wait_until_shown(page)
    assert read_lines(find_panel(page, "At a glance"))

    open_dashboard(page, service, project_key, view="notes")
    page.get_by_role("button", name="Change Version 2").click()
    dialog.get_by_label("Day", exact=True).fill("2026-01-02")
    dialog.get_by_label("Time (optional), UTC").fill("15:30")
    dialog.get_by_label("What happened").fill("Version 3")
    dialog.get_by_role("button", name="Save").click()
    expect(find_row(page, "Version 3")).to_contain_text("2 Jan 2026, 15:30:00")
    page.get_by_role("button", name="Delete Version 3").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nothing is noted yet.")).to_be_visible()


def test_a_cohort_is_made_of_conditions_counted_changed_and_used_as_a_filter(page: Page, service: Service) -> None:
    project_key = service.create_project(name="Shop")["projectKey"]
    people = {"ann": 3, "bob": 2, "cid": 1}
    events = [{"eventName": "buy", "userId": name, "metadata": {"shop": "north"}}
              for name, times in people.items() for _ in range(times)]  # fmt: skip
    assert service.post_events(project_key, events).status == 200
    open_dashboard(page, service, project_key, view="cohorts")
    page.get_by_role("button", name="New cohort").click()
    page.get_by_label("Name", exact=True).fill("Loyal")
    page.get_by_label("Event").fill("buy")
    page.get_by_label("At least, times").fill("2")
    page.get_by_label("Within days").fill("30")
    page.get_by_role("button", name="+ Where").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Property").fill("metadata.shop")
    dialog.get_by_label("Value").fill("north")
    dialog.get_by_role("button", name="Apply").click()
    assert find_issues(page) == []
    page.get_by_role("button", name="Create").click()
    expect(find_row(page, "Loyal").locator("td.number")).to_have_text("2")

    page.get_by_role("link", name="Loyal").click()
    expect(page.get_by_label("At least, times")).to_have_value("2")
    page.get_by_label("At least, times").fill("3")
    page.get_by_role("button", name="Save").click()
    expect(find_row(page, "Loyal").locator("td.number")).to_have_text("1")
    cohort = service.call("GET", "/v1/cohorts", query={"projectKey": project_key}).json["cohorts"][0]
    kept = service.call("GET", f"/v1/cohorts/{cohort['id']}", query={"projectKey": project_key}).json["definition"]
    shop = {"property": "metadata.shop", "operator": "eq", "value": "north"}
    assert kept == {
        "match": "all", "conditions": [{"eventName": "buy", "atLeast": 3, "withinDays": 30, "filters": [shop]}]
    }  # fmt: skip

    page.get_by_role("link", name="Filter by it").click()
    expect(page.locator("[data-figure=events]")).to_have_text("3")
    expect(page.get_by_role("button", name="cohort is Loyal", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Remove filter: cohort is Loyal")).to_be_visible()
    page.get_by_role("link", name="Cohorts").click()
    page.get_by_role("button", name="Delete Loyal").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There is no cohort yet.")).to_be_visible()


def test_filters_name_cohorts_as_people_do_also_after_a_renaming(page: Page, service: Service) -> None:
    project_key = service.create_project(name="Shop")["projectKey"]
    assert service.post_events(project_key, [{"eventName": "buy", "userId": "ann"}]).status == 200
    ids = [
        service.call("POST", "/v1/cohorts", {
            "projectKey": project_key, "name": name, "definition": {"userIds": ["ann"]},
        }).json["id"]
        for name in ("Loyal", "<b>Late</b>")
    ]  # fmt: skip
    filters = [
        {"property": "cohort", "operator": "in", "value": ids},
        {"property": "cohort", "operator": "neq", "value": "gone"},
        {"property": "country", "operator": "neq", "value": ids[0]},
    ]
    open_dashboard(page, service, project_key, filters=filters)
    chips = page.locator(".toolbar .chip-text")
    rest = ["cohort is not gone", f"country is not {ids[0]}"]
    expect(chips).to_have_text(["cohort is one of Loyal, <b>Late</b>", *rest])
    page.get_by_role("link", name="Cohorts").click()
    page.get_by_role("link", name="Loyal").click()
    page.get_by_label("Name", exact=True).fill("Keen")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Overview").click()
    expect(chips).to_have_text(["cohort is one of Keen, <b>Late</b>", *rest])
    chips.first.click()
    page.get_by_role("dialog").get_by_label("Value").focus()
    suggested = page.get_by_role("dialog").locator("datalist option[label=Keen]")
    expect(suggested).to_have_attribute("value", ids[0])
