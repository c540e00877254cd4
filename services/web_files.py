"""The files of `web/` as browsers get them: pages, scripts, styles, compressed once for each process.

A file that changes on disk is read again with the next request, so that nobody restarts a service to edit a page.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import brotli
import rjsmin

from config import PROJECT_ROOT
from services.errors import NotFound

WEB_FOLDER: Final = PROJECT_ROOT / "web"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
"""What is served. Files of other kinds, such as notes and licences beside libraries, stay inside."""
ALREADY_COMPRESSED: Final = frozenset({".png", ".woff2"})
MINIFIED_FOLDERS: Final = frozenset({"tracker"})
"""What other sites load with each page. The rest is served as it is written, to be read in the browser's tools."""
# 11 takes 30 times as long and saves 3 %; the first visitor waits for it.
BROTLI_QUALITY: Final = 9

_name_pattern: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class WebFile(NamedTuple):
    """A file to send. `gzip` and `brotli` are its compressed forms, None where they would not be smaller."""

    body: bytes
    gzip: bytes | None
    brotli: bytes | None
    etag: str
    media_type: str


def load_web_file(name: str) -> WebFile:
    """The file of `web/` with this name, such as `dashboard/index.html`. NotFound where there is none to serve."""
    path = WEB_FOLDER / name
    if not _name_pattern.fullmatch(name) or path.suffix not in MEDIA_TYPES:
        raise _build_not_found()
    try:
        found = path.stat()
    except OSError as exc:
        raise _build_not_found() from exc
    return _read_web_file(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=512)
def _read_web_file(path: Path, changed_at_ns: int, size: int) -> WebFile:
    try:
        body = path.read_bytes()
    except OSError as exc:  # a folder, for one
        raise _build_not_found() from exc
    if path.suffix == ".js" and path.parent.name in MINIFIED_FOLDERS:
        body = rjsmin.jsmin(body)
    return WebFile(
        body,
        *((None, None) if path.suffix in ALREADY_COMPRESSED else _compress(body)),
        etag=hashlib.sha256(body).hexdigest()[:24],
        media_type=MEDIA_TYPES[path.suffix],
    )


def _compress(body: bytes) -> tuple[bytes | None, bytes | None]:
    forms = gzip.compress(body, 9, mtime=0), brotli.compress(body, quality=BROTLI_QUALITY)
    return tuple(form if len(form) < len(body) else None for form in forms)  # type: ignore[return-value]


def _build_not_found() -> NotFound:
    return NotFound("There is nothing at this address", code="unknown_address")
