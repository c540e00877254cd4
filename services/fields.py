"""Reading the JSON object of a request field by field: wrong fields are named together in one error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from services import clock
from services.errors import InvalidInput

FieldParser = Callable[[Any], Any]
"""From a JSON value to the value that is kept; ValueError with what is expected ("must be ...")."""

Choice = TypeVar("Choice", bound=str)

MAX_PROBLEMS = 20
MAX_SHOWN_NAME = 100


def parse_fields(
    body: Mapping[str, Any], parsers: Mapping[str, FieldParser], *, required: Collection[str] = ()
) -> dict[str, Any]:
    """The fields that are there, each parsed; fields that are absent stay absent.

    Raises InvalidInput naming the fields, MAX_PROBLEMS of them at most, that are unknown, missing though `required`,
    or refused by their parsers.
    """
    problems = {name: "is not a known field" for name in body if name not in parsers}
    problems |= {name: "is required" for name in required if name not in body}
    values: dict[str, Any] = {}
    for name, parse in parsers.items():
        if name in body:
            try:
                values[name] = parse(body[name])
            except ValueError as exc:
                problems[name] = str(exc)
    if problems:
        shown = {name[:MAX_SHOWN_NAME]: problem for name, problem in list(problems.items())[:MAX_PROBLEMS]}
        message = "; ".join(f"{name} {problem}" for name, problem in shown.items())
        raise InvalidInput(message, code="invalid_field", fields=list(shown))
    return values


def parse_text(value: object, *, max_length: int) -> str:
    """Text without the blanks around it, 1 to `max_length` characters."""
    expected = f"must be text of 1 to {max_length} characters"
    if not isinstance(value, str):
        raise ValueError(expected)
    text = value.strip()
    if not 1 <= len(text) <= max_length:
        raise ValueError(expected)
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(f"{expected}, without NUL and lone surrogates")
    return text


def parse_choice(value: object, *, choices: Iterable[Choice]) -> Choice:
    """A member of a closed set, by its text."""
    for choice in choices:
        if value == choice:
            return choice
    raise ValueError(f"must be one of {', '.join(choices)}")


def parse_boolean(value: object) -> bool:
    """JSON true or false, nothing that merely looks like it."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def parse_whole_number(value: object, *, least: int, most: int) -> int:
    """A JSON integer from `least` to `most`, both included."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"must be a whole number from {least} to {most}")
    return value


def parse_moment_ms(value: object) -> int:
    """Milliseconds since 1970 of an ISO 8601 time; without a zone it is UTC. The year is 0001 to 9999 in UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None:
            ms = clock.to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
            clock.from_ms(ms)
            return ms
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be an ISO 8601 time like 2030-01-31T00:00:00Z")


def format_stored_time(text: str | None) -> str | None:
    """A time as stored (`clock.format_ms_sortable`) in the form of the answers (`clock.format_ms`)."""
    return None if text is None else clock.format_ms(parse_moment_ms(text))
