"""Rejected events, kept for a while so that whoever sends them can see what is wrong."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Sequence, Set
from typing import Any

from columns.removals import build_key
from services import clock
from services.context import Context
from services.ingest.verdicts import Rejection
from services.ip_policy import redact_ip
from services.projects import Project
from stores.base import Document

REJECTIONS = "rejections"
MAX_TEXT_BYTES = 65_536
PAGE = 1_000
USER_NAMES = frozenset({"userId", "user_id"})
NAMED_ID = re.compile(
    r'"(userId|user_id|anonymousId|anonymous_id|sessionId|session_id)"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)'
)
"""A field that holds an id of a person, wherever it stands. A session's id counts as a visitor's, which it is for
visits sent without a person."""
_SHOWN_FIELDS = ("receivedAt", "code", "error", "event")


def keep_rejections(context: Context, project: Project, rejected: Sequence[Rejection], *, received_at_ms: int) -> None:
    """Store the rejected events with their reasons; of an event over 64 KB only the beginning, and its address only
    where the project stores addresses as they are."""
    received_at = clock.format_ms_sortable(received_at_ms)
    documents = {
        (document_id := secrets.token_hex(12)): {
            "id": document_id,
            "projectKey": project.project_key,
            "receivedAt": received_at,
            "code": str(rejection.code),
            "error": rejection.error,
            "event": redact_ip(project.ip_policy, rejection.text[:MAX_TEXT_BYTES]).decode(errors="replace"),
        }
        for rejection in rejected
    }
    context.store.insert_documents(REJECTIONS, documents)


def list_rejections(context: Context, project_key: str, *, limit: int) -> list[dict[str, Any]]:
    """The latest rejections of the project, newest first; empty when there are none."""
    documents = context.store.find_documents(
        REJECTIONS, {"projectKey": project_key}, order_by="receivedAt", descending=True, limit=limit
    )
    return [format_rejection(document) for document in documents]


def find_rejections(
    context: Context, project_key: str, user_keys: Set[str], anonymous_keys: Set[str]
) -> Iterator[Document]:
    """The project's rejections whose events name one of these userIds or anonymousIds, by their keys
    (`columns.removals.build_key`); a few in memory at a time."""
    for document in _scan_rejections(context, project_key):
        for name, key in list_named_keys(document["event"]):
            if key in (user_keys if name in USER_NAMES else anonymous_keys):
                yield document
                break


def erase_rejections(context: Context, project_key: str, user_keys: Set[str], anonymous_keys: Set[str]) -> int:
    """Delete them for good; how many."""
    erased = 0
    for found in find_rejections(context, project_key, user_keys, anonymous_keys):
        names = ("projectKey", "id") if "id" in found else ("projectKey", "receivedAt", "event")
        same: Document = {name: found[name] for name in names}
        erased += context.store.delete_documents(REJECTIONS, same)
    return erased


def list_named_keys(text: str) -> set[tuple[str, str]]:
    """Names of fields and keys of the ids they hold, anywhere in a text that is JSON, or the beginning of it."""
    found = set()
    for name, value in NAMED_ID.findall(text):
        if value.startswith('"'):
            try:
                value = json.loads(value, strict=False)
            except ValueError:
                value = value[1:-1]
        found.add((name, build_key(value)))
    return found


def format_rejection(document: Document) -> dict[str, Any]:
    """The rejection as the API shows it."""
    return {name: document[name] for name in _SHOWN_FIELDS}


def _scan_rejections(context: Context, project_key: str) -> Iterator[Document]:
    equals: Document = {"projectKey": project_key}
    old = context.store.find_documents(REJECTIONS, {**equals, "id": None})
    yield from old  # those of earlier versions have no id to go on from
    limit, after = PAGE + len(old), ""
    while True:
        page = context.store.find_documents(REJECTIONS, equals, limit=limit, after=after)
        known = [document for document in page if "id" in document]
        yield from known
        if len(page) < limit or not known:
            return
        after = known[-1]["id"]


def purge_rejections(context: Context, now_ms: int) -> int:
    """Remove the rejections older than REJECTION_DAYS; how many there were."""
    oldest_ms = now_ms - context.config.rejection_days * clock.DAY_MS
    return context.store.purge_documents(REJECTIONS, "receivedAt", clock.format_ms_sortable(oldest_ms))
