"""Events and figures as viewers get them: server-sent events, and messages over a WebSocket as reference 4's."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, TextMessage

from services import clock
from services.doors.visits import format_visit
from services.live.feed import News
from services.live.figures import Figures
from stores.base import ArrivalRow

RETRY_MS: Final = 2_000
MAX_METADATA_CHARACTERS: Final = 4_096
"""Longer metadata are left out: they would be sent to each viewer."""
LEFT_OUT: Final = msgspec.Raw(b"{}")
MAX_TEXT_CHARACTERS: Final = 2_048
"""Longer texts are cut: an address may be as long as an event, and what is found out about it repeats it."""
GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008
SERVICE_STOPPING: Final = "service_stopping"


class Form(Protocol):
    """What a kind of viewer is sent. Frames do not depend on the viewer, so each is built once for all."""

    name: str
    greeting: bytes
    """Sent first."""
    alive: bytes
    """Sent now and then, so that nobody between takes the connection for dead."""

    def build_events(self, news: News, *, cursor: str | None, replaces: bool) -> bytes:
        """`replaces`: what was shown before is to be forgotten."""

    def build_figures(self, figures: Figures) -> bytes: ...

    def build_missed(self, frames: int) -> bytes:
        """The viewer was too slow for so many frames."""

    def build_end(self, code: str, message: str) -> bytes:
        """Nothing comes after it."""


class EventStream:
    """Server-sent events, of the HTML standard: fields of our own API, in camelCase."""

    name = "sse"
    greeting = f"retry: {RETRY_MS}\n\n".encode()
    alive = b": alive\n\n"

    def build_events(self, news: News, *, cursor: str | None, replaces: bool) -> bytes:
        shown = {"events": [show_event(row) for row in news.rows], "replace": replaces, "skipped": news.is_skipped}
        return _build_event("events", shown, cursor)

    def build_figures(self, figures: Figures) -> bytes:
        return _build_event("figures", figures.show())

    def build_missed(self, frames: int) -> bytes:
        return _build_event("missed", {"frames": frames})

    def build_end(self, code: str, message: str) -> bytes:
        return _build_event("end", {"code": code, "message": message})


class Messages:
    """WebSocket messages, JSON text with a `type`, in reference 4's names."""

    name = "websocket"
    greeting = b""

    def __init__(self) -> None:
        self.alive = _open_connection().send(Ping())

    def build_events(self, news: News, *, cursor: str | None, replaces: bool) -> bytes:
        shown = [show_visit(row) for row in news.rows]
        return _build_message({"type": "events", "events": shown, "replace": replaces, "skipped": news.is_skipped})

    def build_figures(self, figures: Figures) -> bytes:
        return _build_message({"type": "stats", **show_stats(figures)})

    def build_missed(self, frames: int) -> bytes:
        return _build_message({"type": "missed", "frames": frames})

    def build_end(self, code: str, message: str) -> bytes:
        number = GOING_AWAY if code == SERVICE_STOPPING else POLICY_VIOLATION
        closing = _open_connection().send(CloseConnection(number, code))
        return _build_message({"type": "end", "code": code, "message": message}) + closing


def show_event(row: ArrivalRow) -> dict[str, Any]:
    """One event as the stream shows it: what was sent, and what was found out about it."""
    shown: dict[str, Any] = {
        "eventId": row.event_id,
        "eventName": row.event_name,
        "timestamp": _show_time(row.occurred_at_ms),
        "receivedAt": clock.format_ms(row.received_at_ms),
        "anonymousId": row.anonymous_id,
        "userId": row.user_id,
        "sessionId": row.session_id,
        "url": row.url,
        "referrer": row.referrer,
        **({} if row.enriched is None else msgspec.json.decode(row.enriched)),
        "metadata": msgspec.Raw(row.metadata.encode()),
    }
    if len(row.metadata) > MAX_METADATA_CHARACTERS:
        shown |= {"metadata": LEFT_OUT, "metadataOmitted": True}
    return cut_texts(shown)


def show_visit(row: ArrivalRow) -> dict[str, Any]:
    """One event in reference 4's names, with what its live view shows besides."""
    found: dict[str, Any] = {} if row.enriched is None else msgspec.json.decode(row.enriched)
    shown = {
        **format_visit(row),
        "event_name": row.event_name,
        "user_id": row.user_id,
        "anonymous_id": row.anonymous_id,
        "received_at": clock.format_ms(row.received_at_ms),
        "browser": found.get("browser"),
        "operating_system": found.get("os"),
        "device_type": found.get("deviceType"),
        "country": found.get("country"),
        "is_bot": found.get("isBot", False),
    }
    return cut_texts(shown)


def cut_texts(shown: dict[str, Any]) -> dict[str, Any]:
    """The same with texts of at most `MAX_TEXT_CHARACTERS`; those that were longer end in an ellipsis."""
    return {
        name: f"{value[: MAX_TEXT_CHARACTERS - 1]}…"
        if isinstance(value, str) and len(value) > MAX_TEXT_CHARACTERS
        else value
        for name, value in shown.items()
    }


def show_stats(figures: Figures) -> dict[str, Any]:
    """The figures in reference 4's names."""
    return {
        "total_events": figures.total_events,
        "active_sessions": figures.active_sessions,
        "page_views_per_minute": figures.page_views_last_minute,
        "events_per_minute": figures.events_last_minute,
        "current_visitors": figures.current_visitors,
        "as_of": figures.as_of,
        "generated_at": figures.generated_at,
    }


def _show_time(ms: int | None) -> str | None:
    return None if ms is None else clock.format_ms(ms)


def _build_event(name: str, content: dict[str, Any], cursor: str | None = None) -> bytes:
    cursor_line = "" if cursor is None else f"id: {cursor}\n"
    return f"event: {name}\n{cursor_line}data: ".encode() + msgspec.json.encode(content) + b"\n\n"


def _build_message(content: dict[str, Any]) -> bytes:
    return _open_connection().send(TextMessage(msgspec.json.encode(content).decode()))


def _open_connection() -> Connection:
    """What a server sends depends on nothing that was sent before: no extension is spoken."""
    return Connection(ConnectionType.SERVER)


EVENT_STREAM: Final = EventStream()
MESSAGES: Final = Messages()
