"""Requests as documents write them: a `curl` command, or an HTTP message."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


@dataclass
class Request:
    """A request that was read from a document, for whatever host it was written."""

    method: str = "GET"
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


def send(
    client: FlaskClient, text: str, substitutes: Mapping[str, str] | None = None, *, key: str | None = None
) -> TestResponse:
    """The answer to the request of a document. `substitutes`: what stands in it (a key) -> what is sent instead.

    `key` is sent as X-API-Key where the document only says in words that a key is needed.
    """
    for written, actual in (substitutes or {}).items():
        assert written in text, written
        text = text.replace(written, actual)
    request = parse_curl(text) if text.lstrip().startswith("curl") else parse_http(text)
    parts = urlsplit(request.url)
    headers = request.headers | ({"X-API-Key": key} if key is not None else {})
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return client.open(path, method=request.method, headers=headers, data=request.body)


def parse_curl(text: str) -> Request:
    """The request of a command with the options -X, -H and -d."""
    request = Request()
    words = iter(shlex.split(text.replace("\\\n", " "))[1:])
    for word in words:
        if word == "-X":
            request.method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(":")
            request.headers[name] = value.strip()
        elif word == "-d":
            request.body = next(words)
        else:
            assert not word.startswith("-"), word
            request.url = word
    return request


def parse_http(text: str) -> Request:
    """The request of a message: its line, its headers, and after a blank line its body."""
    head, _, body = text.strip().partition("\n\n")
    first, *lines = head.splitlines()
    method, url = first.split()
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, url, headers, body or None)
