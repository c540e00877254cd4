"""Rejected events, kept for a while so that whoever sends them can see what is wrong."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from services import clock
from services.context import Context
from services.ingest.verdicts import Rejection

REJECTIONS = "rejections"
MAX_TEXT_BYTES = 65_536
_DAY_MS = 86_400_000
_SHOWN_FIELDS = ("receivedAt", "code", "error", "event")


def keep_rejections(context: Context, project_key: str, rejected: Sequence[Rejection], *, received_at_ms: int) -> None:
    """Store the rejected events with their reasons; of an event over 64 KB only the beginning."""
    received_at = clock.format_ms_sortable(received_at_ms)
    documents = {
        secrets.token_hex(12): {
            "projectKey": project_key,
            "receivedAt": received_at,
            "code": str(rejection.code),
            "error": rejection.error,
            "event": rejection.text[:MAX_TEXT_BYTES].decode(errors="replace"),
        }
        for rejection in rejected
    }
    context.store.insert_documents(REJECTIONS, documents)


def list_rejections(context: Context, project_key: str, *, limit: int) -> list[dict[str, Any]]:
    """The latest rejections of the project, newest first; empty when there are none."""
    documents = context.store.find_documents(
        REJECTIONS, {"projectKey": project_key}, order_by="receivedAt", descending=True, limit=limit
    )
    return [{name: document[name] for name in _SHOWN_FIELDS} for document in documents]


def purge_rejections(context: Context, now_ms: int) -> int:
    """Remove the rejections older than REJECTION_DAYS; how many there were."""
    oldest_ms = now_ms - context.config.rejection_days * _DAY_MS
    return context.store.purge_documents(REJECTIONS, "receivedAt", clock.format_ms_sortable(oldest_ms))
