"""JSON that the fast decoder refuses although the standard allows it, read with the standard library.

msgspec refuses a lone surrogate (`"\\ud800"`), numbers beyond a double, and deep nesting, and fails the whole text
for it. Here such a value is read or named by itself, and a body is cut into its events without reading them.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

MAX_TOKENS = 2_000_000
"""Strings, brackets and commas in a body that has to be cut the slow way (about half a second of work)."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)
_KEY = re.compile(rb'\s*("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*:')
_CLOSING = {ord("{"): ord("}"), ord("["): ord("]")}
_WHITESPACE = b" \t\r\n"

_decode_any = msgspec.json.Decoder().decode


class MalformedJson(Exception):
    """Not JSON at all; the text says where."""


class NumberOutOfRange(Exception):
    """JSON, with a number that no double and no reasonable integer can hold."""


class NestedTooDeeply(Exception):
    """JSON, nested beyond what can be read (hundreds of levels)."""


class TooManyTokens(Exception):
    """A body that would take too long to cut."""


def parse_json(text: bytes) -> tuple[Any, bool]:
    """The value, and whether it may hold lone surrogates (to be cleaned by `replace_surrogates`).

    Raises MalformedJson, NumberOutOfRange or NestedTooDeeply.
    """
    try:
        return _decode_any(text), False
    except RecursionError as exc:
        raise NestedTooDeeply from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        return _parse_standard(text, str(exc)), True


def _parse_standard(text: bytes, reason: str) -> Any:
    try:
        return json.loads(text.decode(), parse_float=_parse_finite, parse_constant=_refuse_constant)
    except RecursionError as exc:
        raise NestedTooDeeply from exc
    except (UnicodeDecodeError, json.JSONDecodeError) as exc:
        raise MalformedJson(reason) from exc
    except ValueError as exc:
        # Python's own bound on the digits of an integer.
        raise NumberOutOfRange(str(exc)) from exc


def _parse_finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NumberOutOfRange(digits)
    return number


def _refuse_constant(name: str) -> Any:
    raise MalformedJson(f"{name} is not JSON")


def replace_surrogates(value: Any) -> Any:
    """The same value with U+FFFD for every lone surrogate, in keys too. The caller has bounded its depth."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {replace_surrogates(key): replace_surrogates(item) for key, item in value.items()}
    return value


def is_deeper_than(value: Any, levels: int) -> bool:
    """Whether the value holds objects or lists more than `levels` deep, itself counted."""
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    children = value.values() if isinstance(value, dict) else value
    return any(is_deeper_than(child, levels - 1) for child in children)


def split_members(text: bytes) -> dict[str, bytes]:
    """The members of a JSON object as key -> text of the value, the last of equal keys; values are not read."""
    members: dict[str, bytes] = {}
    for member in _split_container(text, b"{", max_items=None):
        key = _KEY.match(member)
        if key is None:
            raise MalformedJson("an object key is expected")
        name, _ = parse_json(key.group(1))
        members[name] = member[key.end() :].strip(_WHITESPACE)
    return members


def split_items(text: bytes, *, max_items: int) -> list[bytes] | None:
    """The items of a JSON list as texts, not read: `[1,,2]` has an empty one. None for more than `max_items`."""
    items = _split_container(text, b"[", max_items=max_items)
    return None if len(items) > max_items else items


def _split_container(text: bytes, opening: bytes, *, max_items: int | None) -> list[bytes]:
    text = text.strip(_WHITESPACE)
    if text[:1] != opening:
        raise MalformedJson(f"{opening.decode()} is expected")
    pieces: list[bytes] = []
    expected_closings = bytearray()
    piece_start = 1
    for count, token in enumerate(_TOKEN.finditer(text)):
        if count > MAX_TOKENS:
            raise TooManyTokens
        start = token.start()
        symbol = text[start]
        if symbol in _CLOSING:
            expected_closings.append(_CLOSING[symbol])
        elif symbol == 0x2C:
            if len(expected_closings) == 1:
                pieces.append(text[piece_start:start].strip(_WHITESPACE))
                piece_start = start + 1
                if max_items is not None and len(pieces) > max_items:
                    return pieces
        elif symbol != 0x22:
            if not expected_closings or expected_closings.pop() != symbol:
                raise MalformedJson(f"unexpected {chr(symbol)} (byte {start})")
            if not expected_closings:
                return _finish_split(text, pieces, text[piece_start:start], start)
    raise MalformedJson("input data was truncated")


def _finish_split(text: bytes, pieces: list[bytes], last: bytes, end: int) -> list[bytes]:
    if end + 1 != len(text):
        raise MalformedJson(f"trailing characters (byte {end + 1})")
    last = last.strip(_WHITESPACE)
    if last or pieces:
        pieces.append(last)
    return pieces
