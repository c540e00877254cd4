"""Files that commands read and write: `-` for the standard streams, compressed or not, with a progress bar."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import zstandard

if TYPE_CHECKING:
    from tqdm import tqdm

STANDARD_STREAM = "-"
COMPRESSED_SUFFIXES = (".gz", ".zst", ".bz2")
ZSTD_STEP_BYTES = 16_384
ZSTD_MAX_WINDOW_BYTES = 1 << 31

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2"}


class CorruptFile(Exception):
    """The file is not what its first bytes or its reader say, or ends too early."""


class _CountingReader(io.RawIOBase):
    """Tells how many bytes were read."""

    def __init__(self, source: BinaryIO, on_read: Callable[[int], object]) -> None:
        self._source = source
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # What there is of a pipe, without waiting for more.
        read: Callable[[int], bytes] = getattr(self._source, "read1", self._source.read)
        data = read(len(buffer))
        buffer[: len(data)] = data
        self._on_read(len(data))
        return len(data)


class _ZstdReader(io.RawIOBase):
    """Frames one after the other; unlike zstandard's own reader it notices a frame that is cut short."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_MAX_WINDOW_BYTES)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._rest = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            compressed = self._rest or self._source.read(ZSTD_STEP_BYTES)
            self._rest = b""
            if not compressed:
                if self._frame is not None:
                    raise EOFError("compressed file ended before the end of the frame")
                return 0
            self._frame = self._frame or self._decompressor.decompressobj()
            self._ready = memoryview(self._frame.decompress(compressed))
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


@contextmanager
def open_input(path: str, on_read: Callable[[int], object] = lambda _: None) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file or of standard input. Compression is recognised by the first bytes.

    `on_read` is told of each number of bytes read, before decompression. Raises OSError when there is no such file, and
    CorruptFile at whatever read finds out.
    """
    is_stream = path == STANDARD_STREAM
    source = sys.stdin.buffer if is_stream else open(path, "rb")  # noqa: SIM115
    try:
        counted = io.BufferedReader(_CountingReader(source, on_read), 1 << 16)
        yield _decompress(counted)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError, UnicodeDecodeError) as exc:
        raise CorruptFile(str(exc)) from exc
    finally:
        if not is_stream:
            source.close()


def _decompress(source: io.BufferedReader[_CountingReader]) -> BinaryIO:
    start = source.peek(4)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if kind == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=source))
    if kind == "zstd":
        return cast(BinaryIO, io.BufferedReader(_ZstdReader(source), 1 << 16))
    if kind == "bzip2" and start[3:4].isdigit():
        return cast(BinaryIO, bz2.BZ2File(source))
    return source


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Where to write: standard output, or a file that gets its name only when all of it is written. A name that ends in
    .gz, .zst or .bz2 is compressed."""
    if path == STANDARD_STREAM:
        stream = sys.stdout.buffer
        yield stream
        stream.flush()
        return
    unfinished = Path(f"{path}.part")
    try:
        with _open_compressed(unfinished, Path(path).suffix) as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _open_compressed(path: Path, suffix: str) -> BinaryIO:
    if suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "wb", compresslevel=6))
    if suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path, "wb"))
    if suffix == ".zst":
        return cast(BinaryIO, zstandard.open(path, "wb"))
    return path.open("wb")


def find_content_suffix(path: str) -> str:
    """The suffix that tells what is in the file, in lower case: `.csv` of `events.CSV.gz`; empty if there is none."""
    name = Path(path.lower())
    return Path(name.stem).suffix if name.suffix in COMPRESSED_SUFFIXES else name.suffix


def measure_input_bytes(paths: Sequence[str]) -> int | None:
    """How much there is to read; None when standard input is among it."""
    return None if STANDARD_STREAM in paths else sum(os.path.getsize(path) for path in paths)


def open_progress(total: int | None, unit: str) -> tqdm[Any]:
    """A progress bar on standard error; none where that is no terminal."""
    from tqdm import tqdm  # the service itself does without it

    return tqdm(total=total, unit=unit, unit_scale=True, file=sys.stderr, disable=None)
