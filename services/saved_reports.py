"""Saved reports: questions that analysts keep, to ask again or to show to others by a link.

A link is a secret of 256 random bits in an address. Only its SHA-256 is stored, in the saved report itself, which
decides what the link shows and whether it still does; a document under the hash leads to it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from services import clock
from services.cohorts import parse_description
from services.context import Context
from services.errors import Forbidden, InvalidInput, NotFound
from services.fields import FieldParser, format_stored_time, parse_choice, parse_fields, parse_text
from services.keys import parse_expiry_ms
from services.project_documents import ProjectCollection, pack_json, show_json, unpack_json
from services.projects import Project, ProjectState, fetch_project
from services.reports.report import Report
from services.reports.run import REPORTS, parse_request
from stores.base import Document

SAVED_REPORTS: Final = ProjectCollection("saved_reports", "saved report", most=1000)
SHARED_LINKS: Final = "shared_links"
TOKEN_BYTES: Final = 32
MAX_TOKEN_LENGTH: Final = 64
RANGE: Final = ("from", "to", "last")
OVERRIDES: Final = (*RANGE, "tz", "compare", "format")
NOT_SAVED: Final = ("projectKey", "format")
"""Parameters of the request for a report, not of the report."""
NOT_SHARED: Final[dict[str, Any]] = {"linkHash": None, "linkCreatedAt": None, "linkExpiresAt": None}


def parse_report(value: object) -> str:
    """The name of a report."""
    return parse_choice(value, choices=REPORTS)


def parse_parameters(value: object) -> dict[str, Any]:
    """The parameters of some report: which ones they may be depends on it."""
    if not isinstance(value, dict):
        raise ValueError("must be an object with the parameters of the report")
    return value


FIELDS: dict[str, FieldParser] = {
    "name": partial(parse_text, max_length=200),
    "description": parse_description,
    "report": parse_report,
    "parameters": parse_parameters,
}


def create_saved_report(context: Context, project: Project, fields: Mapping[str, Any], *, now_ms: int) -> Document:
    """A new saved report, whose parameters are right now."""
    parsed = parse_fields(fields, FIELDS, required=("name", "report"))
    values: dict[str, Any] = {"description": None, "parameters": {}, **parsed}
    check_parameters(context, project, values["report"], values["parameters"])
    values |= {"parameters": pack_json(values["parameters"]), **NOT_SHARED}
    return SAVED_REPORTS.insert(context, project.project_key, values, now_ms=now_ms)


def update_saved_report(
    context: Context, project: Project, report_id: str, fields: Mapping[str, Any], *, now_ms: int
) -> Document:
    """The saved report with these fields changed, as links to it show it from then on."""
    values = parse_fields(fields, FIELDS)
    document = SAVED_REPORTS.fetch(context, project.project_key, report_id)
    unchanged: tuple[str, ...] = ()
    if values.keys() & {"report", "parameters"}:
        report = values.get("report") or document["report"]
        parameters = values.get("parameters", unpack_json(document["parameters"]))
        check_parameters(context, project, report, parameters)
        values["parameters"] = pack_json(parameters)
        unchanged = ("report", "parameters")  # these two were found to go together
    return SAVED_REPORTS.update(context, document, values, now_ms=now_ms, unchanged=unchanged)


def delete_saved_report(context: Context, project_key: str, report_id: str) -> Document:
    """Remove it, and with it the link to it; gives what it was."""
    document = SAVED_REPORTS.delete(context, project_key, report_id)
    context.store.delete_documents(SHARED_LINKS, {"savedReportId": report_id})
    return document


def check_parameters(context: Context, project: Project, report: str, parameters: Mapping[str, Any]) -> None:
    """Raise InvalidInput for what the report would refuse, its fields named as those of `parameters`."""
    for name in NOT_SAVED:
        if name in parameters:
            message = f"parameters.{name} is not saved with a report"
            raise InvalidInput(message, code="invalid_field", fields=[f"parameters.{name}"])
    try:
        parse_request(context, REPORTS[report], parameters, project)
    except InvalidInput as exc:
        shown = [f"parameters.{name}" for name in exc.fields]
        raise InvalidInput(f"parameters: {exc.message}", code=exc.code, fields=shown) from None


def build_question(document: Document, overrides: Mapping[str, Any]) -> tuple[Report, dict[str, Any]]:
    """The report and its parameters, those of OVERRIDES replaced: `from`, `to` and `last` all together."""
    parameters = {name: value for name, value in unpack_json(document["parameters"]).items() if value is not None}
    for name in overrides:
        if name not in OVERRIDES:
            message = f"{name[:100]} is not a parameter here: expected {', '.join(OVERRIDES)}"
            raise InvalidInput(message, code="invalid_parameter", fields=[name[:100]])
    if overrides.keys() & set(RANGE):
        parameters = {name: value for name, value in parameters.items() if name not in RANGE}
    return REPORTS[document["report"]], {**parameters, **overrides}


def share(
    context: Context, project_key: str, report_id: str, fields: Mapping[str, Any], *, now_ms: int
) -> tuple[Document, str]:
    """The saved report and the token of a new link to it, which is not to be had again. A link before it ends."""
    values = parse_fields(fields, {"expiresAt": lambda value: parse_expiry_ms(value, now_ms)})
    document = SAVED_REPORTS.fetch(context, project_key, report_id)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at_ms = values.get("expiresAt")
    link_hash = hash_token(token)
    link = {
        "linkHash": link_hash,
        "linkCreatedAt": clock.format_ms_sortable(now_ms),
        "linkExpiresAt": None if expires_at_ms is None else clock.format_ms_sortable(expires_at_ms),
    }
    # first what leads to the report, then the report's word that it does
    lead = {"projectKey": project_key, "savedReportId": report_id, "createdAt": link["linkCreatedAt"]}
    context.store.insert_document(SHARED_LINKS, link_hash, {**lead, "linkHash": link_hash})
    changed = SAVED_REPORTS.update(context, document, link, now_ms=now_ms, unchanged=("linkHash",))
    _forget_link(context, document)
    return changed, token


def unshare(context: Context, project_key: str, report_id: str, *, now_ms: int) -> Document:
    """The saved report, to which no link leads any more."""
    document = SAVED_REPORTS.fetch(context, project_key, report_id)
    changed = SAVED_REPORTS.update(context, document, NOT_SHARED, now_ms=now_ms)
    context.store.delete_documents(SHARED_LINKS, {"savedReportId": report_id})
    return changed


def _forget_link(context: Context, document: Document) -> None:
    if document["linkHash"] is not None:
        context.store.delete_documents(SHARED_LINKS, {"linkHash": document["linkHash"]})


def hash_token(token: str) -> str:
    """As which a token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def fetch_shared(context: Context, token: str, *, now_ms: int) -> tuple[Document, Project]:
    """The saved report that a link shows, and its project. NotFound, the same for a link that never was, that was
    revoked, that expired, and for one into a project that is not active."""
    unknown = NotFound("This link shows nothing, or does not any more", code="unknown_link")
    if not token.isascii() or len(token) > MAX_TOKEN_LENGTH:
        raise unknown
    link_hash = hash_token(token)
    lead = context.store.fetch_document(SHARED_LINKS, link_hash)
    if lead is None:
        raise unknown
    try:
        document = SAVED_REPORTS.fetch(context, lead["projectKey"], lead["savedReportId"])
        project = fetch_project(context, lead["projectKey"], reach=ProjectState.ACTIVE)
    except (NotFound, Forbidden):
        raise unknown from None
    ends = document["linkExpiresAt"]
    if document["linkHash"] != link_hash or (ends is not None and ends <= clock.format_ms_sortable(now_ms)):
        raise unknown
    return document, project


def format_saved_report(document: Document) -> dict[str, Any]:
    """The saved report as the API shows it; of the link to it only that there is one."""
    is_shared = document["linkHash"] is not None
    return {
        "id": document["id"],
        "name": document["name"],
        "description": document["description"],
        "report": document["report"],
        "parameters": show_json(document["parameters"]),
        "share": format_share(document) if is_shared else None,
        "createdAt": format_stored_time(document["createdAt"]),
        "updatedAt": format_stored_time(document["updatedAt"]),
    }


def format_shared(document: Document) -> dict[str, Any]:
    """What whoever has a link gets to know of the saved report besides its result: nothing of the project's."""
    interval = unpack_json(document["parameters"]).get("interval")
    return {
        "name": document["name"],
        "description": document["description"],
        "report": document["report"],
        "interval": interval,
        "expiresAt": format_stored_time(document["linkExpiresAt"]),
    }


def format_share(document: Document) -> dict[str, Any]:
    """When the link was made, and when it ends."""
    return {
        "createdAt": format_stored_time(document["linkCreatedAt"]),
        "expiresAt": format_stored_time(document["linkExpiresAt"]),
    }
