"""Persons and old events are removed while two hosts write, seal, merge and report: at every moment all hosts agree
with the store, and a host that reads the store for the first time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import duckdb
import pytest

from columns.copy import ColumnarCopy
from columns.properties import Parameters
from columns.relation import build_events_sql
from columns.removals import build_key
from columns.snapshot import Snapshot
from services import erasure, retention_policy
from services.context import Context
from services.errors import NotFound
from services.projects import Project, fetch_project
from tests.pipeline import Pipeline, open_pipeline

DAY = "2025-01-06T"
NOW_MS = 1_736_200_000_000
"""2025-01-06T21:46:40Z."""
LATER_MS = NOW_MS + 3_600_000


@dataclass
class Installation:
    """Two hosts on one store; `first` has the service, `second` its copy only."""

    pipeline: Pipeline
    project_key: str
    second: ColumnarCopy
    folder: Path

    @property
    def context(self) -> Context:
        found: Context = self.pipeline.client.application.extensions["apptracker"]
        return found

    @property
    def project(self) -> Project:
        return fetch_project(self.context, self.project_key)

    @property
    def copies(self) -> list[ColumnarCopy]:
        return [self.pipeline.copy, self.second]

    def open_third(self) -> ColumnarCopy:
        """A host that has nothing yet."""
        return ColumnarCopy(self.context.store, self.folder / "third", memory_limit_bytes=200_000_000, threads=1)

    def check(self) -> list[tuple[Any, ...]]:
        """What each host reports is what the store has; returns it."""
        third = self.open_third()
        truth = read_events(third, self.project_key)
        assert [row[0] for row in truth] == sorted(list_stored(self))
        for copy in self.copies:
            assert read_events(copy, self.project_key) == truth
        revisions = {copy.fetch_revision(self.project_key, epoch=0) for copy in [*self.copies, third]}
        assert len(revisions) == 1, revisions
        third.close()
        return truth

    def erase(self, user_id: str) -> None:
        with suppress(NotFound):
            erasure.erase_person(self.context, self.project, user_id, now_ms=NOW_MS)


@pytest.fixture(params=["embedded", "mongodb"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    uri = None if request.param == "embedded" else request.getfixturevalue("mongodb_uri")
    with open_pipeline(tmp_path / "first", uri) as pipeline:
        second = ColumnarCopy(pipeline.store, tmp_path / "second", memory_limit_bytes=200_000_000, threads=1)
        yield Installation(pipeline, pipeline.create_project(), second, tmp_path)
        second.close()


def read_snapshot(copy: ColumnarCopy, snapshot: Snapshot) -> list[tuple[Any, ...]]:
    parameters = Parameters()
    events = build_events_sql(snapshot, parameters)
    sql = f"SELECT event_id, person::VARCHAR, user_id, anonymous_id FROM ({events}) ORDER BY event_id"
    return copy.query(snapshot, sql, parameters.values)


def read_events(copy: ColumnarCopy, project_key: str) -> list[tuple[Any, ...]]:
    """Each event with its person."""
    return read_snapshot(copy, copy.fetch_snapshot(project_key, epoch=0))


def list_stored(installation: Installation) -> list[str]:
    return [row.event_id for rows in installation.context.store.scan(installation.project_key, 0) for row in rows]


def list_texts(folder: Path) -> set[str]:
    """Every text and key in every Parquet file below a folder, also in files that no manifest names."""
    found: set[str] = set()
    for path in folder.rglob("*.parquet*"):
        for row in duckdb.execute(f"SELECT * FROM read_parquet('{path}')").fetchall():
            found.update(str(value) for value in row if value is not None)
    return found


def build_event(number: int, **fields: Any) -> dict[str, Any]:
    event = {"eventName": "seen", "eventId": f"e{number:04d}", "timestamp": f"{DAY}{number % 20:02d}:00:00Z", **fields}
    return {name: value for name, value in event.items() if value is not None}


def post(installation: Installation, events: list[dict[str, Any]]) -> None:
    body = {"projectKey": installation.project_key, "events": events}
    assert installation.pipeline.client.post("/v1/events/batch", json=body).status_code == 200


def seal(installation: Installation) -> None:
    for copy in installation.copies:
        copy.seal(installation.project_key, force=True)


@pytest.mark.parametrize("seed", range(6))
def test_hosts_agree_with_the_store_after_any_removals(installation: Installation, seed: int) -> None:
    chance, number = random.Random(seed), 0
    for _ in range(14):
        match chance.choice(["post", "post", "seal", "merge", "erase", "old", "forget"]):
            case "post":
                events = []
                for _ in range(chance.randint(1, 12)):
                    user_id = f"u{chance.randint(0, 3)}" if chance.random() < 0.4 else None
                    visitor = f"a{chance.randint(0, 3)}" if chance.random() < 0.7 else None
                    events.append(build_event(number, userId=user_id, anonymousId=visitor))
                    number += 1
                post(installation, events)
            case "seal":
                chance.choice(installation.copies).seal(installation.project_key, force=True)
            case "merge":
                chance.choice(installation.copies).merge(installation.project_key, force=True)
            case "erase":
                installation.erase(chance.choice(["u0", "u1", "u2", "u3", "a0", "a1", "a2", "a3"]))
            case "old":
                now_ms = NOW_MS + chance.randint(-15, 3) * 3_600_000
                removed = Project(installation.project_key, "", "", retention_days=1)
                retention_policy.apply_retention(installation.context, removed, now_ms=now_ms)
            case "forget":
                chance.choice(installation.copies).forget_memory()
        installation.check()


def test_nothing_of_the_person_is_in_a_file_of_a_host_that_was_told(installation: Installation) -> None:
    post(installation, [
        build_event(1, userId="secret-user", anonymousId="secret-visitor", metadata={"secret key": "secret value"}),
        build_event(2, anonymousId="secret-visitor", url="https://example.com/secret-page"),
        build_event(3, userId="other", anonymousId="kept"), build_event(4, anonymousId="kept"),
    ])  # fmt: skip
    seal(installation)
    post(installation, [build_event(5, userId="secret-user"), build_event(6, anonymousId="secret-visitor")])
    seal(installation)
    for copy in installation.copies:
        copy.merge(installation.project_key, force=True)
    installation.erase("secret-user")
    assert not any("secret" in text for text in list_texts(installation.pipeline.copy.directory))
    assert any("secret" in text for text in list_texts(installation.second.directory))
    installation.second.catch_up(installation.project_key)
    for copy in installation.copies:
        texts = list_texts(copy.directory)
        assert not any("secret" in text for text in texts)
        keys = {build_key("secret-user"), build_key("secret-visitor")}
        assert not keys & {text.replace("-", "") for text in texts}
        assert "kept" in texts
        assert b"secret" not in (copy.directory / installation.project_key / "manifest.json").read_bytes()
    assert [row[0] for row in installation.check()] == ["e0003", "e0004"]


def test_an_anonymous_id_of_another_user_stays(installation: Installation) -> None:
    post(installation, [
        build_event(1, userId="first", anonymousId="shared"), build_event(2, userId="second", anonymousId="shared"),
        build_event(3, anonymousId="shared"), build_event(4, userId="second", anonymousId="own"),
        build_event(5, anonymousId="own"),
    ])  # fmt: skip
    seal(installation)
    installation.erase("second")
    assert [row[0] for row in installation.check()] == ["e0001", "e0003"]


def test_a_shared_anonymous_id_is_the_next_users_once_the_first_is_erased(installation: Installation) -> None:
    post(installation, [
        build_event(1, userId="first", anonymousId="shared"), build_event(2, userId="second", anonymousId="shared"),
    ])  # fmt: skip
    seal(installation)
    installation.erase("first")
    post(installation, [build_event(3, anonymousId="shared")])
    persons = {row[0]: row[1].replace("-", "") for row in installation.check()}
    assert persons == {"e0002": build_key("second"), "e0003": build_key("second")}


def test_who_is_known_by_removed_events_only_is_anonymous_again(installation: Installation) -> None:
    post(installation, [
        build_event(1, userId="user", anonymousId="visitor"), build_event(2, anonymousId="visitor"),
        build_event(10, anonymousId="visitor"),
    ])  # fmt: skip
    seal(installation)
    post(installation, [build_event(11, anonymousId="visitor")])
    seal(installation)
    removed = Project(installation.project_key, "", "", retention_days=1)
    assert retention_policy.apply_retention(installation.context, removed, now_ms=NOW_MS + 8 * 3_600_000) == 2
    persons = {row[0]: row[1].replace("-", "") for row in installation.check()}
    assert persons == {"e0010": build_key("visitor"), "e0011": build_key("visitor")}
    post(installation, [build_event(12, anonymousId="visitor")])
    seal(installation)
    assert {row[1].replace("-", "") for row in installation.check()} == {build_key("visitor")}


class Crash(BaseException):
    """The process is gone."""


CRASHES = (
    "services.rejections.erase_rejections", "services.erasure.find_ids", "stores.{}.erase_person",
    "services.erasure.clear_copies", "columns.remover.apply_removals", "columns.remover.write_segment",
    "columns.upkeep.save_manifest", "columns.upkeep.delete_unused_files", "services.cache.ProcessCache.forget",
    "stores.{}.scrub",
)  # fmt: skip


@pytest.mark.parametrize("place", CRASHES)
@pytest.mark.parametrize("is_after", [False, True])
def test_a_removal_that_crashed_anywhere_is_finished_by_upkeep(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, place: str, is_after: bool
) -> None:
    post(installation, [
        build_event(1, userId="gone", anonymousId="visitor"), build_event(2, anonymousId="visitor"),
        build_event(3, userId="kept"),
    ])  # fmt: skip
    seal(installation)
    post(installation, [build_event(4, userId="gone"), build_event(5, userId="kept")])
    installation.check()
    name = type(installation.context.store).__name__
    crash_at(monkeypatch, place.format(f"{'sqlite' if name == 'SQLiteStore' else 'mongo'}.{name}"), is_after)
    with pytest.raises(Crash):
        erasure.erase_person(installation.context, installation.project, "gone", now_ms=NOW_MS)
    monkeypatch.undo()
    for copy in installation.copies:
        assert {"e0003", "e0005"} <= {row[0] for row in read_events(copy, installation.project_key)}
    post(installation, [build_event(6, userId="kept")])
    erasure.resume_removals(installation.context, now_ms=LATER_MS)
    assert [row[0] for row in installation.check()] == ["e0003", "e0005", "e0006"]
    for copy in installation.copies:
        copy.catch_up(installation.project_key)
        assert not {"gone", "visitor"} & list_texts(copy.directory)
    assert erasure.list_open(installation.context, {}) == []


def crash_at(monkeypatch: pytest.MonkeyPatch, place: str, is_after: bool) -> None:
    """Have the process end before or after a call of this function."""
    module, _, name = place.rpartition(".")
    owner: Any = resolve_name(module)
    original = getattr(owner, name)

    def crash(*arguments: Any, **named: Any) -> Any:
        if is_after:
            original(*arguments, **named)
        raise Crash

    monkeypatch.setattr(owner, name, crash)


