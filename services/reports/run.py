"""Runs a report: parse, look in the cache, else compute on a snapshot, once for identical concurrent requests."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

import msgspec

from columns.snapshot import CopyBehind, CopyChanged, QueryTooLarge, Snapshot
from services import clock, cohorts, telemetry
from services.context import Context
from services.errors import InvalidInput, Unavailable
from services.projects import Project
from services.reports import (
    active_users,
    breakdown,
    conversion,
    devices,
    funnel,
    lifecycle,
    locations,
    overview,
    pages,
    paths,
    retention,
    sessions,
    sources,
    stickiness,
    timeseries,
    top_events,
    users,
)
from services.reports.cohort import date_cohorts, depend_on_now
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_report_request
from services.single_flight import SingleFlight
from services.time_range import TimeRange
from stores.base import StoreUnavailable

RESULT_VERSION: Final = 2
"""Raised when a report's numbers or shape change, so that hosts of two versions do not share cache entries."""
COPY_BEHIND_WAIT_SECONDS: Final = 5
"""How long a report waits for the copy itself: while events come in floods it is behind for moments."""
COPY_BEHIND_LOOK_SECONDS: Final = 0.1
COPY_BEHIND_RETRY_SECONDS: Final = 5
REPORT_TOO_LARGE_RETRY_SECONDS: Final = 10
MAX_PROPERTIES: Final = 60
"""Different properties in all filters of a request; each costs the engine memory, whatever events there are."""


REPORTS: Final[dict[str, Report]] = {
    report.name: report
    for report in (
        overview.REPORT, top_events.REPORT, timeseries.REPORT, funnel.REPORT, conversion.REPORT,
        sessions.REPORT, pages.REPORT, sources.REPORT, devices.REPORT, locations.REPORT, paths.REPORT,
        retention.REPORT, active_users.REPORT, stickiness.REPORT, lifecycle.REPORT, breakdown.REPORT, users.REPORT,
    )
}

T = TypeVar("T")

_flights: SingleFlight[bytes] = SingleFlight()


def run_report(context: Context, report: Report, fields: Mapping[str, Any], project: Project) -> dict[str, Any]:
    """The answer of a report over every event acknowledged before the call.

    `{projectKey, from, to, tz, ...result..., previous?, cached, generatedAt}`. Raises InvalidInput, Unavailable,
    StoreUnavailable.
    """
    request = parse_request(context, report, fields, project)
    revision = context.copy.fetch_revision(project.project_key, epoch=project.data_epoch)
    key = build_cache_key(report.name, project, revision, request)
    found = context.cache.fetch(key)
    computed = found or _flights.run(key, lambda: compute_report(context, report, project, request))
    return {
        "projectKey": project.project_key,
        **format_range(request.range),
        "tz": request.zone_name,
        **msgspec.json.decode(computed),
        "cached": found is not None,
    }


def parse_request(context: Context, report: Report, fields: Mapping[str, Any], project: Project) -> ReportRequest:
    """The request as values. Raises InvalidInput, StoreUnavailable."""
    minute_ms = find_minute_ms(clock.fetch_now_ms())
    request, own = parse_report_request(fields, project, report.fields, report.required, now_ms=minute_ms)
    parameters = report.parse(own)
    filters = (*request.filters, *report.list_filters(parameters))
    properties = {*(item.prop for item in filters), *report.list_properties(parameters)}
    named = cohorts.fetch_named(context, project.project_key, properties)
    if len(properties) + sum(len(cohort.properties) for _, cohort in named) > MAX_PROPERTIES:
        raise InvalidInput(f"a report reads at most {MAX_PROPERTIES} different properties", fields=["filters", "steps"])
    uses_now = report.uses_now or depend_on_now(named, request.range, minute_ms)
    now_ms = minute_ms if uses_now else None
    return replace(request, parameters=parameters, filters=filters, now_ms=now_ms, cohorts=named)


def find_minute_ms(now_ms: int) -> int:
    """The beginning of the minute. Days begin on whole minutes everywhere, so it tells as well what is over, and the
    answers of one minute share a place in the cache."""
    return now_ms - now_ms % 60_000


