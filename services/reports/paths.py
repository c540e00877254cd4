"""paths: which ways sessions take, from where they begin or from a page or an event on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from services.fields import parse_choice
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest, parse_count
from services.reports.session import Packing
from services.reports.session_order import OPEN_LISTS, build_sequences

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
    sequences = build_sequences(population, COLUMN_OF[parameters.by], has_all=False)
    if sequences is None:
        return {"nodes": [], "links": [], "sessions": 0}
    start = None if parameters.start is None else population.bind(parameters.start)
    rows = population.fetch(f"""
        WITH {sequences.build_tables(partial(build_hops_sql, sequences.packing, parameters, start))},
        hops AS MATERIALIZED (
            SELECT step, source, target, sum(sessions)::BIGINT AS sessions FROM counts GROUP BY ALL),
        ranked AS (
            SELECT step, code, name, sessions,
                row_number() OVER (PARTITION BY step ORDER BY sessions DESC, name) > {parameters.limit:d} AS is_other
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
        ORDER BY step, sessions DESC, is_other, name, target_is_other, target""")
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


def build_hops_sql(packing: Packing, parameters: PathsParameters, start: str | None, sequences: str) -> str:
    """SELECT of `step`, `source`, `target` (null: the path ends there) as codes, and the `sessions` that go so.

    `start`: the bound name that paths start from. `sequences`: see `session_order.Sequences`.
    """
    codes = f"list_filter(list_transform(items, lambda item: {packing.build_code('item')}), lambda code: code > 0)"
    folded = "list_filter(codes, lambda code, place: code IS DISTINCT FROM codes[place - 1])"
    if parameters.direction is Direction.BEFORE:
        folded = f"list_reverse({folded})"
    first = "1"
    if start is not None:
        found = f"coalesce(list_position(folded, (SELECT code FROM names WHERE name = {start})), 0)"
        first = f"CASE WHEN folded[1] = {packing.last_code} THEN 1 ELSE {found} END"
    return f"""
        SELECT step, source, target, count(*) AS sessions, {OPEN_LISTS} FROM (
            SELECT generate_subscripts(path, 1) - 1 AS step, unnest(path) AS source,
                unnest(list_append(path[2:], NULL)) AS target, open_id, open_person
            FROM (
                SELECT *, folded[first:first + {parameters.steps:d}] AS path FROM (
                    SELECT *, {first} AS first FROM (
                        SELECT *, {folded} AS folded FROM (SELECT *, {codes} AS codes FROM ({sequences}))))
                WHERE first > 0))
        GROUP BY step, source, target"""


def list_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a link."""
    return list(result["links"])


REPORT = Report("paths", FIELDS, parse, compute, list_rows, COLUMNS)
