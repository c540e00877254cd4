"""A Chromium, pages in it, the service with a demo project, and a website on another origin.

Without chromium the tests are skipped, with REQUIRE_SERVERS=1 they fail. All of them run in one xdist worker, see
`tests.scheduling`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from commands.demo import load_events
from services.clock import format_ms
from tests.browser import days
from tests.browser.dashboard import stay_within_day
from tests.browser.site import Site
from tests.browser.tracking import Shop
from tests.servers import require
from tests.service import PATIENCE_SECONDS, Service

MakePage = Callable[..., Page]

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
DEMO_EVENTS = 20_000
PATIENCE_MS = PATIENCE_SECONDS * 1000
SECRET_TOKEN = "root-token-of-the-browser-tests"
expect.set_options(timeout=PATIENCE_MS)


def find_chromium() -> str:
    """The program, or the test is skipped."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or str(require("chromium is not installed"))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; what each test does in it is apart, see `make_page`."""
    with run_browser() as launched:
        yield launched


@contextmanager
def run_browser() -> Iterator[Browser]:
    """A Chromium without windows."""
    program = find_chromium()
    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=program, args=ARGUMENTS, timeout=PATIENCE_MS)) as launched,
    ):
        yield launched


@pytest.fixture
def make_page(browser: Browser) -> Iterator[MakePage]:
    """`make_page(viewport=..., color_scheme="dark", ...)`: a page with cookies, storage and cache of its own.

    The options are those of Playwright's contexts. Nothing in the page moves: what is measured half way between two
    colours is neither. Exceptions that no script caught fail the test, unless
    `allow_errors=True`.
    """
    contexts: list[BrowserContext] = []
    uncaught: list[str] = []

    def make(*, allow_errors: bool = False, **options: Any) -> Page:
        usual = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        context = browser.new_context(**(usual | options))
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if not allow_errors:
            context.on("weberror", lambda error: uncaught.append(str(error.error)))
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert uncaught == []


@pytest.fixture(autouse=True)
def no_midnight() -> None:
    """The day of UTC does not end while the test runs: what a page and the test ask of the last days is the same."""
    stay_within_day("UTC")


@pytest.fixture
def page(make_page: MakePage) -> Page:
    """A page of a desktop browser that knows nothing yet."""
    return make_page()


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service in development mode on an embedded store, in two workers. Tests that write make projects of their
    own."""
    yield from run_service(tmp_path_factory.mktemp("browser") / "data")


@pytest.fixture(scope="package")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service in production mode on an embedded store: keys are required, CORS_ORIGINS is empty. SECRET_TOKEN is
    that of this module. It has a user already: the first one may see everything, whichever test came first."""
    settings = {"env": "production", "store": "embedded", "secret_token": SECRET_TOKEN, "workers": 1}
    for running in run_service(tmp_path_factory.mktemp("browser") / "production", **settings):
        first = {"username": "first", "password": "correct horse battery"}
        assert running.call("POST", "/api/auth/register", first, secret=SECRET_TOKEN).status == 201
        yield running


def run_service(folder: Path, **settings: Any) -> Iterator[Service]:
    """A running service, until the iterator goes on."""
    if sys.platform != "linux":
        pytest.skip("the processes of a service are found in /proc")
    with closing(Service(folder, **settings)) as running:
        running.start()
        yield running


@pytest.fixture(scope="package")
def demo_key(service: Service) -> str:
    """projectKey of the demo shop in `service`: 20,000 events of the last 60 days. To be read only."""
    project_key: str = service.create_project(name="Demo shop")["projectKey"]

    def post(events: Any) -> None:
        assert service.post_events(project_key, events).status == 200

    now = format_ms(int(datetime.now(UTC).timestamp() * 1000))
    load_events(post, created_at=now, count=DEMO_EVENTS)
    return project_key


@pytest.fixture(scope="package")
def days_key(service: Service) -> str:
    """projectKey of a project with the events of tests/browser/days.py. To be read only."""
    project_key: str = service.create_project(name="Three days")["projectKey"]
    assert service.post_events(project_key, days.EVENTS).json["accepted"] == len(days.EVENTS)
    return project_key


@pytest.fixture
def site() -> Iterator[Site]:
    """A website, empty at first, on another origin than the service."""
    with closing(Site()) as running:
        yield running


@pytest.fixture
def shop(site: Site, service: Service, browser: Browser) -> Shop:
    """A website with the tracker, of a project of the test's own."""
    return Shop(site, service, service.create_project()["projectKey"], browser)
