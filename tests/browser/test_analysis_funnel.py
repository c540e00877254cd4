"""A funnel is clicked together, and shows what the report answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.dashboard import (
    build_address,
    find_panel,
    format_number,
    format_ratio,
    open_dashboard,
    read_query,
    read_table,
    wait_until_shown,
)
from tests.browser.days import RANGE
from tests.service import Service

pytestmark = pytest.mark.xdist_group("browser")
STEPS = ["product_view", "add_to_cart", "purchase"]
CHECKOUT = ["product_view", "add_to_cart", "checkout_started", "payment_submitted", "purchase"]


def build_steps(*names: str) -> list[dict[str, Any]]:
    return [{"eventName": name, "filters": []} for name in names]


def open_funnel(page: Page, service: Service, project_key: str, **state: object) -> Locator:
    """The funnel over the days of tests/browser/days.py."""
    open_dashboard(page, service, project_key, view="funnel", **{**RANGE, **state})
    return find_panel(page, "Funnel")


def add_step(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"+ {name}", exact=True).click()


def read_steps(page: Page) -> list[str]:
    """The names of the steps in the editor."""
    names: list[str] = page.locator(".funnel-steps input").evaluate_all("inputs => inputs.map(input => input.value)")
    return names


def read_lines(panel: Locator) -> list[tuple[str, str, str]]:
    """What the drawing says of each step: name, people, share of the first step's."""
    expect(panel.locator(".funnel-step").first).to_be_visible()
    parts = [panel.locator(f".funnel-{part}").all_inner_texts() for part in ("name", "users", "share")]
    return list(zip(*parts, strict=True))


def test_clicking_events_makes_a_funnel_with_the_numbers_counted_by_hand(
    page: Page, service: Service, days_key: str
) -> None:
    panel = open_funnel(page, service, days_key)
    expect(panel).to_contain_text("two steps or more")
    for name in STEPS:
        add_step(page, name)
    expect(panel.locator(".funnel-step")).to_have_count(3)
    wait_until_shown(page)
    # Ann, Ben and Dee; Ann after 2 minutes, Ben 23 hours and 3 minutes after his first look; Ann 7 minutes later
    assert read_lines(panel) == [
        ("product_view", "3 people", "100.0 %"),
        ("add_to_cart", "2 people", "66.7 %"),
        ("purchase", "1 person", "33.3 %"),
    ]
    assert panel.locator(".funnel-between").all_inner_texts() == [
        "66.7 % go on, half of them within 11 h 32 m; 1 leave",
        "50.0 % go on, half of them within 7 m 00 s; 1 leave",
    ]
    expect(panel.locator(".funnel-sum")).to_have_text("33.3 % of 3 people went all the way")
    widths = panel.locator(".funnel-fill").evaluate_all("bars => bars.map(bar => bar.style.width)")
    assert [round(float(width.removesuffix("%")), 1) for width in widths] == [100, 66.7, 33.3]


def test_a_shorter_window_counts_from_a_later_entry(page: Page, service: Service, days_key: str) -> None:
    panel = open_funnel(page, service, days_key, funnel_steps=build_steps(*STEPS))
    page.get_by_label("All within").select_option("1 hour")
    wait_until_shown(page)
    # Ben's second look is 5 minutes before he puts the light into the cart: half way between 2 and 5 minutes
    expect(panel.locator(".funnel-between").first).to_contain_text("within 3 m 30 s")
    assert read_query(page)["funnel.window"] == "3600"


def test_the_order_of_steps_can_be_strict(page: Page, service: Service, days_key: str) -> None:
    panel = open_funnel(page, service, days_key, funnel_steps=build_steps("page_view", "add_to_cart"))
    page.get_by_label("Order").select_option("in order, nothing between")
    wait_until_shown(page)
    # Ann and Ben both looked at a product in between
    assert [people for _, people, _ in read_lines(panel)] == ["4 people", "0 people"]


def test_a_split_shows_the_funnel_of_each_value(page: Page, service: Service, days_key: str) -> None:
    panel = open_funnel(page, service, days_key, funnel_steps=build_steps(*STEPS))
    page.get_by_label("Split by").fill("metadata.category")
    page.get_by_label("Split by").press("Enter")
    table = panel.locator("table")
    expect(table).to_be_visible()
    rows = [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]
    assert rows == [
        ["bikes", "2", "1 50.0 %", "1 50.0 %", "50.0 %"],
        ["lights", "1", "1 100.0 %", "0 0.0 %", "0.0 %"],
    ]


