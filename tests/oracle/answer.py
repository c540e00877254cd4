"""The whole answer of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from zoneinfo import ZoneInfo

from tests.oracle.cohorts import place_in_cohorts
from tests.oracle.counts import compute_conversion, compute_overview, compute_series, compute_top_events
from tests.oracle.events import Event, keep_events
from tests.oracle.funnel import compute_funnel
from tests.oracle.groups import compute_breakdown, compute_devices, compute_locations
from tests.oracle.pages import compute_pages, compute_paths
from tests.oracle.population import Population, link_persons
from tests.oracle.properties import passes_all
from tests.oracle.returning import compute_active_users, compute_lifecycle, compute_retention, compute_stickiness
from tests.oracle.sessions import compute_sessions, compute_sources
from tests.oracle.times import find_previous_start, format_utc, parse_bound
from tests.oracle.users import compute_user, compute_users
from tests.oracle.values import Json, Row


def compute_answer(report: str, posted: Iterable[Row], params: Mapping[str, Json], *, now_ms: int | None = None) -> Row:
    """The report's JSON for the parameters of a JSON body, without projectKey, cached and generatedAt."""
    return compute_answer_over(report, keep_events(posted), params, now_ms=now_ms)


def compute_answer_over(
    report: str, events: list[Event], params: Mapping[str, Json], *, now_ms: int | None = None
) -> Row:
    """As `compute_answer`, over events that were kept before. `now_ms` None: everything is over."""
    zone = ZoneInfo(params.get("tz", "UTC"))
    start = parse_bound(params.get("from"), zone, is_end=False)
    end = parse_bound(params.get("to"), zone, is_end=True)
    answer = compute_window(report, select_population(events, params, start, end, zone, now_ms), params)
    if params.get("compare") == "previous":
        assert start is not None, "comparing needs both bounds"
        assert end is not None, "comparing needs both bounds"
        before = find_previous_start(start, end, zone)
        window = select_population(events, params, before, start, zone, now_ms)
        answer["previous"] = compute_window(report, window, params)
    answer["tz"] = zone.key
    return answer


def select_population(
    events: list[Event],
    params: Mapping[str, Json],
    start: int | None,
    end: int | None,
    zone: ZoneInfo,
    now_ms: int | None,
) -> Population:
    """The events that a report over the window looks at."""
    filters = params.get("filters", [])
    if "cohorts" in params:
        events = place_in_cohorts(events, params, end, zone, now_ms)
    timed = [event for event in events if event.at_ms is not None and (params.get("includeBots") or not event.is_bot)]
    in_range = [
        event for event in timed if (start is None or event.when >= start) and (end is None or event.when < end)
    ]
    history = [event for event in timed if passes_all(event, filters)]
    counted = [event for event in in_range if passes_all(event, filters)]
    return Population(events, history, in_range, counted, link_persons(events), start, end, zone, now_ms)


def compute_window(report: str, population: Population, params: Mapping[str, Json]) -> Row:
    bounds = {"from": format_utc(population.start), "to": format_utc(population.end)}
    return {**bounds, **REPORTS[report](population, params)}


REPORTS: dict[str, Callable[[Population, Mapping[str, Json]], Row]] = {
    "overview": compute_overview,
    "top-events": compute_top_events,
    "events-timeseries": compute_series,
    "funnel": compute_funnel,
    "conversion": compute_conversion,
    "sessions": compute_sessions,
    "pages": compute_pages,
    "sources": compute_sources,
    "paths": compute_paths,
    "devices": compute_devices,
    "locations": compute_locations,
    "breakdown": compute_breakdown,
    "retention": compute_retention,
    "active-users": compute_active_users,
    "stickiness": compute_stickiness,
    "lifecycle": compute_lifecycle,
    "users": compute_users,
}


def compute_user_over(events: list[Event], user_id: str, params: Mapping[str, Json]) -> Row | None:
    """What `users/{id}` answers over events that were kept before, all pages in one; None: nobody has the id."""
    zone = ZoneInfo(params.get("tz", "UTC"))
    start = parse_bound(params.get("from"), zone, is_end=False)
    end = parse_bound(params.get("to"), zone, is_end=True)
    population = select_population(events, params, start, end, zone, None)
    found = compute_user(population, user_id)
    return None if found is None else {"from": format_utc(start), "to": format_utc(end), **found, "tz": zone.key}
