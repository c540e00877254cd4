"""export: the events of a range one by one, in the order of time, as a stream of flat memory whatever their number.

The range is cut into pieces of about `PIECE_EVENTS` events. Each is a sorted query of its own, so the engine never
sorts more at once, and a client that reads slowly holds nothing but a piece. Where files of the snapshot go away
meanwhile (a merge's after ten minutes, an erasure's at once), the rest is read from a new snapshot, after the last
event that was written: nothing is missing or there twice, and what arrived since may be there too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from columns.relation import build_user_names_sql
from columns.snapshot import CopyChanged, Snapshot
from services import clock
from services.context import Context
from services.errors import Unavailable
from services.fields import parse_choice
from services.projects import Project, fetch_project
from services.reports.cohort import date_cohorts
from services.reports.export_formats import EXPORT_FIELDS, PLACE, WRITINGS, ExportFormat, Writing
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, refuse
from services.reports.run import fetch_result, parse_request
from services.time_range import TimeRange

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_EVENTS: Final = 100_000
UNITS_MS: Final = {"hour": 3_600_000, "second": 1_000, "millisecond": 1}
"""Pieces end where hours do; crowded hours are cut at seconds, and crowded seconds at milliseconds."""
LAST_MS: Final = clock.to_ms(datetime.max.replace(tzinfo=UTC))
BATCH_EVENTS: Final = 2_048
MAX_RETAKES: Final = 3
"""So many new snapshots in a row, without an event from any of them, and the export is given up."""
EXPORTS_OF_THREADS: Final = 4
"""One thread in so many may be at an export: each is held for as long as its client reads."""
BUSY_RETRY_SECONDS: Final = 30


class Place(NamedTuple):
    """Where in the order an event is; without a time they are ordered by id alone."""

    occurred_at: datetime | None
    event_id: str


class Piece(NamedTuple):
    """Events that are read by one query, or, where they cannot be told apart by their times, page by page."""

    range: TimeRange
    is_paged: bool = False
    is_dated: bool = True


class ExportBroken(Exception):
    """The rest of an export cannot be read. The connection is cut, so that nobody takes what he got for all."""


FIELDS: dict[str, Any] = {"format": partial(parse_choice, choices=ExportFormat), "compare": refuse}


def parse(values: dict[str, Any]) -> ExportFormat:
    """NDJSON by default."""
    export_format: ExportFormat = values.get("format", ExportFormat.NDJSON)
    return export_format


def plan(population: Population, request: ReportRequest) -> dict[str, Any]:
    """`pieces` that together are the range, in order. Events without a valid time are the last, of all time only."""
    bounds = request.range
    pieces = list(cut(population, bounds, tuple(UNITS_MS)))
    if bounds == TimeRange():
        pieces.append(Piece(bounds, is_paged=True, is_dated=False))
    return {"pieces": pieces}


def cut(population: Population, bounds: TimeRange, units: tuple[str, ...]) -> Iterator[Piece]:
    """Pieces of a range that together have all its events, in order. The units are those still to be tried."""
    unit, *narrower = units
    start_ms, stop_ms, held = None, 0, 0
    for bucket_ms, count in count_events(population, bounds, unit):
        if start_ms is not None and held + count > PIECE_EVENTS:
            yield Piece(clip(start_ms, stop_ms, bounds))
            start_ms, held = None, 0
        stop_ms = bucket_ms + UNITS_MS[unit]
        if count > PIECE_EVENTS:
            crowded = clip(bucket_ms, stop_ms, bounds)
            yield from cut(population, crowded, tuple(narrower)) if narrower else [Piece(crowded, is_paged=True)]
            continue
        start_ms = bucket_ms if start_ms is None else start_ms
        held += count
    if start_ms is not None:
        yield Piece(clip(start_ms, stop_ms, bounds))


def count_events(population: Population, bounds: TimeRange, unit: str) -> Iterator[tuple[int, int]]:
    """Beginning and number of events of each hour (second ...) that has any, in order."""
    part = replace(population.renew(), range=bounds)
    rows = part.stream(f"""
        SELECT date_trunc('{unit}', occurred_at) AS bucket, count(*)
        FROM ({part.build_sql()}) GROUP BY bucket ORDER BY bucket""")
    return ((clock.to_ms(bucket.replace(tzinfo=UTC)), count) for bucket, count in rows)


def clip(start_ms: int, stop_ms: int, bounds: TimeRange) -> TimeRange:
    """The part of a stretch of time that is in the bounds. After the last hour of the year 9999 it is open."""
    from_ms = start_ms if bounds.from_ms is None else max(start_ms, bounds.from_ms)
    to_ms = stop_ms if bounds.to_ms is None else min(stop_ms, bounds.to_ms)
    return TimeRange(from_ms, None if to_ms > LAST_MS else to_ms)


REPORT = Report("export", FIELDS, parse, plan, lambda result: [], tuple(EXPORT_FIELDS))
"""Asked like a report, for the pieces; the answer is their events."""


@dataclass
class Export:
    """A stream of events in one form. `close` one that may not have been read to its end."""

    context: Context
    project: Project
    request: ReportRequest
    snapshot: Snapshot
    pieces: list[Piece]
    _retakes: int = field(default=0, init=False)
    _is_over: bool = field(default=False, init=False)

    @property
    def writing(self) -> Writing:
        """How it is written."""
        return WRITINGS[self.request.parameters]

    @property
    def filename(self) -> str:
        """As which it is to be saved."""
        return f"events-{self.project.project_key}.{self.request.parameters}"

    def stream(self) -> Iterator[bytes]:
        """The file in parts. Raises when the rest of it cannot be had."""
        try:
            yield from self.writing.encode(self.read())
        finally:
            self.close()

    def read(self) -> Iterator[pa.RecordBatch]:
        """All the events, in order."""
        for piece in self.pieces:
            yield from self.read_piece(piece)

    def read_piece(self, piece: Piece) -> Iterator[pa.RecordBatch]:
        """The events of a piece. Where files go away on the way, it goes on behind the last event."""
        self.check_epoch()
        if not self.context.copy.is_final(self.snapshot):
            self.retake()
        place, is_over = None, False
        while not is_over:
            found = 0
            try:
                for batch in self.read_after(piece, place):
                    place, found, self._retakes = find_place(batch), found + batch.num_rows, 0
                    yield batch
                is_over = not piece.is_paged or found < PIECE_EVENTS
            except CopyChanged as exc:
                if self._retakes >= MAX_RETAKES:
                    raise ExportBroken("the files of the columnar copy went away again and again") from exc
                self.context.copy.mend(self.project.project_key)
                self.retake()

    def retake(self) -> None:
        """Read from a new snapshot from now on."""
        self._retakes += 1
        self.check_epoch()
        self.snapshot = self.context.copy.fetch_snapshot(self.project.project_key, epoch=self.project.data_epoch)

    def check_epoch(self) -> None:
        """Raise ExportBroken if the events are not the same any more, Forbidden if the project is gone."""
        if fetch_project(self.context, self.project.project_key).data_epoch != self.project.data_epoch:
            raise ExportBroken("the project's events were erased or changed meanwhile")

    def read_after(self, piece: Piece, place: Place | None) -> Iterator[pa.RecordBatch]:
        """The events of a piece after a place (None: all), at most PIECE_EVENTS of a paged one."""
        population = Population(
            self.context.copy, self.snapshot, piece.range, self.request.filters, self.request.includes_bots,
            is_dated=piece.is_dated, cohorts=date_cohorts(self.request, self.request.range),
        )  # fmt: skip
        sql = build_piece_sql(population, self.writing.columns, place, limit=PIECE_EVENTS if piece.is_paged else None)
        return population.stream_batches(sql, rows=BATCH_EVENTS)

    def close(self) -> None:
        """Let another export begin in place of this one."""
        if not self._is_over:
            self._is_over = True
            _slots.leave()


def build_piece_sql(population: Population, columns: str, place: Place | None, *, limit: int | None) -> str:
    """SELECT of the columns, and of `PLACE`, in order. `person_id` is how reports show the person."""
    events = f"SELECT * FROM ({population.build_sql()}) WHERE {build_after_sql(population, place)}"
    if limit is not None:
        events += f" ORDER BY {', '.join(PLACE)} LIMIT {limit:d}"
    names = build_user_names_sql(population.snapshot, population.parameters)
    return f"""
        SELECT {columns}, {", ".join(PLACE)} FROM (
            SELECT events.*, coalesce(events.user_id, names.user_id, events.anonymous_id) AS person_id
            FROM (SELECT * REPLACE (coalesce(metadata, '{{}}') AS metadata) FROM ({events})) events
            LEFT JOIN ({names}) names ON events.user_id IS NULL AND names.user_key = events.person
        ) ORDER BY {", ".join(PLACE)}"""


def build_after_sql(population: Population, place: Place | None) -> str:
    """SQL condition that an event comes after a place."""
    if place is None:
        return "true"
    event_id = population.bind(place.event_id)
    if place.occurred_at is None:
        return f"event_id > {event_id}"
    moment = population.bind(place.occurred_at)
    return f"occurred_at >= {moment} AND (occurred_at > {moment} OR event_id > {event_id})"


def find_place(batch: pa.RecordBatch) -> Place:
    """The place of the last row."""
    return Place(*(batch.column(name)[-1].as_py() for name in PLACE))


class _Slots:
    """How many exports run in this process."""

    def __init__(self) -> None:
        self._taken = 0
        self._lock = threading.Lock()

    def enter(self, most: int) -> None:
        """Raises Unavailable where so many run already."""
        with self._lock:
            if self._taken >= most:
                raise Unavailable(
                    "As many exports are running as may at once", code="exports_busy",
                    retry_after_seconds=BUSY_RETRY_SECONDS,
                )  # fmt: skip
            self._taken += 1

    def leave(self) -> None:
        """One is over."""
        with self._lock:
            self._taken -= 1


_slots = _Slots()


def start_export(context: Context, project: Project, fields: Mapping[str, Any]) -> Export:
    """An export of every event acknowledged before the call, ready to be streamed.

    Raises InvalidInput, Unavailable, StoreUnavailable: what fails before the first event fails here.
    """
    request = parse_request(context, REPORT, fields, project)
    _slots.enter(max(1, context.config.threads // EXPORTS_OF_THREADS))
    try:
        snapshot, result = fetch_result(context, REPORT, project, request)
    except BaseException:
        _slots.leave()
        raise
    return Export(context, project, request, snapshot, result["pieces"])
