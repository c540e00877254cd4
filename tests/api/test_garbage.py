"""Whatever bytes arrive, the answer is one that the OpenAPI document knows, and never a failure of ours.

`HYPOTHESIS_PROFILE=thorough` sends thousands.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import brotli
import pytest
import zstandard
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import close_app, create_app
from services.project_fields import fetch_timezones
from tests.conftest import build_config
from tests.specification import check_answer
from tests.streams import KEYS, NUMBERS, TEXTS

TYPES = ["application/json", "application/json", "text/plain", "application/x-ndjson", "", "text/html"]
COMPRESSORS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress, "br": brotli.compress}
COMMON = ["from", "to", "tz", "filters", "compare", "format"]
FIELDS = {
    "overview": COMMON,
    "top-events": [*COMMON, "limit"],
    "events-timeseries": [*COMMON, "interval", "eventName"],
    "funnel": [*COMMON, "steps", "windowSeconds", "order", "breakdown", "breakdownLimit"],
    "conversion": [*COMMON, "eventName"],
}
NAMES = sorted({name for names in FIELDS.values() for name in names} | {"projectKey", "property", "operator", "value"})
PIXEL_FIELDS = ["eventName", "url", "eventId", "anonymousId", "userId", "timestamp", "ip", "metadata", "dnt", "sentAt"]

bounded = settings(
    max_examples=2000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 100,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
texts = st.text(max_size=20) | st.sampled_from([*TEXTS, "\ud800", "'; DROP TABLE events; --", '{"$gt": ""}'])
scalars = st.one_of(
    texts, st.sampled_from(NUMBERS), st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()
)
values = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4)
    | st.dictionaries(st.sampled_from(NAMES) | st.sampled_from(KEYS) | st.text(max_size=5), children, max_size=4),
    max_leaves=12,
)


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Seldom anything at all, so that most questions get as far as an answer."""
    return st.integers(0, 29).flatmap(lambda number: usual if number else values)


properties = st.sampled_from(["eventName", "userId", "ip", "metadata.k", "metadata.a\\.b", "metadata."]) | texts.map(
    lambda text: "metadata." + text
)
filters = st.lists(
    st.builds(
        lambda prop, operator, value: {"property": prop, "operator": operator, "value": value},
        properties, st.sampled_from(["eq", "neq", "contains", "not_contains", "gt", "gte", "lt", "lte"]), mostly(texts),
    )
    | st.builds(
        lambda prop, operator, value: {"property": prop, "operator": operator, "value": value},
        texts.map(lambda text: "metadata." + text), st.sampled_from(["in", "not_in"]),
        mostly(st.lists(texts | st.booleans() | st.sampled_from(NUMBERS), min_size=1, max_size=3)),
    )
    | st.builds(lambda prop, operator: {"property": prop, "operator": operator}, properties,
                st.sampled_from(["exists", "not_exists"])),
    max_size=3,
)  # fmt: skip
event_names = st.sampled_from(["a", "b", "\0", "'"])
years = st.sampled_from([1, 1850, 2024, 2024, 2025, 2025, 2025, 9999])
moments = st.builds("{:04}-{:02}-{:02}{}".format, years, st.integers(1, 12), st.integers(1, 28),
                    st.sampled_from(["", "", "T10:00:00", "T23:59:59.999+14:00", "T00:00:00-12:00"]))  # fmt: skip
USUAL = {
    "from": moments,
    "to": moments,
    "tz": st.sampled_from(sorted(fetch_timezones())),
    "filters": filters,
    "compare": st.just("previous"),
    "format": st.sampled_from(["csv", "json"]),
    "limit": st.integers(1, 1000),
    "interval": st.sampled_from(["hour", "day", "week", "month"]),
    "eventName": event_names,
    "steps": st.lists(
        event_names | st.builds(lambda name, filters: {"eventName": name, "filters": filters}, event_names, filters),
        min_size=1, max_size=4,
    ),
    "windowSeconds": st.integers(1, 10**8),
    "order": st.sampled_from(["ordered", "strict", "any"]),
    "breakdown": properties,
    "breakdownLimit": st.integers(1, 1000),
}  # fmt: skip
REQUIRED = {"funnel": ["steps"], "conversion": ["eventName"]}


