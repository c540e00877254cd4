"""Every event is stored once for ever, whoever sends it again."""

from __future__ import annotations

import json
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stores.base import Event, Store
from stores.sqlite import SQLiteStore
from tests.contract.conftest import OpenStore
from tests.contract.events import OTHER_PROJECT, PROJECT, RECEIVED_MS, build_event, fetch_ids, fetch_rows
from tests.servers import open_mongo_store

RACERS = 6
RACED_EVENTS = 300
RACED_BATCH = 60


def test_appending_nothing_stores_nothing(store: Store) -> None:
    assert store.append([]) == []
    assert fetch_rows(store) == []


def test_every_field_comes_back_as_it_was(store: Store) -> None:
    full = build_event(
        "e1", event_name="purchase", occurred_at_ms=-62_135_596_800_000, anonymous_id="anon", user_id="user",
        session_id="session", url="https://example.com/?a=1#b", referrer="", user_agent="agent", ip="::1",
        metadata={"plan": "pro"}, enriched={"browser": "Firefox", "isBot": True},
    )  # fmt: skip
    assert store.append([full]) == [True]
    (row,) = fetch_rows(store)
    assert row[1:] == (
        "e1", "purchase", -62_135_596_800_000, RECEIVED_MS, "anon", "user", "session",
        "https://example.com/?a=1#b", "", "agent", "::1", '{"plan":"pro"}',
        '{"browser":"Firefox","isBot":true}',
    )  # fmt: skip


def test_what_an_event_lacks_is_none_and_metadata_an_empty_object(store: Store) -> None:
    store.append([build_event("e1", occurred_at_ms=None)])
    (row,) = fetch_rows(store)
    assert row[1:] == ("e1", "page_view", None, RECEIVED_MS, None, None, None, None, None, None, None, "{}", None)


def test_an_event_is_found_by_its_id_in_its_project(store: Store) -> None:
    others = build_event("e1", project_key=OTHER_PROJECT)
    store.append([build_event("e1", url="/a"), build_event("e2", url="/b"), others])
    first, second = fetch_rows(store)
    assert store.fetch_event(PROJECT, "e1") == first
    assert store.fetch_event(PROJECT, "e2") == second
    found = store.fetch_event(OTHER_PROJECT, "e1")
    assert found is not None
    assert found.url is None
    assert store.fetch_event(OTHER_PROJECT, "e2") is None
    assert store.fetch_event("ffffffffffff", "e1") is None, "a project without events"


@pytest.mark.parametrize("event_id", ["", "\0", "e1\0", "E1", "$ne", "a:b", "😀", "x" * 10_000])
def test_an_id_that_no_event_has_finds_none(store: Store, event_id: str) -> None:
    store.append([build_event("e1")])
    assert store.fetch_event(PROJECT, event_id) is None


@pytest.mark.parametrize("occurred_at_ms", [-62_135_596_800_000, -1, 0, 253_402_300_799_999])
def test_times_of_all_years_keep_their_millisecond(store: Store, occurred_at_ms: int) -> None:
    store.append([build_event("e1", occurred_at_ms=occurred_at_ms)])
    assert fetch_rows(store)[0].occurred_at_ms == occurred_at_ms


@pytest.mark.parametrize(
    "text", ["nul \0 inside", "\0", "emoji 😀 ﷽", "quote ' \" \\", "a\r\n\tb", "$ref", "x" * 500, " "]
)
def test_hostile_texts_come_back_as_they_were(store: Store, text: str) -> None:
    names = ("event_name", "anonymous_id", "user_id", "session_id", "url", "ip")
    events = [build_event(text, **dict.fromkeys(names, text), enriched={"browser": text})]
    assert store.append(events) == [True]
    assert store.append(events) == [False]
    (row,) = fetch_rows(store)
    assert {row.event_id, row.event_name, row.anonymous_id, row.user_id, row.session_id, row.url, row.ip} == {text}
    assert json.loads(row.enriched or "") == {"browser": text}
    assert store.fetch_event(PROJECT, text) == row


def test_ids_that_differ_only_after_a_nul_or_in_case_are_different(store: Store) -> None:
    ids = ["a", "a\0b", "a\0c", "A", "a ", "\u00e9", "e\u0301"]
    assert store.append([build_event(event_id) for event_id in ids]) == [True] * len(ids)
    assert sorted(fetch_ids(store)) == sorted(ids)


