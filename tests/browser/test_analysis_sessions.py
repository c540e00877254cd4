"""Sessions and the paths that they take."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.dashboard import (
    find_panel,
    format_number,
    format_ratio,
    open_dashboard,
    read_lines,
    read_query,
    read_rows,
    read_table,
    wait_until_shown,
)
from tests.browser.days import RANGE
from tests.service import Service

pytestmark = pytest.mark.xdist_group("browser")


def read_flows(panel: Locator) -> list[tuple[str, str, int]]:
    """What the drawing of paths shows: from, to, sessions; with the steps before the names."""
    expect(panel.locator(".chart[data-drawn] canvas")).to_be_visible()
    script = (
        "canvas => Chart.getChart(canvas)?.data.datasets[0].data.map(({ from, to, flow }) => [from, to, flow]) ?? []"
    )
    return [tuple(flow) for flow in panel.locator("canvas").evaluate(script)]


def test_the_figures_of_sessions_are_those_counted_by_hand(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="sessions", **RANGE)
    figures = page.locator("[data-figure]").evaluate_all(
        "found => Object.fromEntries(found.map(each => [each.dataset.figure, each.lastElementChild.textContent]))"
    )
    # 600, 120, 300 and 30 seconds, and three of one page view alone; 13 events, 6 of them page views
    assert figures == {
        "sessions": "7",
        "bounceRate": "42.9 %",
        "averageDurationSeconds": "2 m 30 s",
        "medianDurationSeconds": "30 s",
        "pagesPerSession": "0.86",
        "eventsPerSession": "1.86",
    }


def test_sessions_are_drawn_on_the_day_they_began(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="sessions", **RANGE)
    panel = find_panel(page, "Sessions at a glance")
    drawn = read_lines(panel)
    assert [len(values) for values in drawn.values()] == [14, 14]
    assert {day: count for day, count in enumerate(drawn["Sessions"], start=6) if count} == {6: 3, 7: 2, 13: 2}
    assert {day: count for day, count in enumerate(drawn["Bounces"], start=6) if count} == {6: 1, 7: 1, 13: 1}
    assert read_table(panel)[0] == {"From": "6 Jan", "Sessions": "3", "Bounces": "1", "Mean duration": "4 m 00 s"}


def test_every_session_is_a_row_the_latest_first(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="sessions", **RANGE)
    panel = find_panel(page, "One by one")
    rows = read_rows(panel)
    assert len(rows) == 7
    assert rows[0] == ["13 Jan 2025, 09:00:00", "ann", "0 s", "1", "1", "/news", "/news", "Direct", "–", "yes"]
    assert rows[-1][:7] == ["6 Jan 2025, 10:00:00", "ben", "2 m 00 s", "2", "1", "/", "/lights/2"]
    expect(panel.get_by_role("status")).to_have_text("1–7 of 7 sessions")
    expect(panel.get_by_role("button", name="Next")).to_be_disabled()


def test_pages_of_sessions_follow_one_another_and_a_new_range_begins_at_the_first(
    page: Page, service: Service, demo_key: str
) -> None:
    open_dashboard(page, service, demo_key, view="sessions", last="30d")
    answer = service.ask(demo_key, "sessions", last="30d", limit=1000)
    total = answer["sessions"]
    panel = find_panel(page, "One by one")
    expect(panel.get_by_role("status")).to_have_text(f"1–50 of {format_number(total)} sessions")
    panel.get_by_role("button", name="Next").click()
    expect(panel.get_by_role("status")).to_have_text(f"51–100 of {format_number(total)} sessions")
    expect(panel.get_by_role("button", name="Previous")).to_be_enabled()
    assert [row[1] for row in read_rows(panel)] == [item["userId"] for item in answer["items"][50:100]]
    page.get_by_label("Range", exact=True).select_option("Last 7 days")
    expect(panel.get_by_role("status")).to_contain_text("1–50 of")
    assert "sessions.offset" not in read_query(page)


def test_a_person_of_a_session_is_a_link_to_the_journey(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="sessions", **RANGE)
    find_panel(page, "One by one").get_by_role("link", name="ann").first.click()
    expect(find_panel(page, "ann")).to_be_visible()
    page.go_back()
    expect(find_panel(page, "One by one")).to_be_visible()


def test_the_comparison_is_beside_each_figure(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key, view="sessions", last="30d", compare="previous")
    previous = service.ask(demo_key, "sessions", last="30d", limit=0, compare="previous")["previous"]
    expect(page.locator("[data-figure=sessions]")).to_contain_text(f"before: {format_number(previous['sessions'])}")
    expect(page.locator("[data-figure=bounceRate]")).to_contain_text(f"before: {format_ratio(previous['bounceRate'])}")


def test_paths_from_a_page_are_those_counted_by_hand(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="paths", **RANGE)
    page.get_by_label("Starting at").fill("/")
    page.get_by_label("Starting at").press("Enter")
    panel = find_panel(page, "Paths")
    expect(panel).to_contain_text("5 sessions from /")
    wait_until_shown(page)
    assert read_flows(panel) == [
        ("0 /", "1 /bikes/1", 2),
        ("0 /", "1 /lights/2", 1),
        ("1 /bikes/1", "2 /thanks", 1),
    ]
    assert [tuple(row.values()) for row in read_table(panel)] == [
        ("1", "/", "/bikes/1", "2", "40.0 %"),
        ("1", "/", "/lights/2", "1", "20.0 %"),
        ("2", "/bikes/1", "/thanks", "1", "50.0 %"),
    ]


def test_paths_to_an_event_are_drawn_towards_it(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="paths", paths_start="/thanks", **RANGE)
    page.get_by_label("Steps are").select_option("events")
    expect(page.get_by_label("Starting at")).to_have_value("")
    page.get_by_label("Starting at").fill("purchase")
    page.get_by_label("Starting at").press("Enter")
    page.get_by_label("Look at what comes").select_option("before it")
    page.get_by_label("Steps", exact=True).fill("2")
    page.get_by_label("Steps", exact=True).press("Enter")
    panel = find_panel(page, "Paths")
    expect(panel).to_contain_text("1 session to purchase")
    wait_until_shown(page)
    expect(panel.locator("canvas")).to_be_visible()
    assert read_flows(panel) == [("1 add_to_cart", "0 purchase", 1), ("2 product_view", "1 add_to_cart", 1)]


def test_a_name_of_the_table_becomes_the_start(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="paths", **RANGE)
    panel = find_panel(page, "Paths")
    read_table(panel)
    panel.get_by_role("link", name="/bikes/1").first.click()
    expect(page.get_by_label("Starting at")).to_have_value("/bikes/1")
    wait_until_shown(page)
    assert [tuple(row.values()) for row in read_table(panel)] == [("1", "/bikes/1", "/thanks", "1", "50.0 %")]


def test_the_flows_are_the_reports_answer(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key, view="paths", last="30d", paths_steps="4", paths_limit="5")
    answer = service.ask(demo_key, "paths", last="30d", steps=4, limit=5)
    assert len(answer["links"]) > 20
    assert read_flows(find_panel(page, "Paths")) == [
        (f"{link['step']} {link['source']}", f"{link['step'] + 1} {link['target']}", link["sessions"])
        for link in answer["links"]
    ]


def test_a_start_that_no_session_has_says_so(page: Page, service: Service, days_key: str) -> None:
    open_dashboard(page, service, days_key, view="paths", paths_start="/nowhere", **RANGE)
    expect(find_panel(page, "Paths")).to_contain_text("No session in this range has such a start.")
