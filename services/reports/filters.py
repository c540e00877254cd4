"""Property filters: `{property, operator, value}`, by JSON kind, never mixing kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from columns.properties import JSON_TYPES, Parameters, Property, parse_property
from services.errors import InvalidInput
from services.reports.cohort_property import COHORT, parse_membership

Scalar = str | float | bool
MAX_FILTERS: Final = 50
MAX_VALUES: Final = 1000
MAX_TEXT: Final = 10_000

COMPARISONS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
COMPLEMENTS: Final = {"neq": "eq", "not_in": "in", "not_contains": "contains", "not_exists": "exists"}
OPERATORS: Final = ("eq", "neq", "in", "not_in", "contains", "not_contains", "starts_with", "gt", "gte", "lt", "lte",
                    "exists", "not_exists")  # fmt: skip


@dataclass(frozen=True)
class Filter:
    """One condition. `values` holds the value (one), the list of `in` (several), or nothing (`exists`)."""

    prop: Property
    operator: str
    values: tuple[Scalar, ...] = ()


def parse_filters(value: object, *, field: str = "filters") -> tuple[Filter, ...]:
    """Filters of a request: a list, or JSON text of one. All must hold. Raises InvalidInput naming the wrong one."""
    if isinstance(value, str):
        try:
            # as bodies are read: without NaN, and without lone surrogates, which no store could hold
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise InvalidInput(f"{field} must be a JSON list of filters", fields=[field]) from None
    if not isinstance(value, list) or len(value) > MAX_FILTERS:
        raise InvalidInput(f"{field} must be a list of at most {MAX_FILTERS} filters", fields=[field])
    return tuple(parse_filter(item, f"{field}[{number}]") for number, item in enumerate(value))


def parse_filter(item: object, field: str) -> Filter:
    """One filter; `field` is where it stands, for the error."""
    if not isinstance(item, dict):
        raise InvalidInput(f"{field} must be an object with property, operator and value", fields=[field])
    for name in item:
        if name not in ("property", "operator", "value"):
            message = f"{field}.{str(name)[:100]} is unknown: expected property, operator and value"
            raise InvalidInput(message, fields=[field])
    if item.get("property") == COHORT:
        return parse_cohort_filter(item, field)
    try:
        prop = parse_property(item["property"] if isinstance(item.get("property"), str) else "")
    except ValueError as exc:
        raise InvalidInput(f"{field}.property: {exc}", fields=[f"{field}.property"]) from None
    operator = item.get("operator")
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise InvalidInput(f"{field}.operator must be one of {', '.join(OPERATORS)}", fields=[f"{field}.operator"])
    try:
        return Filter(prop, operator, parse_values(prop, operator, item))
    except ValueError as exc:
        raise InvalidInput(f"{field}.value {exc}", fields=[f"{field}.value"]) from None


def parse_cohort_filter(item: dict[str, Any], field: str) -> Filter:
    """A filter on the cohorts of the event's person."""
    try:
        prop, operator = parse_membership(item, field)
    except ValueError as exc:
        member = str(exc).partition(" ")[0]
        raise InvalidInput(f"{field}.{exc}", fields=[f"{field}.{member}"]) from None
    return Filter(prop, operator, (True,))


def parse_values(prop: Property, operator: str, item: dict[str, Any]) -> tuple[Scalar, ...]:
    """The values of a filter, checked against its operator and property; ValueError says what is expected."""
    if operator in ("exists", "not_exists"):
        if item.get("value") is not None:
            raise ValueError(f"must be left out: {operator} takes none")
        return ()
    if "value" not in item:
        raise ValueError("is required")
    value = item["value"]
    if operator in ("in", "not_in"):
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
            raise ValueError(f"must be a list of 1 to {MAX_VALUES} values")
        return tuple(parse_scalar(element, prop) for element in value)
    scalar = parse_scalar(value, prop)
    if operator == "starts_with" and not isinstance(scalar, str):
        raise ValueError("must be text")
    if operator in COMPARISONS and isinstance(scalar, bool):
        raise ValueError("must be text or a number")
    return (scalar,)


