"""Segments are made by a process beside the workers: reports are exact meanwhile, and after it was killed."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from columns.manifest import MANIFEST_NAME
from tests.faults.conftest import StartService
from tests.servers import wait_until
from tests.service import PATIENCE_SECONDS, Service

SEAL_EVENTS = 400
BATCH_EVENTS = 200
MONGODB_SETTLE = {"mongo_settle_seconds": 6, "mongo_timeout_ms": 3_000}
KILL_SEAL_EVENTS = 4_000
KILL_BATCH_EVENTS = 2_000


def test_reports_are_exact_while_segments_are_made(start_service: StartService, store_settings: dict[str, Any]) -> None:
    settle = MONGODB_SETTLE if store_settings else {}
    service = start_service(seal_events=SEAL_EVENTS, segment_events=3 * SEAL_EVENTS, **store_settings, **settle)
    project_key = service.create_project()["projectKey"]
    posted = 0
    for _ in range(5):
        posted += post(service, project_key, posted, BATCH_EVENTS)
        check_exact(service, project_key, posted)

    def is_sealed() -> bool:
        nonlocal posted
        posted += post(service, project_key, posted, 1)
        check_exact(service, project_key, posted)
        return bool(list_segments(service, project_key))

    wait_until(is_sealed, seconds=PATIENCE_SECONDS)
    for _ in range(5):
        posted += post(service, project_key, posted, BATCH_EVENTS)
        check_exact(service, project_key, posted)
    for worker in service.list_workers():
        with service.only(worker):
            check_exact(service, project_key, posted)


def test_a_sealing_process_that_is_killed_leaves_a_usable_copy(start_service: StartService) -> None:
    service = start_service(seal_events=KILL_SEAL_EVENTS)
    project_key = service.create_project()["projectKey"]
    posted = post(service, project_key, 0, KILL_BATCH_EVENTS)
    copy = service.columns / project_key
    while not list_unfinished(copy):
        posted += post(service, project_key, posted, KILL_BATCH_EVENTS)
        check_exact(service, project_key, posted)
        kill_while_it_writes(service, copy)
    for _ in range(3):
        check_exact(service, project_key, posted)

    def is_sealed() -> bool:
        check_exact(service, project_key, posted)
        return bool(list_segments(service, project_key)) and not service.list_sealing()

    wait_until(is_sealed, seconds=PATIENCE_SECONDS)
    posted += post(service, project_key, posted, 10)
    check_exact(service, project_key, posted)
    service.kill()
    service.start()
    check_exact(service, project_key, posted)


def test_files_that_were_half_written_are_ignored(start_service: StartService) -> None:
    service = start_service(seal_events=SEAL_EVENTS, workers=1)
    project_key: str = service.create_project()["projectKey"]
    copy = service.columns / project_key
    copy.mkdir(parents=True)
    for name in ("segment-1.parquet.99.part", "segment-1.parquet", "identity-1.parquet", ".manifest.json.99"):
        (copy / name).write_bytes(b"PAR1 torn")
    posted = post(service, project_key, 0, BATCH_EVENTS)
    check_exact(service, project_key, posted)
    posted += post(service, project_key, posted, SEAL_EVENTS)

    def is_sealed() -> bool:
        check_exact(service, project_key, posted)
        return (copy / MANIFEST_NAME).exists()

    wait_until(is_sealed, seconds=PATIENCE_SECONDS)
    check_exact(service, project_key, posted)


@pytest.mark.parametrize(
    "damage", ["torn manifest", "lost segment", "torn segment", "lost identities", "torn identities"]
)
def test_a_damaged_copy_is_made_again(start_service: StartService, damage: str) -> None:
    service = start_service(seal_events=SEAL_EVENTS, workers=1)
    project_key = service.create_project()["projectKey"]
    posted = post(service, project_key, 0, SEAL_EVENTS)

    def is_sealed() -> bool:
        check_exact(service, project_key, posted)
        return bool(list_segments(service, project_key)) and not service.list_sealing()

    wait_until(is_sealed, seconds=PATIENCE_SECONDS)
    posted += post(service, project_key, posted, 10)
    check_exact(service, project_key, posted)
    harm(service.columns / project_key, damage)
    posted += post(service, project_key, posted, 10)
    wait_until(lambda: is_exact(service, project_key, posted), seconds=PATIENCE_SECONDS)


def harm(copy: Path, damage: str) -> None:
    how, _, what = damage.partition(" ")
    pattern = {"manifest": MANIFEST_NAME, "segment": "segment-*.parquet", "identities": "identity-*.parquet"}[what]
    for path in copy.glob(pattern):
        if how == "lost":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def post(service: Service, project_key: str, first: int, count: int) -> int:
    """Post a batch of events with numbers from `first` on; how many. Each is a visit of an own anonymous visitor, and
    every tenth visitor logged in."""
    events = [build_event(number) for number in range(first, first + count)]
    answer = service.post_events(project_key, events)
    assert (answer.status, answer.json["accepted"]) == (200, count)
    return count


def build_event(number: int) -> dict[str, Any]:
    known = {"userId": f"user-{number // 10}"} if number % 10 == 0 else {}
    return {
        "eventId": f"e-{number}", "eventName": f"name-{number % 3}", "anonymousId": f"visitor-{number}",
        "metadata": {"plan": "pro" if number % 2 else "free", "number": number}, **known,
    }  # fmt: skip


def check_exact(service: Service, project_key: str, posted: int) -> None:
    """The reports hold all of the events, each once."""
    assert is_exact(service, project_key, posted), "the copy is not ready"


def is_exact(service: Service, project_key: str, posted: int) -> bool:
    """False for 503: the copy is not ready. Fails for an answer that is wrong."""
    answer = service.call("GET", "/v1/reports/overview", query={"projectKey": project_key})
    if answer.status == 503:
        assert answer.json["code"] in ("copy_behind", "copy_changed"), answer
        assert int(answer.headers["Retry-After"]) > 0
        return False
    assert answer.status == 200, answer
    assert (answer.json["totalEvents"], answer.json["uniqueUsers"]) == (posted, posted)
    top = service.ask(project_key, "top-events")["events"]
    assert [row["count"] for row in top] == [len(range(first, posted, 3)) for first in range(min(posted, 3))]
    paid = {"filters": '[{"property": "metadata.plan", "operator": "eq", "value": "pro"}]'}
    assert service.ask(project_key, "overview", **paid)["totalEvents"] == posted // 2
    return True


def list_segments(service: Service, project_key: str) -> list[Path]:
    """Segments of a copy whose manifest is in force."""
    copy = service.columns / project_key
    return list(copy.glob("segment-*.parquet")) if (copy / MANIFEST_NAME).exists() else []


def list_unfinished(copy: Path) -> list[Path]:
    return list(copy.glob("*.part"))


def kill_while_it_writes(service: Service, copy: Path) -> None:
    """SIGKILL to the sealing process, if there is one, as soon as it has begun a file."""
    sealing = service.list_sealing()
    while sealing and is_running(sealing[0]):
        if list_unfinished(copy):
            with suppress(ProcessLookupError):
                os.kill(sealing[0], signal.SIGKILL)
            wait_until(lambda: not is_running(sealing[0]))
            return


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
