"""The project of those who know no projects: clients of systems where there was only one."""

from __future__ import annotations

import secrets

import msgspec

from services import clock
from services.context import Context
from services.projects import PROJECT_KEY_BYTES, PROJECTS, Project, ProjectState, fetch_project

SETTINGS = "settings"
DEFAULT_PROJECT = "default_project"
NAME = "default"


def fetch_default_project(context: Context, now_ms: int) -> Project:
    """The default project, made when it is first asked for, and anew after it was erased.

    Its key is settled first, in one document, then a project is stored under that key: processes that do this at the
    same time store the same one. Forbidden `inactive_project` while it is deactivated.
    """
    settled = context.store.fetch_document(SETTINGS, DEFAULT_PROJECT)
    if settled is None:
        return _store_project(context, _settle_key(context), now_ms)
    document = context.store.fetch_document(PROJECTS, settled["projectKey"])
    if document is None:
        return _store_project(context, settled["projectKey"], now_ms)
    if msgspec.convert(document, Project).state is ProjectState.ERASED:
        return _store_project(context, _settle_key(context, replaced=settled["projectKey"]), now_ms)
    return fetch_project(context, settled["projectKey"], reach=ProjectState.ACTIVE)


def _settle_key(context: Context, *, replaced: str | None = None) -> str:
    """The key that the default project has from now on, whichever process chose it."""
    chosen = {"projectKey": _draw_free_key(context)}
    if replaced is None:
        context.store.insert_document(SETTINGS, DEFAULT_PROJECT, chosen)
    else:
        context.store.update_document(SETTINGS, DEFAULT_PROJECT, chosen, expect={"projectKey": replaced})
    settled = context.store.fetch_document(SETTINGS, DEFAULT_PROJECT)
    return str((settled or chosen)["projectKey"])


def _draw_free_key(context: Context) -> str:
    while True:
        project_key = secrets.token_hex(PROJECT_KEY_BYTES)
        if context.store.fetch_document(PROJECTS, project_key) is None:
            return project_key


def _store_project(context: Context, project_key: str, now_ms: int) -> Project:
    project = Project(project_key=project_key, name=NAME, created_at=clock.format_ms_sortable(now_ms))
    context.store.insert_document(PROJECTS, project_key, msgspec.to_builtins(project))
    return fetch_project(context, project_key, reach=ProjectState.ACTIVE)