def build_cache_key(name: str, project: Project, revision: str, request: ReportRequest) -> str:
    """Equal for requests that mean the same over the same events. It begins with the projectKey and a colon."""
    text = f"{RESULT_VERSION} {name} {project.project_key} {revision} {request!r}"
    return f"{project.project_key}:{hashlib.sha256(text.encode()).hexdigest()}"


def compute_report(context: Context, report: Report, project: Project, request: ReportRequest) -> bytes:
    """The result with `generatedAt` as JSON, computed on a fresh snapshot and kept in the cache under its revision."""
    started = time.perf_counter()
    snapshot, result = fetch_result(context, report, project, request)
    result["generatedAt"] = clock.format_ms(clock.fetch_now_ms())
    encoded = msgspec.json.encode(result)
    keep_report(context, build_cache_key(report.name, project, snapshot.revision, request), encoded, snapshot)
    telemetry.record_report(report.name, seconds=time.perf_counter() - started)
    return encoded


def keep_report(context: Context, key: str, encoded: bytes, snapshot: Snapshot) -> None:
    """Keep a finished report, unless it may hold events that are being removed.

    Looked at afterwards: a removal that is later than the look deletes it itself.
    """
    if snapshot.is_final:
        context.cache.keep(key, encoded)
        try:
            is_final = context.copy.is_final(snapshot)
        except StoreUnavailable:
            is_final = False
        if not is_final:
            context.cache.forget(key)


def fetch_result(
    context: Context, report: Report, project: Project, request: ReportRequest
) -> tuple[Snapshot, dict[str, Any]]:
    """The result and the snapshot it was computed on."""
    return fetch_from_snapshot(context, project, lambda snapshot: compute_result(context, report, snapshot, request))


def fetch_from_snapshot(
    context: Context, project: Project, compute: Callable[[Snapshot], T], *, is_sealed: bool = False
) -> tuple[Snapshot, T]:
    """A fresh snapshot (`is_sealed`: of what is in segments) and what `compute` makes of it; once more where the
    snapshot's files went away meanwhile.

    Raises Unavailable, StoreUnavailable.
    """
    fetch_snapshot = context.copy.fetch_sealed if is_sealed else context.copy.fetch_snapshot
    deadline, is_mended = time.monotonic() + COPY_BEHIND_WAIT_SECONDS, False
    while True:
        try:
            snapshot = fetch_snapshot(project.project_key, epoch=project.data_epoch)
            return snapshot, compute(snapshot)
        except CopyBehind as exc:
            if time.monotonic() < deadline:
                time.sleep(COPY_BEHIND_LOOK_SECONDS)
                continue
            raise Unavailable(
                f"The report engine is still reading the project's events ({exc.ready_ratio:.0%} done)",
                code="copy_behind", retry_after_seconds=COPY_BEHIND_RETRY_SECONDS,
            ) from exc  # fmt: skip
        except CopyChanged as exc:
            if is_mended:
                raise Unavailable("The project's events are being changed", code="copy_changed") from exc
            context.copy.mend(project.project_key)
            is_mended = True
        except QueryTooLarge as exc:
            raise Unavailable(
                "The report needs more memory than there is now: narrow it, or raise REPORT_MEMORY_MB",
                code="report_too_large", retry_after_seconds=REPORT_TOO_LARGE_RETRY_SECONDS,
            ) from exc  # fmt: skip


def compute_result(context: Context, report: Report, snapshot: Snapshot, request: ReportRequest) -> dict[str, Any]:
    """The report over the range, and where it is compared, over the range before as `previous`."""

    def compute(time_range: TimeRange) -> dict[str, Any]:
        properties = report.list_properties(request.parameters)
        population = Population(
            context.copy, snapshot, time_range, request.filters, request.includes_bots, properties,
            cohorts=date_cohorts(request, time_range),
        )  # fmt: skip
        return report.compute(population, replace(request, range=time_range))

    result = compute(request.range)
    if request.is_compared:
        before = request.range.previous(request.zone)
        result["previous"] = {**format_range(before), **compute(before)}
    return result


def format_range(time_range: TimeRange) -> dict[str, str | None]:
    """Bounds of a range as the API shows them: UTC, null where open."""
    bounds = {"from": time_range.from_ms, "to": time_range.to_ms}
    return {name: None if ms is None else clock.format_ms(ms) for name, ms in bounds.items()}
