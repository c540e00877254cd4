"""Values of a property as reports group by them: by JSON kind, so that the text "1" and the number 1 are two values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from columns.properties import KINDS, Property
from services.reports.population import Population

ValueKey = tuple[str | None, float | None, bool | None, str | None]
"""The value of a property by kind: text, number, boolean, JSON text of a list or object. All None: absent."""

JsonValue = str | float | bool | None


ABSENT: Final = {kind: f"NULL::{sql_type}" for kind, sql_type in KINDS.items()}
"""SQL of a part of a `ValueKey` that no event has a value of."""


def list_value_columns(population: Population, prop: Property) -> list[str]:
    """SQL expressions of a `ValueKey`, those of `ABSENT` for kinds that do not occur; the first always reads events.
    Minus zero is zero."""
    number, kinds = population.find_property(prop), population.list_kinds(prop)
    found = {kind: f"p{number}_{kind}" + (" + 0.0" if kind == "number" else "") for kind in KINDS}
    return [found[kind] if kind in ("text", *kinds) else ABSENT[kind] for kind in KINDS]


def list_order_terms(columns: Sequence[str]) -> list[str]:
    """Terms of an ORDER BY over the columns of one `ValueKey`: by the value as text, the absent one last; of what reads
    the same, a text comes first, then a number, a boolean, a list or object."""
    text, number, boolean, other = columns
    is_whole = f"{number} = trunc({number}) AND abs({number}) < {2**53}"
    number_text = f"CASE WHEN {is_whole} THEN TRY_CAST({number} AS BIGINT)::VARCHAR ELSE {number}::VARCHAR END"
    return [
        f"coalesce({text}, {number_text}, {boolean}::VARCHAR, {other}) NULLS LAST",
        *(f"{column} IS NULL" for column in (text, number, boolean)),
    ]


def format_value(key: ValueKey) -> JsonValue:
    """The JSON value of a key: a list or an object as its text, whole numbers without a fraction, absent as null."""
    text, number, boolean, other = key
    if number is not None:
        return format_number(number)
    return boolean if boolean is not None else text if text is not None else other


def format_number(number: float) -> float:
    """A whole number that a double holds exactly as such, without a fraction."""
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def divide(part: float, whole: float) -> float | None:
    """A ratio; None where there is nothing to divide by."""
    return part / whole if whole else None
