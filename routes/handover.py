"""Gives the connection of a request to the live hub, so that who watches takes none of gunicorn's threads.

gunicorn has no words for that, but puts the socket into the WSGI environment. The connection gets a descriptor of its
own, and in its place gunicorn's socket gets an empty one, which gunicorn then closes as after any answer.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from flask import Response, current_app, request

from services.live.frames import Form
from services.live.hub import LiveHub
from services.live.viewer import Watch

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SOCKET = "gunicorn.socket"
HTTP_VERSION = "HTTP/1.1"


def hub() -> LiveHub:
    """The live view of this process."""
    return cast(LiveHub, current_app.extensions["apptracker_live"])


def can_hand_over() -> bool:
    """Whether the server lets go of the connection. TLS that ends in the server itself is more than a descriptor."""
    found = request.environ.get(SOCKET)
    return isinstance(found, socket.socket) and not isinstance(found, ssl.SSLSocket)


class HandedOver(Response):
    """An answer whose head and all that follows is sent by the hub. Only where `can_hand_over`."""

    def __init__(self, watch: Watch, form: Form, *, status: HTTPStatus, headers: dict[str, str]) -> None:
        super().__init__(status=status, headers=headers)
        self._watch = watch
        self._form = form
        self._hub = hub()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        connection = take_connection(environ[SOCKET])
        self._hub.admit(connection, self._build_head(), self._watch, self._form)
        # to gunicorn: there is no answer, this connection is done with
        raise StopIteration

    def _build_head(self) -> bytes:
        dropped = {"content-length"} if self._form.name == "sse" else {"content-length", "content-type"}
        fields = [(name, value) for name, value in self.headers if name.lower() not in dropped]
        lines = [f"{HTTP_VERSION} {self.status}", *(f"{name}: {value}" for name, value in fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def take_connection(served: socket.socket) -> socket.socket:
    """The connection as a socket of its own; `served` is left with an empty one, whose other end is closed."""
    connection = socket.socket(served.family, served.type, fileno=os.dup(served.fileno()))
    empty, other_end = socket.socketpair()
    with empty, other_end:
        os.dup2(empty.fileno(), served.fileno(), inheritable=False)
    return connection
