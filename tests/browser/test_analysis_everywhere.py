"""What holds for the analysis views when they are full: accessible, at home on a phone, alone with their service."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.accessibility import find_issues
from tests.browser.conftest import MakePage
from tests.browser.dashboard import DEVICE, Watch, open_dashboard
from tests.browser.days import RANGE
from tests.service import Service

pytestmark = pytest.mark.xdist_group("browser")
FUNNEL = {
    "funnel_steps": [
        {"eventName": "product_view", "filters": [{"property": "metadata.category", "operator": "exists"}]},
        {"eventName": "add_to_cart", "filters": []},
    ],
    "funnel_breakdown": "metadata.category",
}
VIEWS = [
    ("funnel", FUNNEL), ("retention", {}), ("paths", {}), ("sessions", {"compare": "previous"}),
    ("active-users", {"compare": "previous"}), ("users", {}), ("users", {"users_id": "ann"}),
]  # fmt: skip


def choose_tables(page: Page) -> None:
    for button in page.get_by_role("button", name="Table", exact=True).all():
        button.click()


@pytest.mark.parametrize(("view", "state"), VIEWS)
def test_a_full_view_is_accessible_fits_a_phone_and_asks_nobody_else(
    make_page: MakePage, service: Service, days_key: str, view: str, state: dict[str, object]
) -> None:
    page = make_page(color_scheme="light", reduced_motion="reduce")
    watch = Watch(page, service)
    open_dashboard(page, service, days_key, view=view, **{**RANGE, **state})
    assert find_issues(page) == []
    page.emulate_media(color_scheme="dark")
    assert find_issues(page, only=["color-contrast"]) == []
    choose_tables(page)
    page.set_viewport_size(DEVICE)
    assert find_issues(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= DEVICE["width"]
    assert watch.found == []
