"""How long clients of reference 4 say that a page was looked at: `duration` in the metadata of an event."""

from __future__ import annotations

from typing import Final

from columns.properties import Property, parse_property
from services.reports.population import Population

DURATION: Final[Property] = parse_property("metadata.duration")
MAX_SECONDS: Final = 1_000_000_000
"""Three decades: what is more, or negative, was not measured."""


def build_duration_sql(population: Population) -> str:
    """SQL of an event's duration in seconds, null where there is none; `DURATION` must be among the properties."""
    number = f"p{population.find_property(DURATION)}_number"
    return f"CASE WHEN {number} BETWEEN 0 AND {MAX_SECONDS} THEN {number} END"
