"""The dashboard in Chromium: how soon it can be used, how soon all of it is there, and what it weighs.

Run as `python -m bench.dashboard`; `--help` lists the sizes. README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from playwright.sync_api import Browser

from bench import measure
from bench.events import DAY_MS, DAYS, START_MS
from bench.exports import fill
from bench.measure import Figure
from bench.servers import run_service
from services import clock
from tests.browser.conftest import run_browser
from tests.service import Service

MOST_USABLE_MS = 1000
MOST_WAIT_MS = 60_000
FIRST_DAY, LAST_DAY = (clock.format_ms(at)[:10] for at in (START_MS, START_MS + DAYS * DAY_MS - 1))
WATCH = """
const seen = window.seen = {};
const note = (name, is) => { if (is && !(name in seen)) seen[name] = performance.now(); };
new MutationObserver(() => {
  note("usable", document.documentElement.dataset.ready === "true");
  note("figures", document.querySelector("[data-figure]"));
  note("all", seen.usable && document.querySelector(".panel") && !document.querySelector(".panel[aria-busy=true]"));
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
"""Notes when the view takes clicks and keys, when its first numbers stand there, and when all panels have theirs."""
WEIGH = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .map(({ name, transferSize, decodedBodySize }) => [new URL(name).pathname, transferSize, decodedBodySize])"""


class Load(NamedTuple):
    """One load of the page: milliseconds since it was asked for, and bytes over the wire."""

    usable_ms: float
    figures_ms: float
    all_ms: float
    file_bytes: int
    answer_bytes: int
    requests: int


def main() -> None:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        data_dir = options.data or folder / "data"
        project_key, figures = fill(data_dir, options)
        browser = stack.enter_context(run_browser())
        runs: dict[str, list[Load]] = {}
        for name, ttl_seconds in (("new question", 0), ("known question", 300)):
            with run_service(data_dir, cache_ttl_seconds=ttl_seconds) as service:
                load_page(browser, service, project_key)
                runs[name] = [load_page(browser, service, project_key) for _ in range(options.rounds)]
        figures += [figure for name, loads in runs.items() for figure in list_times(name, loads)]
        figures += list_weights(runs["new question"][0])
    measure.print_table(f"The dashboard's overview of {options.events:,} events", figures)
    saved = {name: [load._asdict() for load in loads] for name, loads in runs.items()}
    measure.save_results(options.output, figures, events=options.events, runs=saved)


def load_page(browser: Browser, service: Service, project_key: str) -> Load:
    """The overview of all days, by a browser that has nothing of it yet."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(f"{service.url}/dashboard?project={project_key}&from={FIRST_DAY}&to={LAST_DAY}")
        page.wait_for_selector("html[data-ready=true]", state="attached", timeout=MOST_WAIT_MS)
        page.wait_for_selector(".panel[aria-busy=true]", state="detached", timeout=MOST_WAIT_MS)
        if page.locator("[role=alert]").count():
            raise AssertionError(page.locator("[role=alert]").first.inner_text())
        seen: dict[str, float] = page.evaluate("window.seen")
        entries: list[list[Any]] = page.evaluate(WEIGH)
    files = [entry for entry in entries if entry[0].startswith(("/web/", "/dashboard"))]
    total = sum(size for _, size, _ in entries)
    file_bytes = sum(size for _, size, _ in files)
    return Load(seen["usable"], seen["figures"], seen["all"], file_bytes, total - file_bytes, len(entries))


def list_times(name: str, loads: list[Load]) -> list[Figure]:
    """The medians of the loads."""
    usable, figures, everything = (median(each) for each in list(zip(*loads, strict=True))[:3])
    return [
        measure.at_most(f"{name}, usable", usable, "ms", MOST_USABLE_MS),
        measure.at_most(f"{name}, figures shown", figures, "ms", MOST_USABLE_MS),
        Figure(f"{name}, everything shown", everything, "ms"),
    ]


def list_weights(load: Load) -> list[Figure]:
    """What goes over the wire, headers included."""
    return [
        Figure("files of the page", load.file_bytes / 1000, "kB", note="compressed, font and charts included"),
        Figure("answers", load.answer_bytes / 1000, "kB", note=f"{load.requests} requests with the files"),
    ]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events to generate (1000000)")
    parser.add_argument("--rounds", type=int, default=5, help="loads of each kind (5)")
    parser.add_argument("--data", type=Path, help="DATA_DIR of an embedded store that has so many events already")
    parser.add_argument("--project", help="with --data: the projectKey")
    measure.add_places(parser, "dashboard")
    options = parser.parse_args()
    if options.data is not None and not options.project:
        parser.error("--data needs --project")
    return options


if __name__ == "__main__":
    main()
