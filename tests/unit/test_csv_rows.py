"""CSV files as people have them, read into events for the pipeline."""

from __future__ import annotations

import io
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from commands.csv_rows import CsvOptions, InvalidHeader, parse_typed, read_csv
from commands.line_ids import LineIds
from commands.lines import Line

BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str | bytes, *, max_bytes: int = 1000, **options: Any) -> list[Line]:
    content = text if isinstance(text, bytes) else text.encode()
    return list(read_csv(io.BytesIO(content), CsvOptions(**options), ids=LineIds(), max_bytes=max_bytes))


def read_events(text: str | bytes, **options: Any) -> list[dict[str, Any]]:
    """The events without the ids that the import gave them."""
    events = [json.loads(line.event) for line in read(text, **options)]
    return [{name: value for name, value in event.items() if name != "eventId"} for event in events]


def refusals(lines: list[Line]) -> list[tuple[int, str, str]]:
    return [(line.number, line.code, line.original) for line in lines if not line.event]


def test_columns_fill_the_fields_they_are_mapped_to_and_the_others_go_to_metadata() -> None:
    text = "event,user_id,timestamp,plan,secret\nlogin,u1,2025-01-06T10:00:00Z,pro,x\n"
    options = {"mapping": {"event": "eventName", "user_id": "userId"}, "dropped": frozenset({"secret"})}
    assert read_events(text, **options) == [
        {"eventName": "login", "userId": "u1", "timestamp": "2025-01-06T10:00:00Z", "metadata": {"plan": "pro"}}
    ]


def test_a_mapped_column_goes_before_one_that_is_named_like_the_field() -> None:
    text = "eventName,url,page\nview,/raw,https://x.example/\n"
    assert read_events(text, mapping={"page": "url"}) == [
        {"eventName": "view", "url": "https://x.example/", "metadata": {"url": "/raw"}}
    ]


def test_a_column_can_be_renamed_within_metadata() -> None:
    assert read_events("eventName,Plan Name\nlogin,pro\n", mapping={"Plan Name": "metadata.plan"}) == [
        {"eventName": "login", "metadata": {"plan": "pro"}}
    ]


def test_empty_cells_are_absent() -> None:
    assert read_events("eventName,userId,plan\nlogin,,\n") == [{"eventName": "login"}]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffeventName,plan\r\nlogin,pro\r\n",
        "eventName,plan\rlogin,pro\r",
        "\n\neventName,plan\n\n\nlogin,pro\n   \n\n",
        'eventName,plan\n"login","pro"',
        " eventName , plan \nlogin,pro\n",
    ],
    ids=["byte order mark and CRLF", "CR", "blank lines", "quotes, no last newline", "blanks in the header"],
)
def test_the_usual_ways_to_write_the_same_file_read_the_same(text: str) -> None:
    assert read_events(text) == [{"eventName": "login", "metadata": {"plan": "pro"}}]


def test_cells_may_hold_delimiters_quotes_and_newlines() -> None:
    lines = read('eventName,note\nlogin,"a,b ""c""\nd"\nlogout,x\n')
    assert [json.loads(line.event)["metadata"]["note"] for line in lines] == ['a,b "c"\nd', "x"]
    assert [line.number for line in lines] == [2, 4]


def test_other_delimiters_and_encodings_are_read_when_they_are_named() -> None:
    assert read_events("eventName;stadt\nlogin;Köln\n".encode("latin-1"), delimiter=";", encoding="latin-1") == [
        {"eventName": "login", "metadata": {"stadt": "Köln"}}
    ]
    assert read_events("eventName\tstadt\nlogin\tKöln\n".encode("utf-16"), delimiter="\t", encoding="utf-16") == [
        {"eventName": "login", "metadata": {"stadt": "Köln"}}
    ]


def test_a_column_without_a_name_gets_one() -> None:
    assert read_events(",eventName\n7,login\n") == [{"eventName": "login", "metadata": {"column_1": "7"}}]


def test_a_line_with_another_number_of_cells_is_refused_and_the_next_one_is_read() -> None:
    lines = read("eventName,plan\nlogin\nlogin,pro,extra\nlogin,pro\n")
    assert refusals(lines) == [(2, "invalid_csv", "login"), (3, "invalid_csv", "login,pro,extra")]
    assert json.loads(lines[2].event)["metadata"] == {"plan": "pro"}
    assert lines[0].error == "The line has 1 cells, the header has 2."


def test_a_quote_that_is_never_closed_costs_no_more_than_the_largest_event() -> None:
    lines = read('eventName,plan\nlogin,"pro\n' + "login,pro\n" * 100, max_bytes=100)
    assert lines[0].number == 2
    assert lines[0].code == "invalid_csv"
    assert lines[0].original.startswith('login,"pro\nlogin,pro')
    assert len(lines) > 80
    assert all(line.event for line in lines[1:])


def test_a_quote_that_is_open_at_the_end_of_the_file_is_refused() -> None:
    lines = read('eventName,plan\nlogin,pro\nlogin,"pro\nlogin,pro\n')
    assert refusals(lines) == [(3, "invalid_csv", 'login,"pro\nlogin,pro')]


def test_text_behind_a_closing_quote_is_refused() -> None:
    assert refusals(read('eventName,plan\nlogin,"pro"x\n')) == [(2, "invalid_csv", 'login,"pro"x')]


