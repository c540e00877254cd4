"""mongomock behind the driver's interface, as far as the MongoDB store uses it.

mongomock knows neither encoded documents nor read options; here documents are decoded on their way in and times turned
into the driver's plain milliseconds on their way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import bson
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import errors


class MockedClient:
    """Stands in for MongoClient; clients made from one `mongomock.MongoClient` share its data."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.admin = self

    def command(self, name: str, **_: Any) -> dict[str, Any]:
        return {"ok": 1.0} if name == "ping" else {}

    def get_database(self, name: str, **_: Any) -> MockedDatabase:
        return MockedDatabase(self._client[name])

    def close(self) -> None:
        pass


class MockedDatabase:
    """Collections by name."""

    def __init__(self, database: Any) -> None:
        self._database = database

    def __getitem__(self, name: str) -> MockedCollection:
        return MockedCollection(self._database[name])


class MockedCollection:
    """Everything not named here is mongomock's own."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    def insert_many(self, documents: Iterable[Any], *, ordered: bool) -> None:
        plain = [bson.decode(found.raw) if isinstance(found, RawBSONDocument) else found for found in documents]
        with _complete_errors():
            self._collection.insert_many(plain, ordered=ordered)

    def find(self, query: dict[str, Any], projection: dict[str, Any] | None = None) -> MockedCursor:
        return MockedCursor(self._collection.find(_to_mock(query), projection))

    def find_one(self, query: dict[str, Any]) -> Any:
        return _from_mock(self._collection.find_one(query))

    def count_documents(self, query: dict[str, Any]) -> int:
        return int(self._collection.count_documents(_to_mock(query)))


class MockedCursor:
    """A cursor whose documents have the driver's times."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return _from_mock(next(self._cursor))

    def __getattr__(self, name: str) -> Any:
        def chained(*arguments: Any) -> MockedCursor:
            getattr(self._cursor, name)(*arguments)
            return self

        return chained


@contextmanager
def _complete_errors() -> Iterator[None]:
    """mongomock leaves out of a bulk error what did not happen."""
    try:
        yield
    except errors.BulkWriteError as exc:
        raise errors.BulkWriteError({"writeConcernErrors": [], **exc.details}) from exc


def _to_mock(value: Any) -> Any:
    if isinstance(value, DatetimeMS):
        return value.as_datetime(bson.CodecOptions(tz_aware=False))
    if isinstance(value, dict):
        return {name: _to_mock(inner) for name, inner in value.items()}
    return value


def _from_mock(value: Any) -> Any:
    if isinstance(value, datetime):
        return DatetimeMS(value.replace(tzinfo=UTC))
    if isinstance(value, dict):
        return {name: _from_mock(inner) for name, inner in value.items()}
    return value
