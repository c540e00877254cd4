"""From the bytes of a body to a `Batch`: the envelope is read, its events are only told apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.errors import InvalidInput, TooLarge
from services.ingest import lenient_json
from services.ingest.lenient_json import MalformedJson, NestedTooDeeply, NumberOutOfRange, TooManyTokens

JsonText = bytes | msgspec.Raw

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NON_BLANK_LINE = re.compile(rb"[^ \t\r\n][^\n]*")

_MAX_FAST_BODY_BYTES = 1 << 20
_MAX_FAST_COMMAS = 500_000
"""Beyond both, the decoder's list of tiny items could take fifty times the memory of the body."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request asks to store."""

    events: Sequence[JsonText]
    """JSON text of each event, not yet read."""
    project_key: str | None = None
    sent_at: object = None
    """The client's clock when it sent the batch, as it came; None: it did not say."""
    context: bytes | None = None
    """JSON text of the defaults its events inherit."""
    enriched: Mapping[int, dict[str, Any]] = field(default_factory=dict)
    """By the number of the event: what it was enriched with before. It is not found out anew."""


class _Envelope(msgspec.Struct, rename="camel"):
    """`{projectKey?, sentAt?, context?, events}`; other members are ignored."""

    events: list[msgspec.Raw]
    project_key: msgspec.Raw = msgspec.Raw(b"null")
    sent_at: msgspec.Raw = msgspec.Raw(b"null")
    context: msgspec.Raw = msgspec.Raw(b"null")


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def decode_json_batch(
    body: bytes, *, max_events: int, max_bytes: int, project_key: str | None = None, sent_at: str | None = None
) -> Batch:
    """The batch in a JSON body; `project_key` and `sent_at` (from the query) stand where the body has none.

    Raises InvalidInput when the body is not JSON (`invalid_json`), not an object or its members are not what they
    must be, TooLarge (`too_many_events`) over `max_events` and (`body_too_large`) when the events, each with the
    context that it inherits, would be over `max_bytes`.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    envelope = _decode_fast(body)
    if envelope is None:
        envelope = _decode_slowly(body, max_events)
    if not envelope.events:
        raise InvalidInput("events must hold at least one event", code="invalid_body", fields=["events"])
    if len(envelope.events) > max_events:
        raise build_too_many_events(max_events)
    context = b"" if envelope.context == msgspec.Raw(b"null") else bytes(envelope.context)
    if len(body) + len(context) * (len(envelope.events) - 1) > max_bytes:
        message = f"The events, each with the context it inherits, are larger than {max_bytes} bytes"
        raise TooLarge(message, code="body_too_large", fields=["context"])
    return Batch(
        events=envelope.events,
        project_key=_read_project_key(envelope.project_key, project_key),
        sent_at=_read_sent_at(envelope.sent_at, sent_at),
        context=context or None,
    )


def decode_ndjson_batch(
    body: bytes, *, max_events: int, project_key: str | None = None, sent_at: str | None = None
) -> Batch:
    """The batch in a body of one event a line; blank lines do not count. The lines are not read.

    Raises InvalidInput (`invalid_body`) when there is no event, TooLarge (`too_many_events`) over `max_events`.
    """
    lines: list[JsonText] = []
    for match in _NON_BLANK_LINE.finditer(body.removeprefix(_BYTE_ORDER_MARK)):
        if len(lines) == max_events:
            raise build_too_many_events(max_events)
        lines.append(match.group().rstrip())
    if not lines:
        raise InvalidInput("The body holds no event", code="invalid_body")
    return Batch(events=lines, project_key=project_key, sent_at=_read_query_time(sent_at))


def build_too_many_events(max_events: int) -> TooLarge:
    """The refusal of a batch with too many events; nothing of it is stored."""
    return TooLarge(f"A batch holds at most {max_events} events", code="too_many_events", fields=["events"])


def _decode_fast(body: bytes) -> _Envelope | None:
    """None where only the slow way can tell."""
    if len(body) > _MAX_FAST_BODY_BYTES and body.count(b",") > _MAX_FAST_COMMAS:
        return None
    try:
        return _decode_envelope(body)
    except msgspec.ValidationError as exc:
        raise _explain_envelope(body) from exc
    except RecursionError:
        return None
    except msgspec.DecodeError as exc:
        if _ESCAPED_SURROGATE.search(body):
            return None
        raise _build_invalid_json(str(exc)) from exc


def _explain_envelope(body: bytes) -> InvalidInput:
    if body.lstrip()[:1] != b"{":
        return InvalidInput("The body must be a JSON object", code="invalid_body")
    return InvalidInput("events must be a list of events", code="invalid_body", fields=["events"])


def _decode_slowly(body: bytes, max_events: int) -> _Envelope:
    try:
        members = lenient_json.split_members(body)
        list_text = members.pop("events", b"null")
        events = lenient_json.split_items(list_text, max_items=max_events) if list_text[:1] == b"[" else [list_text]
        if events is None:
            raise build_too_many_events(max_events)
        for text in (*events, *members.values()):
            _check_syntax(text)
        if list_text[:1] != b"[":
            raise _explain_envelope(body)
    except MalformedJson as exc:
        if body.lstrip()[:1] in (b"[", b'"'):
            raise _explain_envelope(body) from exc
        raise _build_invalid_json(str(exc)) from exc
    except TooManyTokens as exc:
        raise TooLarge("The body has too many values", code="body_too_large") from exc
    return _Envelope(
        events=[msgspec.Raw(event) for event in events],
        project_key=msgspec.Raw(members.get("projectKey", b"null")),
        sent_at=msgspec.Raw(members.get("sentAt", b"null")),
        context=msgspec.Raw(members.get("context", b"null")),
    )


def _check_syntax(text: bytes) -> None:
    try:
        lenient_json.parse_json(text)
    except (NumberOutOfRange, NestedTooDeeply):
        pass  # well-formed; the event that holds it is rejected by itself
    except MalformedJson as exc:
        if not isinstance(exc.__cause__, UnicodeDecodeError):
            raise


def _read_project_key(member: msgspec.Raw, from_query: str | None) -> str | None:
    value = _read_member(member, "projectKey")
    if value is None or value == "":
        return from_query
    if not isinstance(value, str):
        raise InvalidInput("projectKey must be text", code="invalid_field", fields=["projectKey"])
    if from_query is not None and from_query != value:
        raise InvalidInput(
            "projectKey in the body and in the query are not the same", code="invalid_field", fields=["projectKey"]
        )
    return value


def _read_sent_at(member: msgspec.Raw, from_query: str | None) -> object:
    try:
        value, _ = lenient_json.parse_json(bytes(member))
    except (NumberOutOfRange, NestedTooDeeply):
        value = False  # no time: ignored with a warning, as every other sentAt that is none
    except MalformedJson as exc:
        raise _build_invalid_json(str(exc)) from exc
    return _read_query_time(from_query) if value is None else value


def _read_query_time(text: str | None) -> object:
    """A Unix time in a query is text; it is taken for the number it shows."""
    if text and re.fullmatch(r"-?\d{9,15}(\.\d{1,9})?", text, re.ASCII):
        return float(text) if "." in text else int(text)
    return text or None


def _read_member(member: msgspec.Raw, name: str) -> object:
    try:
        value, has_surrogates = lenient_json.parse_json(bytes(member))
    except (NumberOutOfRange, NestedTooDeeply) as exc:
        raise InvalidInput(f"{name} must be text", code="invalid_field", fields=[name]) from exc
    except MalformedJson as exc:
        raise _build_invalid_json(str(exc)) from exc
    return lenient_json.replace_surrogates(value) if has_surrogates and isinstance(value, str) else value


def _build_invalid_json(reason: str) -> InvalidInput:
    return InvalidInput(f"The body is not valid JSON: {reason}", code="invalid_json")