def test_a_line_longer_than_an_event_may_be_is_refused_without_being_held() -> None:
    lines = read("eventName,plan\nlogin," + "x" * 5_000_000 + "\nlogin,pro\n", max_bytes=100)
    assert [(line.number, line.code) for line in lines] == [(2, "event_too_large"), (3, "")]
    assert len(lines[0].original) == 100


def test_a_line_that_is_not_text_in_the_encoding_is_refused() -> None:
    lines = read(b"eventName,plan\nlogin,\xff\nlogin,pro\n")
    assert refusals(lines) == [(2, "invalid_encoding", "login,\ufffd")]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "no header"),
        ("\n\n", {}, "no header"),
        ("event,plan\n", {}, r"no column is the eventName.*it has 'event', 'plan'"),
        ("eventName,plan\n", {"mapping": {"evnt": "eventName"}}, r"no column 'evnt'; it has 'eventName', 'plan'"),
        ("eventName,plan\n", {"dropped": frozenset({"plam"})}, "no column 'plam'"),
        ("eventName,plan,plan\n", {}, "names 'plan' more than once"),
        ("eventName;plan\n", {}, r"no column is the eventName.*'eventName;plan'"),
        ("eventName,plan\n".encode("utf-16"), {}, "not utf-8 text"),
        ('eventName,"plan\n', {}, "cannot be read"),
        ('{"eventName": "login"}\n', {}, "no column is the eventName"),
    ],
)
def test_a_header_that_does_not_fit_is_explained(text: str | bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidHeader, match=message):
        read(text, **options)


@pytest.mark.parametrize(
    ("cell", "zone", "expected"),
    [
        ("1736157600", None, 1736157600),
        ("1736157600123", None, 1736157600123),
        ("1736157600.5", None, 1736157600.5),
        ("20250106", None, "20250106"),
        ("2025-01-06 10:00:00", None, "2025-01-06 10:00:00"),
        ("2025-01-06 10:00:00", BERLIN, "2025-01-06T09:00:00Z"),
        ("2025-07-06 10:00:00.250", BERLIN, "2025-07-06T08:00:00.250Z"),
        ("2025-07-06", BERLIN, "2025-07-05T22:00:00Z"),
        ("2025-01-06T10:00:00Z", BERLIN, "2025-01-06T10:00:00Z"),
        ("2025-01-06T10:00:00-05:00", BERLIN, "2025-01-06T10:00:00-05:00"),
        ("2025-10-26 02:30:00", BERLIN, "2025-10-26T00:30:00Z"),
        ("2025-03-30 02:30:00", BERLIN, "2025-03-30T01:30:00Z"),
        ("0001-01-01 00:30", BERLIN, "0001-01-01 00:30"),
        ("yesterday", BERLIN, "yesterday"),
    ],
)
def test_times_without_a_zone_are_in_the_zone_that_is_named(cell: str, zone: ZoneInfo | None, expected: object) -> None:
    assert read_events(f"eventName,timestamp\nlogin,{cell}\n", zone=zone) == [
        {"eventName": "login", "timestamp": expected}
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12), ("-3", -3), ("0", 0), ("1.50", 1.5), ("1e3", 1000.0),
        ("123456789012345678901", 123456789012345678901),
        ("true", True), ("FALSE", False), ("True", True),
        ("007", "007"), ("+1", "+1"), (".5", ".5"), ("1,5", "1,5"), ("1e999", "1e999"), ("NaN", "NaN"),
        ("0x10", "0x10"),
        (" 1", " 1"), ("yes", "yes"), ("9" * 401, "9" * 401), ("٣", "٣"),
    ],
)  # fmt: skip
def test_typed_cells_are_numbers_and_booleans_only_where_they_look_exactly_so(cell: str, value: object) -> None:
    typed = parse_typed(cell)
    assert typed == value
    assert type(typed) is type(value)


def test_metadata_are_text_unless_they_are_to_be_typed() -> None:
    text = "eventName,userId,price\nbuy,12,9.5\n"
    assert read_events(text) == [{"eventName": "buy", "userId": "12", "metadata": {"price": "9.5"}}]
    assert read_events(text, is_typed=True) == [{"eventName": "buy", "userId": "12", "metadata": {"price": 9.5}}]


def test_a_metadata_column_holds_an_object_that_goes_before_other_columns() -> None:
    text = 'eventName,plan,size,metadata\nbuy,pro,3,"{""plan"":""free"",""tags"":[1]}"\nbuy,pro,3,[1]\n'
    assert read_events(text) == [
        {"eventName": "buy", "metadata": {"plan": "free", "size": "3", "tags": [1]}},
        {"eventName": "buy", "metadata": "[1]"},
    ]


def test_the_id_of_a_line_depends_on_its_cells_and_not_on_how_they_are_written_or_mapped() -> None:
    def ids_of(text: str, **options: Any) -> list[str]:
        return [json.loads(line.event)["eventId"] for line in read(text, **options)]

    plain = ids_of("event,plan\nlogin,pro\nlogin,pro\nlogin,free\n", mapping={"event": "eventName"})
    text = 'event,plan\r\n"login","pro"\r\n\r\n"login","pro"\r\n"login","free"\r\n'
    quoted = ids_of(text, mapping={"plan": "eventName"})
    assert plain == quoted
    assert len(set(plain)) == 3
    assert plain[1] == plain[0] + "-2"


def test_an_own_id_is_kept_and_an_empty_one_is_none() -> None:
    lines = read("eventName,id\nlogin,e1\nlogin,\n", mapping={"id": "eventId"})
    assert json.loads(lines[0].event)["eventId"] == "e1"
    assert json.loads(lines[1].event)["eventId"].startswith("line-")
