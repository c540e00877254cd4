"""`flask projects`: create and list projects."""

from __future__ import annotations

from typing import Any

import click
from flask.cli import AppGroup

from commands.session import context, readable_errors
from services import clock, projects

command = AppGroup("projects", help="Create and list projects.")


@command.command("create")
@click.argument("name")
@click.option("--domain", help="Host name or URL of what is measured.")
@click.option("--timezone", help="IANA zone of reports that name none. [default: UTC]")
@click.option("--retention-days", type=int, help="Days that events are kept. [default: for ever]")
@readable_errors()
def create_project(name: str, domain: str | None, timezone: str | None, retention_days: int | None) -> None:
    """Create a project and print its projectKey and its API key, which is shown this once."""
    fields: dict[str, Any] = {"name": name, "domain": domain, "timezone": timezone, "retentionDays": retention_days}
    given = {field: value for field, value in fields.items() if value is not None}
    project, secret = projects.create_project(context(), given, clock.fetch_now_ms())
    click.echo(f"projectKey: {project.project_key}")
    click.echo(f"apiKey: {secret}")


@command.command("list")
@readable_errors()
def list_projects() -> None:
    """Print the projects, oldest first: projectKey, created, state, time zone and name, separated by tabs."""
    for project in projects.list_projects(context()):
        shown = projects.format_project(project)
        state = "active" if project.is_active else "inactive"
        click.echo("\t".join([project.project_key, shown["createdAt"], state, project.timezone, project.name]))
