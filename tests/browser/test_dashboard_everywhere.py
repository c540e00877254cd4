"""What holds for every view: accessible, at home on a phone, alone with its service, usable by keyboard."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePage
from tests.browser.dashboard import DEVICE, Watch, find_panel, open_dashboard, wait_until_shown
from tests.service import Service

SERIOUS = {"serious", "critical"}


def list_views(page: Page) -> list[str]:
    """The ids of all views of the menu."""
    script = """async () => (await import("/web/dashboard/views/index.js")).VIEWS.map(({ id }) => id)"""
    views: list[str] = page.evaluate(script)
    return views


def find_issues(page: Page, *, only: list[str] | None = None) -> list[Any]:
    """What axe-core finds to be serious: rule, and where."""
    options = {"runOnly": {"type": "rule", "values": only}} if only else None
    found = Axe().run(page, options=options).response["violations"]
    return [
        (issue["id"], [(node["html"][:120], node["failureSummary"][:200]) for node in issue["nodes"]])
        for issue in found
        if issue["impact"] in SERIOUS
    ]


def test_every_view_is_accessible_and_fits_and_asks_nobody_else(
    make_page: MakePage, service: Service, demo_key: str
) -> None:
    page = make_page(color_scheme="light", reduced_motion="reduce")
    watch = Watch(page, service)
    open_dashboard(page, service, demo_key)
    views = list_views(page)
    assert views[:2] == ["overview", "explore"]
    problems = {}
    for view in [*views, "login"]:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme="light")
        open_dashboard(page, service, demo_key, view=view)
        problems[view, "light"] = find_issues(page)
        page.emulate_media(color_scheme="dark")
        problems[view, "dark"] = find_issues(page, only=["color-contrast"])
        page.set_viewport_size(DEVICE)
        problems[view, "phone"] = find_issues(page)
        problems[view, "width"] = [] if page.evaluate("document.documentElement.scrollWidth") <= 390 else ["too wide"]
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


def test_leaving_a_view_frees_its_charts(page: Page, service: Service, demo_key: str) -> None:
    open_dashboard(page, service, demo_key)
    for name in ("Explore", "Overview", "Explore", "Overview"):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        wait_until_shown(page)
    expect(page.locator("canvas")).to_have_count(1)
    expect(find_panel(page, "At a glance").locator("canvas")).to_be_visible()
    assert page.evaluate("Object.keys(Chart.instances).length") == 1