def test_a_step_can_be_for_some_events_only(page: Page, service: Service, days_key: str) -> None:
    panel = open_funnel(page, service, days_key, funnel_steps=build_steps(*STEPS))
    page.get_by_role("group", name="Filters of step 1").get_by_role("button", name="+ Filter").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Property").fill("metadata.category")
    dialog.get_by_label("Value").fill("bikes")
    dialog.get_by_role("button", name="Apply").click()
    expect(panel.locator(".funnel-users").first).to_have_text("2 people")
    only_bikes = [{"property": "metadata.category", "operator": "eq", "value": "bikes"}]
    assert json.loads(read_query(page)["funnel.steps"])[0] == {"eventName": "product_view", "filters": only_bikes}
    page.get_by_role("button", name="Remove filter: metadata.category is bikes").click()
    expect(panel.locator(".funnel-users").first).to_have_text("3 people")


def test_steps_are_moved_and_taken_out_and_the_address_keeps_up(page: Page, service: Service, days_key: str) -> None:
    open_funnel(page, service, days_key, funnel_steps=build_steps(*STEPS))
    page.get_by_role("button", name="Move step 3 up").click()
    assert read_steps(page) == ["product_view", "purchase", "add_to_cart"]
    expect(page.get_by_role("button", name="Move step 2 up")).to_be_focused()
    page.get_by_role("button", name="Remove step 1").click()
    assert read_steps(page) == ["purchase", "add_to_cart"]
    page.reload()
    wait_until_shown(page)
    assert read_steps(page) == ["purchase", "add_to_cart"]
    page.go_back()
    expect(page.locator(".funnel-steps input")).to_have_count(3)
    assert read_steps(page) == ["product_view", "purchase", "add_to_cart"]


def test_a_step_is_renamed_by_typing_and_never_emptied(page: Page, service: Service, days_key: str) -> None:
    panel = open_funnel(page, service, days_key, funnel_steps=build_steps("product_view", "purchase"))
    field = page.get_by_label("Event of step 2")
    field.fill("add_to_cart")
    field.press("Enter")
    expect(panel.locator(".funnel-users").last).to_have_text("2 people")
    field.fill("")
    field.press("Tab")
    expect(field).to_have_value("add_to_cart")


def test_a_funnel_is_built_with_the_keyboard_alone(page: Page, service: Service, days_key: str) -> None:
    panel = open_funnel(page, service, days_key)
    page.get_by_label("Add the first step").focus()
    for name in ("product_view", "add_to_cart"):
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(page.get_by_label("Add a step")).to_be_focused()
    expect(panel.locator(".funnel-users")).to_have_text(["3 people", "2 people"])


def test_drawing_table_and_file_are_the_reports_answer(
    page: Page, service: Service, demo_key: str, tmp_path: Path
) -> None:
    state = {"last": "90d", "compare": "previous", "funnel_steps": build_steps(*CHECKOUT)}
    open_dashboard(page, service, demo_key, view="funnel", **state)
    panel = find_panel(page, "Funnel")
    question = {"projectKey": demo_key, "steps": CHECKOUT, "last": "90d", "compare": "previous"}
    answer = service.call("POST", "/v1/reports/funnel", question).json
    assert answer["steps"][-1]["users"] > 20
    assert read_lines(panel) == [
        (step["eventName"], f"{format_number(step['users'])} people", format_ratio(step["conversionFromFirst"]))
        for step in answer["steps"]
    ]
    rows = read_table(panel)
    assert [row["People"] for row in rows] == [format_number(step["users"]) for step in answer["steps"]]
    assert [row["From the step before"] for row in rows] == [
        format_ratio(step["conversionFromPrevious"]) for step in answer["steps"]
    ]
    with page.expect_download() as download:
        panel.get_by_role("button", name="Download Funnel as CSV").click()
    download.value.save_as(tmp_path / "funnel.csv")
    csv = service.call("POST", "/v1/reports/funnel", {**question, "format": "csv"})
    assert (tmp_path / "funnel.csv").read_bytes() == csv.body


def test_an_event_that_nobody_sent_is_a_step_of_nobody(page: Page, service: Service, days_key: str) -> None:
    panel = open_funnel(page, service, days_key, funnel_steps=build_steps("nothing_like_it", "purchase"))
    assert [people for _, people, _ in read_lines(panel)] == ["0 people", "0 people"]
    expect(panel.locator(".funnel-sum")).to_have_text("– of 0 people went all the way")


@pytest.mark.parametrize("steps", ["[", '[null, {}, {"eventName": ""}]', '["product_view"]'])
def test_an_address_with_nonsense_for_steps_asks_for_steps(
    page: Page, service: Service, days_key: str, steps: str
) -> None:
    page.goto(build_address(service, days_key, view="funnel", funnel_steps=steps))
    wait_until_shown(page)
    expect(find_panel(page, "Funnel")).to_contain_text("two steps or more")
