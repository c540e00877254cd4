"""What is said of a project when it is made or changed: which values its fields may have."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache, partial
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from services.fields import FieldParser, parse_boolean, parse_text, parse_whole_number
from services.ip_policy import parse_ip_policy

PROJECT_KEY = re.compile(r"[0-9a-f]{12}")
ORGANISATION_ID = re.compile(r"[0-9a-f]{32}")
MAX_RETENTION_DAYS = 36_500
HOST_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
MACHINE_ZONES = frozenset({"localtime", "Factory"})


def is_project_key(text: str) -> bool:
    """Whether the text has the form of a projectKey: 12 lower-case hexadecimal digits."""
    return PROJECT_KEY.fullmatch(text) is not None


@lru_cache(maxsize=1)
def fetch_timezones() -> frozenset[str]:
    """The IANA time zone names known here, without those that mean something else on each machine."""
    return frozenset(available_timezones()) - MACHINE_ZONES


def parse_timezone(value: object) -> str:
    """An IANA time zone name."""
    if not isinstance(value, str) or value not in fetch_timezones():
        raise ValueError("must be an IANA time zone name like Europe/Berlin")
    return value


def parse_domain(value: object) -> str | None:
    """A host name or http(s) URL as it was written; None (JSON null) for none."""
    if value is None:
        return None
    expected = "must be a host name or an http(s) URL"
    text = parse_text(value, max_length=255)
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError(expected)
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not host or not _is_host(host):
        raise ValueError(expected)
    return text


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host))
        except ValueError:
            return False
    return all(HOST_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def parse_retention_days(value: object) -> int | None:
    """Days that events are kept; None (JSON null) for ever."""
    return None if value is None else parse_whole_number(value, least=1, most=MAX_RETENTION_DAYS)


def parse_organisation_id(value: object) -> str | None:
    """The id of an organisation, which need not exist; None (JSON null) for none."""
    if value is None:
        return None
    if not isinstance(value, str) or not ORGANISATION_ID.fullmatch(value):
        raise ValueError("must be the id of an organisation: 32 hexadecimal digits")
    return value


FIELDS_OF_A_NEW_PROJECT: dict[str, FieldParser] = {
    "name": partial(parse_text, max_length=200),
    "domain": parse_domain,
    "timezone": parse_timezone,
    "retentionDays": parse_retention_days,
    "allowPublicIngest": parse_boolean,
    "ipPolicy": parse_ip_policy,
    "organisationId": parse_organisation_id,
}
FIELDS_OF_AN_UPDATE = FIELDS_OF_A_NEW_PROJECT | {"isActive": parse_boolean}
