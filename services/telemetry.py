"""What the service counts about itself, for Prometheus. Labels are closed sets: never a key, a project or a path.

Under gunicorn each worker counts into a file of the folder PROMETHEUS_MULTIPROC_DIR, which `gunicorn.conf.py` names
before this module is imported; any worker then answers for all. In one process (tests, command line) it is in memory.
"""

from __future__ import annotations

import os
from enum import StrEnum
from functools import lru_cache

from prometheus_client import values

if values.ValueClass._multiprocess:
    # Before the metrics below are made. By default each count asks the system for the process's id, which took a
    # twentieth of a small ingest request; the id is the same until a fork, and nothing forks after this import.
    _process_id = os.getpid()
    values.ValueClass = values.MultiProcessValue(lambda: _process_id)  # type: ignore[no-untyped-call]

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
UNMATCHED_ROUTE = "(unmatched)"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LATENCY_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class CacheOutcome(StrEnum):
    """How the report cache answered. An error counts as a miss for the caller."""

    HIT = "hit"
    MISS = "miss"
    ERROR = "error"


class LimitKind(StrEnum):
    """What is counted apart from the rest."""

    INGEST = "ingest"
    OTHER = "other"
    LOGIN = "login"


_requests = Counter(
    "apptracker_http_requests", "Requests answered, by route template and status.", ["method", "route", "status"]
)
_request_seconds = Histogram(
    "apptracker_http_request_duration_seconds", "Time to answer a request.", ["method", "route"],
    buckets=LATENCY_BUCKETS_SECONDS,
)
_events = Counter("apptracker_ingest_events", "Events received, by verdict.", ["verdict"])
_report_seconds = Histogram(
    "apptracker_report_duration_seconds", "Time to compute a report that was not cached.", ["report"],
    buckets=LATENCY_BUCKETS_SECONDS,
)
_cache_answers = Counter("apptracker_report_cache", "Questions to the report cache, by outcome.", ["outcome"])

_limited = Counter("apptracker_limited_requests", "Requests refused for being too many, by what they were.", ["kind"])
_uncounted = Counter("apptracker_uncounted_requests", "Requests admitted without being counted: Redis was away.")

_viewers = Gauge(
    "apptracker_live_viewers", "Who watches now, by kind of connection.", ["kind"], multiprocess_mode="livesum"
)
_bell_failures = Counter("apptracker_live_redis_failures", "Redis failed the live view, which went on without it.")

_accepted = _events.labels("accepted")
_duplicates = _events.labels("duplicate")
_rejected = _events.labels("rejected")
_cache_outcomes = {outcome: _cache_answers.labels(outcome.value) for outcome in CacheOutcome}
_limited_of_kind = {kind: _limited.labels(kind.value) for kind in LimitKind}


# Looking a labelled child up takes a lock and builds a tuple of texts; the set is closed, so it is kept.
@lru_cache(maxsize=4096)
def _request_counter(method: str, route: str, status: int) -> Counter:
    return _requests.labels(method, route, str(status))


@lru_cache(maxsize=1024)
def _request_timer(method: str, route: str) -> Histogram:
    return _request_seconds.labels(method, route)


def record_request(*, method: str, route: str | None, status: int, seconds: float) -> None:
    """Count an answered request. `route` is the template (`/v1/projects/<project_key>`), None where none matched."""
    known_method = method if method in METHODS else "OTHER"
    template = route or UNMATCHED_ROUTE
    _request_counter(known_method, template, status).inc()
    _request_timer(known_method, template).observe(seconds)


def record_ingest(*, accepted: int, duplicates: int, rejected: int) -> None:
    """Count the verdicts on a batch."""
    if accepted:
        _accepted.inc(accepted)
    if duplicates:
        _duplicates.inc(duplicates)
    if rejected:
        _rejected.inc(rejected)


def record_report(report: str, *, seconds: float) -> None:
    """Count a report that was computed. `report` is its name in the API, never text of the request."""
    _report_seconds.labels(report).observe(seconds)


def record_cache(outcome: CacheOutcome) -> None:
    """Count an answer of the report cache."""
    _cache_outcomes[outcome].inc()


def record_limited(kind: LimitKind) -> None:
    """Count a request that was refused for being too many."""
    _limited_of_kind[kind].inc()


def record_uncounted() -> None:
    """Count a request that was admitted although Redis could not count it."""
    _uncounted.inc()


def count_viewer(kind: str, change: int) -> None:
    """Count that a viewer came (1) or went (-1); `kind` is `sse` or `websocket`."""
    _viewers.labels(kind).inc(change)


def record_bell_failure() -> None:
    """Count that Redis failed the live view."""
    _bell_failures.inc()


def render_metrics() -> bytes:
    """Every count in Prometheus' text format; under gunicorn those of all workers added up."""
    registry = CollectorRegistry()
    try:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    except ValueError:  # no folder is named: this process is the only one
        registry = REGISTRY
    return generate_latest(registry)
