"""What the page shows is in its address: it can be reloaded, gone back from, and sent to somebody else."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePage
from tests.browser.dashboard import (
    build_address,
    find_panel,
    format_number,
    open_dashboard,
    read_lines,
    read_query,
    stay_within_day,
    wait_until_shown,
)
from tests.service import Service


def read_events(page: Page) -> str:
    return page.locator("[data-figure=events]").inner_text()


def ask_events(service: Service, project_key: str, **parameters: object) -> str:
    return format_number(service.ask(project_key, "overview", **parameters)["totalEvents"])


def test_a_range_is_kept_over_a_reload_and_taken_back_by_the_browser(
    page: Page, service: Service, demo_key: str
) -> None:
    open_dashboard(page, service, demo_key)
    page.get_by_label("Range", exact=True).select_option(label="Last 7 days")
    wait_until_shown(page)
    week, month = (ask_events(service, demo_key, last=last) for last in ("7d", "30d"))
    assert week != month
    assert (read_query(page)["last"], read_events(page)) == ("7d", week)
    page.reload()
    wait_until_shown(page)
    assert read_events(page) == week
    page.go_back()
    wait_until_shown(page)
    assert (read_query(page), read_events(page)) == ({"project": demo_key}, month)
    page.go_forward()
    wait_until_shown(page)
    assert read_events(page) == week


def test_a_range_of_days_includes_both(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    series = service.ask(demo_key, "events-timeseries", last="10d", interval="day")["series"]
    first, last = series[2]["bucket"][:10], series[4]["bucket"][:10]
    page.get_by_label("Range", exact=True).select_option(label="Custom range …")
    page.get_by_label("From").fill(last)
    page.get_by_label("To, that day included").fill(first)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_have_text("The range ends before it begins.")
    page.get_by_label("From").fill(first)
    page.get_by_label("To, that day included").fill(last)
    page.get_by_role("button", name="Show").click()
    wait_until_shown(page)
    assert (read_query(page)["from"], read_query(page)["to"]) == (first, last)
    assert read_events(page) == format_number(sum(each["count"] for each in series[2:5]))
    page.get_by_label("Range", exact=True).select_option(label="All time")
    wait_until_shown(page)
    assert read_query(page) == {"project": demo_key, "last": "all"}
    assert read_events(page) == "20,000"


def test_a_range_that_is_not_chosen_after_all_stays_as_it_was(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    page.get_by_label("Range", exact=True).select_option(label="Custom range …")
    page.keyboard.press("Escape")
    assert page.get_by_label("Range", exact=True).input_value() == "30d"


def test_an_address_shows_somebody_else_the_same(
    page: Page, make_page: MakePage, service: Service, demo_key: str
) -> None:
    open_dashboard(page, service, demo_key)
    page.get_by_label("Compare").check()
    page.get_by_label("Interval").select_option(label="By week")
    page.get_by_role("button", name="+ Filter").click()
    page.get_by_label("Property").fill("metadata.device")
    page.get_by_label("Condition").select_option(label="is one of")
    page.get_by_label("Value").fill("iphone, mac")
    page.get_by_role("button", name="Apply").click()
    wait_until_shown(page)
    page.get_by_role("button", name="Sessions", exact=False).first.click()
    wait_until_shown(page)
    other = make_page()
    other.goto(page.url)
    wait_until_shown(other)
    condition = json.dumps([{"property": "metadata.device", "operator": "in", "value": ["iphone", "mac"]}])
    assert read_events(page) == read_events(other) == ask_events(service, demo_key, last="30d", filters=condition)
    lines = [read_lines(find_panel(each, "At a glance")) for each in (page, other)]
    assert lines[0] == lines[1]
    assert list(lines[0]) == ["Sessions", "Before"]
    assert other.get_by_role("button", name="metadata.device is one of iphone, mac", exact=True).count() == 1


def test_a_filter_can_be_changed(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key, filters=[{"property": "metadata.total", "operator": "gte", "value": 10}])
    page.get_by_role("button", name="metadata.total is at least 10", exact=True).click()
    assert page.get_by_label("Value").input_value() == "10"
    page.get_by_label("Condition").select_option(label="is there")
    expect(page.get_by_label("Value")).to_be_hidden()
    page.get_by_role("button", name="Apply").click()
    wait_until_shown(page)
    assert json.loads(read_query(page)["filters"]) == [{"property": "metadata.total", "operator": "exists"}]


@pytest.mark.parametrize(
    ("operator", "text", "value"),
    [
        ("eq", "12", 12), ("eq", '"12"', "12"), ("eq", " DE ", "DE"), ("eq", "true", True), ("eq", "1e3", 1000),
        ("eq", "0x10", "0x10"), ("eq", "2025-01-06", "2025-01-06"), ("in", "1, two,", [1, "two", ""]),
        ("eq", '"a', '"a'),
    ],
)  # fmt: skip
def test_typed_values_become_what_they_look_like(
    page: Page, service: Service, operator: str, text: str, value: object
) -> None:
    page.goto(f"{service.url}/dashboard")
    script = """async (typed) => (await import("/web/dashboard/filters.js")).buildFilter("p", ...typed)"""
    assert page.evaluate(script, [operator, text]) == {"property": "p", "operator": operator, "value": value}


def test_suggestions_come_from_the_project(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    page.get_by_role("button", name="+ Filter").click()
    page.get_by_label("Property").fill("metadata.device")
    page.get_by_label("Value").focus()
    choices = page.get_by_label("Value").locator("xpath=following-sibling::datalist/option")
    query = {"projectKey": demo_key, "property": "metadata.device"}
    devices = [each["value"] for each in service.call("GET", "/v1/catalogue/values", query=query).json["values"]]
    assert len(devices) == 5
    expect(choices.first).to_have_attribute("value", devices[0])
    assert choices.evaluate_all("options => options.map(option => option.value)") == devices
    names = page.get_by_label("Property").locator("xpath=following-sibling::datalist/option[@value='metadata.device']")
    expect(names).to_have_count(1)


def test_the_zone_moves_the_days(page: Page, service: Service, demo_key: str) -> None:
    stay_within_day("Pacific/Auckland")
    open_dashboard(page, service, demo_key, last="7d")
    page.get_by_role("button", name="UTC").click()
    page.get_by_role("combobox", name="Time zone").fill("Mars/Olympus")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_contain_text('"Mars/Olympus" is not a time zone')
    page.get_by_role("combobox", name="Time zone").fill("Pacific/Auckland")
    page.get_by_label("Count known crawlers too").check()
    page.get_by_role("button", name="Apply").click()
    wait_until_shown(page)
    assert (read_query(page)["tz"], read_query(page)["includeBots"]) == ("Pacific/Auckland", "true")
    asked = {"last": "7d", "tz": "Pacific/Auckland", "includeBots": "true"}
    series = service.ask(demo_key, "events-timeseries", **asked, interval="day")["series"]
    assert read_lines(find_panel(page, "At a glance"))["Users"] == [each["uniqueUsers"] for each in series]


@pytest.mark.parametrize(
    "state",
    [{"filters": "{no"}, {"filters": "7"}, {"interval": "century"}, {"view": "nowhere"}, {"overview_figure": "x"}],
)
def test_what_cannot_be_meant_is_passed_over(
    page: Page, service: Service, demo_key: str, state: dict[str, str]
) -> None:
    open_dashboard(page, service, demo_key, **state)
    assert read_events(page) == ask_events(service, demo_key, last="30d")


@pytest.mark.parametrize("state", [{"last": "7x"}, {"tz": "Nowhere/Land"}, {"from": "2025-02-30", "to": "2025-03-01"}])
def test_what_the_service_refuses_is_said(page: Page, service: Service, demo_key: str, state: dict[str, str]) -> None:
    page.goto(build_address(service, demo_key, **state))
    expect(page.get_by_role("alert").first).to_contain_text("must")


def test_another_project_has_other_numbers(page: Page, service: Service, demo_key: str) -> None:
    other = service.create_project(name="Small")["projectKey"]
    service.post_events(other, [{"eventName": "hello", "anonymousId": "a"}])
    open_dashboard(page, service, demo_key)
    page.get_by_label("Project").select_option(other)
    expect(page.locator("[data-figure=events]")).to_have_text("1")
    assert read_query(page)["project"] == other
