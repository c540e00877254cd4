"""Undo `Content-Encoding` without ever holding more than the cap."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import zstandard

from services.errors import InvalidInput, TooLarge, UnsupportedMedia

MAX_MEMBERS = 64
"""Concatenated gzip members or zstd frames in one body; each costs a copy of the rest."""

_GZIP_WINDOW_BITS = 31
_ZLIB_WINDOW_BITS = 15
_RAW_WINDOW_BITS = -15
_ZSTD_MAX_WINDOW_BYTES = 1 << 23
_ZSTD_INPUT_STEP_BYTES = 256
"""A zstd block of 4 bytes can stand for 128 KB: this step keeps what one call can return under 8 MB."""


class _Corrupt(Exception):
    """The body is not what its Content-Encoding says."""


def inflate(body: bytes, content_encoding: str | None, *, max_bytes: int) -> bytes:
    """The body as its sender wrote it, at most `max_bytes` of it.

    Raises UnsupportedMedia for an encoding that is not known or for several at once, InvalidInput
    (`invalid_encoding`) for bytes that are corrupt or cut short, TooLarge (`body_too_large`) beyond the cap.
    """
    encoding = (content_encoding or "").strip().lower()
    if encoding in ("", "identity"):
        inflated = body
    elif encoding in _INFLATERS:
        try:
            inflated = _INFLATERS[encoding](body, max_bytes)
        except _Corrupt as exc:
            message = f"The body is not valid {encoding}"
            raise InvalidInput(message, code="invalid_encoding", fields=["Content-Encoding"]) from exc
    else:
        raise UnsupportedMedia(
            f"Content-Encoding {encoding!r} is not understood; one of gzip, deflate, zstd, br is",
            code="unsupported_content_encoding", fields=["Content-Encoding"],
        )
    if len(inflated) > max_bytes:
        raise build_body_too_large(max_bytes)
    return inflated


def build_body_too_large(max_bytes: int) -> TooLarge:
    """The refusal of a body over the limit, sent or inflated."""
    return TooLarge(f"The body is larger than {max_bytes} bytes", code="body_too_large")


def _inflate_gzip(body: bytes, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    room = max_bytes + 1
    for _ in range(MAX_MEMBERS):
        part, rest = _inflate_zlib_stream(body, _GZIP_WINDOW_BITS, room)
        parts.append(part)
        room -= len(part)
        body = rest.lstrip(b"\0")
        if room <= 0 or not body:
            return b"".join(parts)
    raise _Corrupt


def _inflate_deflate(body: bytes, max_bytes: int) -> bytes:
    # "deflate" means a zlib stream (RFC 9110), and a raw deflate stream to many a client.
    try:
        inflated, rest = _inflate_zlib_stream(body, _ZLIB_WINDOW_BITS, max_bytes + 1)
    except _Corrupt:
        inflated, rest = _inflate_zlib_stream(body, _RAW_WINDOW_BITS, max_bytes + 1)
    if rest:
        raise _Corrupt
    return inflated


def _inflate_zlib_stream(body: bytes, window_bits: int, room: int) -> tuple[bytes, bytes]:
    """Up to `room` bytes of the stream, and what follows it (empty when the room ran out first)."""
    stream = zlib.decompressobj(window_bits)
    try:
        inflated = stream.decompress(body, room)
    except zlib.error as exc:
        raise _Corrupt from exc
    if len(inflated) < room and not stream.eof:
        raise _Corrupt
    return inflated, stream.unused_data


def _inflate_zstd(body: bytes, max_bytes: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW_BYTES)
    parts: list[bytes] = []
    room = max_bytes + 1
    for _ in range(MAX_MEMBERS):
        frame = decompressor.decompressobj()
        position = 0
        while position < len(body) and room > 0 and not frame.eof:
            try:
                part = frame.decompress(body[position : position + _ZSTD_INPUT_STEP_BYTES])
            except zstandard.ZstdError as exc:
                raise _Corrupt from exc
            parts.append(part)
            room -= len(part)
            position += _ZSTD_INPUT_STEP_BYTES
        if room <= 0:
            return b"".join(parts)
        if not frame.eof:
            raise _Corrupt
        body = frame.unused_data + body[position:]
        if not body:
            return b"".join(parts)
    raise _Corrupt


def _inflate_brotli(body: bytes, max_bytes: int) -> bytes:
    decompressor = brotli.Decompressor()
    parts: list[bytes] = []
    room = max_bytes + 1
    try:
        parts.append(decompressor.process(body, output_buffer_limit=room))
        room -= len(parts[-1])
        while room > 0 and not decompressor.is_finished() and not decompressor.can_accept_more_data():
            parts.append(decompressor.process(b"", output_buffer_limit=room))
            room -= len(parts[-1])
    except brotli.error as exc:
        raise _Corrupt from exc
    if room > 0 and not decompressor.is_finished():
        raise _Corrupt
    return b"".join(parts)


_INFLATERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _inflate_gzip,
    "x-gzip": _inflate_gzip,
    "deflate": _inflate_deflate,
    "zstd": _inflate_zstd,
    "br": _inflate_brotli,
}
