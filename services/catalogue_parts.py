"""What the catalogue says of the events of one part of a project: of a segment, or of those that are in none yet.

A segment never changes, so it is looked through once, by the process that seals it or whoever asks first; what was
found is kept beside it. So only what arrived since is looked through when somebody asks.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from columns.copy import ColumnarCopy
from columns.manifest import Segment
from columns.notes import load_notes, save_notes
from columns.properties import COLUMNS, MAX_PATH_KEYS, METADATA_PREFIX
from columns.snapshot import CopyChanged
from services.reports.population import Population
from services.time_range import TimeRange

MAX_SHAPES: Final = 20_000
"""Kinds of metadata (keys and types) of a segment that are looked at, the most frequent first."""
MAX_REMEMBERED: Final = 200
NOT_LISTED: Final = ("eventName", "eventId")
"""Every event has these."""
LISTED_COLUMNS: Final = {name: column for name, column in COLUMNS.items() if name not in NOT_LISTED}
KIND_OF_STRUCTURE: Final = {
    "VARCHAR": "text", "BOOLEAN": "boolean", "NULL": None,
    **dict.fromkeys(("UBIGINT", "BIGINT", "HUGEINT", "UHUGEINT", "DOUBLE"), "number"),
}  # fmt: skip
"""Type as `json_structure` names it -> kind of the value; null is absent, anything else a list or an object."""
VERSION: Final = 1
"""Raised when something else is found out: what was kept of an older version is found out again."""


class SeenEvent(NamedTuple):
    """Events of one name."""

    event_name: str
    events: int
    first_ms: int
    last_ms: int


class SeenProperty(NamedTuple):
    """Events of one name with values of one kind of a property."""

    event_name: str
    name: str
    kind: str
    events: int
    last_ms: int


class Part(msgspec.Struct, frozen=True):
    """What the events of a part have."""

    version: int
    events: list[SeenEvent]
    properties: list[SeenProperty]
    """The same may be there several times, to be added up."""
    is_complete: bool
    """Whether nothing was left out."""


_remembered: OrderedDict[str, Part] = OrderedDict()
_lock = threading.Lock()


def list_parts(population: Population) -> Iterator[Part]:
    """What each segment has, and what is in no segment yet. The population is all events that reports count."""
    for segment in population.snapshot.segments:
        yield fetch_part(population, segment)
    if population.snapshot.tail is not None:
        unsealed = replace(population.snapshot, segments=(), patch=None)
        yield find_part(replace(population.renew(), snapshot=unsealed))


def prepare(copy: ColumnarCopy, project_key: str, *, epoch: int) -> None:
    """Look through the segments that nobody has looked through yet. Raises StoreUnavailable."""
    snapshot = copy.fetch_sealed(project_key, epoch=epoch)
    population = Population(copy, snapshot, TimeRange())
    try:
        for segment in snapshot.segments:
            fetch_part(population, segment)
    except CopyChanged:
        return  # what is missing is found out when it is asked for


def fetch_part(population: Population, segment: Segment) -> Part:
    """What a segment has: from memory, else from beside it, else by looking."""
    with _lock:
        part = _remembered.get(segment.file)
    if part is None:
        part = load_part(population, segment)
    if part is None:
        alone = replace(population.snapshot, segments=(segment,), tail=None, patch=None)
        part = find_part(replace(population.renew(), snapshot=alone))
        save_notes(population.snapshot.directory, segment.file, msgspec.json.encode(part))
    with _lock:
        _remembered[segment.file] = part
        _remembered.move_to_end(segment.file)
        while len(_remembered) > MAX_REMEMBERED:
            _remembered.popitem(last=False)
    return part


def load_part(population: Population, segment: Segment) -> Part | None:
    """What was kept beside a segment; None: nothing that this version can read."""
    notes = load_notes(population.snapshot.directory, segment.file)
    try:
        part = None if notes is None else msgspec.json.decode(notes, type=Part)
    except msgspec.DecodeError:
        return None
    return part if part is not None and part.version == VERSION else None


def find_part(part: Population) -> Part:
    """What the events of a part have, by looking at all of them."""
    events, properties = find_in_columns(part.renew())
    shapes = 0
    for event_name, shape, count, last_ms in fetch_shapes(part.renew()):
        shapes += 1
        for name, kind in list_members(msgspec.json.decode(shape), ()):
            properties.append(SeenProperty(event_name, name, kind, count, last_ms))
    return Part(VERSION, events, add_up(properties), shapes < MAX_SHAPES)


def add_up(properties: Iterable[SeenProperty]) -> list[SeenProperty]:
    """Each event name, property and kind once."""
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for *key, count, last_ms in properties:
        before = found.get((key[0], key[1], key[2]), (0, last_ms))
        found[key[0], key[1], key[2]] = before[0] + count, max(before[1], last_ms)
    return [SeenProperty(*key, *numbers) for key, numbers in found.items()]


def find_in_columns(part: Population) -> tuple[list[SeenEvent], list[SeenProperty]]:
    """The names of events, and what their fields have and what was found out about them."""
    columns = ", ".join(
        f"count({column}), epoch_ms(max(occurred_at) FILTER ({column} IS NOT NULL))"
        for column in LISTED_COLUMNS.values()
    )
    rows = part.stream(f"""
        SELECT event_name, count(*), epoch_ms(min(occurred_at)), epoch_ms(max(occurred_at)), {columns}
        FROM ({part.build_sql(with_person=False)}) GROUP BY event_name""")
    events, properties = [], []
    for event_name, total, first_ms, total_last_ms, *numbers in rows:
        events.append(SeenEvent(event_name, total, first_ms, total_last_ms))
        for name, count, last_ms in zip(LISTED_COLUMNS, numbers[::2], numbers[1::2], strict=True):
            if count:
                properties.append(SeenProperty(event_name, name, "text", count, last_ms))
    return events, properties


def fetch_shapes(part: Population) -> Iterator[tuple[Any, ...]]:
    """Name of the event, keys and types of its metadata, number and last time of such events."""
    return part.stream(f"""
        SELECT event_name, json_structure(metadata) AS shape, count(*), epoch_ms(max(occurred_at))
        FROM ({part.build_sql(with_person=False)}) WHERE metadata IS NOT NULL
        GROUP BY event_name, shape ORDER BY count(*) DESC, event_name, shape LIMIT {MAX_SHAPES}""")


def list_members(shape: Any, parent: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Name and kind of each property in metadata of a shape; an object is one, and so are its members."""
    if not isinstance(shape, dict) or len(parent) >= MAX_PATH_KEYS:
        return
    for key, structure in shape.items():
        path = (*parent, key)
        kind = KIND_OF_STRUCTURE.get(structure, "other") if isinstance(structure, str) else "other"
        if kind is not None:
            yield name_path(path), kind
        yield from list_members(structure, path)


def name_path(path: Iterable[str]) -> str:
    """The property at a path, as `columns.properties.parse_property` reads it."""
    return METADATA_PREFIX + ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in path)
