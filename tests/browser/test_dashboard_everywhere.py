"""What holds for every view: accessible, at home on a phone, alone with its service, usable by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.accessibility import find_issues
from tests.browser.conftest import SECRET_TOKEN, MakePage
from tests.browser.dashboard import (
    DEVICE,
    Watch,
    change_system_theme,
    find_panel,
    list_views,
    open_dashboard,
    wait_until_shown,
)
from tests.browser.demo_workspace import Workspace, make_workspace
from tests.service import Service

EVENTS = 3_000
PHONE_RULES = ["aria-hidden-focus", "button-name", "label", "link-name", "region", "scrollable-region-focusable"]
"""What may differ where other things are shown; colours are the same."""
MOST_BYTES = 250_000
LIGHT_INK, DARK_INK = ["rgb(26, 34, 48)", "#1a2230"], ["rgb(230, 234, 241)", "#e6eaf1"]
"""The colour of text of the page and in its charts."""


@pytest.fixture(scope="module")
def workspace(production: Service) -> Workspace:
    """A project with everything in it, of somebody who may see all views."""
    return make_workspace(production, SECRET_TOKEN, events=EVENTS)


@pytest.mark.timeout(900)  # some twenty views, each looked at three times
def test_every_view_is_accessible_and_fits_and_asks_nobody_else(make_page: MakePage, workspace: Workspace) -> None:
    page = make_page(color_scheme="light", reduced_motion="reduce")
    watch = Watch(page, workspace.service)
    workspace.log_in(page)
    service, project_key = workspace.service, workspace.project_key
    open_dashboard(page, service, project_key)
    problems = {}
    for view in [*list_views(page), "login"]:
        page.set_viewport_size({"width": 1280, "height": 800})
        change_system_theme(page, "light")
        open_dashboard(page, service, project_key, view=view)
        assert page.locator(".view").get_attribute("data-view") == view
        problems[view, "light"] = find_issues(page)
        change_system_theme(page, "dark")
        problems[view, "dark"] = find_issues(page, only=["color-contrast"])
        page.set_viewport_size(DEVICE)
        problems[view, "phone"] = find_issues(page, only=PHONE_RULES)
        width = page.evaluate("document.documentElement.scrollWidth")
        problems[view, "width"] = [] if width <= DEVICE["width"] else [f"{width} pixels"]
    assert {where: found for where, found in problems.items() if found} == {}
    assert watch.found == []


def test_a_dialog_is_accessible_and_keeps_the_keyboard(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    opener = page.get_by_role("button", name="+ Filter")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Property")).to_be_focused()
    assert find_issues(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def test_the_keyboard_alone_reaches_the_content_and_every_view(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Explore").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Explore", level=1)).to_be_focused()
    assert page.title() == "Explore – AppTracker"
    expect(page.get_by_role("link", name="Explore")).to_have_attribute("aria-current", "page")
    wait_until_shown(page)
    page.get_by_label("Count").focus()
    page.keyboard.press("ArrowDown")
    wait_until_shown(page)
    expect(page.get_by_label("Count")).to_be_focused()


def test_choosing_a_figure_keeps_the_focus_on_it(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    card = page.get_by_role("group", name="Figures").get_by_role("button", name="Bounce rate")
    card.focus()
    page.keyboard.press("Enter")
    expect(card).to_have_attribute("aria-pressed", "true")
    expect(card).to_be_focused()


def test_a_chart_says_what_it_shows(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    expect(find_panel(page, "At a glance").get_by_role("img")).to_have_attribute(
        "aria-label", "Users by day, Last 30 days"
    )


def test_dark_and_light_can_be_chosen_and_are_remembered(make_page: MakePage, service: Service, demo_key: str) -> None:
    page = make_page(color_scheme="light")
    open_dashboard(page, service, demo_key)
    read = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(read)
    page.get_by_role("button", name="Dark or light").click()
    dark = page.evaluate(read)
    assert dark != light
    page.reload()
    wait_until_shown(page)
    assert page.evaluate(read) == dark
    open_dashboard(page, service, demo_key, theme="light")
    assert page.evaluate(read) == light


def test_the_system_theme_is_followed_until_one_is_chosen_and_charts_with_it(
    make_page: MakePage, service: Service, demo_key: str
) -> None:
    page = make_page(color_scheme="light")
    open_dashboard(page, service, demo_key)
    read_colours = """() => [getComputedStyle(document.body).color,
        Chart.getChart(document.querySelector("canvas")).options.plugins.tooltip.titleColor]"""
    assert page.evaluate(read_colours) == LIGHT_INK
    change_system_theme(page, "dark")
    assert page.evaluate(read_colours) == DARK_INK
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate(read_colours) == LIGHT_INK
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert page.evaluate(read_colours) == LIGHT_INK


def test_on_a_phone_the_menu_opens_and_closes(make_page: MakePage, service: Service, demo_key: str) -> None:
    page = make_page(viewport=DEVICE, has_touch=True)
    open_dashboard(page, service, demo_key)
    link = page.get_by_role("link", name="Explore")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").tap()
    expect(page.get_by_role("button", name="Menu")).to_have_attribute("aria-expanded", "true")
    link.tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explore")
    expect(link).to_be_hidden()


def test_a_view_is_ready_when_it_is_there(page: Page, service: Service, demo_key: str) -> None:
    found: list[str | None] = []

    def look(route: Route) -> None:
        found.append(page.locator("html").get_attribute("data-ready"))
        route.continue_()

    page.route("**/views/explore.js", look)
    open_dashboard(page, service, demo_key)
    page.get_by_role("link", name="Explore").click()
    wait_until_shown(page)
    assert found == ["false"]
    assert find_panel(page, "Over time").locator("canvas").is_visible()


def test_leaving_a_view_frees_its_charts(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    for name in ("Explore", "Overview", "Explore", "Overview"):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        wait_until_shown(page)
    expect(page.locator("canvas")).to_have_count(1)
    expect(find_panel(page, "At a glance").locator("canvas")).to_be_visible()
    assert page.evaluate("Object.keys(Chart.instances).length") == 1


def test_the_page_stays_light(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    script = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter(({ name }) => /\\/(web\\/|dashboard\\?)/.test(name)).map(({ transferSize }) => transferSize)"""
    sizes = page.evaluate(script)
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    preloaded = page.locator("link[rel=modulepreload]").evaluate_all("links => links.map(({ href }) => href)")
    assert set(preloaded) <= set(loaded)
    assert len(sizes) > 20
    assert 0 < sum(sizes) < MOST_BYTES
