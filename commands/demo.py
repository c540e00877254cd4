"""`flask demo`, and `make demo` (`python -m commands.demo`): a made-up shop's project to look at.

Its events come in as any others do: `flask demo` puts them into the store that the settings name, by the pipeline of
the API; `make demo` starts the service on a folder of its own and posts them to it. Both go on with the project where
they find it, and add what is missing.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import click
import msgspec
from flask.cli import with_appcontext

from commands.demo_events import Event, generate_events
from commands.files import open_progress
from commands.session import CommandFailed, context, readable_errors
from config import PROJECT_ROOT, Config, ConfigError
from services import clock, projects
from services.fields import parse_moment_ms
from services.ingest.decode import Batch
from services.ingest.record import record_batch

NAME: Final = "Demo shop"
SEED: Final = 1
EVENTS: Final = 150_000
DAYS: Final = 60
BATCH_EVENTS: Final = 1000
START_SECONDS: Final = 30

GUIDE = """
Demo shop: {count} events of {days} days, about 7,000 people. projectKey: {key}

  Dashboard      {url}/dashboard?project={key}
  API reference  {url}/swagger

  curl "{url}/v1/reports/overview?projectKey={key}"
  curl "{url}/v1/reports/top-events?projectKey={key}"
  curl "{url}/v1/reports/conversion?projectKey={key}&eventName=purchase"

A sale 33 to 31 days ago: many came, few of the new ones bought.
  curl "{url}/v1/reports/events-timeseries?projectKey={key}&interval=day"

An incident 20 to 18 days ago: payments failed, on one device.
  curl "{url}/v1/reports/events-timeseries?projectKey={key}&interval=day&eventName=payment_failed"

Where people leave the checkout, by device; and the new checkout (B) against the old one (A).
  curl -X POST {url}/v1/reports/funnel -H "Content-Type: application/json" -d '{{"projectKey": "{key}",
    "steps": ["product_view", "add_to_cart", "checkout_started", "payment_submitted", "purchase"],
    "breakdown": "metadata.device"}}'
  curl -X POST {url}/v1/reports/funnel -H "Content-Type: application/json" -d '{{"projectKey": "{key}",
    "steps": ["checkout_started", "payment_submitted", "purchase"], "breakdown": "metadata.checkoutVersion"}}'
"""


def load_events(post: Callable[[list[Event]], None], *, created_at: str, count: int) -> None:
    """Post the events of a demo project in batches; what it has of them already is a duplicate."""
    events = generate_events(SEED, count, DAYS, parse_moment_ms(created_at))
    with open_progress(count, "events") as progress:
        for batch in take_batches(events):
            post(batch)
            progress.update(len(batch))


def take_batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    while batch := list(islice(events, BATCH_EVENTS)):
        yield batch


@click.command("demo")
@click.option("--events", "count", type=click.IntRange(1), default=EVENTS, show_default=True, help="How many.")
@with_appcontext
@readable_errors()
def command(count: int) -> None:
    """Put a made-up shop's project into the store, and say what to ask it."""
    opened = context()
    found = [project for project in projects.list_projects(opened) if project.name == NAME and project.is_active]
    if found:
        project = found[0]
    else:
        project, secret = projects.create_project(opened, {"name": NAME}, clock.fetch_now_ms())
        click.echo(f"apiKey: {secret}")

    def post(events: list[Event]) -> None:
        batch = Batch([msgspec.json.encode(event) for event in events])
        record_batch(opened, project, batch, received_at_ms=clock.fetch_now_ms())

    if opened.store.count(project.project_key) < count:
        load_events(post, created_at=projects.format_project(project)["createdAt"], count=count)
    config = opened.config
    click.echo(describe(f"http://{config.host}:{config.port}", project.project_key, count))


def describe(url: str, project_key: str, count: int) -> str:
    """Where to look and what to ask."""
    return GUIDE.format(url=url, key=project_key, count=f"{count:,}", days=DAYS)


class DemoService:
    """The service as its own process on loopback, with data of its own, in development mode."""

    def __init__(self, config: Config) -> None:
        self.config = config
        check_port(config)
        command = [sys.executable, "-m", "gunicorn", "-c", str(PROJECT_ROOT / "gunicorn.conf.py"), "app:app"]
        environment = {**os.environ, **config.as_environment()}
        self._process = subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT)
        self._connection = http.client.HTTPConnection(config.host, config.port, timeout=60)

    @property
    def url(self) -> str:
        return f"http://{self.config.host}:{self.config.port}"

    def wait_until_ready(self) -> None:
        """Return when it answers. Raises CommandFailed when it ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise CommandFailed("The service did not start; why is said above")
            try:
                self.call("GET", "/health")
            except OSError:
                self._connection.close()
                time.sleep(0.05)
            else:
                return
        raise CommandFailed(f"The service did not answer within {START_SECONDS} seconds")

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON answer to a request. Raises CommandFailed for any but 2xx."""
        sent = None if body is None else msgspec.json.encode(body)
        self._connection.request(method, path, body=sent, headers={"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            shown = answer[:500].decode(errors="replace")
            raise CommandFailed(f"{method} {path} was answered {response.status}: {shown}")
        return msgspec.json.decode(answer)

    def wait(self) -> None:
        """Return when it ends: with Ctrl-C, which it gets as well."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self._process.wait()

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def check_port(config: Config) -> None:
    """Raises CommandFailed if something serves the port already: it is not to be taken for the demo's service."""
    try:
        socket.create_server((config.host, config.port)).close()
    except OSError as exc:
        raise CommandFailed(f"Port {config.port} cannot be used ({exc.strerror}): PORT=5001 make demo") from exc


def build_demo_config() -> Config:
    """The settings of this process, but for where the data are: embedded, in a folder `demo` of DATA_DIR."""
    config = Config.load_or_exit()
    own = {
        "ENV": "development", "HOST": "127.0.0.1", "STORE": "", "MONGO_URI": "", "REDIS_URL": "",
        "DATA_DIR": str(config.data_dir / "demo"), "LOG_LEVEL": "warning",
        "RATE_LIMIT_MAX": "0", "USER_RATE_LIMIT_MAX": "0",
    }  # fmt: skip
    return Config.from_environment({**config.as_environment(), **own})


def fill_service(service: DemoService, count: int) -> str:
    """The projectKey of the demo project, which has all its events afterwards."""
    found = [project for project in service.call("GET", "/v1/projects")["projects"] if project["name"] == NAME]
    project = found[0] if found else service.call("POST", "/v1/projects", {"name": NAME})
    project_key: str = project["projectKey"]
    stored = service.call("GET", f"/v1/reports/overview?projectKey={project_key}")["totalEvents"]
    if stored < count:
        load_events(
            lambda events: service.call("POST", "/v1/events/batch", {"projectKey": project_key, "events": events}),
            created_at=project["createdAt"],
            count=count,
        )
    return project_key


def main() -> None:
    """Start the service, fill it, say what to ask it, and serve until Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        service = DemoService(build_demo_config())
    except (ConfigError, CommandFailed) as exc:
        raise SystemExit(str(exc)) from exc
    try:
        service.wait_until_ready()
        project_key = fill_service(service, EVENTS)
        print(describe(service.url, project_key, EVENTS))
        print("Ctrl-C stops it; the next `make demo` finds it as it is.", flush=True)
        service.wait()
    except CommandFailed as exc:
        raise SystemExit(exc.message) from exc
    except KeyboardInterrupt:
        pass
    finally:
        service.stop()


if __name__ == "__main__":
    main()
