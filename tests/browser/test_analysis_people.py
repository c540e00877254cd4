"""Who comes back, how many are active, who they are, and what one of them did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import days
from tests.browser.conftest import SECRET_TOKEN
from tests.browser.dashboard import (
    find_panel,
    format_number,
    format_ratio,
    open_dashboard,
    read_lines,
    read_query,
    read_rows,
    read_table,
    stay_within_day,
    wait_until_shown,
)
from tests.browser.days import RANGE
from tests.service import Service

pytestmark = pytest.mark.xdist_group("browser")


def read_heat_map(page: Page) -> list[list[str]]:
    """The rows of the heat map with their names; "" where nothing is known."""
    expect(page.locator(".heat-map")).to_be_visible()
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.matches('.heat-none') ? '' : cell.innerText))"
    rows: list[list[str]] = page.locator(".heat-map tbody tr").evaluate_all(script)
    return rows


def find_drawn(values: list[float | None], first_day: int = 6) -> dict[int, float]:
    """The days of January on which there is something."""
    return {day: value for day, value in enumerate(values, start=first_day) if value}


def test_retention_is_the_one_counted_by_hand(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="retention", retention_intervals="2", **RANGE)
    # of Ann, Ben and Cyd only Ann comes in the week after; Dee's week after is not in the range
    assert read_heat_map(page) == [
        ["6 Jan 2025", "3", "100.0 %", "33.3 %", ""],
        ["13 Jan 2025", "1", "100.0 %", "", ""],
        ["All", "4", "100.0 %", "33.3 %", ""],
    ]
    panel = find_panel(page, "Retention")
    assert read_lines(panel) == {"Mean of all cohorts": [1, pytest.approx(1 / 3), None]}
    strengths = (
        page.locator(".heat-map tbody tr")
        .first.locator(".heat-cell")
        .evaluate_all("cells => cells.map(cell => getComputedStyle(cell).backgroundColor)")
    )
    assert len(set(strengths)) == 2
    assert [row["Week 1"] for row in read_table(panel)] == ["1", ""]


def test_retention_can_be_asked_of_events_by_the_day(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="retention", **RANGE)
    page.get_by_label("Cohorts by").select_option("Day")
    page.get_by_label("Look ahead").fill("1")
    page.get_by_label("Begins with").fill("product_view")
    page.get_by_label("Comes back with").fill("add_to_cart")
    page.get_by_label("Comes back with").press("Enter")
    expect(page.locator(".heat-map thead th")).to_have_text(["Cohort", "People", "Day 0", "Day 1"])
    expect(page.locator(".heat-map tbody tr").first.locator("td").nth(1)).to_have_text("50.0 %")
    wait_until_shown(page)
    # of Ann and Ben, who look at a product on the 6th, Ann puts it into the cart at once and Ben on the 7th
    rows = {row[0]: row[1:] for row in read_heat_map(page)}
    assert rows["6 Jan 2025"] == ["2", "50.0 %", "50.0 %"]
    assert rows["13 Jan 2025"] == ["1", "0.0 %", "0.0 %"]
    assert read_query(page)["retention.start"] == "product_view"


def test_retention_is_the_reports_answer(page: Page, service: Service, demo_key: str) -> None:
    stay_within_day("Europe/Berlin")
    open_dashboard(page, service, demo_key, view="retention", last="8w", tz="Europe/Berlin")
    answer = service.ask(demo_key, "retention", last="8w", tz="Europe/Berlin", interval="week", intervals=8)
    shown = read_heat_map(page)
    rows = [row for row in answer["rows"] if row["size"]]
    assert len(rows) >= 7, "the present week has nobody yet when it begins"
    assert [row[1] for row in shown[:-1]] == [format_number(row["size"]) for row in rows]
    assert [row[2:] for row in shown[:-1]] == [
        ["" if rate is None else format_ratio(rate) for rate in row["rates"]] for row in rows
    ]
    assert shown[-1][2:] == ["" if rate is None else format_ratio(rate) for rate in answer["mean"]]


def test_a_number_out_of_bounds_in_the_address_is_not_asked(page: Page, service: Service, days_key: str) -> None:
    state = {"retention_intervals": "100000", "retention_interval": "hour", "retention_mode": "no"}
    open_dashboard(page, service, days_key, view="retention", **RANGE, **state)
    expect(page.get_by_label("Look ahead")).to_have_value("8")
    expect(page.get_by_label("Cohorts by")).to_have_value("week")
    assert read_heat_map(page)[0][:4] == ["6 Jan 2025", "3", "100.0 %", "33.3 %"]


def test_active_people_are_those_counted_by_hand(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="active-users", **RANGE)
    drawn = read_lines(find_panel(page, "Active people"))
    assert find_drawn(drawn["Day"]) == {6: 3, 7: 2, 13: 2}
    # Ann and Ben until the 13th, Ann and Dee from then on
    assert find_drawn(drawn["7 days"]) == {**dict.fromkeys(range(6, 13), 3), 13: 3, **dict.fromkeys(range(14, 20), 2)}
    assert find_drawn(drawn["30 days"]) == {**dict.fromkeys(range(6, 13), 3), **dict.fromkeys(range(13, 20), 4)}
    stickiness = find_drawn(read_lines(find_panel(page, "Stickiness (day / 30 days)"))["Stickiness"])
    assert stickiness == {6: 1, 7: pytest.approx(2 / 3), 13: 0.5}
    # Cyd and Dee on one day, Ben on two, Ann on three
    assert read_lines(find_panel(page, "Days on which people came")) == {"People": [2, 1, 1]}


def test_the_lifecycle_is_the_one_counted_by_hand(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="active-users", **RANGE)
    panel = find_panel(page, "New, returning, back again, gone")
    assert read_lines(panel) == {"New": [3, 1], "Returning": [0, 1], "Back again": [0, 0], "Gone": [0, -2]}
    assert [tuple(row.values()) for row in read_table(panel)] == [
        ("6 Jan", "3", "0", "0", "0"),
        ("13 Jan", "1", "1", "0", "2"),
    ]
    page.get_by_label("Lifecycle by").select_option("Day")
    expect(panel.locator("tbody tr")).to_have_count(14)
    # on the 13th Ann, who was not there the day before, comes back
    assert tuple(read_table(panel)[7].values()) == ("13 Jan", "1", "0", "1", "0")


def test_people_are_listed_searched_and_sorted(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="users", **RANGE)
    panel = find_panel(page, "People")
    assert read_rows(panel) == [
        ["dee", "user", "2", "13 Jan 2025, 09:00:00", "13 Jan 2025, 09:00:30"],
        ["ann", "user", "6", "6 Jan 2025, 10:00:00", "13 Jan 2025, 09:00:00"],
        ["ben", "user", "4", "6 Jan 2025, 10:00:00", "7 Jan 2025, 09:05:00"],
        ["cyd's phone", "anonymous", "1", "6 Jan 2025, 11:00:00", "6 Jan 2025, 11:00:00"],
    ]
    page.get_by_label("Sort by").select_option("events")
    expect(panel.locator("tbody tr").first).to_contain_text("ann")
    page.get_by_label("Find", exact=True).press_sequentially("e")
    expect(panel.get_by_role("status")).to_have_text("1–3 of 3 people")
    assert [row[0] for row in read_rows(panel)] == ["ben", "dee", "cyd's phone"]
    expect(page.get_by_label("Find", exact=True)).to_be_focused()
    page.get_by_label("Find", exact=True).press_sequentially("e'")
    expect(panel).to_contain_text("Nobody in this range.")


def test_a_person_has_a_profile_and_a_journey_from_before_the_login_on(
    page: Page, service: Service, days_key: str
) -> None:
    open_dashboard(page, service, days_key, view="users", **RANGE)
    find_panel(page, "People").get_by_role("link", name="ann").click()
    panel = find_panel(page, "ann")
    expect(panel.get_by_role("region", name="Person")).to_be_visible()
    facts = dict(zip(*(panel.locator(f".person-facts {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True))
    assert facts == {
        "Is": "a known user", "First seen": "6 Jan 2025, 10:00:00", "Last seen": "13 Jan 2025, 09:00:00", "Events": "6",
        "Sessions": "3", "page_view": "3", "add_to_cart": "1", "product_view": "1", "purchase": "1",
    }  # fmt: skip
    expect(panel.get_by_text("ann's laptop")).to_be_visible()
    assert panel.locator(".journey h4").all_inner_texts() == ["13 Jan 2025", "7 Jan 2025", "6 Jan 2025"]
    names = ["page_view", "page_view", "purchase", "add_to_cart", "product_view", "page_view"]
    assert panel.locator(".journey-name").all_inner_texts() == names
    purchase = panel.locator(".journey-event").filter(has_text="purchase")
    purchase.get_by_text("Details").click()
    expect(purchase.locator("dl")).to_contain_text('{"total":900}')
    expect(panel).to_contain_text("The journey begins here.")
    page.get_by_role("button", name="All people").click()
    expect(find_panel(page, "People")).to_be_visible()


def test_a_journey_is_there_to_its_beginning(page: Page, service: Service, demo_key: str) -> None:
    busiest = service.ask(demo_key, "users", sort="events", limit=1)["users"][0]
    assert busiest["events"] > 50
    open_dashboard(page, service, demo_key, view="users", users_id=busiest["userId"])
    events = page.locator(".journey-event")
    expect(events).to_have_count(50)
    more = page.get_by_role("button", name="Earlier events")
    while more.is_visible():
        before = events.count()
        more.click()
        expect(events).not_to_have_count(before)
    assert events.count() == busiest["events"]
    times = page.locator(".journey time").evaluate_all("all => all.map(each => Date.parse(each.dateTime))")
    assert times == sorted(times, reverse=True)
    day_names = page.locator(".journey h4").all_inner_texts()
    assert len(day_names) == len(set(day_names))


def test_earlier_events_that_did_not_come_can_be_asked_for_again(page: Page, service: Service, demo_key: str) -> None:
    busiest = service.ask(demo_key, "users", sort="events", limit=1)["users"][0]
    open_dashboard(page, service, demo_key, view="users", users_id=busiest["userId"])
    page.route("**/v1/reports/users/**", lambda route: route.abort(), times=1)
    page.get_by_role("button", name="Earlier events").click()
    expect(page.get_by_role("alert")).to_contain_text("The service did not answer")
    expect(page.locator(".journey-event")).to_have_count(50)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".journey-event")).to_have_count(min(100, busiest["events"]))


def test_an_id_that_nobody_has_says_so(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="users", users_id="some/body?&#")
    expect(find_panel(page, "some/body?&#").get_by_role("alert")).to_be_visible()


def test_an_admin_downloads_and_erases_a_person(page: Page, service: Service, tmp_path: Path) -> None:
    project_key = service.create_project()["projectKey"]
    service.post_events(project_key, days.EVENTS)
    open_dashboard(page, service, project_key, view="users", users_id="ann", **RANGE)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all data").click()
    download.value.save_as(tmp_path / "ann.ndjson")
    lines = [json.loads(line) for line in (tmp_path / "ann.ndjson").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["person", *["event"] * 6]

    page.get_by_role("button", name="Erase …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Write ann to go on").fill("ben")
    dialog.get_by_role("button", name="Erase for good").click()
    expect(dialog.get_by_role("alert")).to_have_text("That is another id.")
    assert service.ask(project_key, "users")["total"] == 4
    dialog.get_by_label("Write ann to go on").fill("ann")
    dialog.get_by_role("button", name="Erase for good").click()
    expect(find_panel(page, "People").get_by_role("status")).to_have_text("1–3 of 3 people")
    expect(find_panel(page, "People").get_by_role("link", name="ann")).to_have_count(0)
    assert service.ask(project_key, "overview")["totalEvents"] == 7


@pytest.mark.parametrize(("scopes", "may_erase"), [(["read"], False), (["admin"], True)])
def test_only_who_administers_a_project_is_offered_to_erase(
    page: Page, production: Service, scopes: list[str], may_erase: bool
) -> None:
    project = production.create_project(secret=SECRET_TOKEN)
    project_key = project["projectKey"]
    production.post_events(project_key, days.EVENTS, secret=SECRET_TOKEN)
    created = production.call(
        "POST", f"/v1/projects/{project_key}/keys", {"name": "k", "scopes": scopes}, secret=SECRET_TOKEN
    )
    secret = json.dumps(created.json["apiKey"])
    page.add_init_script(f"sessionStorage.setItem('apptracker.secret', {json.dumps(secret)})")
    open_dashboard(page, production, project_key, view="users", users_id="ann")
    expect(page.locator(".journey-event")).to_have_count(6)
    expect(page.get_by_role("button", name="Erase …")).to_have_count(1 if may_erase else 0)
    expect(page.get_by_role("button", name="Download all data")).to_have_count(1 if may_erase else 0)


def test_the_menu_leads_back_from_a_person_to_all_people(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="users", users_id="ann", **RANGE)
    page.locator("#sidebar").get_by_role("link", name="People", exact=True).click()
    expect(find_panel(page, "People")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert "users.id" not in read_query(page)


def test_a_journey_is_a_file_too(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="users", users_id="ann", last="7d")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download ann as CSV").click()
    rows = Path(download.value.path()).read_text().splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == [
        "page_view", "page_view", "purchase", "add_to_cart", "product_view", "page_view",
    ]  # fmt: skip


def test_a_journey_shows_where_a_session_begins(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="users", users_id="ann")
    first_of_session = page.locator(".journey-session .journey-name")
    # the newest event that is shown of each: of the 13th, of the 7th, and the purchase of the 6th
    expect(first_of_session).to_have_text(["page_view", "page_view", "purchase"])


def test_another_project_is_shown_without_the_person_of_this_one(page: Page, service: Service, days_key: str) -> None:
    other = service.create_project(name="Another")["projectKey"]
    service.post_events(other, days.EVENTS[:1])
    open_dashboard(page, service, days_key, view="users", users_id="ann", last="all")
    page.get_by_label("Project", exact=True).select_option(other)
    expect(find_panel(page, "People").get_by_role("status")).to_have_text("1–1 of 1 person")
    assert "users.id" not in read_query(page)
