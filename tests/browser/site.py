"""Somebody's website: pages of the test's own, on another origin than the service."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Page(NamedTuple):
    """What the site answers for a path."""

    body: bytes
    headers: dict[str, str]
    status: int


class Site:
    """A static site in a thread of this process. Its host is `localhost`, the service's 127.0.0.1: for a browser two
    different sites, not only two origins."""

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.requests: list[str] = []
        """Paths that were asked for, in order."""

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.server_address[1]}"

    def put(self, path: str, body: str | bytes, *, status: int = 200, **headers: str) -> str:
        """Have the site answer this from now on; headers as `content_type="text/css"`. The page's address."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body.encode() if isinstance(body, str) else body
        self._pages[path] = Page(content, {"content-type": "text/html; charset=utf-8", **named}, status)
        return self.url + path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _build_handler(site) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                site.requests.append(path)
                page = site._pages.get(path, Page(b"nothing here", {"content-type": "text/plain"}, 404))
                self.send_response(page.status)
                for name, value in {**page.headers, "content-length": str(len(page.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page.body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
