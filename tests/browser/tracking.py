"""A website with the tracker, and what the service has of its visitors."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Error

from tests.browser.site import Site
from tests.servers import wait_until
from tests.service import PATIENCE_SECONDS, Service

Event = dict[str, Any]


@dataclass
class Shop:
    """A site of one project of a service."""

    site: Site
    service: Service
    project_key: str
    browser: Browser
    secret: str | None = None

    def build_tag(self, **attributes: str) -> str:
        """The script tag; attributes as `consent="required"`."""
        data = "".join(f' data-{name}="{value}"' for name, value in attributes.items())
        return f'<script async src="{self.service.url}/t.js" data-project="{self.project_key}"{data}></script>'

    def put(self, path: str, body: str = "", *, title: str = "Shop", tag: str | None = None, **headers: str) -> str:
        """A page with the tracker. Its address."""
        script = self.build_tag() if tag is None else tag
        return self.site.put(path, f"<!doctype html><title>{title}</title>{script}<body>{body}", **headers)

    def list_events(self) -> list[Event]:
        """The events that the service has of the project, as an export gives them, by time."""
        query = {"projectKey": self.project_key, "format": "ndjson", "includeBots": "true"}
        answer = self.service.call("GET", "/v1/reports/export", query=query, secret=self.secret)
        assert answer.status == 200, answer.body
        return [json.loads(line) for line in answer.body.splitlines()]

    def wait(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds; pages have called what tests have registered with them, also for what
        happened while the condition was looked at."""
        wait_until(lambda: (self._let_pages_call(), condition())[1], seconds=PATIENCE_SECONDS)
        self._let_pages_call()

    def wait_for(self, condition: Callable[[list[Event]], bool]) -> list[Event]:
        """The events, as soon as they are so."""
        found: list[Event] = []

        def look() -> bool:
            found[:] = self.list_events()
            return condition(found)

        self.wait(look)
        return found

    def wait_for_events(self, *names: str) -> list[Event]:
        """The events as soon as those of these names are there, and no others of the same names."""
        expected = sorted(names)
        return self.wait_for(
            lambda events: sorted(event["eventName"] for event in events if event["eventName"] in names) == expected
        )

    def count_duplicates(self) -> float:
        """How many events came again, of all projects, since the service started."""
        return self.service.fetch_metric('apptracker_ingest_events_total{verdict="duplicate"}')

    def _let_pages_call(self) -> None:
        pages = [page for context in self.browser.contexts for page in context.pages]
        with suppress(Error):  # a tab that is being closed
            for page in pages[:1]:
                page.wait_for_timeout(20)


def of(events: list[Event], name: str) -> list[Event]:
    """Those of this name."""
    return [event for event in events if event["eventName"] == name]
