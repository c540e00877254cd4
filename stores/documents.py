"""What both stores hold a small document to, so that neither accepts what the other cannot keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stores.base import Document

FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
LARGEST_INTEGER = 2**63 - 1


def check_document(document: Document) -> None:
    """Raise ValueError for what one of the stores could not keep exactly: see `check_field_name`, `_check_value`."""
    for name, value in document.items():
        check_field_name(name)
        _check_value(value)


def check_field_name(name: str) -> None:
    """Raise ValueError unless the top-level name is letters, digits and `_`, starting with a letter."""
    if not FIELD_NAME.match(name):
        raise ValueError(f"not a field name of a document: {name!r}")


def check_equals(equals: Mapping[str, Any]) -> None:
    """Raise ValueError unless every value to compare with is a text, a number, a boolean or None."""
    for name, value in equals.items():
        check_field_name(name)
        if isinstance(value, dict | list):
            raise ValueError(f"documents are compared by plain values, not by {value!r}")


def matches(document: Document, equals: Mapping[str, Any]) -> bool:
    """Whether all the fields are equal. A missing field equals None; True is not 1, but 1 is 1.0."""
    return all(_is_equal(document.get(name), value) for name, value in equals.items())


def _is_equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _check_value(value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.startswith("$") or "\0" in name:
                raise ValueError(f"not a name inside a document: {name!r}")
            _check_value(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_value(inner)
    elif isinstance(value, int) and not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        raise ValueError(f"integer beyond 64 bits in a document: {value}")
