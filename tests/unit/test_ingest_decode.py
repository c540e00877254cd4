"""`services.ingest.decode`: what of a body is a batch, and what is refused as a whole."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import AppTrackerError, InvalidInput, TooLarge
from services.ingest import decode
from services.ingest.decode import Batch, decode_json_batch, decode_ndjson_batch

MAX_EVENTS = 5
MAX_BYTES = 10_000
PROJECT_KEY = "a1b2c3d4e5f6"


def decode_json(body: bytes | str, **arguments: Any) -> Batch:
    encoded = body.encode() if isinstance(body, str) else body
    return decode_json_batch(encoded, **({"max_events": MAX_EVENTS, "max_bytes": MAX_BYTES} | arguments))


def refusal_of(body: bytes | str, **arguments: Any) -> tuple[str, list[str]]:
    with pytest.raises(AppTrackerError) as caught:
        decode_json(body, **arguments)
    assert isinstance(
        caught.value, TooLarge if caught.value.code.startswith(("too_many", "body_too")) else InvalidInput
    )
    return caught.value.code, caught.value.fields


def texts_of(batch: Batch) -> list[bytes]:
    return [bytes(event) for event in batch.events]


def test_the_members_of_the_body_are_told_apart_and_the_events_stay_as_they_came() -> None:
    batch = decode_json(
        '{"events" : [ {"a": 1.0} ,5,"x",[ ]],"sentAt":"2025-01-06T10:00:00Z", "projectKey":"a1b2c3d4e5f6",'
        ' "context": {"ip": null}, "library": {"name": "x"}}'
    )
    assert texts_of(batch) == [b'{"a": 1.0}', b"5", b'"x"', b"[ ]"]
    assert (batch.project_key, batch.sent_at, batch.context) == (PROJECT_KEY, "2025-01-06T10:00:00Z", b'{"ip": null}')


@pytest.mark.parametrize("empty", ["null", '""'])
def test_null_members_are_as_if_they_were_missing(empty: str) -> None:
    batch = decode_json(f'{{"projectKey":{empty},"sentAt":null,"context":null,"events":[1]}}')
    assert (batch.project_key, batch.sent_at, batch.context) == (None, None, None)


def test_the_query_stands_in_for_members_that_are_missing() -> None:
    batch = decode_json('{"events":[1]}', project_key=PROJECT_KEY, sent_at="1736157600123")
    assert (batch.project_key, batch.sent_at) == (PROJECT_KEY, 1_736_157_600_123)
    batch = decode_json('{"events":[1],"sentAt":5,"projectKey":"k"}', project_key="k", sent_at="1736157600.5")
    assert (batch.project_key, batch.sent_at) == ("k", 5)


def test_a_byte_order_mark_is_skipped() -> None:
    assert texts_of(decode_json('\ufeff{"events":[1]}')) == [b"1"]
    assert texts_of(decode_ndjson_batch("\ufeff1\n".encode(), max_events=1)) == [b"1"]


@pytest.mark.parametrize(
    "body",
    [
        "", " ", "{", "nope", '{"events":[1,]}', '{"events":[1 2]}', '{"events":[1]', '{"events":[1]} x',
        '{"events":[NaN]}',
        '{"events":[Infinity]}', '{"events":[01]}', "{'events':[1]}", '{"events":[{"a":tru}]}', '{"events":["\x01"]}',
        '{"events":["\\x"]}', '{"events":["\\u12"]}', '{"events":[1],}', '{"events":[1],"sentAt":}', "\ufeff\ufeff{}",
        '{"a":"\\ud800"', '{"a":"\\ud800","events":[{]}', '{"a":"\\ud800","events":[{"b":nul}]}', '{"a":"\\ud800",}',
        '{"a":"\\ud800","events":[1,,2]}', '{"a":"\\ud800","events":[1,]}', '{"a":"\\ud800","events":[{"b":NaN}]}',
        '{"a":"\\ud800","events":[1}]', '{"a":"\\ud800","events":[1]}]', '{"a":"\\ud800" "events":[1]}',
        '{"a":"\\ud800",events:[1]}', '{"a":"\\ud800\\x","events":[1]}', '{"a":"\\ud800,"events":[1]}',
        '{"a":' + "[" * 5000 + '}],"events":[1]}', '{"a":' + "[" * 5000,
    ],
)  # fmt: skip
def test_a_body_that_is_not_json_is_refused_as_a_whole(body: str) -> None:
    assert refusal_of(body) == ("invalid_json", [])


@pytest.mark.parametrize("body", ["[]", '[{"eventName":"a"}]', '"text"', "5", "null", '["\\ud800"]', '"\\ud800"'])
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    assert refusal_of(body) == ("invalid_body", [])


@pytest.mark.parametrize(
    "members",
    ["", '"events":[]', '"events":[ ]', '"events":{}', '"events":null', '"events":"[1]"', '"events":5', '"event":[1]'],
)
@pytest.mark.parametrize("rest", ["", '"a":"\\ud800"'])
def test_a_body_without_a_list_of_events_is_refused(members: str, rest: str) -> None:
    body = "{" + ",".join(part for part in (rest, members) if part) + "}"
    assert refusal_of(body) == ("invalid_body", ["events"])


@pytest.mark.parametrize("value", ["5", "true", "{}", '["a"]', "1e400"])
def test_a_project_key_that_is_no_text_is_refused(value: str) -> None:
    assert refusal_of(f'{{"projectKey":{value},"events":[1]}}') == ("invalid_field", ["projectKey"])


def test_two_different_project_keys_are_refused() -> None:
    assert refusal_of('{"projectKey":"a","events":[1]}', project_key="b") == ("invalid_field", ["projectKey"])


@pytest.mark.parametrize("item", ["1", '"\\ud800"', "[" * 2000 + "]" * 2000])
def test_one_event_too_many_is_too_many(item: str) -> None:
    assert len(decode_json(json_list(item, MAX_EVENTS), max_bytes=10**6).events) == MAX_EVENTS
    assert refusal_of(json_list(item, MAX_EVENTS + 1), max_bytes=10**6) == ("too_many_events", ["events"])


def json_list(item: str, count: int) -> str:
    return f'{{"events":[{",".join([item] * count)}]}}'


def test_the_context_counts_for_each_event_that_inherits_it() -> None:
    context = json.dumps({"metadata": {"text": "x" * 3000}})
    assert decode_json(f'{{"context":{context},"events":[1,2,3]}}').context == context.encode()
    assert refusal_of(f'{{"context":{context},"events":[1,2,3,4]}}') == ("body_too_large", ["context"])


@pytest.mark.parametrize(
    "odd",
    [
        '{"a":"\\ud800"}',
        '{"a":"\\udc00"}',
        '{"\\ud83d":1}',
        '{"a":"\\ud83d\\u0041"}',
        "[" * 3000 + "]" * 3000,
        "1e400",
        "1" * 5000,
    ],
)
def test_an_event_that_the_fast_decoder_cannot_read_does_not_disturb_the_others(odd: str) -> None:
    events = f'[ {{"a":"]}},{{"}} , {odd} ,"\\\\\\"]"]'
    body = f'{{"projectKey":"{PROJECT_KEY}","events":{events},"context":{{}},"sentAt":1e400}}'
    batch = decode_json(body, max_bytes=100_000)
    assert texts_of(batch) == [b'{"a":"]},{"}', odd.encode(), b'"\\\\\\"]"']
    assert (batch.project_key, batch.sent_at, batch.context) == (PROJECT_KEY, False, b"{}")


def test_bytes_that_are_not_utf8_stay_in_their_event() -> None:
    for other in (b"1", b'"\\ud800"'):
        assert texts_of(decode_json(b'{"events":["\xff",' + other + b"]}")) == [b'"\xff"', other]
    assert refusal_of(b'{"projectKey":"\xff","events":[1]}') == ("invalid_json", [])
    assert refusal_of(b'{"sentAt":"\xff","events":[1]}') == ("invalid_json", [])


@pytest.mark.parametrize(
    "body",
    [
        b'{"events":[' + b"1," * 4_999_000 + b"1]}",
        b'{"events":[' + b"[" * 4_999_000 + b"]" * 4_999_000 + b"]}",
        b'{"events":["\\ud800",' + b"[]," * 3_300_000 + b"1]}",
        b'{"a":[' + b"1," * 4_999_000 + b'1],"events":[1]}',
        b'{"events":[["\\ud800",' + b"1," * 4_999_000 + b"1]]}",
        b'{"a":"\\ud800","events":["' + b"\\u0041" * 1_600_000 + b'"]}',
        b'{"a":"\\ud800","events":[' + b'"' * 9_000_001 + b"]}",
        b'{"a":"\\ud800' + b"\\" * 9_000_001 + b"]}",
    ],
    ids=["many items", "very deep", "many lists", "many values", "one huge event", "escapes", "quotes", "backslashes"],
)
def test_ten_hostile_megabytes_are_dealt_with_in_seconds(body: bytes) -> None:
    started = time.process_time()
    try:
        decode_json(body, max_events=2000, max_bytes=10_485_760)
    except AppTrackerError as error:
        assert error.code in ("too_many_events", "body_too_large", "invalid_json")
    assert time.process_time() - started < 8


def test_lines_are_events_and_blank_ones_are_not() -> None:
    body = b'\n{"a":1}\r\n  \r\n\t{"a":\t2} \n\nnonsense\n{"a":3}'
    batch = decode_ndjson_batch(body, max_events=4, project_key=PROJECT_KEY, sent_at="2025-01-06T10:00:00Z")
    assert texts_of(batch) == [b'{"a":1}', b'{"a":\t2}', b"nonsense", b'{"a":3}']
    assert (batch.project_key, batch.sent_at, batch.context) == (PROJECT_KEY, "2025-01-06T10:00:00Z", None)


def test_too_many_lines_and_no_line_are_refused() -> None:
    with pytest.raises(TooLarge):
        decode_ndjson_batch(b"1\n" * 6, max_events=5)
    for body in (b"", b"\n", b" \r\n\t\n"):
        with pytest.raises(InvalidInput) as caught:
            decode_ndjson_batch(body, max_events=5)
        assert caught.value.code == "invalid_body"
    assert len(decode_ndjson_batch(b"\n" * 1_000_000 + b"1", max_events=1).events) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(
    events=st.lists(JSON, min_size=1, max_size=MAX_EVENTS),
    rest=st.dictionaries(st.sampled_from(["sentAt", "context", "library", "", "évents"]), JSON),
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
)
def test_the_slow_way_cuts_a_body_as_the_fast_one_does(
    events: list[Any], rest: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps({**rest, "events": events}, indent=indent, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    fast, slow = decode._decode_fast(body), decode._decode_slowly(body, MAX_EVENTS)
    assert fast is not None
    for name in ("project_key", "sent_at", "context"):
        assert bytes(getattr(fast, name)) == bytes(getattr(slow, name))
    assert [bytes(event) for event in fast.events] == [bytes(event) for event in slow.events]
    assert [json.loads(bytes(event)) for event in slow.events] == events


@given(body=st.text(alphabet='{}[]",:\\ u0d81e-n"', max_size=60))
def test_any_text_is_cut_or_refused(body: str) -> None:
    for text in (body, '{"events":[' + body + '],"a":"\\ud800"}'):
        try:
            decode_json(text)
        except AppTrackerError as error:
            assert error.code in ("invalid_json", "invalid_body", "too_many_events")


def test_a_batch_without_a_context_may_be_as_large_as_the_body() -> None:
    body = b'{"events": [{"eventName":"a"},{"eventName":"b"},{"eventName":"c"}]}'
    assert len(decode_json_batch(body, max_events=10, max_bytes=len(body)).events) == 3
