"""Small documents in MongoDB: one collection for each kind, the id as `_id`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pymongo
from bson.int64 import Int64
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from stores.base import Document, StoreUnavailable
from stores.documents import check_document, check_equals, check_field_name

DUPLICATE_KEY = 11000

AskTogether = Callable[[Hashable, Callable[[], Any]], Any]
"""Asks a question; or gives the answer to others who had the same question before it was asked."""


def ask_alone(question: Hashable, ask: Callable[[], Any]) -> Any:
    """Ask for every question anew."""
    return ask()


class MongoDocuments:
    """The document half of `stores.base.Store`."""

    def __init__(self, timeout_seconds: float, ask_together: AskTogether) -> None:
        self._timeout_seconds = timeout_seconds
        self._ask_together = ask_together

    def insert_document(self, collection: str, document_id: str, document: Document) -> bool:
        check_document(document)
        with self._open(collection) as documents:
            try:
                documents.insert_one({"_id": document_id, **document})
            except DuplicateKeyError:
                return False
            return True

    def insert_documents(self, collection: str, documents: Mapping[str, Document]) -> None:
        for document in documents.values():
            check_document(document)
        if not documents:
            return
        rows = [{"_id": document_id, **document} for document_id, document in documents.items()]
        with self._open(collection) as opened:
            try:
                opened.insert_many(rows, ordered=False)
            except BulkWriteError as exc:
                find_duplicates(exc)

    def fetch_document(self, collection: str, document_id: str) -> Document | None:
        def fetch() -> Document | None:
            with self._open(collection) as documents:
                return documents.find_one({"_id": document_id})

        found = self._ask_together((collection, document_id), fetch)
        return None if found is None else _strip(found)

    def find_documents(
        self, collection: str, equals: Document | None = None, *, order_by: str | None = None,
        descending: bool = False, limit: int | None = None, after: str | None = None,
    ) -> list[Document]:  # fmt: skip
        order = [("_id", 1)]
        if order_by is not None:
            check_field_name(order_by)
            order.insert(0, (order_by, -1 if descending else 1))
        if limit == 0:
            return []
        with self._open(collection) as documents:
            query = _build_filter(equals or {}) | ({} if after is None else {"_id": {"$gt": after}})
            found = documents.find(query).sort(order).limit(limit or 0)
            return [_strip(document) for document in found]

    def update_document(
        self, collection: str, document_id: str, changes: Document, *, expect: Document | None = None
    ) -> bool:
        check_document(changes)
        query = {"_id": document_id, **_build_filter(expect or {})}
        with self._open(collection) as documents:
            if not changes:
                return documents.find_one(query) is not None
            return documents.update_one(query, {"$set": changes}).matched_count == 1

    def increment_document(self, collection: str, document_id: str, field: str) -> bool:
        check_field_name(field)
        with self._open(collection) as documents:
            return documents.update_one({"_id": document_id}, {"$inc": {field: 1}}).matched_count == 1

    def delete_documents(self, collection: str, equals: Document) -> int:
        with self._open(collection) as documents:
            return documents.delete_many(_build_filter(equals)).deleted_count

    def purge_documents(self, collection: str, field: str, before: str) -> int:
        check_field_name(field)
        with self._open(collection) as documents:
            # A comparison with a text matches texts only; lists of texts are kept out by name.
            return documents.delete_many({field: {"$lt": before, "$not": {"$type": "array"}}}).deleted_count

    @contextmanager
    def _open(self, collection: str) -> Iterator[Collection[dict[str, Any]]]:
        """The collection for one operation, with its time limit and its errors translated."""
        with translated_errors():
            documents = self._fetch_collection(collection)
            with pymongo.timeout(self._timeout_seconds):
                yield documents

    def _fetch_collection(self, name: str) -> Collection[dict[str, Any]]:
        raise NotImplementedError


def find_duplicates(error: BulkWriteError) -> set[int]:
    """Indexes of what was there already. Raises StoreUnavailable if anything else went wrong.

    The write concern covers these too: a server that only finds duplicates still waits for its last write to be safe.
    """
    write_errors, concern_errors = error.details["writeErrors"], error.details["writeConcernErrors"]
    failed = [entry for entry in write_errors if entry["code"] != DUPLICATE_KEY] + concern_errors
    if failed:
        # Not chained: the driver's error holds the documents, which do not belong in a log.
        raise StoreUnavailable(f"MongoDB did not confirm the write: {failed[0].get('errmsg')}") from None
    return {entry["index"] for entry in write_errors}


@contextmanager
def translated_errors() -> Iterator[None]:
    """Everything that pymongo raises becomes StoreUnavailable."""
    try:
        yield
    except PyMongoError as exc:
        raise StoreUnavailable(f"MongoDB: {exc}") from exc


def _build_filter(equals: Mapping[str, Any]) -> dict[str, Any]:
    """MongoDB's equality also matches lists that hold the value; a document here is equal only by the field itself."""
    check_equals(equals)
    return {name: {"$eq": value, "$not": {"$type": "array"}} for name, value in equals.items()}


def _strip(document: Document) -> Document:
    """The document as it was given: without `_id`, and with plain integers."""
    return {name: _to_plain(value) for name, value in document.items() if name != "_id"}


def _to_plain(value: Any) -> Any:
    if isinstance(value, Int64):
        return int(value)
    if isinstance(value, dict):
        return {name: _to_plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_to_plain(inner) for inner in value]
    return value
