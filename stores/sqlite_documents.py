"""Small documents in the embedded store: JSON text in one table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from stores.base import Document
from stores.documents import check_document, check_equals, check_field_name, matches
from stores.sqlite_file import SQLiteFile

DELETE_DOCUMENT = "DELETE FROM documents WHERE collection = ? AND id = ?"
INSERT_DOCUMENT = "INSERT OR IGNORE INTO documents VALUES (?, ?, ?)"
UPDATE_DOCUMENT = "UPDATE documents SET body = ? WHERE collection = ? AND id = ?"
MAX_KNOWN = 1_000

_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class KnownDocuments:
    """Documents that were read when they had been changed so many times, and hold as long as that is so."""

    changes: int | None
    bodies: dict[tuple[str, str], str] = field(default_factory=dict)
    """By collection and id, as JSON text."""


class SQLiteDocuments:
    """The document half of `stores.base.Store`."""

    _file: SQLiteFile
    _known: KnownDocuments

    def insert_document(self, collection: str, document_id: str, document: Document) -> bool:
        check_document(document)
        with self._file.write(changes_documents=True) as connection:
            return connection.execute(INSERT_DOCUMENT, (collection, document_id, _encode(document))).rowcount == 1

    def insert_documents(self, collection: str, documents: Mapping[str, Document]) -> None:
        for document in documents.values():
            check_document(document)
        rows = [(collection, document_id, _encode(document)) for document_id, document in documents.items()]
        with self._file.write(changes_documents=True) as connection:
            connection.executemany(INSERT_DOCUMENT, rows)

    def fetch_document(self, collection: str, document_id: str) -> Document | None:
        changes = self._file.count_changes()
        known = self._known
        if known.changes != changes or len(known.bodies) >= MAX_KNOWN:
            known = self._known = KnownDocuments(changes)
        body = known.bodies.get((collection, document_id))
        if body is None:
            with self._file.read() as connection:
                body = _fetch_body(connection, collection, document_id)
            if body is None:
                return None
            if changes is not None:
                known.bodies[collection, document_id] = body
        return _decode(body)

    def find_documents(
        self, collection: str, equals: Document | None = None, *, order_by: str | None = None,
        descending: bool = False, limit: int | None = None, after: str | None = None,
    ) -> list[Document]:  # fmt: skip
        # Closed before the connection goes back: a half-read query would pin the next reader to its snapshot.
        with (
            self._file.read() as connection,
            closing(_find(connection, collection, equals or {}, order_by, descending, after)) as found,
        ):
            return [document for _, document in islice(found, limit)]

    def update_document(
        self, collection: str, document_id: str, changes: Document, *, expect: Document | None = None
    ) -> bool:
        check_document(changes)
        check_equals(expect or {})

        def change(document: Document) -> Document | None:
            return {**document, **changes} if matches(document, expect or {}) else None

        return self._change(collection, document_id, change)

    def increment_document(self, collection: str, document_id: str, field: str) -> bool:
        check_field_name(field)
        return self._change(collection, document_id, lambda document: {**document, field: document.get(field, 0) + 1})

    def delete_documents(self, collection: str, equals: Document) -> int:
        with self._file.write(changes_documents=True) as connection:
            ids = [document_id for document_id, _ in _find(connection, collection, equals)]
            connection.executemany(DELETE_DOCUMENT, [(collection, document_id) for document_id in ids])
        return len(ids)

    def purge_documents(self, collection: str, field: str, before: str) -> int:
        check_field_name(field)
        path = f"$.{field}"
        # The search reads the whole collection: done outside the write transaction, which then only removes by id.
        query = """
            SELECT id FROM documents
            WHERE collection = ? AND json_type(body, ?) = 'text' AND json_extract(body, ?) < ?
        """
        with self._file.read() as connection:
            ids = [row[0] for row in connection.execute(query, (collection, path, path, before))]
        if not ids:
            return 0
        condition = "AND json_type(body, ?) = 'text' AND json_extract(body, ?) < ?"
        rows = [(collection, document_id, path, path, before) for document_id in ids]
        with self._file.write(changes_documents=True) as connection:
            return connection.executemany(f"{DELETE_DOCUMENT} {condition}", rows).rowcount

    def _change(self, collection: str, document_id: str, change: Callable[[Document], Document | None]) -> bool:
        with self._file.write(changes_documents=True) as connection:
            body = _fetch_body(connection, collection, document_id)
            changed = None if body is None else change(_decode(body))
            if changed is None:
                return False
            connection.execute(UPDATE_DOCUMENT, (_encode(changed), collection, document_id))
            return True


def _encode(document: Document) -> str:
    return msgspec.json.encode(document).decode()


def _fetch_body(connection: sqlite3.Connection, collection: str, document_id: str) -> str | None:
    query = "SELECT body FROM documents WHERE collection = ? AND id = ?"
    row = connection.execute(query, (collection, document_id)).fetchone()
    return None if row is None else str(row[0])


def _find(
    connection: sqlite3.Connection,
    collection: str,
    equals: Document,
    order_by: str | None = None,
    descending: bool = False,
    after: str | None = None,
) -> Generator[tuple[str, Document], None, None]:
    """Ids and documents. SQL narrows the search down by index; what is equal is decided by `matches`."""
    check_equals(equals)
    conditions, parameters = ["collection = ?"], [collection]
    if after is not None:
        conditions.append("id > ?")
        parameters.append(after)
    for name, value in equals.items():
        # json_extract of some SQLite versions ends a text at NUL, so such a value is left to `matches`.
        if isinstance(value, str) and "\0" not in value:
            conditions.append(f"{_field(name)} = ?")
            parameters.append(value)
    order = "id"
    if order_by is not None:
        check_field_name(order_by)
        order = f"{_field(order_by)} {'DESC' if descending else 'ASC'}, id"
    query = f"SELECT id, body FROM documents WHERE {' AND '.join(conditions)} ORDER BY {order}"
    for document_id, body in connection.execute(query, parameters):
        document = msgspec.json.decode(body, type=dict[str, Any])
        if matches(document, equals):
            yield document_id, document


def _field(name: str) -> str:
    """Spelled as in the index `documents_by_project`; the name was checked to be letters, digits and `_`."""
    return f"json_extract(body, '$.{name}')"
