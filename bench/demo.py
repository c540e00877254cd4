"""`make demo`: the service with a project full of realistic events, sent through the API as a client would.

The data stays in DATA_DIR (./var/demo); a second start finds the project and sends nothing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from config import PROJECT_ROOT, Config, ConfigError

PROJECT_NAME = "Demo shop"
PEOPLE = 1500
DAYS = 28
BATCH_EVENTS = 500
START_SECONDS = 30
SEED = 20250106

Event = dict[str, Any]

FUNNEL = ["app_open", "product_view", "add_to_cart", "purchase_success"]
PRODUCTS = [("kettle", "kitchen", 39.9), ("lamp", "living", 59.0), ("chair", "living", 129.0), ("mug", "kitchen", 12.5)]
SOURCES = ["https://www.google.com/", "https://news.example.com/", "https://social.example.com/", None, None]
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
]


def build_events(end: datetime, *, seed: int = SEED) -> list[Event]:
    """The shop's last four weeks before `end`, oldest first; every event has its own eventId."""
    chance = random.Random(seed)
    events = [event for person in range(PEOPLE) for event in _build_person(person, end, chance)]
    return sorted(events, key=lambda event: str(event["timestamp"]))


def _build_person(person: int, end: datetime, chance: random.Random) -> Iterator[Event]:
    """A person's visits: most come once, some often; a third logs in, from then on with a userId."""
    agent = chance.choice(AGENTS)
    # Named when they log in for the first time; what they did before belongs to them all the same.
    login_visit = 0 if chance.random() < 0.2 else 1 if chance.random() < 0.3 else None
    started = end - timedelta(days=chance.uniform(0.02, DAYS))
    for visit in range(1 + int(chance.expovariate(0.8))):
        moment = started + timedelta(days=visit * chance.uniform(0.5, 5))
        for number, (name, url, metadata) in enumerate(_build_visit(chance, logs_in=visit == login_visit)):
            moment += timedelta(seconds=chance.uniform(4, 240))
            if moment >= end:
                return
            event: Event = {
                "eventId": f"demo-{person}-{visit}-{number}",
                "eventName": name,
                "timestamp": moment.isoformat(timespec="milliseconds"),
                "anonymousId": f"anon-{person}",
                "url": url,
                "userAgent": agent,
                "metadata": metadata,
            }
            if number == 0:
                event["referrer"] = chance.choice(SOURCES)
            if login_visit is not None and (visit, number) > (login_visit, 0):
                event["userId"] = f"user-{person}"
            yield event


def _build_visit(chance: random.Random, *, logs_in: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    shop = "https://shop.example.com"
    yield "app_open", f"{shop}/", {"campaign": chance.choice(["spring", "newsletter", "none"])}
    if logs_in:
        yield "login_success", f"{shop}/login", {"method": chance.choice(["password", "google"])}
    for _ in range(int(chance.expovariate(0.5))):
        product, category, price = chance.choice(PRODUCTS)
        about = {"product": product, "category": category, "price": price}
        yield "product_view", f"{shop}/products/{product}", about
        if chance.random() < 0.3:
            yield "add_to_cart", f"{shop}/cart", {**about, "quantity": chance.randint(1, 3)}
            if chance.random() < 0.5:
                yield "purchase_success", f"{shop}/thanks", {"revenue": price, "currency": "EUR"}


def call(url: str, config: Config, *, body: Any = None) -> Any:
    """The JSON answer of the service, as its administrator where there is one. Raises HTTPError, URLError."""
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": config.secret_token} if config.secret_token else {})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as response:
        return json.load(response)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the service answers; SystemExit when it ended or does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health/ready", timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    process.terminate()
    raise SystemExit("The service did not start.")


def ensure_project(url: str, config: Config) -> str:
    """The projectKey of the demo's project, filled when it is new."""
    for project in call(f"{url}/v1/projects", config)["projects"]:
        if project["name"] == PROJECT_NAME and project["isActive"]:
            return str(project["projectKey"])
    project_key = str(call(f"{url}/v1/projects", config, body={"name": PROJECT_NAME})["projectKey"])
    events = build_events(datetime.now(UTC))
    print(f"Sending {len(events):,} events ...", flush=True)
    for start in range(0, len(events), BATCH_EVENTS):
        batch = {"projectKey": project_key, "events": events[start : start + BATCH_EVENTS]}
        call(f"{url}/v1/events/batch", config, body=batch)
    return project_key


def describe(url: str, project_key: str, config: Config) -> str:
    """Where to look and what to ask."""
    key = ' -H "X-API-Key: $SECRET_TOKEN"' if config.is_production else ""
    steps = json.dumps({"projectKey": project_key, "steps": FUNNEL})
    return f"""
The demo is at {url} with the project {PROJECT_NAME!r}, projectKey {project_key}.

  Try the API in a browser     {url}/swagger
  Counts for Prometheus        {url}/metrics

  curl{key} "{url}/v1/reports/overview?projectKey={project_key}"
  curl{key} "{url}/v1/reports/top-events?projectKey={project_key}&limit=5"
  curl{key} "{url}/v1/reports/events-timeseries?projectKey={project_key}&interval=day"
  curl{key} -X POST {url}/v1/reports/funnel -H "Content-Type: application/json" -d '{steps}'
  curl{key} "{url}/v1/reports/conversion?projectKey={project_key}&eventName=purchase_success"
  curl{key} -X POST {url}/v1/events/batch -H "Content-Type: application/json" \\
    -d '{{"projectKey": "{project_key}", "events": [{{"eventName": "purchase_success", "userId": "user-1"}}]}}'

Ctrl-C ends it. The data stays in {config.data_dir}.
"""


def read_config() -> Config:
    """The settings, with a folder of the demo's own."""
    try:
        config = Config.load()
        return config if os.environ.get("DATA_DIR") else replace(config, data_dir=config.data_dir / "demo")
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def main() -> int:
    """Serve until interrupted; the service's exit status. Its log goes to a file: the hints stay on the screen."""
    config = read_config()
    config.data_dir.mkdir(parents=True, exist_ok=True)
    url = f"http://{config.host if config.host != '0.0.0.0' else '127.0.0.1'}:{config.port}"
    log = config.data_dir / "service.log"
    print(f"Starting the service, log in {log}", flush=True)
    with log.open("wb") as output:
        command = [sys.executable, str(PROJECT_ROOT / "app.py")]
        process = subprocess.Popen(command, env={**os.environ, **config.as_environment()}, stdout=output, stderr=output)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            wait_for(url, process)
            print(describe(url, ensure_project(url, config), config), flush=True)
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
