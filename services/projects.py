"""Projects: what events belong to. The `projectKey` is public; it may be embedded in a page.

An erased project leaves a tombstone, the document without name and domain: its key is never given out again, and
what a request that was under way stored after the erasure can be found and removed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import msgspec

from services import clock, keys
from services.context import Context
from services.errors import Forbidden
from services.fields import parse_fields, parse_moment_ms
from services.ip_policy import IpPolicy
from services.project_fields import FIELDS_OF_A_NEW_PROJECT, FIELDS_OF_AN_UPDATE, is_project_key

PROJECTS = "projects"
COLLECTIONS_OF_A_PROJECT = (
    keys.API_KEYS, "rejections", "saved_reports", "shared_links", "annotations", "cohorts", "removals",
)  # fmt: skip
PROJECT_KEY_BYTES = 6
MAX_KEY_ATTEMPTS = 10


class ProjectState(IntEnum):
    """How far a project is gone: inactive ones can come back, erased ones cannot."""

    ACTIVE = 0
    INACTIVE = 1
    ERASED = 2


class Project(msgspec.Struct, frozen=True, rename="camel"):
    """One project as it is stored. Times are texts of `clock.format_ms_sortable`."""

    project_key: str
    name: str
    created_at: str
    domain: str | None = None
    timezone: str = "UTC"
    """IANA name; the zone of reports that name none."""
    retention_days: int | None = None
    """None: events are kept for ever."""
    is_active: bool = True
    allow_public_ingest: bool = True
    """Whether the projectKey alone may ingest."""
    ip_policy: IpPolicy = IpPolicy.STORE
    organisation_id: str | None = None
    """Whose members may use it; None: only its keys and SECRET_TOKEN."""
    data_epoch: int = 0
    """Grows when stored events were erased or changed in place; what was derived from an older epoch is void."""
    erased_at: str | None = None

    @property
    def state(self) -> ProjectState:
        if self.erased_at is not None:
            return ProjectState.ERASED
        return ProjectState.ACTIVE if self.is_active else ProjectState.INACTIVE


def create_project(context: Context, fields: Mapping[str, Any], now_ms: int) -> tuple[Project, str]:
    """A new project, and the secret of its first API key, which may do everything in it and is not to be had again."""
    values = parse_fields(fields, FIELDS_OF_A_NEW_PROJECT, required=("name",))
    project = store_under_free_key(context, values, now_ms)
    _, secret = keys.issue_key(
        context, project.project_key, name="First key", scopes=list(keys.Scope), expires_at=None, now_ms=now_ms
    )
    return project, secret


def store_under_free_key(context: Context, values: dict[str, Any], now_ms: int) -> Project:
    """A new project of these fields, as they are parsed, under a projectKey of its own; it has no API key yet."""
    for _ in range(MAX_KEY_ATTEMPTS):
        document = {
            **values,
            "projectKey": secrets.token_hex(PROJECT_KEY_BYTES),
            "createdAt": clock.format_ms_sortable(now_ms),
        }
        project = msgspec.convert(document, Project)
        if context.store.insert_document(PROJECTS, project.project_key, msgspec.to_builtins(project)):
            return project
    raise RuntimeError(
        f"{MAX_KEY_ATTEMPTS} random projectKeys of 48 bits were taken: the source of randomness is broken"
    )


def list_projects(
    context: Context, project_key: str | None = None, *, organisation_id: str | None = None
) -> list[Project]:
    """The projects that are not erased, oldest first; with a key the one it names, or none."""
    equals = {"projectKey": project_key, "organisationId": organisation_id}
    named = {name: value for name, value in equals.items() if value is not None}
    documents = context.store.find_documents(PROJECTS, named, order_by="createdAt")
    found = [msgspec.convert(document, Project) for document in documents]
    return [project for project in found if project.state is not ProjectState.ERASED]


def fetch_project(context: Context, project_key: str, *, reach: ProjectState = ProjectState.INACTIVE) -> Project:
    """The project, gone no further than `reach`; Forbidden `unknown_project` for a key that names none."""
    document = context.store.fetch_document(PROJECTS, project_key) if is_project_key(project_key) else None
    if document is None:
        raise build_unknown_project(project_key)
    project = msgspec.convert(document, Project)
    check_reach(project, reach)
    return project


def check_reach(project: Project, reach: ProjectState) -> None:
    """Forbidden for a project that is gone further than `reach`; an erased one is as unknown as one that never was."""
    if project.state is ProjectState.ERASED and reach is not ProjectState.ERASED:
        raise build_unknown_project(project.project_key)
    if project.state > reach:
        raise Forbidden(f"Project with key '{project.project_key}' is not active", code="inactive_project")


def build_unknown_project(project_key: str) -> Forbidden:
    """The refusal for a projectKey that names nothing, or nothing that the caller may see."""
    shown = project_key[:64].encode("utf-8", "replace").decode()
    return Forbidden(f"Project with key '{shown}' not found", code="unknown_project", fields=["projectKey"])


def update_project(context: Context, project_key: str, fields: Mapping[str, Any]) -> Project:
    """The project with these fields changed; fields that are absent keep their values."""
    values = parse_fields(fields, FIELDS_OF_AN_UPDATE)
    if values and not context.store.update_document(PROJECTS, project_key, values, expect={"erasedAt": None}):
        raise build_unknown_project(project_key)
    return fetch_project(context, project_key)


def deactivate_project(context: Context, project_key: str) -> Project:
    """The project, which from now on takes no events and gives no reports; nothing is lost."""
    return update_project(context, project_key, {"isActive": False})


def advance_data_epoch(context: Context, project_key: str) -> None:
    """Void what was derived from the project's events: to be called after they were erased or changed in place."""
    context.store.increment_document(PROJECTS, project_key, "dataEpoch")