def parse_scalar(value: object, prop: Property) -> Scalar:
    """Text, number or boolean; columns of an event are always text."""
    expected = "must be text" if prop.column else "must be text, a number, true or false"
    if isinstance(value, str):
        if len(value) > MAX_TEXT or any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError(f"must be text of at most {MAX_TEXT} characters without lone surrogates")
        return value
    if prop.column or not isinstance(value, int | float):
        raise ValueError(expected)
    if isinstance(value, bool):
        return value
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if number - number != 0:
        raise ValueError("must be a number that a 64-bit float can hold")
    return number


def build_filter_sql(condition: Filter, number: int, parameters: Parameters) -> str:
    """The condition on the typed columns of the property of that number; never null when negated."""
    positive = COMPLEMENTS.get(condition.operator)
    if positive:
        matched = BUILDERS[positive](condition, f"p{number}", parameters)
        return f"NOT coalesce({matched}, false)"
    return BUILDERS[condition.operator](condition, f"p{number}", parameters)


def find_kind(value: Scalar) -> str:
    """Which typed column a value is compared with."""
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def _build_in(condition: Filter, name: str, parameters: Parameters) -> str:
    bound: dict[str, list[str]] = {}
    for value in condition.values:
        bound.setdefault(find_kind(value), []).append(parameters.bind(value))
    return "(" + " OR ".join(f"{name}_{kind} IN ({', '.join(values)})" for kind, values in bound.items()) + ")"


def _build_comparison(condition: Filter, name: str, parameters: Parameters) -> str:
    (value,) = condition.values
    return f"{name}_{find_kind(value)} {COMPARISONS[condition.operator]} {parameters.bind(value)}"


def _build_starts_with(condition: Filter, name: str, parameters: Parameters) -> str:
    return f"starts_with({name}_text, {parameters.bind(condition.values[0])})"


def _build_contains(condition: Filter, name: str, parameters: Parameters) -> str:
    (value,) = condition.values
    in_list = _build_in_list(value, f"{name}_other", parameters)
    if not isinstance(value, str):
        return in_list
    return f"(contains({name}_text, {parameters.bind(value)}) OR {in_list})"


def _build_in_list(value: Scalar, column: str, parameters: Parameters) -> str:
    """Whether a JSON list has the value as an element."""
    placeholder, kind = parameters.bind(value), find_kind(value)
    same = {
        "text": f"json_extract_string(element, '$') = {placeholder}",
        "number": f"TRY_CAST(element AS DOUBLE) = {placeholder}",
        "boolean": f"TRY_CAST(element AS BOOLEAN) = {placeholder}",
    }[kind]
    is_kind = f"json_type(element) IN ({JSON_TYPES[kind]})"
    elements = f"CASE WHEN json_type({column}) = 'ARRAY' THEN json_extract({column}, '$[*]') END"
    return f"coalesce(len(list_filter({elements}, lambda element: {is_kind} AND {same})) > 0, false)"


def _build_exists(condition: Filter, name: str, parameters: Parameters) -> str:
    kinds = ("text",) if condition.prop.column else ("text", "number", "boolean", "other")
    return "(" + " OR ".join(f"{name}_{kind} IS NOT NULL" for kind in kinds) + ")"


BUILDERS: Final[dict[str, Callable[[Filter, str, Parameters], str]]] = {
    "eq": _build_in,
    "in": _build_in,
    "contains": _build_contains,
    "starts_with": _build_starts_with,
    "exists": _build_exists,
    **dict.fromkeys(COMPARISONS, _build_comparison),
}


def build_filters_sql(filters: Sequence[Filter], properties: Sequence[Property], parameters: Parameters) -> str:
    """All filters joined by AND; `true` where there are none. `properties` numbers those of the relation."""
    if not filters:
        return "true"
    return " AND ".join(build_filter_sql(item, properties.index(item.prop), parameters) for item in filters)
