"""What filters and breakdowns may name, and the SQL expressions that read it.

A property is a column of the event or `metadata.<path>`. A JSON value is seen through four typed
expressions, of which at most one is not null: text, number (IEEE double), boolean and other (the JSON
text of a list or object). So no comparison ever mixes kinds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from columns.derived import ENRICHED_PROPERTIES

COLUMNS: Final[dict[str, str]] = {
    "eventName": "event_name",
    "eventId": "event_id",
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "sessionId": "session_id",
    "url": "url",
    "referrer": "referrer",
    "userAgent": "user_agent",
    "ip": "ip",
    "page": "page",
    **ENRICHED_PROPERTIES,
}
METADATA_PREFIX: Final = "metadata."
MAX_PATH_KEYS: Final = 8

KINDS: Final[dict[str, str]] = {"text": "VARCHAR", "number": "DOUBLE", "boolean": "BOOLEAN", "other": "VARCHAR"}
"""Kind of a JSON value -> SQL type it is read as. The first three can be columns of a segment."""

JSON_TYPES: Final[dict[str, str]] = {
    "text": "'VARCHAR'",
    "number": "'UBIGINT', 'BIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE'",
    "boolean": "'BOOLEAN'",
    "other": "'ARRAY', 'OBJECT'",
}


class Parameters:
    """Values bound to a statement, named in the order they came."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._names: dict[tuple[type, Any], str] = {}

    def bind(self, value: Any) -> str:
        """The placeholder that stands for the value in SQL; equal values of one type share a placeholder."""
        key = (type(value), tuple(value) if isinstance(value, list) else value)
        name = self._names.setdefault(key, f"v{len(self.values)}")
        self.values[name] = value
        return f"${name}"


@dataclass(frozen=True)
class Property:
    """A column of the event (`column`), or a metadata path (`keys`, outermost first)."""

    name: str
    column: str | None = None
    keys: tuple[str, ...] = ()

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901); a segment's manifest names paths so."""
        return build_pointer(self.keys)


def build_pointer(keys: tuple[str, ...]) -> str:
    """`("a", "b/c")` -> `/a/b~1c` (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def parse_property(name: str) -> Property:
    """The property a request names; a path is split at dots, `\\.` is a dot inside a key, `\\\\` a backslash.

    Raises ValueError with a sentence when there is no such property.
    """
    if name in COLUMNS:
        return Property(name, column=COLUMNS[name])
    if not name.startswith(METADATA_PREFIX):
        raise ValueError(f"property {name[:100]!r} is unknown: expected one of {', '.join(COLUMNS)} or metadata.<path>")
    keys = tuple(split_path(name[len(METADATA_PREFIX) :]))
    if len(keys) > MAX_PATH_KEYS:
        raise ValueError(f"property {name[:100]!r} has more than {MAX_PATH_KEYS} keys")
    return Property(name, keys=keys)


def split_path(path: str) -> list[str]:
    """Keys of a dotted path; raises ValueError for a lone backslash at its end."""
    keys, key, characters = [], "", iter(path)
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError(f"property path {path[:100]!r} ends in a backslash: write \\\\ for one in a key")
            key += escaped
        elif character == ".":
            keys.append(key)
            key = ""
        else:
            key += character
    return [*keys, key]


def build_column_name(pointer: str, kind: str) -> str:
    """The segment column that holds a metadata path's values of one kind. Hexadecimal: DuckDB folds case in names."""
    return f"m_{hashlib.sha256(pointer.encode()).hexdigest()[:24]}_{kind}"


def parse_pointer(pointer: str) -> tuple[str, ...]:
    """The inverse of `build_pointer`."""
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:])


def build_json_expressions(keys: tuple[str, ...], parameters: Parameters) -> dict[str, str]:
    """Kind -> SQL that reads the path from the JSON text column `metadata`.

    A JSON pointer also steps into lists (`/tags/0`); a property path does not: where a key could be taken for a
    list index, its parent is required to be an object.
    """
    pointer = parameters.bind(build_pointer(keys))
    guards = "".join(
        f" AND json_type(metadata, {parameters.bind(build_pointer(keys[:depth]))}) = 'OBJECT'"
        for depth in range(1, len(keys))
        if keys[depth].isdigit() or keys[depth] == "-"
    )
    values = {
        "text": f"json_extract_string(metadata, {pointer})",
        "number": f"CAST(json_extract(metadata, {pointer}) AS DOUBLE)",
        "boolean": f"CAST(json_extract(metadata, {pointer}) AS BOOLEAN)",
        "other": f"CAST(json_extract(metadata, {pointer}) AS VARCHAR)",
    }
    return {
        kind: f"CASE WHEN json_type(metadata, {pointer}) IN ({JSON_TYPES[kind]}){guards} THEN {value} END"
        for kind, value in values.items()
    }