def questions_of(report: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    required = {name: mostly(USUAL[name]) for name in REQUIRED.get(report, [])}
    optional = {name: mostly(USUAL[name]) for name in FIELDS[report] if name not in required}
    return st.tuples(st.just(report), st.fixed_dictionaries(required, optional=optional))


questions = st.sampled_from(sorted(FIELDS)).flatmap(questions_of)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with a few pieces cut out, doubled or replaced."""
    text = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 8)))
        text = text[:start] + draw(st.binary(max_size=4) | st.just(text[start:stop] * 2)) + text[stop:]
    return text


events = st.fixed_dictionaries(
    {"eventName": mostly(event_names)},
    optional={
        **dict.fromkeys(("timestamp", "sentAt", "x", "$where", "metadata.k"), values),
        **dict.fromkeys(("eventId", "uuid", "userId", "anonymousId", "sessionId", "url", "ip"), mostly(texts)),
        "metadata": mostly(st.dictionaries(texts, values, max_size=4)),
    },
)
batches = st.fixed_dictionaries(
    {"events": mostly(st.lists(events, min_size=1, max_size=3))}, optional={"sentAt": values, "context": mostly(events)}
)
encoded_batches = batches.map(lambda batch: json.dumps(batch).encode())
bodies = st.one_of(
    encoded_batches,
    damaged(encoded_batches),
    st.lists(events, max_size=3).map(lambda listed: "\n".join(map(json.dumps, listed)).encode()),
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str]]:
    """The service, and a project with a few events."""
    app = create_app(build_config(tmp_path_factory.mktemp("data"), seal_events=20, segment_events=15))
    client = app.test_client()
    project_key = client.post("/v1/projects", json={"name": "Garbage"}).json["projectKey"]
    listed = [
        {"eventName": name, "userId": "u", "timestamp": moment, "metadata": {"k": value, "a.b": [value], "": value}}
        for name in ("a", "b")
        for moment in ("2025-01-06T10:00:00Z", "0001-01-01T00:00:00Z", "1850-01-01")
        for value in (1, "x", None, True, {"k": 1}, 10**25)
    ]
    sent = client.post("/v1/events/batch", json={"projectKey": project_key, "events": listed})
    assert sent.json["accepted"] == len(listed)
    yield app, project_key
    close_app(app)


def check(app: Flask, path: str, **request: Any) -> None:
    answer = app.test_client().open(path, **request)
    assert answer.status_code < 500, (path, request, answer.text)
    check_answer(app, answer)


@given(
    body=bodies,
    content_type=st.sampled_from(TYPES),
    encoding=st.sampled_from(["", *COMPRESSORS]),
    damage=st.data(),
    sent_at=texts,
)
@bounded
def test_garbage_as_a_batch(
    service: tuple[Flask, str], body: bytes, content_type: str, encoding: str, damage: st.DataObject, sent_at: str
) -> None:
    app, project_key = service
    if encoding:
        body = damage.draw(damaged(st.just(COMPRESSORS[encoding](body))))
    query = urlencode({"projectKey": project_key, "sentAt": sent_at}, errors="replace")
    headers = {"Content-Encoding": encoding}
    check(app, f"/v1/events/batch?{query}", method="POST", data=body, content_type=content_type, headers=headers)


@given(
    report=st.sampled_from(sorted(FIELDS)),
    query=st.lists(
        st.tuples(st.sampled_from(NAMES).map(str.encode) | st.binary(max_size=5), st.binary(max_size=12)), max_size=3
    ),
)
@bounded
def test_garbage_as_a_query(service: tuple[Flask, str], report: str, query: list[tuple[bytes, bytes]]) -> None:
    app, project_key = service
    parts = [f"{quote_from_bytes(name)}={quote_from_bytes(value)}" for name, value in query]
    check(app, f"/v1/reports/{report}?projectKey={project_key}&{'&'.join(parts)}", method="GET")


@given(question=questions)
@bounded
def test_garbage_as_a_question(service: tuple[Flask, str], question: tuple[str, dict[str, Any]]) -> None:
    app, project_key = service
    report, fields = question
    fields = {**fields, "projectKey": project_key}
    query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    check(app, f"/v1/reports/{report}?{urlencode(query, errors='replace')}", method="GET")
    body = json.dumps(fields)
    check(app, f"/v1/reports/{report}", method="POST", data=body, content_type="application/json")


@given(question=questions, damage=st.data())
@bounded
def test_garbage_as_the_body_of_a_question(
    service: tuple[Flask, str], question: tuple[str, dict[str, Any]], damage: st.DataObject
) -> None:
    app, project_key = service
    report, fields = question
    body = damage.draw(damaged(st.just(json.dumps(fields).encode())))
    path = f"/v1/reports/{report}?projectKey={project_key}"
    check(app, path, method="POST", data=body, content_type="application/json")


@given(
    query=st.lists(
        st.tuples(st.sampled_from(PIXEL_FIELDS).map(str.encode) | st.binary(max_size=5), st.binary(max_size=12)),
        max_size=5,
    ),
    page=st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode("latin-1")),
    accepted=st.sampled_from(["*/*", "image/gif", "image/*;q=0.8, */*;q=0.5", "", "no;type=", "application/json"]),
)
@bounded
def test_garbage_as_the_address_of_a_picture(
    service: tuple[Flask, str], query: list[tuple[bytes, bytes]], page: str, accepted: str
) -> None:
    app, project_key = service
    parts = [f"{quote_from_bytes(name)}={quote_from_bytes(value)}" for name, value in query]
    address = f"/v1/pixel.gif?projectKey={project_key}&{'&'.join(parts)}"
    headers = {"Referer": page.replace("\r", " ").replace("\n", " "), "Accept": accepted}
    check(app, address, method="GET", headers=headers)