def test_a_duplicate_inside_a_batch_is_told_and_the_first_is_kept(store: Store) -> None:
    batch = [build_event("a", user_id="first"), build_event("b"), build_event("a", user_id="second"), build_event("b")]
    assert store.append(batch) == [True, True, False, False]
    assert {row.event_id: row.user_id for row in fetch_rows(store)} == {"a": "first", "b": None}


def test_a_duplicate_of_an_earlier_batch_is_told_and_changes_nothing(store: Store) -> None:
    store.append([build_event("a", user_id="first")])
    assert store.append([build_event("b"), build_event("a", user_id="second"), build_event("c")]) == [True, False, True]
    assert {row.event_id: row.user_id for row in fetch_rows(store)} == {"a": "first", "b": None, "c": None}
    assert store.append([build_event("a"), build_event("b"), build_event("c")]) == [False, False, False]


def test_the_same_id_in_two_projects_is_two_events(store: Store) -> None:
    batch = [build_event("a"), build_event("a", project_key=OTHER_PROJECT), build_event("a")]
    assert store.append(batch) == [True, True, False]
    assert fetch_ids(store) == ["a"]
    assert fetch_ids(store, OTHER_PROJECT) == ["a"]


def test_a_large_batch_with_duplicates_throughout(store: Store) -> None:
    batch = [build_event(f"e{number // 2}") for number in range(3_000)]
    assert store.append(batch) == [number % 2 == 0 for number in range(3_000)]
    assert store.count(PROJECT) == 1_500


@pytest.mark.parametrize("size", [1, 2, 3, 63, 64, 65, 127, 500, 1_001])
def test_whatever_the_size_of_a_batch_each_event_keeps_its_own_fields(store: Store, size: int) -> None:
    batch = [build_event(f"e{number}", user_id=f"u{number}", metadata={"n": number}) for number in range(size)]
    assert store.append(batch) == [True] * size
    rows = [(row.event_id, row.user_id, row.metadata) for row in fetch_rows(store)]
    assert sorted(rows) == sorted((f"e{number}", f"u{number}", f'{{"n":{number}}}') for number in range(size))


def test_racing_threads_store_each_event_once(store: Store, backend: str) -> None:
    if backend == "mongomock":
        pytest.skip("mongomock does not promise anything to threads")
    barrier = threading.Barrier(RACERS)

    def race(_: int) -> int:
        barrier.wait()
        return _append_all(store)

    with ThreadPoolExecutor(RACERS) as pool:
        stored = list(pool.map(race, range(RACERS)))
    assert sum(stored) == RACED_EVENTS
    assert sorted(fetch_ids(store)) == sorted(event.event_id for event in _build_raced_events())


def test_racing_processes_store_each_event_once(
    backend: str, tmp_path: Path, open_another: OpenStore, request: pytest.FixtureRequest
) -> None:
    if backend == "mongomock":
        pytest.skip("mongomock lives in one process")
    place = str(tmp_path) if backend == "sqlite" else request.getfixturevalue("mongodb_uri")
    database = "" if backend == "sqlite" else request.getfixturevalue("mongodb_database")
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    results = context.Queue()
    processes = [context.Process(target=_race_in_process, args=(place, database, barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    stored = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert sum(stored) == RACED_EVENTS
    assert sorted(fetch_ids(open_another())) == sorted(event.event_id for event in _build_raced_events())


def test_events_of_several_projects_in_a_batch_stay_apart(store: Store) -> None:
    keys = [f"{number:012x}" for number in range(20)]
    batch = [build_event(f"e{number}", project_key=keys[number % 20]) for number in range(100)]
    assert all(store.append(batch))
    for index, key in enumerate(keys):
        assert sorted(fetch_ids(store, key)) == sorted(f"e{number}" for number in range(index, 100, 20))


def _race_in_process(
    place: str, database: str, barrier: threading.Barrier, results: multiprocessing.Queue[int]
) -> None:
    path = Path(place) / "store" / "events.db"
    store: Store = open_mongo_store(place, database) if database else SQLiteStore(path)
    barrier.wait(timeout=60)
    results.put(_append_all(store))
    store.close()


def _append_all(store: Store) -> int:
    """Append the raced events in batches that each overlap the one before; how many this racer stored."""
    events = _build_raced_events()
    stored = 0
    for start in range(0, RACED_EVENTS, RACED_BATCH // 2):
        stored += sum(store.append(events[start : start + RACED_BATCH]))
    return stored


def _build_raced_events() -> list[Event]:
    return [build_event(f"race-{number}") for number in range(RACED_EVENTS)]
