"""Documents that the embedded store keeps in memory: never older than what was committed before they are asked for."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stores.base import StoreUnavailable
from stores.change_count import ChangeCount
from stores.sqlite import SQLiteStore
from stores.sqlite_documents import MAX_KNOWN
from stores.sqlite_file import SQLiteFile
from tests.contract.events import build_event


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    opened = SQLiteStore(path)
    opened.insert_document("colours", "a", {"is": "red"})
    yield opened
    opened.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows with each look into the file."""
    looks: list[None] = []
    read = SQLiteFile.read

    @contextmanager
    def counted(file: SQLiteFile) -> Iterator[sqlite3.Connection]:
        looks.append(None)
        with read(file) as connection:
            yield connection

    monkeypatch.setattr(SQLiteFile, "read", counted)
    return looks


def test_a_document_is_read_once_while_nothing_changes(store: SQLiteStore, reads: list[None]) -> None:
    first, second = (store.fetch_document("colours", "a") for _ in range(2))
    assert first == second == {"is": "red"}
    assert first is not second, "who changes its own must not change that of others"
    assert len(reads) == 1


CHANGES: dict[str, tuple[Callable[[SQLiteStore], object], dict[str, Any] | None]] = {
    "updated": (lambda other: other.update_document("colours", "a", {"is": "blue"}), {"is": "blue"}),
    "counted up": (lambda other: other.increment_document("colours", "a", "n"), {"is": "red", "n": 1}),
    "deleted": (lambda other: other.delete_documents("colours", {"is": "red"}), None),
    "another inserted": (lambda other: other.insert_document("colours", "b", {"is": "red"}), {"is": "red"}),
    "others inserted": (lambda other: other.insert_documents("colours", {"c": {"is": "red"}}), {"is": "red"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_another_process_changed_is_read_again(
    store: SQLiteStore, path: Path, reads: list[None], change: str
) -> None:
    store.fetch_document("colours", "a")
    carry_out, expected = CHANGES[change]
    other = SQLiteStore(path)
    carry_out(other)
    other.close()
    reads.clear()
    assert store.fetch_document("colours", "a") == expected
    assert len(reads) == 1


def test_what_was_purged_is_gone(store: SQLiteStore) -> None:
    store.insert_document("colours", "old", {"at": "2024"})
    assert store.fetch_document("colours", "old") == {"at": "2024"}
    assert store.purge_documents("colours", "at", "2025") == 1
    assert store.fetch_document("colours", "old") is None


def test_after_a_death_while_a_change_was_committed_nothing_is_taken_from_memory(
    store: SQLiteStore, path: Path, reads: list[None]
) -> None:
    store.fetch_document("colours", "a")
    process = multiprocessing.get_context("spawn").Process(target=_die_at_commit, args=(path,))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == 9
    reads.clear()
    assert [store.fetch_document("colours", "a") for _ in range(3)] == [{"is": "green"}] * 3
    assert len(reads) == 3
    store.insert_document("colours", "b", {})
    reads.clear()
    assert [store.fetch_document("colours", "a") for _ in range(3)] == [{"is": "green"}] * 3
    assert len(reads) == 1, "the next change puts the count right"


def _die_at_commit(path: Path) -> None:
    """Change a document, and be gone before anybody is told that it is committed."""
    def die(_: ChangeCount) -> None:
        os._exit(9)

    ChangeCount.end = die  # type: ignore[method-assign, assignment]
    SQLiteStore(path).update_document("colours", "a", {"is": "green"})


def test_a_change_that_failed_leaves_what_was_there(store: SQLiteStore) -> None:
    store.fetch_document("colours", "a")
    with pytest.raises(StoreUnavailable), store._file.write(changes_documents=True) as connection:
        connection.executescript("UPDATE documents SET body = '{}'; SELECT * FROM nothing")
    assert store.fetch_document("colours", "a") == {"is": "red"}


def test_events_do_not_count_as_changes(store: SQLiteStore, reads: list[None]) -> None:
    store.fetch_document("colours", "a")
    store.append([build_event("e")])
    reads.clear()
    store.fetch_document("colours", "a")
    assert reads == []


def test_no_more_documents_are_kept_than_a_bound(store: SQLiteStore) -> None:
    store.insert_documents("many", {str(number): {"n": number} for number in range(MAX_KNOWN + 10)})
    for number in range(MAX_KNOWN + 10):
        assert store.fetch_document("many", str(number)) == {"n": number}
    assert len(store._known.bodies) <= MAX_KNOWN


def test_what_was_read_is_forgotten_with_the_next_change(store: SQLiteStore) -> None:
    store.insert_document("persons", "p", {"name": "ann"})
    store.fetch_document("persons", "p")
    store.delete_documents("persons", {"name": "ann"})
    store.fetch_document("colours", "a")
    assert "ann" not in repr(store._known)


def test_a_store_that_was_closed_opens_again(store: SQLiteStore) -> None:
    store.close()
    assert store.fetch_document("colours", "a") == {"is": "red"}
