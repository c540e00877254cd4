"""The files of a columnar copy, while others read them: deleted, made again, merged, lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from columns.copy import ColumnarCopy
from columns.engine import SPILL_NAME, Engine
from columns.manifest import GRACE_SECONDS, MANIFEST_NAME
from columns.properties import Parameters
from columns.relation import build_events_sql
from columns.snapshot import CopyChanged, Snapshot
from config import PROJECT_ROOT
from stores.base import Event
from stores.sqlite import SQLiteStore
from tests.servers import wait_until
from tests.service import PATIENCE_SECONDS

PROJECT = "0123456789ab"
SPILL_MEMORY_BYTES = 100 * 1024 * 1024
SPILLING_SQL = """
    SELECT count(previous) FROM (SELECT lag(text) OVER (ORDER BY key) AS previous
    FROM (SELECT hash(i) AS key, i::VARCHAR || repeat('a', 60) AS text FROM range(1500000) t(i)))"""


class UnsettledStore(SQLiteStore):
    """A store into whose past events may still arrive, as on MongoDB within the settle window."""

    def settled_position(self, project_key: str, *, now_ms: int) -> int:
        return 0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "events.db")
    yield store
    store.close()


@pytest.fixture
def copy(store: SQLiteStore, tmp_path: Path) -> Iterator[ColumnarCopy]:
    copy = ColumnarCopy(store, tmp_path / "columns", memory_limit_bytes=200 * 1024 * 1024, threads=1)
    yield copy
    copy.close()


def test_an_old_snapshot_never_reads_files_of_the_copy_made_next(store: SQLiteStore, copy: ColumnarCopy) -> None:
    append(store, 0, 10)
    copy.seal(PROJECT, force=True)
    append(store, 10, 5)
    snapshot = copy.fetch_snapshot(PROJECT, epoch=0)
    shutil.rmtree(copy.directory)
    copy.seal(PROJECT, force=True)
    with pytest.raises(CopyChanged):
        count_events(copy, snapshot)
    assert count_events(copy, copy.fetch_snapshot(PROJECT, epoch=0)) == 15


def test_segments_that_were_merged_can_be_read_by_those_who_began_before(
    store: SQLiteStore, copy: ColumnarCopy
) -> None:
    for first in (0, 10):
        append(store, first, 10)
        copy.seal(PROJECT, force=True)
    snapshot = copy.fetch_snapshot(PROJECT, epoch=0)
    for path in list_parquet_files(copy):
        age(path, 2 * GRACE_SECONDS)
    copy.merge(PROJECT, force=True)
    copy.seal(PROJECT, force=True)
    assert count_events(copy, snapshot) == 20
    for path in list_parquet_files(copy):
        age(path, 2 * GRACE_SECONDS)
    copy.seal(PROJECT, force=True)
    newest = copy.fetch_snapshot(PROJECT, epoch=0)
    assert [path.name for path in list_parquet_files(copy) if "segment" in path.name] == [newest.segments[0].file]
    assert count_events(copy, newest) == 20


@pytest.mark.parametrize("kind", ["segment", "identity"])
@pytest.mark.parametrize("is_torn", [False, True], ids=["lost", "torn"])
def test_a_copy_with_a_damaged_file_is_made_again(
    store: SQLiteStore, copy: ColumnarCopy, kind: str, is_torn: bool
) -> None:
    append(store, 0, 10)
    copy.seal(PROJECT, force=True)
    append(store, 10, 5)
    for path in copy.directory.glob(f"{PROJECT}/{kind}-*"):
        if is_torn:
            os.truncate(path, path.stat().st_size // 2)
        else:
            path.unlink()
    with pytest.raises(CopyChanged):
        count_events(copy, copy.fetch_snapshot(PROJECT, epoch=0))
    copy.mend(PROJECT)
    assert count_events(copy, copy.fetch_snapshot(PROJECT, epoch=0)) == 15
    copy.seal(PROJECT, force=True)
    assert count_events(copy, copy.fetch_snapshot(PROJECT, epoch=0)) == 15


def test_more_events_than_can_be_sealed_yet_are_reported(tmp_path: Path) -> None:
    store = UnsettledStore(tmp_path / "events.db")
    copy = ColumnarCopy(
        store, tmp_path / "columns", memory_limit_bytes=200 * 1024 * 1024, threads=1, seal_events=2
    )
    copy.delegate_sealing(lambda project_key, epoch: None)
    append(store, 0, 100)
    assert count_events(copy, copy.fetch_snapshot(PROJECT, epoch=0)) == 100
    copy.close()
    store.close()


def test_what_a_crashed_sealer_left_is_removed_in_time(store: SQLiteStore, copy: ColumnarCopy) -> None:
    append(store, 0, 10)
    copy.seal(PROJECT, force=True)
    left = [copy.directory / PROJECT / name for name in ("segment-9.parquet.99.part", f".{MANIFEST_NAME}.99")]
    for path in left:
        path.write_bytes(b"torn")
    copy.seal(PROJECT, force=True)
    assert [path.exists() for path in left] == [True, True], "another sealer may still be at work"
    for path in left:
        age(path, GRACE_SECONDS)
    copy.seal(PROJECT, force=True)
    assert [path.exists() for path in left] == [False, False]


def test_what_a_killed_process_spilled_is_removed(tmp_path: Path) -> None:
    directory, spilled = tmp_path / "columns", tmp_path / SPILL_NAME
    arguments = [sys.executable, "-c", f"import sys\nfrom {__name__} import spill\nspill(sys.argv[1])", str(directory)]

    def kill_while_it_spills() -> bool:
        with subprocess.Popen(arguments, cwd=PROJECT_ROOT) as process:
            wait_until(lambda: has_content(spilled) or process.poll() is not None, seconds=PATIENCE_SECONDS)
            process.kill()
        return has_content(spilled)

    wait_until(kill_while_it_spills, seconds=PATIENCE_SECONDS)  # until it hit before the query was done
    spill(str(directory))
    assert list(spilled.glob("*")) == []


def test_reports_can_spill_after_the_copy_was_deleted(tmp_path: Path) -> None:
    directory = tmp_path / "columns"
    engine = Engine(directory, memory_limit_bytes=SPILL_MEMORY_BYTES, threads=1)
    for _ in range(2):
        with engine.open_cursor() as cursor:
            assert cursor.execute(SPILLING_SQL).fetchone() == (1_499_999,)
        shutil.rmtree(directory, ignore_errors=True)
    engine.close()


def spill(directory: str) -> None:
    """Run a query that does not fit in memory."""
    engine = Engine(Path(directory), memory_limit_bytes=SPILL_MEMORY_BYTES, threads=1)
    with engine.open_cursor() as cursor:
        cursor.execute(SPILLING_SQL)
    engine.close()


def has_content(folder: Path) -> bool:
    """Whether a file of it has some: they come and go."""
    with suppress(FileNotFoundError):
        return any(path.stat().st_size for path in folder.iterdir())
    return False


def append(store: SQLiteStore, first: int, count: int) -> None:
    """Events numbered from `first` on; every second one is a login."""
    events = [
        Event(
            PROJECT, f"e-{number}", "view", 1_000 + number, 2_000, anonymous_id=f"a-{number}",
            user_id=f"u-{number}" if number % 2 else None,
        )
        for number in range(first, first + count)
    ]  # fmt: skip
    assert store.append(events) == [True] * count


def count_events(copy: ColumnarCopy, snapshot: Snapshot) -> int:
    """How many events a query over the snapshot reads."""
    parameters = Parameters()
    sql = build_events_sql(snapshot, parameters)
    ((count,),) = copy.query(snapshot, f"SELECT count(*) FROM ({sql})", parameters.values)
    return int(count)


def list_parquet_files(copy: ColumnarCopy) -> list[Path]:
    return list((copy.directory / PROJECT).glob("*.parquet"))


def age(path: Path, seconds: float) -> None:
    """Make a file look as old as that."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))
