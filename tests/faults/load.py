"""Clients as the documentation asks for: each batch has eventIds and is sent until it is acknowledged."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from typing import Any, Self

from tests.servers import wait_until
from tests.service import PATIENCE_SECONDS, Service

NAMES = ("page_view", "click", "purchase", "click")
BACKOFF_SECONDS = 0.02


class Load:
    """Client threads that post batches, one after the other, until the block ends; every second one keeps its
    connection.

    At the end of the block each client goes on until its last batch is acknowledged, unless `abandon` was called.
    """

    def __init__(self, service: Service, project_key: str, *, clients: int = 6, batch_events: int = 20) -> None:
        self._service = service
        self._project_key = project_key
        self._batch_events = batch_events
        self.most_under_way = clients * batch_events
        """Events that are not acknowledged yet, at the most."""
        self._is_ending = threading.Event()
        self._is_abandoned = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]
        self.acknowledged: dict[str, str] = {}
        """eventId -> eventName of every event of an acknowledged batch."""
        self.sent: set[str] = set()
        self.cut = 0
        """Requests whose connection broke before the answer was there."""
        self.refused: Counter[str] = Counter()
        """Answers that were not 200, by status and code."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_progress()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending.set()
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a client is still waiting for its acknowledgement"

    def abandon(self) -> None:
        """End without sending anything again."""
        self._is_abandoned.set()

    def wait_for_progress(self, batches: int = 10) -> None:
        """Return when so many more batches were acknowledged."""
        enough = len(self.acknowledged) + batches * self._batch_events
        wait_until(lambda: len(self.acknowledged) >= enough, seconds=PATIENCE_SECONDS)

    def count_names(self) -> dict[str, int]:
        """Acknowledged events by eventName."""
        return dict(Counter(self.acknowledged.values()))

    def _run(self, client: int) -> None:
        number = 0
        kept = self._service.build_connection() if client % 2 else None
        while not self._is_ending.is_set() and not self._is_abandoned.is_set():
            events = [self._build_event(f"{client}-{number}-{index}", index) for index in range(self._batch_events)]
            with self._lock:
                self.sent.update(event["eventId"] for event in events)
            if self._send(events, kept):
                with self._lock:
                    self.acknowledged.update({event["eventId"]: event["eventName"] for event in events})
            number += 1
        if kept:
            kept.close()

    def _send(self, events: list[dict[str, Any]], kept: http.client.HTTPConnection | None) -> bool:
        """Whether the batch was acknowledged in the end."""
        while not self._is_abandoned.is_set():
            try:
                answer = self._service.post_events(self._project_key, events, kept=kept)
            except ConnectionRefusedError:
                self._note("refused connection")
            except (OSError, http.client.HTTPException):
                if kept:
                    kept.close()
                with self._lock:
                    self.cut += 1
            else:
                if answer.status == 200:
                    verdict = answer.json
                    assert verdict["accepted"] + verdict["duplicates"] == len(events), verdict
                    return True
                self._note(f"{answer.status} {answer.json['code']}")
            self._is_abandoned.wait(BACKOFF_SECONDS)
        return False

    def _note(self, kind: str) -> None:
        with self._lock:
            self.refused[kind] += 1

    def _build_event(self, event_id: str, index: int) -> dict[str, Any]:
        return {"eventId": event_id, "eventName": NAMES[index % len(NAMES)], "anonymousId": event_id.partition("-")[0]}


def check_each_is_there_once(service: Service, project_key: str, load: Load) -> None:
    """Hold the reports and the store to what was acknowledged; nothing else was sent."""
    expected = load.count_names()
    overview = service.ask(project_key, "overview")
    assert overview["totalEvents"] == len(load.acknowledged)
    assert overview["uniqueEventNames"] == len(expected)
    top = service.ask(project_key, "top-events")["events"]
    assert {row["eventName"]: row["count"] for row in top} == expected
    assert sorted(service.fetch_event_ids(project_key)) == sorted(load.acknowledged)
