"""`services.ingest.inflate`: every encoding, cut short, corrupt, concatenated, and as a bomb."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from services.errors import AppTrackerError, InvalidInput, TooLarge, UnsupportedMedia
from services.ingest.inflate import MAX_MEMBERS, inflate

CAP = 10_000
BODY = b'{"events":[{"eventName":"app_open"}]}' * 20


def deflate_raw(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


def compress_zstd_without_size(body: bytes) -> bytes:
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return stream.compress(body) + stream.flush()


Compress = Callable[[bytes], bytes]
ENCODINGS: list[tuple[str, Compress]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", deflate_raw),
    ("zstd", zstandard.compress),
    ("zstd", compress_zstd_without_size),
    ("br", brotli.compress),
]
every_encoding = pytest.mark.parametrize(("encoding", "compress"), ENCODINGS)


def code_of(body: bytes, encoding: str, cap: int = CAP) -> str:
    with pytest.raises(AppTrackerError) as caught:
        inflate(body, encoding, max_bytes=cap)
    return caught.value.code


@every_encoding
def test_a_body_comes_out_as_it_went_in(encoding: str, compress: Compress) -> None:
    assert inflate(compress(BODY), encoding, max_bytes=CAP) == BODY
    assert inflate(compress(b""), encoding.upper(), max_bytes=CAP) == b""


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_a_body_without_encoding_stays_as_it_is(encoding: str | None) -> None:
    assert inflate(BODY, encoding, max_bytes=CAP) == BODY


@every_encoding
def test_a_body_of_exactly_the_cap_passes_and_one_byte_more_does_not(encoding: str, compress: Compress) -> None:
    assert len(inflate(compress(bytes(CAP)), encoding, max_bytes=CAP)) == CAP
    with pytest.raises(TooLarge) as caught:
        inflate(compress(bytes(CAP + 1)), encoding, max_bytes=CAP)
    assert caught.value.code == "body_too_large"


@every_encoding
def test_a_body_cut_short_anywhere_is_refused(encoding: str, compress: Compress) -> None:
    whole = compress(BODY)
    for length in range(len(whole)):
        with pytest.raises(InvalidInput) as caught:
            inflate(whole[:length], encoding, max_bytes=CAP)
        assert caught.value.code == "invalid_encoding", length


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "br"])
def test_what_is_not_compressed_at_all_is_refused(encoding: str) -> None:
    assert code_of(BODY, encoding) == "invalid_encoding"
    assert code_of(b"", encoding) == "invalid_encoding"


@every_encoding
def test_something_after_the_end_is_refused(encoding: str, compress: Compress) -> None:
    assert code_of(compress(BODY) + b"more", encoding) == "invalid_encoding"


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_concatenated_members_are_one_body_up_to_a_number_of_them(encoding: str, compress: Compress) -> None:
    assert inflate(compress(b"[1,") + compress(b"2]"), encoding, max_bytes=CAP) == b"[1,2]"
    assert inflate(compress(b"x") * MAX_MEMBERS, encoding, max_bytes=CAP) == b"x" * MAX_MEMBERS
    assert code_of(compress(b"x") * (MAX_MEMBERS + 1), encoding) == "invalid_encoding"


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,br", "compress", "aws-chunked", "gzip;q=1", "\x00"])
def test_several_encodings_and_unknown_ones_are_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        inflate(BODY, encoding, max_bytes=CAP)
    assert caught.value.code == "unsupported_content_encoding"


@every_encoding
def test_a_bomb_is_refused_without_being_inflated(encoding: str, compress: Compress) -> None:
    bomb = compress(bytes(100_000_000))
    tracemalloc.start()
    assert code_of(bomb, encoding) == "body_too_large"
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 20_000_000


@given(body=st.binary(max_size=300), encoding=st.sampled_from(["gzip", "deflate", "zstd", "br"]))
def test_any_bytes_are_inflated_or_refused_as_invalid(body: bytes, encoding: str) -> None:
    try:
        inflate(body, encoding, max_bytes=CAP)
    except (InvalidInput, TooLarge) as error:
        assert error.code in ("invalid_encoding", "body_too_large")
