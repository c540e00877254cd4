"""The explore view shows what the reports answer, however it is set."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dashboard import (
    find_panel,
    format_number,
    open_dashboard,
    read_bars,
    read_lines,
    read_query,
    read_table,
    wait_until_shown,
)
from tests.service import Service

LAST = {"last": "30d"}


def ask_series(service: Service, project_key: str, field: str = "count", **parameters: Any) -> list[int]:
    series = service.ask(project_key, "events-timeseries", **LAST, interval="day", **parameters)["series"]
    return [each[field] for each in series]


def filter_text(*conditions: tuple[str, str, object]) -> str:
    return json.dumps(
        [{"property": name, "operator": operator, "value": value} for name, operator, value in conditions]
    )


def test_events_stand_side_by_side(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key, view="explore")
    assert read_lines(find_panel(page, "Over time")) == {"All events": ask_series(service, demo_key)}
    for label, name in (("Event", "purchase"), ("Another event", "add_to_cart")):
        page.get_by_label(label, exact=True).fill(name)
        page.get_by_label(label, exact=True).press("Enter")
        expect(page.get_by_role("button", name=f"Leave out {name}")).to_be_visible()
        wait_until_shown(page)
    assert json.loads(read_query(page)["explore.events"]) == ["purchase", "add_to_cart"]
    assert read_lines(find_panel(page, "Over time")) == {
        name: ask_series(service, demo_key, eventName=name) for name in ("purchase", "add_to_cart")
    }
    page.get_by_role("button", name="Leave out purchase").click()
    wait_until_shown(page)
    assert list(read_lines(find_panel(page, "Over time"))) == ["add_to_cart"]


def test_a_property_splits_the_series_and_the_whole(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key, view="explore", explore_measure="users")
    page.get_by_label("Split by").fill("metadata.device")
    page.get_by_label("Split by").press("Enter")
    wait_until_shown(page)
    answer = service.ask(demo_key, "breakdown", **LAST, by="metadata.device", measure="users", limit=25)
    values = [group["values"][0] for group in answer["groups"]]
    assert len(values) == 5
    assert read_bars(find_panel(page, "By value")) == [
        (group["values"][0], format_number(group["value"])) for group in answer["groups"]
    ]
    assert read_lines(find_panel(page, "Over time")) == {
        value: ask_series(service, demo_key, "uniqueUsers", filters=filter_text(("metadata.device", "eq", value)))
        for value in values
    }


def test_a_number_is_averaged_over_the_chosen_events(page: Page, service: Service, demo_key: str) -> None:
    state = {"explore_events": ["purchase"], "explore_by": ["metadata.device", "country"], "explore_measure": "average"}
    open_dashboard(page, service, demo_key, view="explore", **state)
    expect(find_panel(page, "By value")).to_contain_text("Choose the property whose numbers are to be used.")
    page.get_by_label("of", exact=True).fill("metadata.value")
    page.get_by_label("of", exact=True).press("Enter")
    wait_until_shown(page)
    body = {
        "projectKey": demo_key, **LAST, "by": ["metadata.device", "country"], "measure": "average", "limit": 25,
        "property": "metadata.value", "eventName": "purchase",
    }  # fmt: skip
    groups = service.call("POST", "/v1/reports/breakdown", body).json["groups"]
    assert len(groups) > 5
    rows = read_table(find_panel(page, "By value"))
    assert [
        (row["metadata.device"], row["country"], row["Average of metadata.value"], row["Events"]) for row in rows
    ] == [
        (device, country, format_number(group["value"]), format_number(group["events"]))
        for group in groups
        for device, country in [group["values"]]
    ]


@pytest.mark.parametrize("view", ["overview", "explore"])
def test_a_project_without_events_shows_so_and_nothing_breaks(page: Page, service: Service, view: str) -> None:
    project_key = service.create_project(name="Empty")["projectKey"]
    service.post_events(project_key, [{"eventName": "old", "timestamp": "2020-01-01T00:00:00Z"}])
    open_dashboard(page, service, project_key, view=view)
    expect(page.locator(".view .panel .error")).to_have_count(0)
    if view == "overview":
        expect(find_panel(page, "Pages")).to_contain_text("No page views in this range.")
        expect(page.locator("[data-figure=events]")).to_have_text("0")


def test_names_are_text_whatever_they_look_like(page: Page, service: Service) -> None:
    hostile = "<img src=x onerror=\"document.title='hacked'\">"
    project_key = service.create_project(name=hostile)["projectKey"]
    event = {"eventName": hostile, "url": f"https://shop.example/?utm_campaign={hostile}", "metadata": {"k": hostile}}
    assert service.post_events(project_key, [event]).json["accepted"] == 1
    open_dashboard(page, service, project_key)
    expect(find_panel(page, "Events by name")).to_contain_text(hostile)
    find_panel(page, "Events by name").get_by_role("button", name=hostile).click()
    page.get_by_label("Split by").fill("metadata.k")
    page.get_by_label("Split by").press("Enter")
    wait_until_shown(page)
    find_panel(page, "By value").get_by_role("button", name=hostile).click()
    expect(page.get_by_role("button", name=f"metadata.k is {hostile}", exact=True)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "Explore – AppTracker"
