"""MongoDB: the store for several hosts.

A position is the millisecond of `receivedAt`. Hosts write at the same time, so the newest positions are not settled
until a window has passed that is longer than any write may take; `MongoStore.append` gives up before that.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pymongo
from bson.datetime_ms import DatetimeMS
from pymongo import IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from services.clock import fetch_now_ms
from stores.base import ArrivalRow, Event, StoreUnavailable
from stores.mongo_documents import AskTogether, MongoDocuments, ask_alone, find_duplicates, translated_errors
from stores.mongo_events import CODEC, build_event_key, decode_event, encode_event
from stores.person_queries import split_ids

ERASE_CHUNK_EVENTS = 5_000
SCAN_CHUNK_EVENTS = 10_000
PING_SECONDS = 2.0
"""Who asks whether the database is there wants to know soon."""

CLOCK_SKEW_MS = 1_000
"""By how much the clocks of two hosts, or of a host and MongoDB, may differ. Part of the settle window."""

EVENT_INDEXES = (
    (("projectKey", 1), ("timestamp", 1)),
    (("projectKey", 1), ("eventName", 1), ("timestamp", 1)),
    (("projectKey", 1), ("receivedAt", 1)),
    (("projectKey", 1), ("eventName", 1), ("receivedAt", 1)),
)
DOCUMENT_INDEXES = (
    ("projects", (("projectKey", 1),), True),
    ("api_keys", (("projectKey", 1),), False),
    ("rejections", (("projectKey", 1), ("receivedAt", -1), ("_id", 1)), False),
    ("projects", (("organisationId", 1),), False),
    ("memberships", (("userId", 1),), False),
    ("memberships", (("organisationId", 1),), False),
    ("invitations", (("organisationId", 1),), False),
    ("user_names", (("userId", 1),), False),
    ("rejections", (("receivedAt", 1),), False),
    *((name, (("projectKey", 1), ("createdAt", 1), ("_id", 1)), False) for name in (
        "saved_reports", "annotations", "cohorts", "shared_links",
    )),
    ("shared_links", (("savedReportId", 1),), False),
    ("removals", (("projectKey", 1), ("_id", 1)), False),
    ("audit_log", (("projectKey", 1), ("_id", 1)), False),
    ("audit_log", (("organisationId", 1), ("_id", 1)), False),
    ("audit_log", (("at", 1),), False),
)
"""Collection, fields, and whether unique. `_id` is unique without saying so. Those by a time alone serve
`purge_documents`."""


class MongoStore(MongoDocuments):
    """`stores.base.Store` on a MongoDB database, version 5 or newer: a replica set, a sharded cluster, or one server.

    `open_client` is called at the first use, so never before a fork. `settle_ms` must exceed `timeout_ms`, which bounds
    each write. With `refuse_late`, an append that could end after its events' positions count as settled is refused.
    `ask_together` may let several who fetch the same document at the same moment share the answer.
    """

    name = "mongodb"

    def __init__(
        self, open_client: Callable[[], MongoClient[dict[str, Any]]], database_name: str, *,
        timeout_ms: int = 8_000, settle_ms: int = 10_000, refuse_late: bool = False,
        ask_together: AskTogether = ask_alone,
    ) -> None:  # fmt: skip
        super().__init__(timeout_ms / 1_000, ask_together)
        self._open_client = open_client
        self._database_name = database_name
        self._timeout_ms = timeout_ms
        self._settle_ms = settle_ms
        self._refuse_late = refuse_late
        self._lock = threading.Lock()
        self._client: MongoClient[dict[str, Any]] | None = None
        self._is_ready = False

    def ensure_ready(self) -> None:
        # No timeout here: an index over many events that are there already takes as long as it takes.
        with translated_errors():
            database = self._fetch_database()
            database["events"].create_indexes([IndexModel(list(fields)) for fields in EVENT_INDEXES])
            for collection, fields, is_unique in DOCUMENT_INDEXES:
                database[collection].create_indexes([IndexModel(list(fields), unique=is_unique)])
            self._is_ready = True

    def ping(self) -> None:
        with translated_errors(), pymongo.timeout(min(PING_SECONDS, self._timeout_seconds)):
            self._fetch_client().admin.command("ping")

    def close(self) -> None:
        with self._lock:
            client, self._client, self._is_ready = self._client, None, False
        if client is not None:
            client.close()

    def append(self, events: Sequence[Event]) -> list[bool]:
        if not events:
            return []
        documents = [encode_event(event) for event in events]
        with translated_errors():
            collection = self._fetch_collection("events")
            try:
                with pymongo.timeout(self._compute_append_seconds(events)):
                    collection.insert_many(documents, ordered=False)
            except BulkWriteError as exc:
                duplicates = find_duplicates(exc)
                return [index not in duplicates for index in range(len(events))]
        return [True] * len(events)

    def settled_position(self, project_key: str, *, now_ms: int) -> int:
        with translated_errors(), pymongo.timeout(self._timeout_seconds):
            return max(0, min(now_ms, self._fetch_majority_ms(now_ms)) - self._settle_ms)

    def scan(
        self, project_key: str, start: int, stop: int | None = None, *, batch_size: int = 10_000
    ) -> Iterator[list[ArrivalRow]]:
        with translated_errors():
            query = _build_range(project_key, start, stop)
            # Equal positions come in no promised order: with `_id` in the sort, the index could not deliver it.
            cursor = self._fetch_collection("events").find(query).sort("receivedAt", 1).batch_size(batch_size)
        with closing(cursor):
            while True:
                rows: list[ArrivalRow] = []
                with translated_errors():
                    for document in cursor:
                        rows.append(decode_event(document))
                        if len(rows) == batch_size:
                            break
                if rows:
                    yield rows
                if len(rows) < batch_size:
                    return

    def count(self, project_key: str, start: int = 0, stop: int | None = None) -> int:
        with translated_errors():
            return self._fetch_collection("events").count_documents(_build_range(project_key, start, stop))

    def fetch_latest(self, project_key: str, limit: int) -> list[ArrivalRow]:
        with translated_errors(), pymongo.timeout(self._timeout_seconds):
            found = self._fetch_collection("events").find({"projectKey": project_key}).sort("receivedAt", -1)
            return [decode_event(document) for document in found.limit(limit)]

    def fetch_event(self, project_key: str, event_id: str) -> ArrivalRow | None:
        with translated_errors(), pymongo.timeout(self._timeout_seconds):
            found = self._fetch_collection("events").find_one({"_id": build_event_key(project_key, event_id)})
        return None if found is None else decode_event(found)

    def scan_person(
        self, project_key: str, user_id: str | None, anonymous_ids: Sequence[str], stop: int | None = None
    ) -> Iterator[list[ArrivalRow]]:
        for query in _list_person_queries(project_key, user_id, anonymous_ids, stop):
            yield from self._scan_query(query)

    def erase_person(
        self, project_key: str, user_id: str | None, anonymous_ids: Sequence[str], stop: int | None = None
    ) -> int:
        queries = _list_person_queries(project_key, user_id, anonymous_ids, stop)
        return sum(self._erase_query(query) for query in queries)

    def erase_before(self, project_key: str, before_ms: int, stop: int | None = None) -> int:
        timed = {**_build_range(project_key, 0, stop), "timestamp": {"$lt": DatetimeMS(before_ms)}}
        received_stop = before_ms if stop is None else min(before_ms, stop)
        untimed = {**_build_range(project_key, 0, received_stop), "timestamp": None}
        return self._erase_query(timed) + self._erase_query(untimed)

    def erase_events(self, project_key: str) -> int:
        """Until there are none, so that those go too that were being stored."""
        erased = 0
        while found := self._erase_query({"projectKey": project_key}):
            erased += found
        return erased

    def scrub(self) -> None:
        """What the server keeps in its journal, oplog and free pages is not the adapter's to decide."""

    def _scan_query(self, query: dict[str, Any]) -> Iterator[list[ArrivalRow]]:
        with translated_errors():
            cursor = self._fetch_collection("events").find(query)
        with closing(cursor):
            while True:
                with translated_errors():
                    rows = [decode_event(document) for document in itertools.islice(cursor, SCAN_CHUNK_EVENTS)]
                if not rows:
                    return
                yield rows

    def _erase_query(self, query: dict[str, Any]) -> int:
        """By chunks of one pass, each of which is short enough for the timeout."""
        erased = 0
        with translated_errors():
            events = self._fetch_collection("events")
            with closing(events.find(query, {"_id": 1})) as found:
                while ids := [each["_id"] for each in itertools.islice(found, ERASE_CHUNK_EVENTS)]:
                    with pymongo.timeout(self._timeout_seconds):
                        erased += events.delete_many({"_id": {"$in": ids}}).deleted_count
        return erased

    def _fetch_client(self) -> MongoClient[dict[str, Any]]:
        with self._lock:
            if self._client is None:
                try:
                    self._client = self._open_client()
                except ValueError as exc:
                    raise StoreUnavailable(f"MongoDB cannot be looked for: {exc}") from exc
            return self._client

    def _fetch_database(self) -> Database[dict[str, Any]]:
        return self._fetch_client().get_database(
            self._database_name,
            codec_options=CODEC,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )

    def _fetch_collection(self, name: str) -> Collection[dict[str, Any]]:
        if not self._is_ready:
            self.ensure_ready()
        return self._fetch_database()[name]

    def _compute_append_seconds(self, events: Sequence[Event]) -> float:
        """How long this append may take."""
        if not self._refuse_late:
            return self._timeout_seconds
        age_ms = fetch_now_ms() - min(event.received_at_ms for event in events)
        left_ms = self._settle_ms - CLOCK_SKEW_MS - age_ms
        if left_ms <= 0:
            raise StoreUnavailable(f"the events waited {age_ms} ms to be stored, too long for reports to find them")
        return min(self._timeout_ms, left_ms) / 1_000

    def _fetch_majority_ms(self, now_ms: int) -> int:
        """Until when a majority has all that the primary has: now, unless the secondaries lag behind."""
        last_write = self._fetch_client().admin.command("hello", codec_options=CODEC).get("lastWrite")
        if last_write is None or last_write["opTime"] == last_write["majorityOpTime"]:
            return now_ms
        return int(last_write["majorityWriteDate"])


def _list_person_queries(
    project_key: str, user_id: str | None, anonymous_ids: Sequence[str], stop: int | None
) -> list[dict[str, Any]]:
    """Each event of the person meets one of them. A missing field equals None."""
    bound = _build_range(project_key, 0, stop)
    by_user = [] if user_id is None else [{**bound, "userId": user_id}]
    anonymous = [{**bound, "userId": None, "anonymousId": {"$in": list(ids)}} for ids in split_ids(anonymous_ids)]
    return [*anonymous, *by_user]


def _build_range(project_key: str, start: int, stop: int | None) -> dict[str, Any]:
    bounds = {"$gte": DatetimeMS(start)} if stop is None else {"$gte": DatetimeMS(start), "$lt": DatetimeMS(stop)}
    return {"projectKey": project_key, "receivedAt": bounds}
