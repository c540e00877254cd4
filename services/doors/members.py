"""A JSON object as its members' texts, so that fields can be renamed while every value stays as it was sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from services.errors import InvalidInput, TooLarge
from services.ingest import lenient_json
from services.ingest.lenient_json import MalformedJson, NestedTooDeeply, NumberOutOfRange, TooManyTokens

Members = dict[str, bytes]
"""Name -> JSON text of the value, in the order they came; of equal names the last one."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def strip_mark(body: bytes) -> bytes:
    """The body without a byte order mark."""
    return body.removeprefix(_BYTE_ORDER_MARK)


def split_body(body: bytes, *, max_bytes: int | None = None) -> Members:
    """The members of the JSON object in a body.

    Raises InvalidInput `invalid_json` or `invalid_body`, TooLarge over `max_bytes` and for a body that would take too
    long to take apart. A value that is JSON and cannot be kept (a number beyond double, hundreds of levels) is left
    for validation to refuse.
    """
    body = strip_mark(body)
    if max_bytes is not None and len(body) > max_bytes:
        raise TooLarge(f"An event holds at most {max_bytes} bytes", code="event_too_large")
    try:
        lenient_json.parse_json(body)
    except MalformedJson as exc:
        raise InvalidInput(f"The body is not valid JSON: {exc}" if body else "The body is empty", code="invalid_json")
    except (NumberOutOfRange, NestedTooDeeply):
        pass
    if body.lstrip()[:1] != b"{":
        raise InvalidInput("The body must be a JSON object", code="invalid_body")
    try:
        return lenient_json.split_members(body)
    except TooManyTokens as exc:
        raise TooLarge("The body has too many values", code="body_too_large") from exc


def split_event(text: bytes) -> Members | None:
    """The members of an event's text; None for what is no JSON object, which is rejected when it is validated."""
    try:
        return lenient_json.split_members(text)
    except (MalformedJson, TooManyTokens):
        return None


def join_members(members: Mapping[str, bytes]) -> bytes:
    """The JSON object of these members."""
    return b"{" + b",".join(_encode_name(name) + b":" + text for name, text in members.items()) + b"}"


def read_value(text: bytes) -> Any:
    """A member's value as it would be stored; None for one that cannot be read, which validation then refuses."""
    try:
        value, has_surrogates = lenient_json.parse_json(text)
        return lenient_json.replace_surrogates(value) if has_surrogates else value
    except (MalformedJson, NumberOutOfRange, NestedTooDeeply, RecursionError):
        return None


def encode(value: Any) -> bytes:
    """The JSON text of a value."""
    return msgspec.json.encode(value)


def take_first(members: Members, names: Sequence[str], is_usable: Callable[[Any], bool]) -> bytes | None:
    """The first of the named members whose value is usable, taken out of the members; None where there is none."""
    for name in names:
        if name in members and is_usable(read_value(members[name])):
            return members.pop(name)
    return None


def is_text(value: Any) -> bool:
    """Whether a value is text with something in it."""
    return isinstance(value, str) and bool(value)


def is_id(value: Any) -> bool:
    """Whether a value can be an id: text with something in it, or an integer."""
    return is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


def _encode_name(name: str) -> bytes:
    # half of a surrogate pair in a name cannot be written as UTF-8
    return msgspec.json.encode(name.encode("utf-8", "replace").decode())
