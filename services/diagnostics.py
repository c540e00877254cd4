"""Whether the store really takes and gives documents, asked by a person or a monitor."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from services import clock
from services.errors import Unavailable

if TYPE_CHECKING:
    from stores.base import Store

COLLECTION = "diagnostics"


def check_write(store: Store, *, now_ms: int) -> str:
    """Write a document durably, read it back, delete it; the id it had.

    Raises StoreUnavailable when the database is away, Unavailable when it answers something else than was written.
    """
    document_id = secrets.token_hex(12)
    document = {"documentId": document_id, "writtenAt": clock.format_ms_sortable(now_ms)}
    written = store.insert_document(COLLECTION, document_id, document)
    found = store.fetch_document(COLLECTION, document_id)
    deleted = store.delete_documents(COLLECTION, {"documentId": document_id})
    if not written or found is None or found.get("writtenAt") != document["writtenAt"] or deleted != 1:
        raise Unavailable("The database did not give back what was written.", code="store_inconsistent")
    return document_id
