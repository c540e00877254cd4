"""The table of `tests/api/test_bad_input.py`: requests that cannot be meant, and how each must be answered."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import brotli
import zstandard

MAX_BODY_BYTES = 1_000_000
BATCH = "/v1/events/batch"
OVERVIEW, TOP, SERIES = "/v1/reports/overview", "/v1/reports/top-events", "/v1/reports/events-timeseries"
FUNNEL, CONVERSION, REJECTIONS = "/v1/reports/funnel", "/v1/reports/conversion", "/v1/rejections"
PROJECTS, PROJECT, KEYS = "/v1/projects", "/v1/projects/{own}", "/v1/projects/{own}/keys"
ROTATE, REVOKE = KEYS + "/{key}/rotate", KEYS + "/{key}"
EXPORT = "/v1/reports/export"
WRITE_CHECK = "/db/test-insert"
ROOT = "root"
"""SECRET_TOKEN in production; in development, where none is needed, no secret at all."""

DEEP = b"[" * 200_000
BOMB = b'{"events": [' + b" " * (2 * MAX_BODY_BYTES) + b"]}"
SQL = "'; DROP TABLE events; --"
NAMED = {"eventName": "app_open", "anonymousId": "intruder"}
OWN = {"projectKey": "{own}"}


@dataclass(frozen=True)
class Case:
    """A request, and how it must be answered. `{own}`, `{other}` and `{key}` in it are filled in from the cast."""

    name: str
    method: str
    path: str
    status: int
    code: str
    words: str
    body: Any = None
    """Bytes are sent as they are, anything else as JSON."""
    headers: Mapping[str, str] | None = None
    content_type: str | None = "application/json"
    who: str = ROOT


def get(name: str, path: str, status: int, code: str, words: str, **more: Any) -> Case:
    return Case(name, "GET", path, status, code, words, **more)


def post(name: str, path: str, body: Any, status: int, code: str, words: str, **more: Any) -> Case:
    return Case(name, "POST", path, status, code, words, body, **more)


def ask(name: str, path: str, query: str, words: str, code: str = "invalid_input") -> Case:
    """A report or list that is asked with a bad query."""
    return get(name, f"{path}?projectKey={{own}}&{query}", 400, code, words)


def ask_filtered(name: str, filters: Any, words: str) -> Case:
    text = filters if isinstance(filters, str) else json.dumps(filters)
    return ask(name, OVERVIEW, "filters=" + quote(text), words)


def condition(prop: Any = "metadata.k", operator: Any = "eq", value: Any = "x") -> list[dict[str, Any]]:
    return [{"property": prop, "operator": operator, "value": value}]


def filter_in_body(name: str, filters: Any, words: str) -> Case:
    return post(name, OVERVIEW, {**OWN, "filters": filters}, 400, "invalid_input", words)


def create(name: str, words: str, **fields: Any) -> Case:
    """A project with a field that it cannot have."""
    return post(name, PROJECTS, {"name": "x", **fields}, 400, "invalid_field", words)


def walk(name: str, words: str, steps: Any, *, code: str = "invalid_input", **fields: Any) -> Case:
    """A funnel with something that it cannot have."""
    return post(name, FUNNEL, {**OWN, "steps": steps, **fields}, 400, code, words)


def send(name: str, event: Any, code_of_event: str, words: str, *, status: int = 400) -> Case:
    """A batch of one event that is rejected."""
    event = event.encode() if isinstance(event, str) else json.dumps(event).encode()
    body = b'{"projectKey": "{own}", "events": [' + event + b"]}"
    return post(name, BATCH, body, status, f"all_events_rejected {code_of_event}", words)


def send_encoded(name: str, encoding: str, body: bytes, status: int, code: str, words: str) -> Case:
    path = BATCH + "?projectKey={own}"
    return post(name, path, body, status, code, words, headers={"Content-Encoding": encoding})


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


BODIES = [
    post("no body", PROJECTS, b"", 400, "invalid_json", "body is empty"),
    post("broken JSON", PROJECTS, b'{"name": "x"', 400, "invalid_json", "not valid JSON"),
    post("NaN", PROJECTS, b'{"name": "x", "retentionDays": NaN}', 400, "invalid_json", "not valid JSON"),
    post("retention beyond double", PROJECTS, b'{"name": "x", "retentionDays": 1e999}', 400, "invalid_json", "JSON"),
    post("lone surrogate", PROJECTS, b'{"name": "\\ud800"}', 400, "invalid_json", "not valid JSON"),
    post("invalid UTF-8", PROJECTS, b'{"name": "\xff\xfe"}', 400, "invalid_json", "not valid JSON"),
    post("UTF-16", PROJECTS, '{"name": "x"}'.encode("utf-16"), 400, "invalid_json", "not valid JSON"),
    post("a list", PROJECTS, [{"name": "x"}], 400, "invalid_body", "must be a JSON object"),
    post("200,000 levels", PROJECTS, DEEP, 400, "invalid_json", "nested too deeply"),
    post("200,000 levels to a report", FUNNEL, b'{"steps": ' + DEEP, 400, "invalid_json", "nested too deeply"),
    post("200,000 levels to a key", ROTATE, b'{"graceSeconds": ' + DEEP, 400, "invalid_json", "nested too deeply"),
    post("a form", PROJECTS, b"name=x", 415, "unsupported_media_type", "application/json",
         content_type="application/x-www-form-urlencoded"),
    post("a form to a report", FUNNEL, b"steps=a", 415, "unsupported_media_type", "application/json",
         content_type="multipart/form-data; boundary=x"),
    post("a compressed project", PROJECTS, gzip.compress(b'{"name": "x"}'), 415, "unsupported_content_encoding",
         "no compressed bodies", headers={"Content-Encoding": "gzip"}),
    post("over the limit", PROJECTS, b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}', 413, "body_too_large", "too large"),
    post("events over the limit", BATCH, b" " * (MAX_BODY_BYTES + 1), 413, "body_too_large", str(MAX_BODY_BYTES)),
    post("a key over the limit", KEYS, b'"' + b"x" * MAX_BODY_BYTES + b'"', 413, "body_too_large", "too large"),
    post("a report over the limit", OVERVIEW, b" " * (MAX_BODY_BYTES + 1), 413, "body_too_large", "too large"),
]

PROJECT_FIELDS = [
    post("no name", PROJECTS, {}, 400, "invalid_field", "name is required"),
    post("blank name", PROJECTS, {"name": " \t"}, 400, "invalid_field", "name must be text of 1 to 200"),
    post("long name", PROJECTS, {"name": "x" * 201}, 400, "invalid_field", "name must be text of 1 to 200"),
    post("NUL in a name", PROJECTS, {"name": "a\0b"}, 400, "invalid_field", "name without NUL"),
    post("operator as a name", PROJECTS, {"name": {"$gt": ""}}, 400, "invalid_field", "name must be text"),
    create("unknown field", "owner is not a known field", owner="me"),
    post("field $set", PROJECTS, {"name": "x", "$set": {"isActive": False}}, 400, "invalid_field", "$set is not"),
    create("projectKey of one's own", "projectKey", projectKey="0" * 12),
    create("1,000 unknown fields", "f0 is not a known field", **{f"f{number}": number for number in range(1000)}),
    create("unknown zone of a project", "timezone IANA", timezone="Mars/Olympus"),
    create("zone of a project as a path", "timezone", timezone="../../etc/passwd"),
    create("negative retention", "retentionDays 36500", retentionDays=-1),
    create("huge retention", "retentionDays", retentionDays=10**300),
    create("retention as text", "whole number", retentionDays="30"),
    create("retention true", "whole number", retentionDays=True),
    create("switch as text", "true or false", allowPublicIngest="no"),
    create("script as a domain", "domain", domain="javascript:alert(1)"),
    Case("change to no zone", "PATCH", PROJECT, 400, "invalid_field", "timezone IANA", {"timezone": ""}),
    Case("change of the key", "PATCH", PROJECT, 400, "invalid_field", "projectKey", {"projectKey": "f" * 12}),
    Case("change of the epoch", "PATCH", PROJECT, 400, "invalid_field", "dataEpoch", {"dataEpoch": -1}),
    Case("change with a list", "PATCH", PROJECT, 400, "invalid_body", "JSON object", []),
    Case("change with SQL", "PATCH", PROJECT, 400, "invalid_field", "timezone", {"timezone": SQL}),
    Case("change of an unknown project", "PATCH", "/v1/projects/ffffffffffff", 403, "unknown_project", "not found",
         {"name": "x"}),
    get("unknown project", "/v1/projects/ffffffffffff", 403, "unknown_project", "ffffffffffff not found"),
    get("project in capitals", "/v1/projects/ABCDEFABCDEF", 403, "unknown_project", "not found"),
    get("project is a parent folder", "/v1/projects/%2e%2e", 403, "unknown_project", "not found"),
    get("path out of the service", "/v1/projects/..%2f..%2fetc%2fpasswd", 404, "unknown_address", "nothing"),
    get("NUL in the path", "/v1/projects/%00", 403, "unknown_project", "not found"),
    get("invalid UTF-8 in the path", "/v1/projects/%ff%fe", 403, "unknown_project", "not found"),
    get("10,000 characters of path", "/v1/projects/" + "a" * 10_000, 403, "unknown_project", "not found"),
    get("list with an unknown parameter", PROJECTS + "?project=x", 400, "invalid_parameter", "project is not"),
    get("list by two keys", PROJECTS + "?projectKey=a&projectKey=b", 400, "invalid_parameter", "more than once"),
    Case("erase a bit", "DELETE", PROJECT + "?erase=yes", 400, "invalid_parameter", "erase must be true or false"),
    Case("erase and keep", "DELETE", PROJECT + "?erase=true&erase=false", 400, "invalid_parameter", "more than once"),
    Case("erase misspelt", "DELETE", PROJECT + "?eraze=true", 400, "invalid_parameter", "eraze is not a parameter"),
    Case("erase an unknown project", "DELETE", "/v1/projects/ffffffffffff?erase=true", 403, "unknown_project", "found"),
]  # fmt: skip

KEY_FIELDS = [
    post("key without scopes", KEYS, {"name": "x"}, 400, "invalid_field", "scopes is required"),
    post("no scope", KEYS, {"name": "x", "scopes": []}, 400, "invalid_field", "scopes ingest, read, admin"),
    post("unknown scope", KEYS, {"name": "x", "scopes": ["root"]}, 400, "invalid_field", "scopes must be a list"),
    post("scope as text", KEYS, {"name": "x", "scopes": "admin"}, 400, "invalid_field", "scopes must be a list"),
    post("nested scopes", KEYS, {"name": "x", "scopes": [["admin"]]}, 400, "invalid_field", "scopes must be a list"),
    post("key of the past", KEYS, {"name": "x", "scopes": ["read"], "expiresAt": "2001-01-01T00:00:00Z"}, 400,
         "invalid_field", "expiresAt must be in the future"),
    post("key of the year 10000", KEYS, {"name": "x", "scopes": ["read"], "expiresAt": "10000-01-01T00:00:00Z"}, 400,
         "invalid_field", "expiresAt must be an ISO 8601 time"),
    post("key that ends at a number", KEYS, {"name": "x", "scopes": ["read"], "expiresAt": 4e9}, 400, "invalid_field",
         "expiresAt must be an ISO 8601 time"),
    post("key with its own secret", KEYS, {"name": "x", "scopes": ["read"], "apiKey": "ak_live_1"}, 400,
         "invalid_field", "apiKey is not a known field"),
    post("negative grace", ROTATE, {"graceSeconds": -1}, 400, "invalid_field", "graceSeconds from 0"),
    post("huge grace", ROTATE, {"graceSeconds": 10**30}, 400, "invalid_field", "graceSeconds to 2592000"),
    post("grace as text", ROTATE, {"graceSeconds": "60"}, 400, "invalid_field", "graceSeconds must be a whole number"),
    post("rotation of no key", KEYS + "/0000000000000000/rotate", {}, 404, "unknown_api_key", "no API key"),
    Case("revocation of no key", "DELETE", KEYS + "/%00", 404, "unknown_api_key", "no API key"),
    Case("another project's key", "DELETE", "/v1/projects/{other}/keys/{key}", 404, "unknown_api_key", "no API key"),
    get("keys of an unknown project", "/v1/projects/ffffffffffff/keys", 403, "unknown_project", "not found"),
]  # fmt: skip

BATCHES = [
    post("broken batch", BATCH, b'{"events": [', 400, "invalid_json", "not valid JSON"),
    post("NaN in a batch", BATCH, b'{"events": [{"eventName": "a", "x": NaN}]}', 400, "invalid_json", "not valid JSON"),
    post("batch of invalid UTF-8", BATCH, b'\xff{"events": []}', 400, "invalid_json", "not valid JSON"),
    post("batch is a list", BATCH, [NAMED], 400, "invalid_body", "must be a JSON object"),
    post("batch is null", BATCH, b"null", 400, "invalid_body", "must be a JSON object"),
    post("no events", BATCH, OWN, 400, "invalid_body", "events must be a list"),
    post("empty events", BATCH, {**OWN, "events": []}, 400, "invalid_body", "at least one event"),
    post("events is an object", BATCH, {**OWN, "events": {"0": NAMED}}, 400, "invalid_body", "events must be a list"),
    post("200,000 levels of batch", BATCH, b'{"events": ' + DEEP, 400, "invalid_json", "not valid JSON"),
    post("2,001 events", BATCH, {**OWN, "events": [NAMED] * 2001}, 413, "too_many_events", "at most 2000"),
    post("2,001 lines", BATCH + "?projectKey={own}", b'{"eventName": "a"}\n' * 2001, 413, "too_many_events", "2000",
         content_type="application/x-ndjson"),
    post("no lines", BATCH + "?projectKey={own}", b"\n \r\n", 400, "invalid_body", "no event",
         content_type="application/x-ndjson"),
    post("lines that are no events", BATCH + "?projectKey={own}", b"{\n[]\nnull\n", 400,
         "all_events_rejected invalid_json", "not valid JSON", content_type="application/x-ndjson"),
    post("unknown project of a batch", BATCH, {"projectKey": "abc123", "events": [NAMED]}, 403, "unknown_project",
         "Project with key 'abc123' not found"),
    post("operator as projectKey", BATCH, {"projectKey": {"$gt": ""}, "events": [NAMED]}, 400, "invalid_field",
         "projectKey must be text"),
    post("SQL as projectKey", BATCH, {"projectKey": SQL, "events": [NAMED]}, 403, "unknown_project", "not found"),
    post("NUL in projectKey", BATCH, {"projectKey": "{own}\0", "events": [NAMED]}, 403, "unknown_project", "not found"),
    post("lone surrogate in projectKey", BATCH, b'{"projectKey": "\\ud800", "events": [{"eventName": "a"}]}', 403,
         "unknown_project", "not found"),
    post("two projects", BATCH + "?projectKey={other}", {**OWN, "events": [NAMED]}, 400, "invalid_field", "same"),
    post("a project twice", BATCH + "?projectKey={own}&projectKey={own}", {"events": [NAMED]}, 400, "invalid_parameter",
         "projectKey is given more than once"),
    post("no project", BATCH, {"events": [NAMED]}, 400, "missing_project_key", "projectKey is required"),
    post("batch as XML", BATCH, b"<events/>", 415, "unsupported_media_type", "JSON or NDJSON", content_type="text/xml"),
    post("batch as a form", BATCH, b"events=1", 415, "unsupported_media_type", "JSON or NDJSON",
         content_type="application/x-www-form-urlencoded"),
    post("context is a list", BATCH, {**OWN, "context": [], "events": [NAMED]}, 400, "invalid_context", "be an object"),
    post("context with an operator", BATCH, {**OWN, "context": {"userId": {"$ne": 1}}, "events": [NAMED]}, 400,
         "invalid_context", "userId must be a text or an integer"),
    post("deep context", BATCH, {**OWN, "context": {"a": [[[[[[[[0]]]]]]]]}, "events": [NAMED]}, 413,
         "context_too_deep", "deeper than 8"),
    post("large context", BATCH, {**OWN, "context": {"a": "x" * 70_000}, "events": [NAMED]}, 413, "context_too_large",
         "larger than 65536"),
    send("event is a text", '"app_open"', "invalid_event", "must be an object"),
    send("event without a name", {}, "invalid_event_name", "1 to 200 characters"),
    send("event with an empty name", {"eventName": ""}, "invalid_event_name", "1 to 200 characters"),
    send("long event name", {"eventName": "x" * 201}, "invalid_event_name", "1 to 200 characters"),
    send("event with an operator as its name", {"eventName": {"$gt": ""}}, "invalid_event_name", "must be a text"),
    send("operator as userId", {**NAMED, "userId": {"$ne": None}}, "invalid_field", "userId must be a text"),
    send("fraction as userId", {**NAMED, "userId": 1.5}, "invalid_field", "userId must be a text or an integer"),
    send("long userId", {**NAMED, "userId": "x" * 513}, "invalid_field", "userId at most 512"),
    send("huge integer as userId", '{"eventName": "a", "userId": ' + "9" * 600 + "}", "invalid_field", "at most 512"),
    send("long eventId", {**NAMED, "eventId": "x" * 201}, "invalid_field", "eventId at most 200"),
    send("list as sessionId", {**NAMED, "sessionId": []}, "invalid_field", "sessionId must be a text"),
    send("number as url", {**NAMED, "url": 1}, "invalid_field", "url must be a text"),
    send("list as metadata", {**NAMED, "metadata": []}, "invalid_metadata", "metadata must be an object"),
    send("number beyond double", '{"eventName": "a", "x": 1e400}', "number_out_of_range", "out of range"),
    send("integer of 5,000 digits", '{"eventName": "a", "x": ' + "9" * 5000 + "}", "number_out_of_range", "range"),
    send("9 levels", {**NAMED, "a": [[[[[[[[0]]]]]]]]}, "event_too_deep", "deeper than 8", status=413),
    send("30,000 levels", '{"eventName": "a", "x": ' + "[" * 30_000 + "]" * 30_000 + "}", "event_too_deep",
         "deeper than 8", status=413),
    send("large event", {**NAMED, "x": "x" * 70_000}, "event_too_large", "larger than 65536", status=413),
    send_encoded("zip bomb in gzip", "gzip", gzip.compress(BOMB), 413, "body_too_large", str(MAX_BODY_BYTES)),
    send_encoded("zip bomb in deflate", "deflate", zlib.compress(BOMB), 413, "body_too_large", str(MAX_BODY_BYTES)),
    send_encoded("zip bomb in raw deflate", "deflate", raw_deflate(BOMB), 413, "body_too_large", str(MAX_BODY_BYTES)),
    send_encoded("zip bomb in zstd", "zstd", zstandard.compress(BOMB), 413, "body_too_large", str(MAX_BODY_BYTES)),
    send_encoded("zip bomb in br", "br", brotli.compress(BOMB, quality=5), 413, "body_too_large", str(MAX_BODY_BYTES)),
    send_encoded("corrupt gzip", "gzip", b"\x1f\x8b" + b"x" * 50, 400, "invalid_encoding", "not valid gzip"),
    send_encoded("zip bomb cut short", "gzip", gzip.compress(BOMB)[:-20], 413, "body_too_large", str(MAX_BODY_BYTES)),
    send_encoded("gzip cut short", "gzip", gzip.compress(b'{"events": []}')[:-4], 400, "invalid_encoding", "gzip"),
    send_encoded("corrupt deflate", "deflate", b"\xff" * 50, 400, "invalid_encoding", "not valid deflate"),
    send_encoded("corrupt zstd", "zstd", b"\x28\xb5\x2f\xfd" + b"x" * 50, 400, "invalid_encoding", "not valid zstd"),
    send_encoded("corrupt br", "br", b"\xff" * 50, 400, "invalid_encoding", "not valid br"),
    send_encoded("plain text as gzip", "gzip", b'{"events": []}', 400, "invalid_encoding", "not valid gzip"),
    send_encoded("unknown encoding", "lzma", b"x", 415, "unsupported_content_encoding", "lzma gzip, deflate, zstd, br"),
    send_encoded("two encodings", "gzip, br", b"x", 415, "unsupported_content_encoding", "not understood"),
]  # fmt: skip

REPORT_PARAMETERS = [
    get("report of no project", OVERVIEW, 400, "missing_project_key", "projectKey is required"),
    get("report of an unknown project", OVERVIEW + "?projectKey=abc123", 403, "unknown_project", "'abc123' not found"),
    get("report of invalid UTF-8", OVERVIEW + "?projectKey=%ff%00", 403, "unknown_project", "not found"),
    get("report of a path", OVERVIEW + "?projectKey=../../{own}", 403, "unknown_project", "not found"),
    get("report of an operator", OVERVIEW + "?projectKey[$ne]=x", 400, "missing_project_key", "projectKey is required"),
    post("operator as a report's project", OVERVIEW, {"projectKey": {"$ne": ""}}, 400, "invalid_input", "be text"),
    post("report is a list", OVERVIEW, [], 400, "invalid_body", "must be a JSON object"),
    post("report of NaN", OVERVIEW, b'{"projectKey": NaN}', 400, "invalid_json", "not valid JSON"),
    ask("unknown parameter", OVERVIEW, "form=2025-01-01", "form is not a known field", "invalid_field"),
    ask("another report's parameter", OVERVIEW, "limit=5", "limit is not a known field", "invalid_field"),
    ask("a parameter twice", TOP, "limit=5&limit=6", "limit is given more than once", "invalid_parameter"),
    post("in query and body", OVERVIEW + "?tz=UTC", {**OWN, "tz": "UTC"}, 400, "invalid_parameter", "tz query body"),
    ask("inverted range", OVERVIEW, "from=2025-01-02&to=2025-01-01", "from must be before to"),
    ask("empty range", OVERVIEW, "from=2025-01-02T00:00:00Z&to=2025-01-02T00:00:00Z", "from must be before to"),
    ask("no date", SERIES, "from=yesterday", "from must be an ISO 8601 date"),
    ask("empty date", SERIES, "to=", "to must be an ISO 8601 date"),
    ask("30th of February", TOP, "from=2025-02-30", "from must be an ISO 8601 date"),
    ask("year 10000", OVERVIEW, "to=10000-01-01", "to must be an ISO 8601 date"),
    ask("end of time", OVERVIEW, "to=9999-12-31", "to reaches beyond the years 1 to 9999"),
    ask("before time", OVERVIEW, "from=0001-01-01T00:00:00%2B14:00", "from reaches beyond the years"),
    ask("date with NUL", OVERVIEW, "from=2025-01-01%00", "from must be an ISO 8601 date"),
    post("number as a date", OVERVIEW, {**OWN, "from": 1736157600}, 400, "invalid_input", "from must be an ISO 8601"),
    post("operator as a date", OVERVIEW, {**OWN, "from": {"$gt": ""}}, 400, "invalid_input", "from ISO 8601"),
    ask("compared to nothing", OVERVIEW, "compare=previous", "compare=previous needs both from and to"),
    ask("compared to half", OVERVIEW, "compare=previous&from=2025-01-01", "needs both from and to"),
    ask("compared before the year 1", OVERVIEW, "from=0001-01-01&to=0001-01-02&compare=previous", "years 1 to 9999"),
    ask("compared in New York", OVERVIEW,
        "from=0001-01-01T00:00:00Z&to=0001-01-02&tz=America/New_York&compare=previous", "years 1 to 9999"),
    ask("compared in Tokyo", OVERVIEW,
        "from=9999-12-31T00:00:00Z&to=9999-12-31T23:59:59Z&tz=Asia/Tokyo&compare=previous", "years 1 to 9999"),
    ask("compared to the next", OVERVIEW, "compare=next", "compare must be previous", "invalid_field"),
    ask("unknown zone", OVERVIEW, "tz=Mars/Olympus", "tz must be an IANA time zone", "invalid_field"),
    ask("zone as a path", OVERVIEW, "tz=../../etc/passwd", "tz must be an IANA time zone", "invalid_field"),
    ask("zone as SQL", SERIES, "tz=" + quote(SQL), "tz must be an IANA time zone", "invalid_field"),
    ask("zone with NUL", SERIES, "tz=UTC%00", "tz must be an IANA time zone", "invalid_field"),
    ask("zone in small letters", SERIES, "tz=europe/berlin", "tz must be an IANA time zone", "invalid_field"),
    ask("unknown format", OVERVIEW, "format=xml", "format must be json or csv"),
    post("list as a format", OVERVIEW, {**OWN, "format": ["csv"]}, 400, "invalid_input", "format must be json or csv"),
    ask("limit 0", TOP, "limit=0", "limit from 1 to 1000", "invalid_field"),
    ask("limit -1", TOP, "limit=-1", "limit from 1 to 1000", "invalid_field"),
    ask("limit 1e9", TOP, "limit=1e9", "limit from 1 to 1000", "invalid_field"),
    ask("limit 1000000000", TOP, "limit=1000000000", "limit from 1 to 1000", "invalid_field"),
    ask("limit abc", TOP, "limit=abc", "limit must be a whole number", "invalid_field"),
    ask("limit full-width", TOP, "limit=%EF%BC%91", "limit must be a whole number", "invalid_field"),
    ask("limit of 5,000 digits", TOP, "limit=" + "9" * 5000, "limit from 1 to 1000", "invalid_field"),
    post("limit true", TOP, {**OWN, "limit": True}, 400, "invalid_field", "limit must be a whole number"),
    post("limit 1.5", TOP, {**OWN, "limit": 1.5}, 400, "invalid_field", "limit must be a whole number"),
    post("limit 10^300", TOP, {**OWN, "limit": 10**300}, 400, "invalid_field", "limit must be a whole number"),
    ask("interval of a second", SERIES, "interval=second", "interval must be one of hour, day", "invalid_field"),
    ask("interval as SQL", SERIES, "interval=day" + quote(SQL), "interval must be one of", "invalid_field"),
    post("operator as an interval", SERIES, {**OWN, "interval": {"$gt": ""}}, 400, "invalid_field", "interval"),
    ask("too many buckets", SERIES, "interval=hour&from=2000-01-01&to=2025-01-01", "more than 10000 buckets"),
    ask("buckets of the year 1", SERIES, "from=0001-01-01&to=0001-01-02&tz=America/New_York", "years 1 to 9999"),
    ask("empty event name", SERIES, "eventName=", "eventName must be the name of an event", "invalid_field"),
    post("operator as event name", SERIES, {**OWN, "eventName": {"$gt": ""}}, 400, "invalid_field", "eventName"),
    ask("conversion of nothing", CONVERSION, "tz=UTC", "eventName is required", "invalid_field"),
    ask("conversion to a long name", CONVERSION, "eventName=" + "x" * 201, "1 to 200 characters", "invalid_field"),
    ask("rejections: limit 0", REJECTIONS, "limit=0", "limit from 1 to 1000", "invalid_parameter"),
    ask("rejections: limit -1", REJECTIONS, "limit=-1", "limit from 1 to 1000", "invalid_parameter"),
    ask("rejections: limit 1e9", REJECTIONS, "limit=1e9", "limit from 1 to 1000", "invalid_parameter"),
    ask("rejections: limit abc", REJECTIONS, "limit=abc", "limit must be a whole number", "invalid_parameter"),
    ask("rejections: limit full-width", REJECTIONS, "limit=%EF%BC%91", "whole number", "invalid_parameter"),
    ask("rejections: limit twice", REJECTIONS, "limit=1&limit=2", "more than once", "invalid_parameter"),
    ask("rejections: unknown parameter", REJECTIONS, "since=2025", "since is not a parameter", "invalid_parameter"),
]  # fmt: skip

FILTERS = [
    ask_filtered("filters are no JSON", "eventName=a", "filters must be a JSON list"),
    ask_filtered("filters are an object", {"property": "ip"}, "filters must be a list of at most 50"),
    ask_filtered("filters are NaN", "[NaN]", "filters must be a JSON list"),
    ask_filtered("filters of 3,000 levels", "[" * 3000, "filters must be a JSON list"),
    ask_filtered("10,000 filters", "[" + ",".join(["{}"] * 10_000) + "]", "at most 50 filters"),
    filter_in_body("10,000 filters in a body", condition() * 10_000, "at most 50"),
    post("200,000 levels of filter", OVERVIEW, b'{"filters": ' + DEEP, 400, "invalid_json", "nested too deeply"),
    ask_filtered("filter is a text", ["ip"], "filters[0] must be an object"),
    ask_filtered("filter with $where", [{"$where": "sleep(1000)"}], "filters[0].$where is unknown"),
    ask_filtered("filter with a lone surrogate", '[{"\\ud800": 1}]', "filters must be a JSON list"),
    ask_filtered("property $where", condition("$where"), "property '$where' is unknown"),
    ask_filtered("property as SQL", condition("ip" + SQL), "is unknown"),
    ask_filtered("property of the store", condition("_id"), "is unknown"),
    ask_filtered("property is an operator", condition({"$gt": ""}), "filters[0].property"),
    ask_filtered("property with NUL", condition("ip\0"), "is unknown"),
    ask_filtered("property with a lone surrogate", condition("metadata.\ud800"), "filters must be a JSON list"),
    ask_filtered("property of 9 keys", condition("metadata" + ".a" * 9), "more than 8 keys"),
    ask_filtered("property ends in a backslash", condition("metadata.a\\"), "backslash"),
    ask_filtered("unknown operator", condition(operator="$gt"), "filters[0].operator must be one of eq, neq"),
    ask_filtered("operator is a list", condition(operator=["eq"]), "filters[0].operator"),
    ask_filtered("no value", [{"property": "ip", "operator": "eq"}], "filters[0].value is required"),
    ask_filtered("value null", condition(value=None), "filters[0].value must be text, a number, true or false"),
    ask_filtered("value is an operator", condition(value={"$gt": ""}), "filters[0].value must be text"),
    ask_filtered("column compared with an operator", condition("userId", value={"$ne": None}), "value must be text"),
    ask_filtered("column compared with a number", condition("userId", value=1), "filters[0].value must be text"),
    ask_filtered("value Infinity", '[{"property": "metadata.k", "operator": "eq", "value": Infinity}]', "JSON list"),
    ask_filtered("value 1e999", '[{"property": "metadata.k", "operator": "eq", "value": 1e999}]', "JSON list"),
    filter_in_body("value of 400 digits", condition(value=10**400), "filters[0].value 64-bit float"),
    ask_filtered("value with a lone surrogate", condition(value="\ud800"), "filters must be a JSON list"),
    filter_in_body("long value", condition(value="x" * 10_001), "10000"),
    ask_filtered("in without a list", condition(operator="in"), "list of 1 to 1000 values"),
    ask_filtered("in of nothing", condition(operator="in", value=[]), "list of 1 to 1000 values"),
    ask_filtered("in of lists", condition(operator="in", value=[["x"]]), "must be text"),
    post("in of 1,001", OVERVIEW, {**OWN, "filters": condition(operator="in", value=["x"] * 1001)}, 400,
         "invalid_input", "1 to 1000 values"),
    ask_filtered("greater than true", condition(operator="gt", value=True), "must be text or a number"),
    ask_filtered("starts with 1", condition(operator="starts_with", value=1), "must be text"),
    ask_filtered("exists with a value", condition(operator="exists"), "exists takes none"),
]  # fmt: skip

FUNNELS = [
    post("funnel of nothing", FUNNEL, OWN, 400, "invalid_field", "steps is required"),
    walk("no steps", "steps 1 to 20", []),
    walk("1,000 steps", "steps 1 to 20", ["a"] * 1000),
    walk("steps as text", "steps must be a list", "a,b"),
    walk("nested steps", "steps[1] name of an event", ["a", ["b"]]),
    walk("step with an operator", "steps[0]", [{"eventName": {"$gt": ""}}]),
    walk("step with $where", "steps[0]", [{"$where": "1"}]),
    walk("empty step", "steps[1] 1 to 200 characters", ["a", ""]),
    post("step with a bad filter", FUNNEL, {**OWN, "steps": [{"eventName": "a", "filters": condition("$where")}]}, 400,
         "invalid_input", "steps[0].filters[0].property"),
    walk("step with 10,000 filters", "steps[0].filters at most 50",
         [{"eventName": "a", "filters": condition() * 10_000}]),
    walk("window 0", "windowSeconds from 1", ["a"], code="invalid_field", windowSeconds=0),
    walk("window -1", "windowSeconds from 1", ["a"], code="invalid_field", windowSeconds=-1),
    walk("window 1e9 years", "windowSeconds to 316224000", ["a"], code="invalid_field", windowSeconds=10**17),
    walk("window 1.5", "whole number", ["a"], code="invalid_field", windowSeconds=1.5),
    walk("unknown order", "ordered, strict", ["a"], code="invalid_field", order="reverse"),
    walk("order as a list", "order must be one", ["a"], code="invalid_field", order=["any"]),
    walk("breakdown as SQL", "breakdown unknown", ["a"], code="invalid_field", breakdown=SQL),
    walk("breakdown as a list", "breakdown", ["a"], code="invalid_field", breakdown=["ip"]),
    walk("breakdown limit 0", "1 to 1000", ["a"], code="invalid_field", breakdownLimit=0),
    get("funnel by GET", FUNNEL + "?projectKey={own}&steps=a", 405, "method_not_allowed", "this method"),
]  # fmt: skip

EXPORTS = [
    get("export of no project", EXPORT, 400, "missing_project_key", "projectKey is required"),
    get("export of an unknown project", EXPORT + "?projectKey=abc123", 403, "unknown_project", "'abc123' not found"),
    ask("export: unknown format", EXPORT, "format=xml", "format must be one of ndjson, csv, parquet", "invalid_field"),
    ask("export: JSON", EXPORT, "format=json", "format must be one of ndjson, csv, parquet", "invalid_field"),
    ask("export: format twice", EXPORT, "format=csv&format=parquet", "more than once", "invalid_parameter"),
    post("export: list of formats", EXPORT, {**OWN, "format": ["csv"]}, 400, "invalid_field", "format must be one of"),
    post("export: format is an operator", EXPORT, {**OWN, "format": {"$ne": ""}}, 400, "invalid_field", "format"),
    ask("export: columns", EXPORT, "columns=ip", "columns is not a known field", "invalid_field"),
    ask("export: limit", EXPORT, "limit=10", "limit is not a known field", "invalid_field"),
    ask("export: offset", EXPORT, "offset=-1", "offset is not a known field", "invalid_field"),
    ask("export: compared", EXPORT, "compare=previous&from=2025-01-01&to=2025-01-02", "compare", "invalid_field"),
    ask("export: inverted range", EXPORT, "from=2025-01-02&to=2025-01-01", "from must be before to"),
    ask("export: no date", EXPORT, "from=yesterday", "from must be an ISO 8601 date"),
    ask("export: unknown zone", EXPORT, "tz=Mars/Olympus", "tz must be an IANA time zone", "invalid_field"),
    ask("export: filters are no JSON", EXPORT, "filters=ip", "filters must be a JSON list"),
    ask("export: unknown property", EXPORT, "filters=" + quote(json.dumps(condition("_id"))), "'_id' is unknown"),
    post("export: 10,000 filters", EXPORT, {**OWN, "filters": condition() * 10_000}, 400, "invalid_input", "most 50"),
    post("export: body is a list", EXPORT, [], 400, "invalid_body", "must be a JSON object"),
    post("export: a form", EXPORT, b"format=csv", 415, "unsupported_media_type", "application/json",
         content_type="application/x-www-form-urlencoded"),
    post("export: in query and body", EXPORT + "?format=csv", {**OWN, "format": "csv"}, 400, "invalid_parameter",
         "format query body"),
]  # fmt: skip

ADDRESSES = [
    Case("PUT a project", "PUT", PROJECT, 405, "method_not_allowed", "this method", {"name": "x"}),
    Case("POST health", "POST", "/health", 405, "method_not_allowed", "this method", {}),
    Case("DELETE the metrics", "DELETE", "/metrics", 405, "method_not_allowed", "this method"),
    Case("GET the write check", "GET", WRITE_CHECK, 405, "method_not_allowed", "this method"),
    Case("GET a batch", "GET", BATCH, 405, "method_not_allowed", "this method"),
    Case("POST rejections", "POST", REJECTIONS, 405, "method_not_allowed", "this method", {}),
    Case("DELETE an export", "DELETE", EXPORT, 405, "method_not_allowed", "this method"),
    Case("PATCH a report", "PATCH", OVERVIEW, 405, "method_not_allowed", "this method", {}),
    Case("DELETE all projects", "DELETE", PROJECTS, 405, "method_not_allowed", "this method"),
    Case("GET one key", "GET", REVOKE, 405, "method_not_allowed", "this method"),
    Case("a method of one's own", "SMASH", PROJECTS, 405, "method_not_allowed", "this method"),
    Case("TRACE", "TRACE", "/health", 405, "method_not_allowed", "this method"),
    get("unknown report", "/v1/reports/everything?projectKey={own}", 404, "unknown_address", "nothing"),
    get("two slashes", "//v1//projects", 404, "unknown_address", "nothing"),
    get("file of the documentation", "/flasgger_static/..%2f..%2f..%2fconfig.py", 404, "unknown_address", "nothing"),
    get("header injection", "/nothing", 404, "unknown_address", "nothing",
        headers={"X-Request-Id": "a\r\nSet-Cookie: owned=1"}),
    get("script in the request id", "/nothing", 404, "unknown_address", "nothing",
        headers={"X-Request-Id": "<script>"}),
    get("long request id", "/nothing", 404, "unknown_address", "nothing", headers={"X-Request-Id": "x" * 129}),
    get("odd Accept", "/nothing", 404, "unknown_address", "nothing", headers={"Accept": "a/b;q=x, \xff"}),
]  # fmt: skip

SENT_KEYS = [
    get("unknown key", PROJECT, 401, "invalid_api_key", "not known", who="unknown key"),
    get("wrong token", PROJECT, 401, "invalid_api_key", "not known", who="wrong root"),
    get("revoked key", OVERVIEW, 401, "revoked_api_key", "revoked", who="revoked"),
    get("expired key", OVERVIEW, 401, "expired_api_key", "expired", who="expired"),
    get("rotated key", REJECTIONS, 401, "rotated_api_key", "rotated", who="rotated out"),
    post("expired key with a batch", BATCH, {"events": [NAMED]}, 401, "expired_api_key", "expired", who="expired"),
    post("reader with a batch", BATCH, {"events": [NAMED]}, 403, "missing_scope", "'ingest'", who="read"),
    get("sender asks", OVERVIEW, 403, "missing_scope", "'read'", who="ingest"),
    get("sender exports", EXPORT, 403, "missing_scope", "'read'", who="ingest"),
    get("revoked key exports", EXPORT, 401, "revoked_api_key", "revoked", who="revoked"),
    get("export of another project", EXPORT + "?projectKey={own}", 403, "wrong_project", "another project",
        who="other project's key"),
    post("reader makes a key", KEYS, {"name": "x", "scopes": ["admin"]}, 403, "missing_scope", "'admin'", who="read"),
    Case("reader erases", "DELETE", PROJECT + "?erase=true", 403, "missing_scope", "'admin'", who="read"),
    get("key of another project", OVERVIEW + "?projectKey={own}", 403, "wrong_project", "another project",
        who="other project's key"),
    post("batch for another project", BATCH, {**OWN, "events": [NAMED]}, 403, "wrong_project", "another project",
         who="other project's key"),
    post("project by an API key", PROJECTS, {"name": "x"}, 403, "secret_token_required", "SECRET_TOKEN", who="admin"),
    post("write check by an API key", WRITE_CHECK, None, 403, "secret_token_required", "SECRET_TOKEN", who="admin"),
    get("SQL as a key", PROJECT, 401, "invalid_api_key", "not known", headers={"X-API-Key": SQL}),
    get("other letters as a key", PROJECT, 401, "invalid_api_key", "not known", headers={"X-API-Key": "\xff\xfe"}),
    get("other letters as a bearer", PROJECT, 401, "invalid_api_key", "not known",
        headers={"Authorization": "Bearer \xff"}),
    get("100,000 characters of key", PROJECT, 401, "invalid_api_key", "not known", headers={"X-API-Key": "x" * 10**5}),
]  # fmt: skip

NO_CREDENTIALS = [
    get("read without a key", PROJECT, 401, "missing_credentials", "X-API-Key", who="none"),
    get("report without a key", OVERVIEW + "?projectKey={own}", 401, "missing_credentials", "X-API-Key", who="none"),
    get("export without a key", EXPORT + "?projectKey={own}", 401, "missing_credentials", "X-API-Key", who="none"),
    get("export by the public key", EXPORT, 401, "missing_credentials", "X-API-Key", who="public key"),
    get("list without a key", PROJECTS, 401, "missing_credentials", "X-API-Key", who="none"),
    get("rejections by the public key", REJECTIONS, 401, "missing_credentials", "X-API-Key", who="public key"),
    post("project without a key", PROJECTS, {"name": "x"}, 401, "missing_credentials", "X-API-Key", who="none"),
    post("key without a key", KEYS, {"name": "x", "scopes": ["read"]}, 401, "missing_credentials", "", who="none"),
    post("write check without a key", WRITE_CHECK, None, 401, "missing_credentials", "X-API-Key", who="none"),
    post("batch for nobody", BATCH, {"events": [NAMED]}, 401, "missing_credentials", "X-API-Key", who="none"),
    Case("erase by a public key", "DELETE", PROJECT + "?erase=true", 401, "missing_credentials", "", who="public key"),
    get("basic credentials", PROJECT, 401, "missing_credentials", "X-API-Key", who="none",
        headers={"Authorization": "Basic cm9vdDpyb290"}),
]  # fmt: skip
"""Refused in production alone."""

CASES = [
    *BODIES, *PROJECT_FIELDS, *KEY_FIELDS, *BATCHES, *REPORT_PARAMETERS, *FILTERS, *FUNNELS, *EXPORTS, *ADDRESSES,
    *SENT_KEYS,
]  # fmt: skip
