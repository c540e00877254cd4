"""What commands read and write: compressed or not, whole or cut short; and lines of NDJSON."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import zstandard

from commands.files import CorruptFile, find_content_suffix, open_input, open_output
from commands.line_ids import LineIds
from commands.lines import complete_event, read_ndjson, take_enriched

TEXT = b"".join(b"line %d\n" % number for number in range(50_000))
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip of two members": lambda text: gzip.compress(text[:1000]) + gzip.compress(text[1000:]),
    "zstd": zstandard.compress,
    "zstd of two frames": lambda text: zstandard.compress(text[:1000]) + zstandard.compress(text[1000:]),
    "bzip2": bz2.compress,
}
by_compression = pytest.mark.parametrize("kind", COMPRESSORS)


@by_compression
def test_every_compression_is_recognised_by_its_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(COMPRESSORS[kind](TEXT))
    progress: list[int] = []
    with open_input(str(path), progress.append) as stream:
        assert b"".join(stream) == TEXT
    assert sum(progress) == path.stat().st_size


@by_compression
def test_an_empty_file_has_no_lines(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(COMPRESSORS[kind](b""))
    with open_input(str(path)) as stream:
        assert stream.read() == b""


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zstd of two frames", "bzip2"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_file_is_never_taken_for_a_whole_one(kind: str, damage: str, tmp_path: Path) -> None:
    content = bytearray(COMPRESSORS[kind](TEXT))
    if damage == "cut":
        del content[-20:]
    else:
        content[len(content) // 2] ^= 0xFF
    path = tmp_path / "events"
    path.write_bytes(content)
    with pytest.raises((CorruptFile, OSError)), open_input(str(path)) as stream:  # noqa: PT012
        assert stream.read() != TEXT
        raise CorruptFile("the decompressor does not check sums" if kind.startswith("zstd") else "")


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst", ".bz2"])
def test_what_is_written_is_read_again(suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"events.ndjson{suffix}")
    with open_output(path) as file:
        file.write(TEXT)
    with open_input(path) as stream:
        assert stream.read() == TEXT
    assert (Path(path).read_bytes() == TEXT) == (suffix == "")


def test_a_file_that_was_not_written_to_its_end_does_not_take_the_name(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"older")
    with pytest.raises(RuntimeError), open_output(str(path)) as file:  # noqa: PT012
        file.write(TEXT)
        raise RuntimeError
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.csv", ".csv"), ("a.CSV.GZ", ".csv"), ("b/a.ndjson.zst", ".ndjson"), ("a", ""), ("a.gz", ""), ("-", "")],
)
def test_the_name_tells_what_is_in_a_file(name: str, suffix: str) -> None:
    assert find_content_suffix(name) == suffix


# --- NDJSON ------------------------------------------------------------------------------------------------------


def complete(text: str, zone: str | None = None) -> str:
    return complete_event(text.encode(), ids=LineIds(), zone=ZoneInfo(zone) if zone else None).decode()


@pytest.mark.parametrize(
    "text",
    [
        '{"eventName": "a", "eventId": "e1"}',
        '{"eventName": "a", "messageId": "m1"}',
        '{"eventName": "a", "insert_id": 7}',
        '{"eventName": "a", "eventId": null, "uuid": "u"}',
        '{"eventName": "a", "eventId": ["not an id"]}',
        '{"eventName": "a", "eventId": 1.5}',
        '{"eventName": ',
        "[]",
        '"text"',
        "NaN",
        "[" * 5000,
    ],
)
def test_what_has_an_id_or_is_for_the_pipeline_to_refuse_stays_as_it_is(text: str) -> None:
    assert complete(text) == text


@pytest.mark.parametrize(
    "text",
    [
        '{"eventName": "a"}',
        "{}",
        '{ "eventName": "a" , "eventId": null }',
        '{"eventName": "a", "eventId": "", "uuid": ""}',
        '{"eventName": "\\ud800", "n": 1e5}',
    ],
)
def test_what_has_no_id_gets_one_that_counts(text: str) -> None:
    completed = json.loads(complete(text))
    assert completed["eventId"].startswith("line-")
    assert {**json.loads(text), "eventId": ""} == {**completed, "eventId": ""}


def test_a_time_without_zone_is_in_the_one_that_is_named() -> None:
    text = '{"eventName": "a", "eventId": "1", "timestamp": "2025-01-06T10:00:00"}'
    assert complete(text) == text
    assert json.loads(complete(text, "Asia/Kathmandu"))["timestamp"] == "2025-01-06T04:15:00Z"
    zoned = text.replace(":00:00", ":00:00+01:00")
    assert complete(zoned, "Asia/Kathmandu") == zoned


def test_what_an_export_wrote_about_an_event_is_no_field_of_it() -> None:
    text = b'{"eventName":"a","enriched":{"country":"DE","isBot":true,"language":"de"},"n":1e400,"n":1.50}'
    assert take_enriched(text) == (b'{"eventName":"a","n":1.50}', {"country": "DE", "isBot": True, "language": "de"})


@pytest.mark.parametrize(
    "text",
    [
        '{"eventName": "a", "metadata": {"enriched": {"country": "DE"}}}',
        '{"eventName": "a", "enriched": {"country": "DE", "own": "field"}}',
        '{"eventName": "a", "enriched": {"country": 49}}',
        '{"eventName": "a", "enriched": {"country": "\\ud800"}}',
        '{"eventName": "a", "enriched": "yes"}',
        '{"eventName": "a", "enriched": null}',
        '{"eventName": "enriched"',
        '["enriched"]',
        '{"enriched": ' + "[" * 5000,
    ],
)
def test_another_member_named_enriched_is_the_clients(text: str) -> None:
    assert take_enriched(text.encode()) == (text.encode(), None)


def test_blank_lines_count_as_lines_and_as_nothing_else() -> None:
    stream = io.BytesIO(b'\xef\xbb\xbf{"eventId": "1"}\r\n\n  \n{"eventId": "2"}')
    lines = list(read_ndjson(stream, ids=LineIds(), zone=None, max_bytes=100))
    assert [(line.number, line.event) for line in lines] == [(1, b'{"eventId": "1"}'), (4, b'{"eventId": "2"}')]


def test_of_a_line_without_end_only_the_beginning_is_held() -> None:
    stream = io.BytesIO(b'{"a": "' + b"x" * 3_000_000 + b'"}\n{"eventId": "2"}\n')
    lines = list(read_ndjson(stream, ids=LineIds(), zone=None, max_bytes=100))
    assert [(line.number, len(line.event)) for line in lines] == [(1, 101), (2, 16)]
