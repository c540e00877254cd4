"""Log lines: Cloud Logging's fields, one JSON object a line, never a key."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services import logs
from services.logs import Redactor

TOKEN = 'root"token\\of-the tests'
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Everything logged so far at info level, as parsed lines."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    redactor = Redactor(api_key_prefix="ak_live_", secrets=[TOKEN, None])
    logs.configure_logging(level="info", redactor=redactor, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


def record(**changes: Any) -> None:
    request = {
        "method": "GET", "path": "/v1/projects", "status": 200, "seconds": 0.0123456, "user_agent": "curl/8",
        "remote_ip": "127.0.0.1", "quiet": False,
    }
    logs.record_request(**(request | changes))


def test_a_line_has_the_fields_of_cloud_logging(lines: Lines) -> None:
    logging.getLogger("somewhere").warning("%d of %s", 3, "x")
    (line,) = lines()
    assert line["severity"] == "WARNING"
    assert line["message"] == "3 of x"
    assert line["logger"] == "somewhere"
    assert line["time"].endswith("Z")


def test_a_request_is_described_in_http_request(lines: Lines) -> None:
    record()
    (line,) = lines()
    assert line["message"] == "GET /v1/projects 200"
    assert line["httpRequest"] == {
        "requestMethod": "GET", "requestUrl": "/v1/projects", "status": 200, "latency": "0.012346s",
        "userAgent": "curl/8", "remoteIp": "127.0.0.1",
    }


@pytest.mark.parametrize(("status", "severity"), [(200, "INFO"), (404, "INFO"), (503, "WARNING"), (500, "ERROR")])
def test_the_severity_of_a_request_is_that_of_its_outcome(lines: Lines, status: int, severity: str) -> None:
    record(status=status)
    assert lines()[0]["severity"] == severity


def test_a_quiet_request_is_a_line_only_when_it_failed(lines: Lines) -> None:
    record(quiet=True)
    record(quiet=True, status=503)
    assert [line["httpRequest"]["status"] for line in lines()] == [503]


def test_lines_within_a_request_carry_its_id_and_trace(lines: Lines) -> None:
    id_token = logs.current_request_id.set("r-1")
    trace_token = logs.current_trace.set("0" * 32)
    logging.getLogger("somewhere").info("inside")
    logs.current_request_id.reset(id_token)
    logs.current_trace.reset(trace_token)
    logging.getLogger("somewhere").info("outside")
    inside, outside = lines()
    assert (inside["requestId"], inside["trace"]) == ("r-1", "0" * 32)
    assert not {"requestId", "trace"} & set(outside)


def test_a_traceback_stays_on_the_line(lines: Lines) -> None:
    try:
        raise ValueError("of\ntwo lines")
    except ValueError:
        logging.getLogger("somewhere").exception("failed")
    (line,) = lines()
    assert line["severity"] == "ERROR"
    assert "ValueError: of\ntwo lines" in line["stack_trace"]


def test_no_key_token_or_password_reaches_a_line(lines: Lines) -> None:
    key = "ak_live_" + "Ab1-_" * 8
    record(path=f"/v1/{key}", user_agent=f'{key}" {TOKEN}')
    try:
        raise ValueError(f"mongodb://user:hunter2@db:27017/ {TOKEN} {key}")
    except ValueError:
        logging.getLogger("somewhere").exception("sent %s", key)
    text = json.dumps(lines())
    for secret in (key, "Ab1-_Ab1-_", "hunter2", TOKEN, json.dumps(TOKEN)[1:-1]):
        assert secret not in text
    assert "mongodb://user:[redacted]@db:27017/" in text
    assert "ak_live_[redacted]" in text


def test_text_that_is_no_unicode_is_logged_all_the_same() -> None:
    # Not through a logger: what pytest keeps of one must be Unicode to travel between its processes.
    formatter = logs.JsonFormatter(Redactor(api_key_prefix="ak_live_"))
    line = formatter.format(logging.LogRecord("somewhere", logging.INFO, "", 0, "/\ud800", None, None))
    assert json.loads(line)["message"] == "/?"
