"""Pictures of every view with the demo's events, for docs/screenshots: `make screenshots`.

On a desktop and on a phone, light and dark, as `<view>-<desktop|phone>-<light|dark>.png` in 128 colours.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

from commands.demo_events import generate_events
from config import PROJECT_ROOT
from services.clock import format_ms
from tests.browser.conftest import SECRET_TOKEN, run_browser
from tests.browser.dashboard import DEVICE, list_views, open_dashboard
from tests.browser.demo_workspace import FUNNEL, Workspace, make_workspace
from tests.service import Service

FOLDER = PROJECT_ROOT / "docs" / "screenshots"
EVENTS = 150_000
SIZES: dict[str, dict[str, int]] = {"desktop": {"width": 1440, "height": 900}, "phone": DEVICE}
COLOURS = 128
STATES: dict[str, dict[str, Any]] = {
    "overview": {"compare": "previous"},
    "explore": {"explore_events": ["purchase", "add_to_cart", "checkout_started"], "explore_by": []},
    "funnel": {"funnel_steps": [{"eventName": name, "filters": []} for name in FUNNEL]},
}
"""What a view is set to, where it says more than as it opens."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--views", nargs="*", help="only these")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, run_workspace(Path(folder)) as workspace, run_browser() as browser:
        for size in SIZES:
            for theme in ("light", "dark"):
                take_all(browser, workspace, size, theme, options)


@contextmanager
def run_workspace(folder: Path) -> Iterator[Workspace]:
    """A service in production mode with a workspace."""
    service = Service(folder / "data", env="production", store="embedded", secret_token=SECRET_TOKEN)
    with closing(service):
        service.start()
        yield make_workspace(service, SECRET_TOKEN, events=EVENTS)


def take_all(browser: Browser, workspace: Workspace, size: str, theme: Any, options: argparse.Namespace) -> None:
    """A picture of every view in this size and theme."""
    with browser.new_context(viewport=SIZES[size], color_scheme=theme, reduced_motion="reduce") as context:  # type: ignore[arg-type]
        page = context.new_page()
        take(page, workspace, "login", options.folder / f"login-{size}-{theme}.png")
        workspace.log_in(page)
        open_dashboard(page, workspace.service, workspace.project_key)
        for view in options.views or list_views(page):
            take(page, workspace, view, options.folder / f"{view}-{size}-{theme}.png")


def send_something(workspace: Workspace) -> None:
    """A few events of this minute, so that somebody is there to be seen live."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    events = list(islice(generate_events(now_ms % 1000, 4_000, 1, now_ms), 0, 4_000, 100))
    for number, event in enumerate(events):
        event["timestamp"] = format_ms(now_ms - 3_000 * (len(events) - number))
        event["eventId"] = f"{now_ms}-{number}"
    assert workspace.service.post_events(workspace.project_key, events, secret=workspace.token).status == 200


def take(page: Page, workspace: Workspace, view: str, path: Path) -> None:
    """One picture, of what fits on the screen."""
    if view == "live":
        send_something(workspace)
    open_dashboard(page, workspace.service, workspace.project_key, view=view, **STATES.get(view, {}))
    if page.locator(".live-strip").count():
        page.wait_for_selector(".live-strip[data-state=open] .live-word", state="attached")
    page.evaluate("document.fonts.ready")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