def erase_project(context: Context, project_key: str, *, now_ms: int) -> int:
    """Remove the project and all it has for good; how many events there were.

    The tombstone comes first, so no new request finds the project; then what hangs on it goes. Each step may be
    repeated: after a crash, or when the store went away in between, calling again finishes the work.
    """
    tombstone = {"isActive": False, "erasedAt": clock.format_ms_sortable(now_ms), "name": "", "domain": None}
    context.store.update_document(PROJECTS, project_key, tombstone, expect={"erasedAt": None})
    return _erase_belongings(context, project_key)


def _erase_belongings(context: Context, project_key: str) -> int:
    for collection in COLLECTIONS_OF_A_PROJECT:
        context.store.delete_documents(collection, {"projectKey": project_key})
    # last: it also empties the embedded store's log of all that was deleted
    erased_events = context.store.erase_events(project_key)
    advance_data_epoch(context, project_key)
    context.copy.forget(project_key)
    return erased_events


def sweep_erased_projects(context: Context) -> int:
    """Erase again what reached erased projects since, or was left by a crash; in how many projects there was something.

    Called by maintenance on every host: each also forgets its own columnar copy.
    """
    swept = 0
    for document in context.store.find_documents(PROJECTS, {"isActive": False}):
        project = msgspec.convert(document, Project)
        if project.state is not ProjectState.ERASED:
            continue
        if _has_belongings(context, project.project_key):
            _erase_belongings(context, project.project_key)
            swept += 1
        else:
            context.copy.forget(project.project_key)
    return swept


def _has_belongings(context: Context, project_key: str) -> bool:
    equals = {"projectKey": project_key}
    return context.store.count(project_key) > 0 or any(
        context.store.find_documents(collection, equals, limit=1) for collection in COLLECTIONS_OF_A_PROJECT
    )


def format_project(project: Project) -> dict[str, Any]:
    """The project as the API shows it; `createdAt` in whole seconds."""
    created_at_ms = parse_moment_ms(project.created_at)
    return {
        "name": project.name,
        "projectKey": project.project_key,
        "createdAt": clock.format_ms(created_at_ms - created_at_ms % 1000),
        "isActive": project.is_active,
        "domain": project.domain,
        "timezone": project.timezone,
        "retentionDays": project.retention_days,
        "allowPublicIngest": project.allow_public_ingest,
        "ipPolicy": str(project.ip_policy),
        "organisationId": project.organisation_id,
    }


def format_erasure(project_key: str, erased_events: int) -> dict[str, Any]:
    """What an erasure did, as the API shows it."""
    return {"projectKey": project_key, "isActive": False, "erased": True, "erasedEvents": erased_events}
