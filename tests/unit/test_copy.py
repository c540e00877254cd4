"""The columnar copy over a store whose arrival order the tests decide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from columns.copy import ColumnarCopy
from columns.manifest import MANIFEST_NAME, Segment, load_manifest, lock_copy
from columns.properties import Parameters, parse_property
from columns.relation import build_events_sql
from columns.sealer import find_merge_run
from columns.snapshot import CopyBehind, Snapshot
from columns.tail import AUDIT_EVERY_MS
from stores.base import ArrivalRow, Store

PROJECT = "0123456789ab"
SETTLE = 10


class ScriptedStore:
    """Events at the positions a test puts them; the newest `SETTLE` positions before `now` are not settled."""

    def __init__(self) -> None:
        self.rows: list[ArrivalRow] = []
        self.now = 0
        self.scans: list[int] = []

    def arrive(self, position: int, event_id: str, **columns: Any) -> None:
        """An event of this id is there from now on, at any position: before others too."""
        metadata = json.dumps(columns.pop("metadata", {}), separators=(",", ":"))
        enriched = columns.pop("enriched", None)
        values = {"event_name": "seen", "occurred_at_ms": position, "metadata": metadata, **columns}
        values["enriched"] = None if enriched is None else json.dumps(enriched)
        fields = dict.fromkeys(ArrivalRow._fields) | {"position": position, "event_id": event_id, "received_at_ms": 0}
        self.rows.append(ArrivalRow(**{**fields, **values}))
        self.rows.sort(key=lambda row: (row.position, row.event_id))

    def settled_position(self, project_key: str, *, now_ms: int) -> int:
        return max(self.now - SETTLE, 0)

    def scan(
        self, project_key: str, start: int, stop: int | None = None, *, batch_size: int = 10_000
    ) -> Iterator[list[ArrivalRow]]:
        self.scans.append(start)
        rows = [row for row in self.rows if start <= row.position and (stop is None or row.position < stop)]
        for first in range(0, len(rows), batch_size):
            yield rows[first : first + batch_size]

    def find_documents(self, collection: str, *_: Any, **__: Any) -> list[Any]:
        """Nothing was ever removed."""
        return []

    def count(self, project_key: str, start: int = 0, stop: int | None = None) -> int:
        return sum(start <= row.position and (stop is None or row.position < stop) for row in self.rows)


@pytest.fixture
def store() -> ScriptedStore:
    return ScriptedStore()


def open_copy(store: ScriptedStore, directory: Path, **options: Any) -> ColumnarCopy:
    settings = {"memory_limit_bytes": 100_000_000, "threads": 1, "clock": lambda: 0, **options}
    return ColumnarCopy(cast(Store, store), directory, **settings)


@pytest.fixture
def copy(store: ScriptedStore, tmp_path: Path) -> Iterator[ColumnarCopy]:
    opened = open_copy(store, tmp_path / "columns")
    yield opened
    opened.close()


def list_ids(copy: ColumnarCopy, epoch: int = 0) -> list[str]:
    snapshot = copy.fetch_snapshot(PROJECT, epoch=epoch)
    parameters = Parameters()
    sql = f"SELECT event_id FROM ({build_events_sql(snapshot, parameters)}) ORDER BY event_id"
    ids = [row[0] for row in copy.query(snapshot, sql, parameters.values)]
    assert len(ids) == snapshot.count
    return ids


def list_dated_ids(copy: ColumnarCopy, *, is_dated: bool) -> list[str]:
    snapshot, parameters = copy.fetch_snapshot(PROJECT, epoch=0), Parameters()
    sql = f"SELECT event_id FROM ({build_events_sql(snapshot, parameters, is_dated=is_dated)}) ORDER BY event_id"
    return [row[0] for row in copy.query(snapshot, sql, parameters.values)]


def count_persons(copy: ColumnarCopy) -> int:
    snapshot = copy.fetch_snapshot(PROJECT, epoch=0)
    parameters = Parameters()
    sql = f"SELECT count(DISTINCT person) FROM ({build_events_sql(snapshot, parameters)})"
    return int(copy.query(snapshot, sql, parameters.values)[0][0])


def read_property(copy: ColumnarCopy, name: str) -> list[Any]:
    """The property of each event by id, as Python has it: None for absent."""
    snapshot: Snapshot = copy.fetch_snapshot(PROJECT, epoch=0)
    parameters = Parameters()
    relation = build_events_sql(snapshot, parameters, [parse_property(name)])
    kinds = "p0_text, p0_number, p0_boolean, p0_other"
    rows = copy.query(snapshot, f"SELECT {kinds} FROM ({relation}) ORDER BY event_id", parameters.values)
    for row in rows:
        assert sum(value is not None for value in row) <= 1
    return [next((value for value in row if value is not None), None) for row in rows]


def test_an_empty_project_has_an_empty_snapshot(copy: ColumnarCopy) -> None:
    assert list_ids(copy) == []


def test_a_snapshot_has_the_event_that_surfaced_between_young_ones(store: ScriptedStore, copy: ColumnarCopy) -> None:
    store.now = 100
    store.arrive(50, "old")
    store.arrive(95, "first")
    store.arrive(99, "last")
    assert list_ids(copy) == ["first", "last", "old"]
    store.arrive(93, "late")
    assert list_ids(copy) == ["first", "last", "late", "old"]
    store.arrive(99, "twin")
    assert list_ids(copy) == ["first", "last", "late", "old", "twin"]


def test_settled_events_are_read_once(store: ScriptedStore, copy: ColumnarCopy) -> None:
    store.now = 1000
    store.arrive(1, "a")
    store.arrive(999, "b")
    list_ids(copy)
    store.scans.clear()
    store.arrive(1000, "c")
    assert list_ids(copy) == ["a", "b", "c"]
    assert all(start >= 990 for start in store.scans)


@pytest.mark.parametrize(("late", "read_from"), [(998, 998), (992, 990)])
def test_of_young_events_the_newest_are_read_again_and_all_only_where_one_surfaced_before_them(
    store: ScriptedStore, copy: ColumnarCopy, late: int, read_from: int
) -> None:
    store.now = 1000
    for position in range(991, 1000):
        store.arrive(position, f"e{position}")
    list_ids(copy)
    store.scans.clear()
    store.arrive(late, "late")
    store.arrive(1000, "new")
    assert list_ids(copy) == [*(f"e{position}" for position in range(991, 1000)), "late", "new"]
    assert store.scans == [read_from]


def test_nothing_is_read_when_nothing_arrived(store: ScriptedStore, copy: ColumnarCopy) -> None:
    store.now = 100
    store.arrive(95, "a")
    list_ids(copy)
    store.scans.clear()
    assert list_ids(copy) == ["a"]
    assert store.scans == []


def test_the_revision_is_the_same_for_the_same_events_in_any_layout(
    store: ScriptedStore, copy: ColumnarCopy, tmp_path: Path
) -> None:
    store.now = 100
    for position in range(20):
        store.arrive(position * 5, f"e{position}")
    other = open_copy(store, tmp_path / "other")
    before = copy.fetch_revision(PROJECT, epoch=0)
    assert before == other.fetch_revision(PROJECT, epoch=0) == copy.fetch_snapshot(PROJECT, epoch=0).revision
    copy.seal(PROJECT, force=True)
    assert copy.fetch_revision(PROJECT, epoch=0) == before
    store.arrive(100, "new")
    assert copy.fetch_revision(PROJECT, epoch=0) == other.fetch_revision(PROJECT, epoch=0) != before
    assert copy.fetch_revision(PROJECT, epoch=1) != other.fetch_revision(PROJECT, epoch=0)
    other.close()


def test_a_copy_follows_the_sealing_of_another_process(
    store: ScriptedStore, copy: ColumnarCopy, tmp_path: Path
) -> None:
    other = open_copy(store, tmp_path / "columns")
    ids = []
    for step in range(1, 6):
        store.now = step * 100
        for position in range(store.now - 60, store.now, 7):
            store.arrive(position, f"e{position:04d}")
            ids.append(f"e{position:04d}")
        assert list_ids(copy) == ids
        other.seal(PROJECT, force=True)
        assert list_ids(copy) == ids
        if step % 2 == 0:
            other.merge(PROJECT, force=True)
        assert list_ids(copy) == list_ids(other) == ids
    other.close()


def test_an_event_that_surfaced_in_a_sealed_range_is_found_by_the_audit(
    store: ScriptedStore, copy: ColumnarCopy
) -> None:
    store.now = 100
    store.arrive(10, "a")
    store.arrive(20, "b")
    copy.seal(PROJECT, force=True)
    store.arrive(15, "late")
    assert list_ids(copy) == ["a", "b"]
    assert copy.audit(PROJECT) is False
    assert list_ids(copy) == ["a", "b", "late"]
    copy.seal(PROJECT, force=True)
    assert copy.audit(PROJECT) is True
    assert list_ids(copy) == ["a", "b", "late"]


def test_an_event_that_surfaced_in_the_settled_tail_is_found_within_a_minute(
    store: ScriptedStore, tmp_path: Path
) -> None:
    now_ms = [1_000_000]
    copy = open_copy(store, tmp_path / "columns", clock=lambda: now_ms[0])
    store.now = 100
    store.arrive(10, "a")
    store.arrive(20, "b")
    assert list_ids(copy) == ["a", "b"]
    before = copy.fetch_revision(PROJECT, epoch=0)
    store.arrive(15, "late")
    assert list_ids(copy) == ["a", "b"]
    now_ms[0] += AUDIT_EVERY_MS
    assert copy.fetch_revision(PROJECT, epoch=0) != before
    assert list_ids(copy) == ["a", "b", "late"]
    copy.close()


def test_a_merged_segment_keeps_kinds_of_paths_that_a_segment_could_not_list(
    store: ScriptedStore, copy: ColumnarCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("columns.paths.MAX_LISTED_PATHS", 1)
    store.now = 100
    store.arrive(1, "e1", metadata={"a": 1, "plan": 7})
    store.arrive(2, "e2", metadata={"a": 1})
    copy.seal(PROJECT, force=True)
    store.now = 200
    store.arrive(150, "e3", metadata={"plan": "free"})
    copy.seal(PROJECT, force=True)
    monkeypatch.setattr("columns.paths.MAX_LISTED_PATHS", 2000)
    assert read_property(copy, "metadata.plan") == [7.0, None, "free"]
    copy.merge(PROJECT, force=True)
    assert read_property(copy, "metadata.plan") == [7.0, None, "free"]


def test_a_newer_data_epoch_voids_the_copy(store: ScriptedStore, copy: ColumnarCopy) -> None:
    store.now = 100
    store.arrive(10, "a")
    store.arrive(95, "b")
    copy.seal(PROJECT, force=True)
    assert list_ids(copy) == ["a", "b"]
    store.rows = [row for row in store.rows if row.event_id == "b"]
    assert list_ids(copy, epoch=1) == ["b"]
    assert list_ids(copy, epoch=0) == ["b"], "a request that read the project before the erasure"


def test_a_long_tail_is_sealed_before_it_is_read(store: ScriptedStore, tmp_path: Path) -> None:
    copy = open_copy(store, tmp_path / "columns", seal_events=10)
    store.now = 1000
    ids = [f"e{position:04d}" for position in range(100)]
    for position, event_id in enumerate(ids):
        store.arrive(position, event_id)
    assert list_ids(copy) == ids
    assert load_manifest(tmp_path / "columns" / PROJECT).count == 100
    copy.close()


def test_a_long_tail_that_others_seal_is_behind_until_they_did(store: ScriptedStore, tmp_path: Path) -> None:
    copy = open_copy(store, tmp_path / "columns", seal_events=10)
    asked: list[tuple[str, int]] = []
    copy.delegate_sealing(lambda project_key, epoch: asked.append((project_key, epoch)))
    store.now = 1000
    for position in range(100):
        store.arrive(position, f"e{position:04d}")
    with pytest.raises(CopyBehind):
        copy.fetch_snapshot(PROJECT, epoch=3)
    assert asked == [(PROJECT, 3)]
    copy.seal(PROJECT, epoch=3)
    assert copy.fetch_snapshot(PROJECT, epoch=3).count == 100
    copy.close()


def test_sealing_starts_when_enough_events_for_a_segment_arrived(store: ScriptedStore, tmp_path: Path) -> None:
    copy = open_copy(store, tmp_path / "columns", seal_events=10)
    asked: list[tuple[str, int]] = []
    copy.note_arrivals(PROJECT, 4, epoch=3)
    copy.delegate_sealing(lambda project_key, epoch: asked.append((project_key, epoch)))
    copy.note_arrivals(PROJECT, 5, epoch=3)
    copy.note_arrivals("of others", 9, epoch=0)
    assert asked == []
    copy.note_arrivals(PROJECT, 1, epoch=3)
    assert asked == [(PROJECT, 3)]
    copy.note_arrivals(PROJECT, 9, epoch=3)
    assert asked == [(PROJECT, 3)]
    copy.close()


def test_events_that_arrived_are_taken_though_sealing_cannot_start(
    store: ScriptedStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = open_copy(store, tmp_path / "columns", seal_events=10)

    def fail(project_key: str, epoch: int) -> None:
        raise BlockingIOError("no more processes")

    copy.delegate_sealing(fail)
    copy.note_arrivals(PROJECT, 10, epoch=0)
    assert "Sealing could not be started" in caplog.text
    copy.close()


def test_no_sealing_starts_where_another_process_seals(store: ScriptedStore, tmp_path: Path) -> None:
    copy = open_copy(store, tmp_path / "columns", seal_events=10)
    asked: list[tuple[str, int]] = []
    copy.delegate_sealing(lambda project_key, epoch: asked.append((project_key, epoch)))
    with lock_copy(tmp_path / "columns" / ".locks" / PROJECT):
        copy.note_arrivals(PROJECT, 10, epoch=0)
    assert asked == []
    copy.note_arrivals(PROJECT, 10, epoch=0)
    assert asked == [(PROJECT, 0)]
    copy.close()


def test_positions_shared_by_many_events_are_not_torn_apart(store: ScriptedStore, tmp_path: Path) -> None:
    copy = open_copy(store, tmp_path / "columns", seal_events=1, segment_events=10)
    store.now = 1000
    ids = [f"e{number:03d}" for number in range(35)]
    for number, event_id in enumerate(ids):
        store.arrive(number // 15, event_id)
    copy.seal(PROJECT, force=True)
    segments = load_manifest(tmp_path / "columns" / PROJECT).segments
    assert [segment.count for segment in segments] == [15, 15, 5]
    assert list_ids(copy) == ids
    assert copy.audit(PROJECT)
    copy.close()


@pytest.mark.parametrize("content", [b"", b"{", b'{"layout_version": 0}', b"[]", b'{"segments": [{"file": 1}]}'])
def test_a_manifest_that_cannot_be_used_is_built_anew(
    store: ScriptedStore, copy: ColumnarCopy, tmp_path: Path, content: bytes
) -> None:
    store.now = 100
    store.arrive(10, "a")
    copy.seal(PROJECT, force=True)
    (tmp_path / "columns" / PROJECT / MANIFEST_NAME).write_bytes(content)
    copy.forget_memory()
    assert list_ids(copy) == ["a"]
    copy.seal(PROJECT, force=True)
    assert list_ids(copy) == ["a"]


def test_files_of_a_crashed_sealer_are_ignored(store: ScriptedStore, copy: ColumnarCopy, tmp_path: Path) -> None:
    directory = tmp_path / "columns" / PROJECT
    directory.mkdir(parents=True)
    (directory / "segment-00000001.parquet.99.part").write_bytes(b"torn")
    (directory / "segment-00000001.parquet").write_bytes(b"torn too")
    (directory / f".{MANIFEST_NAME}.99").write_bytes(b"{")
    store.now = 100
    store.arrive(10, "a")
    assert list_ids(copy) == ["a"]
    copy.seal(PROJECT, force=True)
    assert list_ids(copy) == ["a"]


def test_a_login_makes_sealed_anonymous_events_that_users(store: ScriptedStore, copy: ColumnarCopy) -> None:
    store.now = 1000
    store.arrive(1, "morning", anonymous_id="anon-1")
    store.arrive(2, "other", anonymous_id="anon-2")
    store.arrive(3, "known", user_id="user-1")
    copy.seal(PROJECT, force=True)
    assert count_persons(copy) == 3
    store.arrive(990, "login", anonymous_id="anon-1", user_id="user-1")
    assert count_persons(copy) == 2, "learnt from the tail"
    store.now = 2000
    copy.seal(PROJECT, force=True)
    assert load_manifest(copy.directory / PROJECT).patch_file is not None
    assert count_persons(copy) == 2, "learnt from a later segment"
    store.arrive(1990, "earlier", anonymous_id="anon-1", user_id="user-0", occurred_at_ms=0)
    assert count_persons(copy) == 3, "an earlier link: user-0 is anon-1, user-1 stays user-1"
    store.now = 3000
    copy.seal(PROJECT, force=True)
    copy.merge(PROJECT, force=True)
    assert load_manifest(copy.directory / PROJECT).patch_file is None
    assert count_persons(copy) == 3


@pytest.mark.parametrize("is_sealed", [False, True])
def test_properties_keep_kinds_case_and_nesting_apart(
    store: ScriptedStore, copy: ColumnarCopy, is_sealed: bool
) -> None:
    store.now = 1000
    documents: list[dict[str, Any]] = [
        {"a": 1, "A": "one", "n": {"k": True}, "z\0y": 1, "": {"": 2}, "list": ["x", 5], "0": {"1": "deep"}},
        {"a": "1", "n": {"k": None}, "a.b": 4, "it's": 6, "z": 2, "list": {"0": "object"}, "0": ["zero", "one"]},
        {"a": 2**70, "A": False, "n": "text", "~/": 7, "\\": 8, "list": [], "-": {"-": 9}},
    ]
    for number, metadata in enumerate(documents):
        store.arrive(number, f"e{number}", metadata=metadata)
    if is_sealed:
        copy.seal(PROJECT, force=True)
    expected: dict[str, list[Any]] = {
        "a": [1.0, "1", float(2**70)],
        "A": ["one", None, False],
        "n.k": [True, None, None],
        "n": ['{"k":true}', '{"k":null}', "text"],
        "z\0y": [1.0, None, None],
        "z": [None, 2.0, None],
        ".": [2.0, None, None],
        r"a\.b": [None, 4.0, None],
        "a.b": [None, None, None],
        "it's": [None, 6.0, None],
        "~/": [None, None, 7.0],
        r"\\": [None, None, 8.0],
        "list": ['["x",5]', '{"0":"object"}', "[]"],
        "list.0": [None, "object", None],
        "0.1": ["deep", None, None],
        "-.-": [None, None, 9.0],
        "missing": [None, None, None],
    }
    for path, values in expected.items():
        assert read_property(copy, f"metadata.{path}") == values, path


@pytest.mark.parametrize("layout", ["tail", "segment", "two segments", "merged", "segment and tail"])
def test_what_events_were_enriched_with_is_read_from_every_layout(
    store: ScriptedStore, copy: ColumnarCopy, layout: str
) -> None:
    store.now = 1000
    store.arrive(1, "e1", url="https://a.example/x?q=1", enriched={"browser": "Firefox", "utmSource": "mail"})
    store.arrive(2, "e2", enriched={"isBot": True, "botName": "Googlebot", "language": "de"})
    if layout in ("two segments", "merged", "segment and tail"):
        copy.seal(PROJECT, force=True)
    store.arrive(995, "e3", url="/y")
    store.arrive(996, "e4", url="https://a.example", enriched={"browser": "Firefox", "browserVersion": "1.0"})
    if layout in ("segment", "two segments", "merged"):
        store.now = 2000
        copy.seal(PROJECT, force=True)
    if layout == "merged":
        copy.merge(PROJECT, force=True)
    assert len(load_manifest(copy.directory / PROJECT).segments) == {"tail": 0, "two segments": 2}.get(layout, 1)
    assert read_property(copy, "browser") == ["Firefox", None, None, "Firefox"]
    assert read_property(copy, "browserVersion") == [None, None, None, "1.0"]
    assert read_property(copy, "utmSource") == ["mail", None, None, None]
    assert read_property(copy, "botName") == [None, "Googlebot", None, None]
    assert read_property(copy, "country") == [None] * 4
    assert read_property(copy, "page") == ["/x", None, "/y", "/"]
    snapshot = copy.fetch_snapshot(PROJECT, epoch=0)
    parameters = Parameters()
    sql = f"SELECT is_bot FROM ({build_events_sql(snapshot, parameters)}) ORDER BY event_id"
    assert copy.query(snapshot, sql, parameters.values) == [(False,), (True,), (False,), (False,)]


def test_a_copy_of_another_layout_is_built_anew(store: ScriptedStore, copy: ColumnarCopy) -> None:
    store.now = 100
    store.arrive(10, "a")
    copy.seal(PROJECT, force=True)
    store.rows = [row._replace(url="/now-a-column") for row in store.rows]
    manifest = copy.directory / PROJECT / MANIFEST_NAME
    assert read_property(copy, "page") == [None], "still the segment"
    manifest.write_bytes(manifest.read_bytes().replace(b'"layout_version":2', b'"layout_version":1'))
    assert read_property(copy, "page") == ["/now-a-column"]
    assert list_ids(copy) == ["a"]
    copy.seal(PROJECT, force=True)
    assert load_manifest(copy.directory / PROJECT).count == 1
    assert list_ids(copy) == ["a"]


def make_segments(counts: list[int]) -> tuple[Segment, ...]:
    return tuple(
        Segment(f"{number}", number, number + 1, count, None, None, {}, True, 0) for number, count in enumerate(counts)
    )


@pytest.mark.parametrize(
    ("counts", "run"),
    [
        ([], None),
        ([100], None),
        ([50] * 7, None),
        ([50] * 8, (0, 8)),
        ([1000, *[50] * 8], (1, 9)),
        ([250] * 4, (0, 4)),
        ([1000, 1000], None),
        ([900, 100], None),
        ([*[50] * 8, 1000], (0, 8)),
    ],
)
def test_neighbours_are_merged_when_they_are_many_or_fill_a_segment(
    counts: list[int], run: tuple[int, int] | None
) -> None:
    assert find_merge_run(make_segments(counts), 1000) == run


@pytest.mark.parametrize("is_counted", [True, False])
def test_events_without_a_valid_time_are_told_apart_wherever_they_are(
    store: ScriptedStore, copy: ColumnarCopy, is_counted: bool
) -> None:
    for position, dated in enumerate([True, True, True, False, False, True, False]):
        store.arrive(position + 1, f"e{position}", **({} if dated else {"occurred_at_ms": None}))
    for settled in (2, 5):
        store.now = settled + 1 + SETTLE
        copy.seal(PROJECT, force=True)
    path = copy.directory / PROJECT / MANIFEST_NAME
    manifest = json.loads(path.read_bytes())
    assert [segment["undated"] for segment in manifest["segments"]] == [0, 2]
    if not is_counted:  # as in a copy of a version that did not count them
        for segment in manifest["segments"]:
            del segment["undated"]
        path.write_text(json.dumps(manifest))
        copy.forget_memory(PROJECT)
    assert list_dated_ids(copy, is_dated=True) == ["e0", "e1", "e2", "e5"]
    assert list_dated_ids(copy, is_dated=False) == ["e3", "e4", "e6"]
