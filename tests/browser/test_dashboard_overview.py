"""The overview shows what the reports answer."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePage
from tests.browser.dashboard import (
    find_panel,
    format_number,
    format_ratio,
    open_dashboard,
    read_bars,
    read_lines,
    read_query,
    read_table,
    wait_until_shown,
)
from tests.service import Service

RANGE = {"last": "30d"}


def read_figures(page: Page) -> dict[str, str]:
    """The figures at the top, by their names in the page."""
    figures: dict[str, str] = page.locator("[data-figure]").evaluate_all(
        "found => Object.fromEntries(found.map(each => [each.dataset.figure, each.textContent]))"
    )
    return figures


def test_the_figures_are_those_of_the_reports(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    overview = service.ask(demo_key, "overview", **RANGE)
    sessions = service.ask(demo_key, "sessions", **RANGE, limit=0)
    assert 30 < sessions["averageDurationSeconds"] < 60
    assert read_figures(page) == {
        "users": format_number(overview["uniqueUsers"]),
        "sessions": format_number(overview["sessions"]),
        "events": format_number(overview["totalEvents"]),
        "bounces": format_ratio(sessions["bounceRate"]),
        "duration": f"{int(sessions['averageDurationSeconds'] + 0.5)} s",
        "pages": format_number(sessions["pagesPerSession"]),
    }


def test_each_figure_says_how_it_changed(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    answer = service.ask(demo_key, "overview", **RANGE, compare="previous")
    change = answer["uniqueUsers"] / answer["previous"]["uniqueUsers"] - 1
    card = page.get_by_role("button", name="Users")
    expect(card.locator(".change")).to_contain_text(f"{'↑' if change > 0 else '↓'} {format_ratio(abs(change))}")
    expect(card.locator(".change")).to_contain_text("more than before" if change > 0 else "less than before")


@pytest.mark.parametrize(
    ("figure", "report", "field"),
    [
        ("Users", "events-timeseries", "uniqueUsers"),
        ("Events", "events-timeseries", "count"),
        ("Sessions", "sessions", "sessions"),
    ],
)
def test_a_chosen_figure_is_drawn_by_the_day(
    page: Page, service: Service, demo_key: str, figure: str, report: str, field: str
) -> None:
    open_dashboard(page, service, demo_key)
    page.get_by_role("group", name="Figures").get_by_role("button", name=figure, exact=False).first.click()
    limit = {"limit": 0} if report == "sessions" else {}
    series = service.ask(demo_key, report, **RANGE, **limit, interval="day")["series"]
    found = {each["bucket"]: each[field] for each in series}
    every_day = [
        each["bucket"] for each in service.ask(demo_key, "events-timeseries", **RANGE, interval="day")["series"]
    ]
    assert len(every_day) == 30
    assert read_lines(find_panel(page, "At a glance")) == {figure: [found.get(day, 0) for day in every_day]}


def test_a_comparison_draws_the_time_before(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    page.get_by_label("Compare").check()
    wait_until_shown(page)
    answer = service.ask(demo_key, "events-timeseries", **RANGE, interval="day", compare="previous")
    assert read_lines(find_panel(page, "At a glance")) == {
        "Users": [each["uniqueUsers"] for each in answer["series"]],
        "Before": [each["uniqueUsers"] for each in answer["previous"]["series"]],
    }


def test_the_lists_are_those_of_the_reports(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)

    def list_rows(report: str, part: str, key: str, value: str) -> list[tuple[str, str]]:
        rows = service.ask(demo_key, report, **RANGE, limit=10)[part]
        return [(str(row[key] or "Unknown"), format_number(row[value])) for row in rows if row[value]]

    shown = {title: read_bars(find_panel(page, title)) for title in ("Pages", "Sources", "Events by name", "Devices")}
    assert shown == {
        "Pages": list_rows("pages", "pages", "page", "views"),
        "Sources": list_rows("sources", "sources", "source", "sessions"),
        "Events by name": list_rows("top-events", "events", "eventName", "count"),
        "Devices": list_rows("devices", "deviceTypes", "value", "uniqueUsers"),
    }
    find_panel(page, "Devices").get_by_role("button", name="Browser").click()
    assert read_bars(find_panel(page, "Devices")) == list_rows("devices", "browsers", "value", "uniqueUsers")
    find_panel(page, "Sources").get_by_role("button", name="Campaign").click()
    wait_until_shown(page)
    campaigns = service.ask(demo_key, "sources", **RANGE, limit=10, by="utmCampaign")["sources"]
    expected = [(each["source"] or "None", format_number(each["sessions"])) for each in campaigns]
    assert len(expected) > 1
    assert read_bars(find_panel(page, "Sources")) == expected


def test_the_table_behind_a_chart_has_its_numbers(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    pages = service.ask(demo_key, "pages", **RANGE, limit=10)["pages"]
    rows = read_table(find_panel(page, "Pages"))
    counts = {"Views": "views", "Visitors": "visitors", "Entries": "entries", "Exits": "exits"}
    assert [{name: row[name] for name in ("Page", *counts, "Bounces")} for row in rows] == [
        {
            "Page": each["page"],
            **{name: format_number(each[field]) for name, field in counts.items()},
            "Bounces": format_ratio(each["bounceRate"]),
        }
        for each in pages
        if each["views"]
    ]
    days = read_table(find_panel(page, "At a glance"))
    series = service.ask(demo_key, "events-timeseries", **RANGE, interval="day")["series"]
    assert [row["Events"] for row in days] == [format_number(each["count"]) for each in series]


def test_the_hours_of_the_week_hold_all_events(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    cells = find_panel(page, "Hours of the week").locator("td.heat").all_text_contents()
    assert len(cells) == 7 * 24
    total = sum(int(text.replace(",", "")) for text in cells)
    assert total == service.ask(demo_key, "overview", **RANGE)["totalEvents"]


def test_a_download_is_what_the_report_answers_as_csv(
    page: Page, service: Service, demo_key: str, tmp_path: Path
) -> None:
    open_dashboard(page, service, demo_key, filters=[{"property": "deviceType", "operator": "eq", "value": "mobile"}])
    with page.expect_download() as waiting:
        find_panel(page, "Events by name").get_by_role("button", name="Download Events by name as CSV").click()
    waiting.value.save_as(tmp_path / "events.csv")
    assert waiting.value.suggested_filename == "top-events.csv"
    saved = list(csv.DictReader(io.StringIO((tmp_path / "events.csv").read_text())))
    filters = '[{"property": "deviceType", "operator": "eq", "value": "mobile"}]'
    answer = service.ask(demo_key, "top-events", **RANGE, limit=10, filters=filters)["events"]
    assert [(row["eventName"], int(row["count"])) for row in saved] == [
        (each["eventName"], each["count"]) for each in answer
    ]


def test_a_click_on_a_row_shows_only_what_has_its_value(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    find_panel(page, "Sources").get_by_role("button", name="Direct").click()
    wait_until_shown(page)
    condition = [{"property": "channel", "operator": "eq", "value": "Direct"}]
    assert json.loads(read_query(page)["filters"]) == condition
    answer = service.ask(demo_key, "overview", **RANGE, filters=json.dumps(condition))
    assert read_figures(page)["events"] == format_number(answer["totalEvents"])
    assert answer["totalEvents"] < service.ask(demo_key, "overview", **RANGE)["totalEvents"]
    page.get_by_role("button", name="Remove filter: channel is Direct").click()
    wait_until_shown(page)
    assert "filters" not in read_query(page)


def test_an_event_leads_to_its_exploration(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    find_panel(page, "Events by name").get_by_role("button", name="purchase").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explore")
    wait_until_shown(page)
    series = service.ask(demo_key, "events-timeseries", **RANGE, interval="day", eventName="purchase")["series"]
    assert read_lines(find_panel(page, "Over time")) == {"purchase": [each["count"] for each in series]}


def test_a_note_stands_at_its_day(page: Page, service: Service) -> None:
    project_key = service.create_project(name="Notes", timezone="America/New_York")["projectKey"]
    service.post_events(
        project_key, [{"eventName": "a", "timestamp": f"2025-01-{day:02}T12:00:00Z"} for day in (6, 10)]
    )
    for note in ({"date": "2025-01-08", "text": "Release 2"}, {"timestamp": "2025-01-10T03:00:00Z", "text": "Late"}):
        assert service.call("POST", "/v1/annotations", note | {"projectKey": project_key}).status == 201
    open_dashboard(page, service, project_key, **{"from": "2025-01-06", "to": "2025-01-10"})
    starts = service.ask(project_key, "events-timeseries", **{"from": "2025-01-06", "to": "2025-01-10"})["series"]
    script = """async (starts) => (await import("/web/dashboard/marks.js")).fetchMarks(starts)"""
    assert page.evaluate(script, [each["bucket"] for each in starts]) == [
        {"index": 2, "text": "Release 2"},
        {"index": 3, "text": "Late"},
    ]


def test_titles_and_tabs_keep_to_one_line_with_three_panels_in_a_row(
    make_page: MakePage, service: Service, demo_key: str
) -> None:
    page = make_page(viewport={"width": 1280, "height": 800})
    open_dashboard(page, service, demo_key)
    heads = page.locator(".overview .panel-head").evaluate_all("found => found.map(each => each.offsetHeight)")
    tops = page.locator(".overview .panel").evaluate_all("found => found.map(each => each.offsetTop)")
    assert (len(heads), len(set(heads)), len(set(tops))) == (7, 1, 3)
    rows = page.locator(".overview .tabs").evaluate_all(
        "found => found.map(({ children }) => new Set([...children].map(each => each.offsetTop)).size)"
    )
    assert rows == [1, 1, 1]
