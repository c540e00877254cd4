"""Logs: one JSON object a line, in the field names that Cloud Logging understands; never a key.

https://cloud.google.com/logging/docs/structured-logging
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from config import Config

REQUEST_LOGGER = "apptracker.request"
REDACTED = "[redacted]"
# Below warning these write what was stored or asked, or a line for every connection.
CHATTY_LOGGERS = ("pymongo", "urllib3", "flask_cors")

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
"""The request that this thread is answering; every line it logs carries it."""
current_trace: ContextVar[str | None] = ContextVar("current_trace", default=None)
"""The caller's trace of that request, where it sent one."""

_PASSWORD_IN_URL = re.compile(r"(://[^\s/:@\"]*):[^\s/@\"]+@")


class Redactor:
    """Takes API keys, the given secrets and passwords inside URLs out of a text."""

    def __init__(self, *, api_key_prefix: str, secrets: Iterable[str | None] = ()) -> None:
        self._api_key_prefix = api_key_prefix
        self._api_key = re.compile(re.escape(api_key_prefix) + r"[A-Za-z0-9_-]{5,}")
        # A secret is found as it is, as it looks inside a JSON string, and inside one that is itself inside another.
        known = [secret for secret in secrets if secret]
        once = [_inside_json(secret) for secret in known]
        forms = {*known, *once, *map(_inside_json, once)}
        self._secrets = sorted(forms, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """The text without anything secret; other texts come back unchanged."""
        if self._api_key_prefix in text:
            text = self._api_key.sub(self._api_key_prefix + REDACTED, text)
        if "@" in text:
            text = _PASSWORD_IN_URL.sub(rf"\1:{REDACTED}@", text)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


def _inside_json(text: str) -> str:
    return msgspec.json.encode(text).decode()[1:-1]


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON. `extra={"fields": {...}}` adds fields."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "logger": record.name,
        }
        if (request_id := current_request_id.get()) is not None:
            entry["requestId"] = request_id
        if (trace := current_trace.get()) is not None:
            entry["trace"] = trace
        if record.exc_info:
            entry["stack_trace"] = self.formatException(record.exc_info)
        entry.update(getattr(record, "fields", {}))
        try:
            line = msgspec.json.encode(entry)
        except (TypeError, ValueError):
            line = msgspec.json.encode(_clean(entry))
        return self._redactor.redact(line.decode())


def _clean(value: Any) -> Any:
    """What can be encoded: other objects as text, lone surrogates as `?`."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value))


def configure_for(config: Config) -> None:
    """Log as the settings say, on standard output: called once in each process that is not a test."""
    secrets = (
        config.secret_token, config.secret_key, config.google_client_secret, config.mongo_uri, config.redis_url,
    )  # fmt: skip
    redactor = Redactor(api_key_prefix=config.api_key_prefix, secrets=secrets)
    configure_logging(level="debug" if config.debug else config.log_level, redactor=redactor)


def configure_logging(*, level: str, redactor: Redactor, stream: Any = None) -> None:
    """Send every log line of this process to `stream` (standard output) as JSON. Replaces what was configured."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def record_request(
    *, method: str, path: str, status: int, seconds: float, user_agent: str | None, remote_ip: str | None, quiet: bool
) -> None:
    """Log an answered request. `path` comes without its query, which may hold a key.

    `quiet`: at debug level, unless it failed.
    """
    severity = logging.ERROR if status >= 500 and status != 503 else logging.WARNING if status == 503 else logging.INFO
    if quiet and severity == logging.INFO:
        severity = logging.DEBUG
    logger = logging.getLogger(REQUEST_LOGGER)
    if not logger.isEnabledFor(severity):
        return
    request = {"requestMethod": method, "requestUrl": path, "status": status, "latency": f"{seconds:.6f}s"}
    if user_agent:
        request["userAgent"] = user_agent
    if remote_ip:
        request["remoteIp"] = remote_ip
    # Not `logger.log`: looking up the calling line costs as much as all the rest.
    record = logging.LogRecord(REQUEST_LOGGER, severity, "", 0, f"{method} {path} {status}", None, None)
    record.fields = {"httpRequest": request}
    logger.handle(record)
