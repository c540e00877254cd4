"""The dashboard as a test uses it: open a view, wait until everything is there, read what is shown."""

from __future__ import annotations

import json
import time
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from playwright.sync_api import Locator, Page, expect

from tests.servers import wait_until
from tests.service import Service

DEVICE = {"width": 390, "height": 844}
"""A phone."""
DAY_END_SECONDS = 60
"""More than a test takes that compares what a page shows with what it asks itself."""


def open_dashboard(page: Page, service: Service, project_key: str | None = None, **state: object) -> None:
    """Show the dashboard with this state in its address, and return when all of it is there."""
    page.goto(build_address(service, project_key, **state))
    wait_until_shown(page)


def build_address(service: Service, project_key: str | None = None, **state: object) -> str:
    """The address of the dashboard; lists and objects become JSON text, `funnel_steps` the key `funnel.steps`."""
    named = {"project": project_key} if project_key else {}
    given = {
        key.replace("_", "."): value if isinstance(value, str) else json.dumps(value) for key, value in state.items()
    }
    return f"{service.url}/dashboard?{urlencode(named | given)}"


def wait_until_shown(page: Page) -> None:
    """Return when the view is there, none of its panels is loading, every chart is drawn, and so are the fonts."""
    page.wait_for_selector("html[data-ready=true]", state="attached")
    page.wait_for_selector(".panel[aria-busy=true]", state="detached")
    page.wait_for_selector(".chart:not([data-drawn])", state="detached")
    page.evaluate("document.fonts.ready.then(() => null)")


def change_system_theme(page: Page, theme: Literal["light", "dark"]) -> None:
    """Have the system change to this theme, and return when the page, where none was chosen, has followed."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_selector(f"html[data-theme={theme}]", state="attached")


def stay_within_day(zone: str) -> None:
    """Return when the zone's day is not about to end: at once, or when the next one has begun."""
    wait_until(lambda: measure_rest(zone) > DAY_END_SECONDS, seconds=2 * DAY_END_SECONDS)


def measure_rest(zone: str) -> int:
    """Seconds until the clocks of the zone show midnight."""
    now = datetime.now(ZoneInfo(zone))
    return 86_400 - now.hour * 3600 - now.minute * 60 - now.second


def list_views(page: Page) -> list[str]:
    """The ids of all views of the menu."""
    script = """async () => (await import("/web/dashboard/views/index.js")).VIEWS.map(({ id }) => id)"""
    views: list[str] = page.evaluate(script)
    return views


def find_panel(page: Page, title: str) -> Locator:
    """The panel under this heading."""
    return page.locator("section.panel").filter(has=page.get_by_role("heading", name=title, exact=True, level=2))


def read_table(panel: Locator) -> list[dict[str, str]]:
    """The panel's table, which is chosen first: for each row the text under each heading."""
    panel.get_by_role("button", name="Table", exact=True).click()
    table = panel.locator("table.table")
    expect(table).to_be_visible()
    headings = table.locator("thead th").all_inner_texts()
    cells = table.locator("tbody td").all_inner_texts()
    rows = [cells[start : start + len(headings)] for start in range(0, len(cells), len(headings))]
    return [dict(zip(headings, row, strict=True)) for row in rows]


def read_rows(panel: Locator) -> list[list[str]]:
    """The rows of the table that the panel shows."""
    expect(panel.locator("table")).to_be_visible()
    return [row.locator("td").all_inner_texts() for row in panel.locator("tbody tr").all()]


def read_bars(panel: Locator) -> list[tuple[str, str]]:
    """The rows of the panel's list of bars: label and value."""
    labels = panel.locator(".bars .bar-text").all_inner_texts()
    return list(zip(labels, panel.locator(".bars .bar-value").all_inner_texts(), strict=True))


def read_lines(panel: Locator) -> dict[str, list[float | None]]:
    """What the panel's chart draws: the values of each series."""
    expect(panel.locator(".chart[data-drawn] canvas")).to_be_visible()
    script = "canvas => Chart.getChart(canvas)?.data.datasets.map(({ label, data }) => [label, data]) ?? []"
    drawn: list[tuple[str, list[Any]]] = panel.locator("canvas").evaluate(script)
    return dict(drawn)


def format_number(value: float) -> str:
    """As the page writes numbers: 1,234 and 3.08; a half is rounded up."""
    places = Decimal(1) if abs(value) >= 1000 else Decimal("0.01")
    rounded = Decimal(repr(value)).quantize(places, ROUND_HALF_UP)
    return f"{rounded:,f}".rstrip("0").rstrip(".") if places < 1 else f"{rounded:,f}"


def format_ratio(ratio: float | None) -> str:
    """As the page writes shares; a half is rounded up."""
    return "–" if ratio is None else f"{Decimal(ratio * 100).quantize(Decimal('0.1'), ROUND_HALF_UP)} %"


def read_query(page: Page) -> dict[str, str]:
    """The state in the page's address."""
    query: dict[str, str] = page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")
    return query


def measure_arrival(page: Page, selector: str, text: str) -> float:
    """Seconds until the first element of the selector has this text, looked for with every frame."""
    began = time.monotonic()
    script = "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)"
    page.wait_for_function(script, arg=[selector, text])
    return time.monotonic() - began


class Watch:
    """What a page did that it must not do: requests to other hosts, violations of its policy, messages of errors."""

    def __init__(self, page: Page, service: Service) -> None:
        self.found: list[str] = []
        self._home = service.url
        page.add_init_script("""addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
            console.error(`policy: ${violatedDirective} ${blockedURI}`));""")
        page.on("request", lambda request: self._check(request.url))
        page.on("console", lambda said: self.found.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.found.append(str(error)))

    def _check(self, url: str) -> None:
        if not url.startswith((f"{self._home}/", "data:", f"blob:{self._home}/")):
            self.found.append(url)
