"""paths: which ways sessions take, from where they begin or from a page or an event on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from services.fields import parse_choice
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.session import FLAG_BITS
from services.reports.session_order import Naming, OrderedSessions, fetch_naming, stream_sessions
from services.reports.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa

    from services.reports.event_order import Flags, Marks, Whole

OTHER: Final = "(other)"
MAX_START: Final = 10_000


class By(StrEnum):
    """What a path is made of."""

    PAGE = "page"
    EVENT = "event"


class Direction(StrEnum):
    """Whether a path leads on from its start or back."""

    AFTER = "after"
    BEFORE = "before"


COLUMN_OF: Final = {By.PAGE: "page", By.EVENT: "event_name"}


@dataclass(frozen=True)
class PathsParameters:
    """`start` None: the first of a session, or going back the last; `steps` are counted after it."""

    start: str | None
    by: By
    direction: Direction
    steps: int
    limit: int


def parse_start(value: object) -> str:
    """A page or the name of an event."""
    if not isinstance(value, str) or len(value) > MAX_START or any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError(f"must be a page or the name of an event, text of at most {MAX_START} characters")
    return value


FIELDS: dict[str, Any] = {
    "start": parse_start,
    "by": partial(parse_choice, choices=By),
    "direction": partial(parse_choice, choices=Direction),
    "steps": partial(parse_count, least=1, most=10),
    "limit": partial(parse_count, least=1, most=100),
}
COLUMNS = ("step", "source", "target", "sessions")


def parse(values: dict[str, Any]) -> PathsParameters:
    """Three steps from where sessions begin, over pages, the ten most frequent of each step, by default."""
    return PathsParameters(
        start=values.get("start"),
        by=values.get("by", By.PAGE),
        direction=values.get("direction", Direction.AFTER),
        steps=values.get("steps", 3),
        limit=values.get("limit", 10),
    )


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """Nodes by step, then sessions; links by step, then sessions; both then by name, what is summed up last. No session
    with a start: empty lists."""
    parameters: PathsParameters = request.parameters
    naming = fetch_naming(population, COLUMN_OF[parameters.by])
    hops = count_hops(stream_sessions(population, naming, has_name, has_all=False), naming, parameters)
    rows = fetch_shown(population.renew(), naming, hops, parameters.limit)
    nodes = sorted((row for row in rows if row[4] is None), key=lambda row: (row[0], row[1]))
    return {
        "nodes": [
            {"step": step, "name": name, "sessions": sessions, "isOther": is_other}
            for step, is_other, name, _, _, sessions in nodes
        ],
        "links": [
            {"step": step, "source": source, "target": target, "sessions": sessions}
            for step, _, source, _, target, sessions in rows
            if target is not None
        ],
        "sessions": sum(row[5] for row in nodes if row[0] == 0),
    }


def has_name(marks: Marks) -> Flags:
    """Which events may be on a path: their order matters."""
    return marks >> FLAG_BITS > 0


def count_hops(sessions: Iterable[OrderedSessions], naming: Naming, parameters: PathsParameters) -> pa.Table:
    """`step`, `source`, `target` (null: the path ends there) as codes, and the number of `sessions` that go so."""
    import pyarrow as pa

    start = None if parameters.start is None else naming.find_code(parameters.start)
    base, tally = naming.count + 1, Tally()
    for part in sessions:
        for step, sources, targets in walk(part, start, parameters):
            # below 2 ** 63 with up to 900 million names
            tally.add((step * base + sources) * base + targets)
    hops, counts = tally.sum_up()
    steps, targets = hops // base**2, hops % base
    return pa.table(
        {
            "step": pa.array(steps),
            "source": pa.array(hops // base % base),
            "target": pa.array(targets, mask=targets == 0),
            "sessions": pa.array(counts),
        }
    )


def walk(
    sessions: OrderedSessions, start: int | None, parameters: PathsParameters
) -> Iterator[tuple[int, Whole, Whole]]:
    """For each step of all paths at once the codes of where they are, and of what comes next (0: the path ends)."""
    import numpy as np

    codes, numbers = fold(sessions, is_reversed=parameters.direction is Direction.BEFORE)
    following = np.zeros_like(codes)
    following[:-1] = np.where(numbers[1:] == numbers[:-1], codes[1:], 0)
    places = np.arange(len(codes)) if start is None else np.flatnonzero(codes == start)
    places = places[np.diff(numbers[places], prepend=-1) != 0]
    for step in range(parameters.steps + 1):
        targets = following[places] if step < parameters.steps else np.zeros(len(places))
        yield step, codes[places].astype(np.int64), targets.astype(np.int64)
        places = places[targets > 0] + 1


def fold(sessions: OrderedSessions, *, is_reversed: bool) -> tuple[Marks, Whole]:
    """The codes of events with a name, immediate repeats folded into one, and the numbers of their sessions."""
    import numpy as np

    codes, numbers = sessions.codes, sessions.number_sessions()
    if not codes.all():
        codes, numbers = codes[codes > 0], numbers[codes > 0]
    if is_reversed:
        codes, numbers = codes[::-1], numbers[::-1]
    is_other = np.ones(len(codes), dtype=bool)
    is_other[1:] = (codes[1:] != codes[:-1]) | (numbers[1:] != numbers[:-1])
    return codes[is_other], numbers[is_other]


def fetch_shown(population: Population, naming: Naming, hops: pa.Table, limit: int) -> list[tuple[Any, ...]]:
    """Nodes and links as they are shown: step, whether several are summed up, name, the same two of the link's target
    (null: a node), sessions."""
    sql = f"""
        WITH ranked AS (
            SELECT step, code, name, sessions,
                row_number() OVER (PARTITION BY step ORDER BY sessions DESC, name) > {limit:d} AS is_other
            FROM (SELECT step, source AS code, sum(sessions)::BIGINT AS sessions FROM hops GROUP BY ALL)
            JOIN names USING (code)),
        shown AS MATERIALIZED (
            SELECT step, code, sessions, is_other, CASE WHEN is_other THEN '{OTHER}' ELSE name END AS name FROM ranked)
        SELECT step, is_other, name, NULL AS target_is_other, NULL AS target, sum(sessions)::BIGINT AS sessions
        FROM shown GROUP BY ALL
        UNION ALL
        SELECT s.step, s.is_other, s.name, t.is_other, t.name, sum(hops.sessions)::BIGINT
        FROM hops JOIN shown s ON hops.step = s.step AND hops.source = s.code
            JOIN shown t ON hops.step + 1 = t.step AND hops.target = t.code
        GROUP BY ALL
        ORDER BY step, sessions DESC, is_other, name, target_is_other, target"""
    return population.fetch(sql, {"hops": hops, "names": naming.names})


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a link."""
    return list(result["links"])


REPORT = Report("paths", FIELDS, parse, compute, list_rows, COLUMNS)
