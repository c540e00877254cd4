"""Below the settled position nothing appears any more, so what was copied from there is complete."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo import MongoClient

from services.clock import fetch_now_ms
from stores import mongo
from stores.base import Store, StoreUnavailable
from stores.mongo import CLOCK_SKEW_MS, MongoStore
from tests.contract.conftest import OpenStore
from tests.contract.events import OTHER_PROJECT, PROJECT, RECEIVED_MS, build_event, fetch_ids
from tests.servers import MongoReplicaSet, open_mongo_store

WRITERS = 4
BATCHES = 25
BATCH = 20


def test_of_an_empty_store_nothing_is_below_the_settled_position(store: Store) -> None:
    settled = store.settled_position(PROJECT, now_ms=fetch_now_ms())
    store.append([build_event("e1", received_at_ms=fetch_now_ms())])
    assert fetch_ids(store, stop=settled) == []
    assert fetch_ids(store, start=settled) == ["e1"]


def test_the_settled_position_never_moves_back(store: Store) -> None:
    seen = []
    for number in range(5):
        now_ms = RECEIVED_MS + number * 1_000
        store.append([build_event(f"e{number}", received_at_ms=now_ms)])
        seen.append(store.settled_position(PROJECT, now_ms=now_ms))
    assert seen == sorted(seen)


def test_after_a_quiet_while_everything_is_settled(store: Store) -> None:
    store.append([build_event("e1", received_at_ms=RECEIVED_MS)])
    settled = store.settled_position(PROJECT, now_ms=RECEIVED_MS + 3_600_000)
    assert fetch_ids(store, stop=settled) == ["e1"]


def test_reading_settled_ranges_while_others_write_loses_nothing(
    store: Store, open_another: OpenStore, backend: str
) -> None:
    if backend == "mongomock":
        pytest.skip("mongomock does not promise anything to threads")
    stores = [open_another() for _ in range(WRITERS)]
    done = threading.Event()
    copied: list[str] = []

    def write(writer: int) -> None:
        for batch in range(BATCHES):
            received_at_ms = fetch_now_ms()
            stores[writer].append(
                [build_event(f"{writer}-{batch}-{number}", received_at_ms=received_at_ms) for number in range(BATCH)]
            )

    def copy() -> None:
        position = 0
        while True:
            is_last = done.is_set()
            # Settling is a matter of the clock on MongoDB: afterwards, the future is asked, as a later reader would.
            settled = store.settled_position(PROJECT, now_ms=fetch_now_ms() + (3_600_000 if is_last else 0))
            copied.extend(fetch_ids(store, start=position, stop=settled))
            position = settled
            if is_last:
                return

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        copying = pool.submit(copy)
        list(pool.map(write, range(WRITERS)))
        done.set()
        copying.result(timeout=60)
    assert len(copied) == len(set(copied)) == WRITERS * BATCHES * BATCH


def test_a_settled_range_stays_as_it_is(store: Store) -> None:
    for number in range(10):
        store.append([build_event(f"e{number}", received_at_ms=RECEIVED_MS + number)])
    now_ms = RECEIVED_MS + 60_000
    settled = store.settled_position(PROJECT, now_ms=now_ms)
    before = fetch_ids(store, stop=settled)
    store.append([build_event("later", received_at_ms=now_ms), build_event("e1", received_at_ms=now_ms)])
    store.append([build_event("elsewhere", project_key=OTHER_PROJECT, received_at_ms=now_ms)])
    assert fetch_ids(store, stop=settled) == before
    assert store.count(PROJECT, 0, settled) == len(before)


def test_mongodb_refuses_events_that_waited_until_their_position_settles(
    mongodb_uri: str, mongodb_database: str
) -> None:
    store = open_mongo_store(mongodb_uri, mongodb_database, settle_ms=10_000, refuse_late=True)
    now_ms = fetch_now_ms()
    fresh = build_event("fresh", received_at_ms=now_ms)
    late = build_event("late", received_at_ms=now_ms - 10_000 + CLOCK_SKEW_MS)
    assert store.append([fresh]) == [True]
    with pytest.raises(StoreUnavailable, match="waited"):
        store.append([late, fresh])
    assert fetch_ids(store) == ["fresh"]
    store.close()


def test_an_append_never_outlasts_the_settle_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo, "fetch_now_ms", lambda: RECEIVED_MS)
    store = MongoStore(MongoClient, "test", timeout_ms=8_000, settle_ms=10_000, refuse_late=True)
    young, old = (build_event("a", received_at_ms=RECEIVED_MS - age_ms) for age_ms in (0, 6_000))
    assert store._compute_append_seconds([young]) == 8.0
    assert store._compute_append_seconds([old, young]) == 3.0


@pytest.mark.slow
def test_what_no_majority_has_yet_is_not_settled(mongo_replica_set: MongoReplicaSet) -> None:
    store = open_mongo_store(mongo_replica_set.uri, "test", timeout_ms=4_000, settle_ms=5_000)
    store.append([build_event("confirmed", received_at_ms=fetch_now_ms())])
    primary = mongo_replica_set.find_primary()
    followers = [member for member in mongo_replica_set.members if member is not primary]
    for member in followers:
        member.pause()
    # The primary takes the write, but cannot confirm it; a copy made now must not go past it.
    stuck_at_ms = fetch_now_ms()
    with pytest.raises(StoreUnavailable):
        store.append([build_event("stuck", received_at_ms=stuck_at_ms)])
    direct = open_mongo_store(primary.uri, "test", settle_ms=5_000)
    settled = direct.settled_position(PROJECT, now_ms=stuck_at_ms + 60_000)
    direct.close()
    for member in followers:
        member.resume()
    assert settled <= stuck_at_ms
    mongo_replica_set.find_primary()
    store.close()
