"""`services.ingest.validate`: what becomes of each event, and that both ways through give the same."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import AppTrackerError
from services.ingest import validate
from services.ingest.decode import Batch
from services.ingest.validate import EventLimits, validate_batch
from services.ingest.verdicts import RejectionCode, Verdicts
from stores.base import Event

PROJECT_KEY = "a1b2c3d4e5f6"
RECEIVED_MS = 1_736_157_600_000  # 2025-01-06T10:00:00Z
HOUR_MS = 3_600_000
LIMITS = EventLimits(max_bytes=2000, max_depth=8)

USUAL = {
    "eventName": "purchase", "timestamp": "2025-01-06T09:59:58.123Z", "eventId": "e-1", "anonymousId": "anon-1",
    "userId": "user-1", "sessionId": "s-1", "url": "https://shop.example/p?q=1", "referrer": "",
    "userAgent": "UA", "ip": "::1",
    "metadata": {"price": 12.5, "items": [{"sku": "A", "n": 2}], "coupon": None, "$set": 1, "a.b": True, "z\0": "\0"},
}  # fmt: skip


def judge(*events: Any, context: Any = None, sent_at: Any = None, limits: EventLimits = LIMITS) -> Verdicts:
    """The verdicts on events, given as JSON text or as what it stands for."""
    texts = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    batch = Batch(texts, PROJECT_KEY, sent_at, None if context is None else json.dumps(context).encode())
    return validate_batch(batch, PROJECT_KEY, received_at_ms=RECEIVED_MS, limits=limits)


def accept(event: Any, **arguments: Any) -> Event:
    """The event as it is stored, without anything to warn of."""
    verdicts = judge(event, **arguments)
    assert (verdicts.rejections, verdicts.warnings) == ([], [])
    return verdicts.events[0]


def named(**fields: Any) -> dict[str, Any]:
    return {"eventName": "a", **fields}


def test_every_field_of_an_event_is_stored_as_it_came() -> None:
    assert accept(USUAL) == Event(
        PROJECT_KEY, "e-1", "purchase", RECEIVED_MS - 1877, RECEIVED_MS, "anon-1", "user-1", "s-1",
        "https://shop.example/p?q=1", "", "UA", "::1", USUAL["metadata"],
    )  # fmt: skip


def test_the_usual_event_never_takes_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "validate_odd_event", None)
    assert len(judge(USUAL, named(), named(timestamp=1_736_157_600.5), context={"ip": "::2"}).events) == 3


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b"", RejectionCode.INVALID_JSON),
        (b"{", RejectionCode.INVALID_JSON),
        (b'{"eventName":"a",}', RejectionCode.INVALID_JSON),
        (b'{"eventName":"a","metadata":{"n":NaN}}', RejectionCode.INVALID_JSON),
        (b'{"eventName":"a","metadata":{"n":-Infinity}}', RejectionCode.INVALID_JSON),
        (b'{"eventName":"\xff"}', RejectionCode.INVALID_JSON),
        (b'{"eventName":"a"} {"eventName":"b"}', RejectionCode.INVALID_JSON),
        (None, RejectionCode.INVALID_EVENT),
        ("a", RejectionCode.INVALID_EVENT),
        (5, RejectionCode.INVALID_EVENT),
        ([], RejectionCode.INVALID_EVENT),
        ([USUAL], RejectionCode.INVALID_EVENT),
        ({}, RejectionCode.INVALID_EVENT_NAME),
        ({"event": "a"}, RejectionCode.INVALID_EVENT_NAME),
        (named(eventName=""), RejectionCode.INVALID_EVENT_NAME),
        (named(eventName=None), RejectionCode.INVALID_EVENT_NAME),
        (named(eventName=5), RejectionCode.INVALID_EVENT_NAME),
        (named(eventName=["a"]), RejectionCode.INVALID_EVENT_NAME),
        (named(eventName="x" * 201), RejectionCode.INVALID_EVENT_NAME),
        (named(userId=1.5), RejectionCode.INVALID_FIELD),
        (named(userId=True), RejectionCode.INVALID_FIELD),
        (named(anonymousId={"$ne": None}), RejectionCode.INVALID_FIELD),
        (named(sessionId=[]), RejectionCode.INVALID_FIELD),
        (named(userId="x" * 513), RejectionCode.INVALID_FIELD),
        (named(userId=10**512), RejectionCode.INVALID_FIELD),
        (named(eventId="x" * 201), RejectionCode.INVALID_FIELD),
        (named(eventId={}), RejectionCode.INVALID_FIELD),
        (named(messageId=False), RejectionCode.INVALID_FIELD),
        (named(url=5), RejectionCode.INVALID_FIELD),
        (named(referrer={}), RejectionCode.INVALID_FIELD),
        (named(userAgent=[]), RejectionCode.INVALID_FIELD),
        (named(ip=2130706433), RejectionCode.INVALID_FIELD),
        (named(metadata="x"), RejectionCode.INVALID_METADATA),
        (named(metadata=[]), RejectionCode.INVALID_METADATA),
        (named(metadata=0), RejectionCode.INVALID_METADATA),
        (b'{"eventName":"a","metadata":{"n":1e400}}', RejectionCode.NUMBER_OUT_OF_RANGE),
        (b'{"eventName":"a","n":-1E999}', RejectionCode.NUMBER_OUT_OF_RANGE),
        (b'{"eventName":"a","timestamp":1e400}', RejectionCode.NUMBER_OUT_OF_RANGE),
        (named(metadata="x" * 2000), RejectionCode.EVENT_TOO_LARGE),
        (b"[" * 2001, RejectionCode.EVENT_TOO_LARGE),
        (b"[" * 900 + b"]" * 900, RejectionCode.EVENT_TOO_DEEP),
    ],
)
def test_an_event_that_cannot_be_stored_says_why(event: Any, code: RejectionCode) -> None:
    verdicts = judge(USUAL, event, USUAL)
    assert [(rejection.index, rejection.code) for rejection in verdicts.rejections] == [(1, code)]
    assert verdicts.rejections[0].text == (event if isinstance(event, bytes) else json.dumps(event).encode())
    assert len(verdicts.events) == 2
    assert verdicts.warnings == []


@pytest.mark.parametrize("field", ["url", "anonymousId", "eventId"])
def test_a_rejection_names_the_field(field: str) -> None:
    assert field in judge(named(**{field: {}})).rejections[0].error


def test_numbers_with_more_digits_than_python_reads_are_out_of_range() -> None:
    text = b'{"eventName":"a","metadata":{"n":' + b"1" * 4301 + b"}}"
    verdicts = judge(text, limits=EventLimits(10_000, 8))
    assert [rejection.code for rejection in verdicts.rejections] == [RejectionCode.NUMBER_OUT_OF_RANGE]


def test_integers_of_any_size_are_kept_exactly() -> None:
    numbers = {"a": 2**63, "b": -(2**63) - 1, "c": 2**64, "d": 10**300, "e": 9_007_199_254_740_993}
    assert accept(named(metadata=numbers)).metadata == numbers
    assert accept(named(**numbers)).metadata == numbers


@pytest.mark.parametrize("depth", [1, 2, 3, 8, 20, 64])
def test_the_deepest_allowed_level_passes_and_the_next_does_not(depth: int) -> None:
    limits = EventLimits(max_bytes=2000, max_depth=depth)
    inside: Any = 1
    for _ in range(depth - 1):
        inside = {"k": inside}
    outside: Any = 1
    for _ in range(depth - 1):
        outside = [outside]
    if depth > 1:
        assert accept(named(metadata=inside), limits=limits).metadata == inside
        assert judge(named(metadata={"k": inside}), limits=limits).rejections[0].code == RejectionCode.EVENT_TOO_DEEP
    assert accept(named(x=outside), limits=limits).metadata == {"x": outside}
    assert judge(named(x=[outside]), limits=limits).rejections[0].code == RejectionCode.EVENT_TOO_DEEP


def test_an_event_of_exactly_the_largest_size_passes_and_a_byte_more_does_not() -> None:
    text = json.dumps(named(url="")).encode()
    fitting = named(url="x" * (LIMITS.max_bytes - len(text)))
    assert accept(fitting).url == fitting["url"]
    assert judge(named(url=fitting["url"] + "x")).rejections[0].code == RejectionCode.EVENT_TOO_LARGE


def test_names_and_ids_of_the_largest_length_pass_counted_in_characters() -> None:
    event = accept(named(eventName="😀" * 200, eventId="ä" * 200), limits=EventLimits(10_000, 8))
    assert (event.event_name, event.event_id) == ("😀" * 200, "ä" * 200)
    assert accept(named(userId="€" * 512), limits=EventLimits(10_000, 8)).user_id == "€" * 512


def test_integer_ids_are_kept_as_text_and_empty_ids_are_missing() -> None:
    event = accept(named(eventId=7, userId=-12, anonymousId=2**70, sessionId=0))
    assert (event.event_id, event.user_id, event.anonymous_id, event.session_id) == ("7", "-12", str(2**70), "0")
    event = accept(named(eventId="", userId="", anonymousId=None, sessionId=""))
    assert (event.user_id, event.anonymous_id, event.session_id, event.metadata) == (None, None, None, {})
    assert len(event.event_id) == 36


@pytest.mark.parametrize(
    ("fields", "event_id", "metadata"),
    [
        ({"messageId": "m"}, "m", {}),
        ({"insert_id": 5}, "5", {}),
        ({"$insert_id": "i"}, "i", {}),
        ({"uuid": "u"}, "u", {}),
        ({"uuid": "u", "messageId": "m", "eventId": "e"}, "e", {"uuid": "u", "messageId": "m"}),
        ({"uuid": "u", "$insert_id": "i", "insert_id": ""}, "i", {"uuid": "u", "insert_id": ""}),
        ({"uuid": "u", "eventId": None, "messageId": None}, "u", {"messageId": None}),
        ({"eventId": "e", "uuid": {"a": 1}}, "e", {"uuid": {"a": 1}}),
    ],
)
def test_the_first_id_that_has_a_value_is_the_event_id(
    fields: dict[str, Any], event_id: str, metadata: dict[str, Any]
) -> None:
    event = accept(named(**fields))
    assert (event.event_id, event.metadata) == (event_id, metadata)


def test_ids_of_the_server_are_uuid7_in_the_order_of_the_batch() -> None:
    ids = [event.event_id for event in judge(*[named()] * 70_000).events]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert {(text[14], text[19] in "89ab", len(text), text[8] + text[13] + text[18] + text[23]) for text in ids} == {
        ("7", True, 36, "----")
    }
    assert int(ids[0].replace("-", "")[:12], 16) == RECEIVED_MS
    assert judge(named()).events[0].event_id != judge(named()).events[0].event_id


def test_unknown_fields_go_to_metadata_unless_it_has_one_of_the_name() -> None:
    verdicts = judge(named(plan="pro", price=None, metadata={"plan": "free"}, projectKey="x"))
    assert verdicts.events[0].metadata == {"plan": "free", "price": None, "projectKey": "x"}
    assert [(warning.code, warning.index) for warning in verdicts.warnings] == [("field_conflict", 0)]
    assert "plan" in verdicts.warnings[0].message


def test_lone_surrogates_become_replacement_characters() -> None:
    verdicts = judge(named(), b'{"eventName":"a\\ud800","metadata":{"\\udc00":["\\ud83dx","\\ud83d\\ude00"]}}')
    assert verdicts.events[1].event_name == "a\ufffd"
    assert verdicts.events[1].metadata == {"\ufffd": ["\ufffdx", "😀"]}
    assert [(warning.code, warning.index) for warning in verdicts.warnings] == [("invalid_unicode", 1)]


class TestTime:
    def test_without_a_timestamp_it_is_the_time_of_receipt(self) -> None:
        assert accept(named()).occurred_at_ms == RECEIVED_MS
        assert accept(named(timestamp=None)).occurred_at_ms == RECEIVED_MS
        assert accept(named(), sent_at="2025-01-06T09:00:00Z").occurred_at_ms == RECEIVED_MS

    @pytest.mark.parametrize("value", ["yesterday", "", True, {}, [1], "10000-01-01T00:00:00Z", 10**15, "1736157600"])
    def test_an_invalid_timestamp_is_kept_beside_the_event(self, value: Any) -> None:
        verdicts = judge(named(timestamp=value))
        assert (verdicts.events[0].occurred_at_ms, verdicts.events[0].metadata) == (None, {"timestamp": value})
        assert [(warning.code, warning.index) for warning in verdicts.warnings] == [("invalid_timestamp", 0)]

    def test_a_timestamp_in_metadata_is_not_overwritten(self) -> None:
        verdicts = judge(named(timestamp="x", metadata={"timestamp": "y"}))
        assert verdicts.events[0].metadata == {"timestamp": "y"}

    def test_a_day_ahead_is_believed_and_a_millisecond_more_is_not(self) -> None:
        day_ms = 24 * HOUR_MS
        assert accept(named(timestamp=RECEIVED_MS + day_ms)).occurred_at_ms == RECEIVED_MS + day_ms
        verdicts = judge(named(timestamp=RECEIVED_MS + day_ms + 1))
        assert (verdicts.events[0].occurred_at_ms, verdicts.events[0].metadata) == (RECEIVED_MS, {})
        assert [(warning.code, warning.index) for warning in verdicts.warnings] == [("timestamp_in_future", 0)]

    @pytest.mark.parametrize("sent_at", [RECEIVED_MS - HOUR_MS, "2025-01-06T09:00:00Z", 1_736_154_000, 1_736_154_000.0])
    def test_a_clock_that_is_behind_is_put_right(self, sent_at: Any) -> None:
        assert (
            accept(named(timestamp="2025-01-06T08:30:00Z"), sent_at=sent_at).occurred_at_ms
            == RECEIVED_MS - HOUR_MS // 2
        )

    def test_a_clock_that_is_days_ahead_is_put_right_before_it_is_judged(self) -> None:
        two_days_ahead = RECEIVED_MS + 48 * HOUR_MS
        assert accept(named(timestamp=two_days_ahead - 5), sent_at=two_days_ahead).occurred_at_ms == RECEIVED_MS - 5

    @pytest.mark.parametrize("sent_at", ["now", False, {}, 10**15])
    def test_an_invalid_sent_at_is_told_once_and_ignored(self, sent_at: Any) -> None:
        verdicts = judge(named(timestamp=RECEIVED_MS - 5), named(), sent_at=sent_at)
        assert verdicts.events[0].occurred_at_ms == RECEIVED_MS - 5
        assert [(warning.code, warning.index) for warning in verdicts.warnings] == [("invalid_sent_at", None)]

    def test_a_time_that_the_correction_moves_out_of_the_calendar_is_invalid(self) -> None:
        verdicts = judge(named(timestamp="0001-01-01T00:00:00Z"), sent_at=RECEIVED_MS + HOUR_MS)
        assert verdicts.events[0].occurred_at_ms is None
        assert verdicts.events[0].metadata == {"timestamp": "0001-01-01T00:00:00Z"}
        verdicts = judge(named(timestamp="9999-12-31T23:59:59Z"), sent_at=RECEIVED_MS - HOUR_MS)
        assert [warning.code for warning in verdicts.warnings] == ["invalid_timestamp"]


class TestContext:
    CONTEXT = {
        "anonymousId": 5, "userId": "u", "sessionId": "s", "url": "/", "referrer": "r", "userAgent": "UA", "ip": "::1",
        "app": {"version": "1"}, "plan": "pro", "metadata": {"plan": "free", "theme": "dark"},
    }  # fmt: skip
    INHERITED = {"app": {"version": "1"}, "plan": "free", "theme": "dark"}

    def test_an_event_inherits_what_it_lacks(self) -> None:
        for event in (named(), named(userId=None, url=None, metadata=None), named(userId="", sessionId="")):
            stored = accept(event, context=self.CONTEXT)
            assert stored == msgspec.structs.replace(
                stored, anonymous_id="5", user_id="u", session_id="s", url="/", referrer="r", user_agent="UA", ip="::1",
                metadata=self.INHERITED,
            )  # fmt: skip

    def test_what_the_event_has_of_its_own_stays(self) -> None:
        own = named(userId="v", url="", metadata={"theme": None})
        stored = accept(own, context=self.CONTEXT)
        assert (stored.user_id, stored.url, stored.metadata) == ("v", "", {**self.INHERITED, "theme": None})
        stored = accept({**own, "plan": "own"}, context=self.CONTEXT)
        assert stored.metadata == {**self.INHERITED, "theme": None, "plan": "own"}

    def test_events_do_not_share_what_they_inherit(self) -> None:
        first, second = judge(named(timestamp="x"), named(timestamp="y"), context={"metadata": {"a": 1}}).events
        assert (first.metadata, second.metadata) == ({"a": 1, "timestamp": "x"}, {"a": 1, "timestamp": "y"})

    def test_names_ids_and_times_are_not_inherited(self) -> None:
        context = {"eventName": "x", "eventId": "1", "messageId": "2", "$insert_id": 3, "timestamp": 5, "uuid": None}
        verdicts = judge(named(), context=context)
        assert verdicts.events[0].metadata == {}
        assert verdicts.events[0].occurred_at_ms == RECEIVED_MS
        assert [warning.code for warning in verdicts.warnings] == ["context_field_ignored"] * 5
        assert judge({}, context={"eventName": "x"}).rejections[0].code == RejectionCode.INVALID_EVENT_NAME

    @pytest.mark.parametrize(
        ("context", "code", "fields"),
        [
            ([], "invalid_context", ["context"]),
            ("x", "invalid_context", ["context"]),
            (5, "invalid_context", ["context"]),
            ({"userId": {}}, "invalid_context", ["context.userId"]),
            ({"url": 5}, "invalid_context", ["context.url"]),
            ({"metadata": []}, "invalid_context", ["context.metadata"]),
            ({"app": [[[[[[[[1]]]]]]]]}, "context_too_deep", ["context"]),
            ({"app": "x" * 2000}, "context_too_large", ["context"]),
        ],
    )
    def test_a_context_that_cannot_be_used_refuses_the_batch(self, context: Any, code: str, fields: list[str]) -> None:
        with pytest.raises(AppTrackerError) as caught:
            judge(named(), context=context)
        assert (caught.value.code, caught.value.fields) == (code, fields)

    def test_numbers_and_surrogates_in_the_context(self) -> None:
        batch = Batch([b'{"eventName":"a"}'], context=b'{"n":1e400}')
        with pytest.raises(AppTrackerError) as caught:
            validate_batch(batch, PROJECT_KEY, received_at_ms=RECEIVED_MS, limits=LIMITS)
        assert caught.value.code == "invalid_context"
        batch = Batch([b'{"eventName":"a"}'], context=b'{"n":"\\ud800"}')
        verdicts = validate_batch(batch, PROJECT_KEY, received_at_ms=RECEIVED_MS, limits=LIMITS)
        assert verdicts.events[0].metadata == {"n": "\ufffd"}
        assert [(warning.code, warning.index) for warning in verdicts.warnings] == [("invalid_unicode", None)]

    def test_the_context_counts_towards_the_size_of_an_event(self) -> None:
        context = {"app": "x" * 1000}
        text = json.dumps(named(url="")).encode()
        room = LIMITS.max_bytes - len(json.dumps(context)) - len(text)
        assert accept(named(url="x" * room), context=context)
        assert judge(named(url="x" * (room + 1)), context=context).rejections[0].code == RejectionCode.EVENT_TOO_LARGE


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.sampled_from(
    ["2025-01-06T09:00:00Z", "2025-01-06", "0001-01-01", "9999-12-31", "2025-01-07T10:00:00.001Z", 0, 1.5]
)
IDS = st.text(max_size=5) | st.sampled_from(["x" * 200, "x" * 201, "é" * 512, "é" * 513]) | SCALARS
EVENTS = st.fixed_dictionaries(
    {"eventName": st.text(min_size=1, max_size=5) | IDS},
    optional={
        "timestamp": TIMES | st.datetimes().map(str) | SCALARS,
        **dict.fromkeys(("eventId", "anonymousId", "userId", "sessionId"), IDS),
        **dict.fromkeys(("url", "referrer", "userAgent", "ip"), st.text(max_size=5) | SCALARS),
        "metadata": st.dictionaries(st.text(max_size=4), VALUES, max_size=4) | VALUES,
        "uuid": IDS,
        "other": VALUES,
    },
)


@settings(max_examples=400, deadline=None)
@given(
    event=EVENTS,
    context=st.none()
    | st.fixed_dictionaries({}, optional={"userId": st.text(max_size=3), "url": st.text(max_size=3), "x": VALUES}),
    sent_at=st.none() | TIMES,
    max_depth=st.integers(1, 6),
)
def test_the_fast_and_the_slow_way_give_the_same(event: Any, context: Any, sent_at: Any, max_depth: int) -> None:
    limits = EventLimits(max_bytes=4000, max_depth=max_depth)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(validate, "build_id_source", lambda now_ms: map(str, itertools.count()).__next__)
        try:
            usually = judge(event, context=context, sent_at=sent_at, limits=limits)
        except AppTrackerError:
            return
        patched.setattr(validate, "_build_usual_event", lambda usual, rules: None)
        slowly = judge(event, context=context, sent_at=sent_at, limits=limits)
    assert usually == slowly
    # 1 and 1.0 and true are equal to Python.
    assert [msgspec.json.encode(each) for each in usually.events] == [
        msgspec.json.encode(each) for each in slowly.events
    ]


@settings(deadline=None)
@given(text=st.text(alphabet='{}[]",:\\ eventNamud80-1.é"', max_size=40))
def test_any_text_has_a_verdict(text: str) -> None:
    verdicts = judge(text.encode(), b'{"eventName":"a",' + text.encode() + b"}")
    assert len(verdicts.events) + len(verdicts.rejections) == 2
