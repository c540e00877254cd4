"""`flask copy`: rebuild, check and seal the columnar copy that reports are computed from."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click
from flask.cli import AppGroup

from commands.copy_check import compare_with_store
from commands.session import ExitStatus, context, readable_errors
from services.projects import Project, fetch_project, list_projects

command = AppGroup("copy", help="Rebuild, check and seal this host's columnar copy, from which reports are computed.")


def of_projects(function: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments that name projects."""
    function = click.option("--all", "is_all", is_flag=True, help="All projects.")(function)
    return click.argument("project_key", required=False)(function)


def find_projects(project_key: str | None, *, is_all: bool) -> list[Project]:
    """The projects that the arguments name."""
    if is_all == (project_key is not None):
        raise click.UsageError("Name a PROJECT_KEY, or --all projects.")
    return [fetch_project(context(), project_key)] if project_key else list_projects(context())


@command.command("rebuild")
@of_projects
@readable_errors()
def rebuild_copy(project_key: str | None, is_all: bool) -> None:
    """Delete the copy and make it anew from the store. Reports go on meanwhile, slower."""
    _seal_projects(find_projects(project_key, is_all=is_all), from_nothing=True)


@command.command("seal")
@of_projects
@readable_errors()
def seal_copy(project_key: str | None, is_all: bool) -> None:
    """Bring the copy up to date: all settled events into segments, however few they are."""
    _seal_projects(find_projects(project_key, is_all=is_all), from_nothing=False)


def _seal_projects(projects: list[Project], *, from_nothing: bool) -> None:
    copy, store = context().copy, context().store
    try:
        for project in projects:
            started = time.perf_counter()
            if from_nothing:
                copy.forget(project.project_key)
            copy.seal(project.project_key, epoch=project.data_epoch, force=True)
            unsealed, total = copy.count_unsealed(project.project_key), store.count(project.project_key)
            seconds = time.perf_counter() - started
            click.echo(f"{project.project_key}\t{total - unsealed} events sealed, {unsealed} not yet, {seconds:.1f} s")
    finally:
        copy.close()


@command.command("check")
@of_projects
@readable_errors()
def check_copy(project_key: str | None, is_all: bool) -> None:
    """Compare the copy with the store, event by event. Exit status 1: a copy disagrees."""
    copy = context().copy
    disagreeing = 0
    try:
        for project in find_projects(project_key, is_all=is_all):
            verdict = compare_with_store(context(), project)
            disagreeing += not verdict.is_equal
            click.echo(f"{project.project_key}\t{'ok' if verdict.is_equal else 'DISAGREES'}\t{verdict.finding}")
    finally:
        copy.close()
    if disagreeing:
        raise click.exceptions.Exit(ExitStatus.FOUND_FAULTS)
