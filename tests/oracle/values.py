"""JSON values: their kinds, when two are equal, and as text."""

from __future__ import annotations

import json
from typing import Any

SCALARS = ("text", "number", "boolean")

Json = Any
Row = dict[str, Any]


def find_kind(value: Json) -> str:
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"


def are_equal(left: Json, right: Json) -> bool:
    """Same kind and same value; numbers as doubles; lists and objects equal nothing."""
    kind = find_kind(left)
    if kind != find_kind(right) or kind not in SCALARS:
        return False
    return float(left) == float(right) if kind == "number" else bool(left == right)


def show_value(value: Json) -> Json:
    """A value as a list of groups shows it: lists and objects as JSON text; equal numbers are written one way."""
    kind = find_kind(value)
    if kind == "number":  # as doubles: 1.0 and 1 are one number, -0.0 and 0 too
        return int(value) if abs(value) < 2**53 and value == int(value) else float(value)
    return value if kind in (*SCALARS, "absent") else format_json(value)


def format_value(value: Json) -> tuple[bool, str]:
    """A value as text, to sort by; an absent one comes last."""
    return value is None, value if isinstance(value, str) else format_json(value)


def format_json(value: Json) -> str:
    """Compact JSON text; an exponent is written without plus and zeros."""
    if isinstance(value, list):
        return f"[{','.join(map(format_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{format_json(key)}:{format_json(child)}' for key, child in value.items())}}}"
    if isinstance(value, float):
        return repr(value).replace("e+", "e").replace("e-0", "e-")
    return json.dumps(value, ensure_ascii=False)
