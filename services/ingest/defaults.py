"""The `context` of a batch: what each of its events inherits where it has nothing of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

from services.errors import InvalidInput, TooLarge
from services.ingest import lenient_json
from services.ingest.event_fields import (
    EVENT_ID_FIELDS,
    NOTHING_INHERITED,
    EventRejected,
    InheritedFields,
    parse_metadata,
    take_inherited_fields,
)
from services.ingest.lenient_json import NestedTooDeeply, NumberOutOfRange
from services.ingest.verdicts import BatchWarning, WarningCode

NOT_INHERITED = ("eventName", *EVENT_ID_FIELDS, "timestamp")


class Defaults(NamedTuple):
    """What the events of one batch inherit; nothing when it has no context."""

    fields: InheritedFields = NOTHING_INHERITED
    metadata: dict[str, Any] = {}
    size_bytes: int = 0
    """Each event counts as this much larger; 0: there is no context."""


NO_DEFAULTS = Defaults()


def parse_context(
    text: bytes | None, warnings: list[BatchWarning], *, max_bytes: int, max_depth: int
) -> Defaults:
    """What the events inherit; warnings are added for fields that cannot be inherited.

    Raises InvalidInput (`invalid_context`) naming the field that is wrong, TooLarge when the context alone is over
    the limits of an event.
    """
    if text is None:
        return NO_DEFAULTS
    if len(text) > max_bytes:
        raise TooLarge(f"context is larger than {max_bytes} bytes", code="context_too_large", fields=["context"])
    fields = _read_fields(text, warnings, max_depth)
    for name in NOT_INHERITED:
        if fields.pop(name, None) is not None:
            message = f"context.{name} is ignored: each event has its own"
            warnings.append(BatchWarning(WarningCode.CONTEXT_FIELD_IGNORED, message))
    try:
        return _build_defaults(fields, len(text))
    except EventRejected as exc:
        raise _invalid_context(f"context: {exc.error}", f"context.{exc.field}") from exc


def _read_fields(text: bytes, warnings: list[BatchWarning], max_depth: int) -> dict[str, Any]:
    fields: Any
    try:
        fields, has_surrogates = lenient_json.parse_json(text)
        if lenient_json.is_deeper_than(fields, max_depth):
            raise NestedTooDeeply
    except NestedTooDeeply as exc:
        message = f"context is nested deeper than {max_depth} levels"
        raise TooLarge(message, code="context_too_deep", fields=["context"]) from exc
    except NumberOutOfRange as exc:
        raise _invalid_context("context holds a number that is out of range", "context") from exc
    except lenient_json.MalformedJson as exc:
        raise InvalidInput(f"The body is not valid JSON: {exc}", code="invalid_json") from exc
    if not isinstance(fields, dict):
        raise _invalid_context("context must be an object", "context")
    if has_surrogates:
        fields = lenient_json.replace_surrogates(fields)
        message = "context holds halves of surrogate pairs; they are stored as U+FFFD"
        warnings.append(BatchWarning(WarningCode.INVALID_UNICODE, message))
    return dict(fields)


def _build_defaults(fields: dict[str, Any], size_bytes: int) -> Defaults:
    inherited = take_inherited_fields(fields)
    metadata = parse_metadata(fields.pop("metadata", None))
    return Defaults(inherited, {**fields, **metadata}, size_bytes)


def _invalid_context(message: str, field: str) -> InvalidInput:
    return InvalidInput(message, code="invalid_context", fields=[field])
