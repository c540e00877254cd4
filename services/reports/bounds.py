"""The first and the last event of a population, mostly without reading all of them."""

from __future__ import annotations

from typing import Final

from columns.relation import overlaps
from services.reports.population import Population

EDGE_MS: Final = 24 * 60 * 60 * 1000
"""How much time after the first event of the segments, and before the last one, is looked at first."""


def fetch_bounds(population: Population) -> tuple[int, int] | None:
    """When the first and the last event of the population occurred, in ms since the epoch; None: it has none."""
    if population.needs_person:
        return _fetch(population.renew(), with_person=True)
    return _fetch_at_edges(population.renew()) or _fetch(population.renew(), with_person=False)


def _fetch_at_edges(population: Population) -> tuple[int, int] | None:
    """The bounds, if the population has events at both edges of its segments, whose row groups between the edges are
    not read. None: it has none there, and has to be read whole."""
    edges = find_edges(population)
    if edges is None:
        return None
    first, last = (f"make_timestamp_ms({moment:d})" for moment in edges)
    ((least, most),) = population.fetch(f"""
        SELECT epoch_ms(min(occurred_at) FILTER (occurred_at <= {first})),
            epoch_ms(max(occurred_at) FILTER (occurred_at >= {last}))
        FROM ({population.build_sql(with_person=False)}) WHERE occurred_at <= {first} OR occurred_at >= {last}""")
    return None if least is None or most is None else (least, most)


def find_edges(population: Population) -> tuple[int, int] | None:
    """Where the first edge ends and the last one begins. Any event up to the one moment shows that none after it is the
    first, wherever events lie; and likewise for the last. None: no segment has an event with a time in range."""
    from_ms, to_ms = population.range.from_ms, population.range.to_ms
    spans = [
        (segment.min_ms, segment.max_ms)
        for segment in population.snapshot.segments
        if segment.min_ms is not None and segment.max_ms is not None and overlaps(segment, from_ms, to_ms)
    ]
    if not spans:
        return None
    first, last = min(least for least, _ in spans), max(most for _, most in spans)
    first = first if from_ms is None else max(first, from_ms)
    last = last if to_ms is None else min(last, to_ms - 1)
    return first + EDGE_MS, last - EDGE_MS


def _fetch(population: Population, *, with_person: bool) -> tuple[int, int] | None:
    ((least, most),) = population.fetch(f"""
        SELECT epoch_ms(min(occurred_at)), epoch_ms(max(occurred_at))
        FROM ({population.build_sql(with_person=with_person)})""")
    return None if least is None else (least, most)
