"""The shop of tests/data/ecom.csv.gz: imported by the command line as it is, and as a website would have sent it.

The events of the file have no address, no browser and no url. As a website, what is looked at are page views that have
all of them.
"""

from __future__ import annotations

import csv
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.oracle import record_events
from tests.pipeline import Pipeline
from tests.streams import DESKTOP, PHONE

Row = dict[str, Any]

DATA = Path(__file__).parent / "data" / "ecom.csv.gz"
EVENTS, SESSIONS, USERS = 31_106, 3_605, 600
MAPPING = ("--map", "event=eventName", "--map", "user_id=userId")
NOW_MS = 1_719_705_600_000
"""2024-06-30T00:00:00Z, when the file's last day is over."""
DOERS = {"add_to_cart", "wishlist_add", "purchase", "checkout_bug", "payment_error", "support_chat"}
"""Events that are no views of a page."""
REFERRERS = {
    "organic": "https://www.google.com/",
    "paid_search": "https://www.bing.com/",
    "social": "https://www.reddit.com/r/gadgets",
    "email": "https://news.shop-letters.example/42",
}
TABLET = (
    "Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/16.5 Mobile/15E148 Safari/604.1"
)
USER_AGENTS = {"desktop": DESKTOP, "mobile": PHONE, "tablet": TABLET}


@cache
def read_rows() -> list[Row]:
    with gzip.open(DATA, "rt", newline="") as file:
        return list(csv.DictReader(file))


def import_file(pipeline: Pipeline, path: Path, *options: str) -> str:
    """A new project that holds what the command imports from the file."""
    runner = pipeline.client.application.test_cli_runner()
    created = runner.invoke(args=["projects", "create", "Shop"])
    assert created.exit_code == 0, created.output
    project_key: str = created.stdout.split()[1]
    rejects = pipeline.client.application.extensions["apptracker"].config.data_dir / "rejects.ndjson"
    done = runner.invoke(args=["events", "import", project_key, str(path), *options, "--rejects", str(rejects)])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{EVENTS} accepted, 0 duplicates, 0 rejected, 0 warnings"), done.stdout
    return project_key


def tell_oracle(pipeline: Pipeline, project_key: str, events: list[Row]) -> None:
    """The events of the file; of what is stored only the ids that the import made for its lines."""
    ids = [row.event_id for rows in pipeline.store.scan(project_key, 0) for row in rows]
    assert len(set(ids)) == len(events)
    identified = [{**event, "eventId": event_id} for event, event_id in zip(events, ids, strict=True)]
    pipeline.kept[project_key], pipeline.zones[project_key] = {}, "UTC"
    record_events(pipeline.kept[project_key], identified)
    pipeline.take_enriched(project_key)


def to_event(row: Row) -> Row:
    """A line of the file as the import maps it."""
    named = {"event": "eventName", "user_id": "userId", "session_id": "sessionId", "timestamp": "timestamp"}
    event = {name: row[column] for column, name in named.items()}
    return {**event, "metadata": {name: value for name, value in row.items() if name not in named}}


def to_web_event(number: int, row: Row) -> Row:
    """The same as a website sends it."""
    is_paid = row["acquisition_channel"] == "paid_search"
    campaign = f"?utm_medium=cpc&utm_campaign={row['user_cohort']}" if is_paid else ""
    return {
        **to_event(row),
        "eventName": row["event"] if row["event"] in DOERS else "page_view",
        "url": f"https://shop.example/{'' if row['event'] == 'home' else row['event']}{campaign}",
        "referrer": REFERRERS.get(row["acquisition_channel"], ""),
        "userAgent": USER_AGENTS[row["platform"]],
        "ip": f"{8 + number % 3}.8.8.{number % 200}",
        "metadata": {"platform": row["platform"], "position": number % 11},
    }


def write_web_events(folder: Path) -> tuple[Path, list[Row]]:
    """A file to import with the events as a website sends them, and the events."""
    events = [to_web_event(number, row) for number, row in enumerate(read_rows())]
    path = folder / "web.ndjson"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return path, events
