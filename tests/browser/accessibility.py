"""axe-core in a page."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SERIOUS = {"serious", "critical"}


def find_issues(page: Page, *, only: list[str] | None = None) -> list[Any]:
    """What axe-core finds to be serious: rule, and where; of all rules, or `only` these."""
    options = {"runOnly": {"type": "rule", "values": only}} if only else None
    found = Axe().run(page, options=options).response["violations"]
    return [
        (issue["id"], [(node["html"][:120], node["failureSummary"][:200]) for node in issue["nodes"]])
        for issue in found
        if issue["impact"] in SERIOUS
    ]
