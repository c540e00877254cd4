"""The marketing channel of a visit: ordered rules, first match wins. Their lists are in `data/channels.toml`.

The rules are those of docs/metrics.md, which follow the default channel group of Google Analytics 4 where they can.
"""

from __future__ import annotations

import re
import threading
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

LISTS_FILE = Path(__file__).parent / "data" / "channels.toml"
CACHED_HOSTS = 4096
MAX_LENGTH = 255
"""Characters of a source or medium that can be in a list; it keeps the caches small."""

CLICK_IDS = {"gclid": "search", "msclkid": "search", "fbclid": "social"}
"""Parameters of an advertiser's clicks, and the kind of source of a visit that names no other source."""

PAID_CHANNELS = {"search": "Paid Search", "social": "Paid Social", "video": "Paid Video", "shopping": "Paid Shopping"}
PAID_OTHER = "Paid Other"

FREE_CHANNELS = {
    "email": "Email",
    "sms": "SMS",
    "affiliates": "Affiliates",
    "display": "Display",
    "audio": "Audio",
    "push": "Push",
    "ai": "AI Assistants",
    "search": "Organic Search",
    "social": "Organic Social",
    "video": "Organic Video",
    "shopping": "Organic Shopping",
}
"""By the kind of the source or by the medium, in this order."""

REFERRAL = "Referral"
DIRECT = "Direct"
CHANNELS = (*PAID_CHANNELS.values(), PAID_OTHER, *FREE_CHANNELS.values(), REFERRAL, DIRECT)

_SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "go", "gov", "gr", "ne", "net", "or", "org"})
"""What stands before a country in suffixes like co.uk."""

_loading = threading.Lock()


class _Lists(NamedTuple):
    hosts: dict[str, str]
    """From host to kind."""
    families: dict[str, str]
    """The same for hosts whose suffix may be any: `google` for google.com, google.co.uk ..."""
    names: dict[str, str]
    mediums: dict[str, re.Pattern[str]]


def name_channel(
    *, source: str | None, medium: str | None, is_tagged: bool, referrer_host: str | None, click_id: str | None
) -> str:
    """The channel, one of CHANNELS.

    The source is utm_source, else the host of the referrer. `medium` is utm_medium, `is_tagged` whether there is any
    utm field, `click_id` a name in CLICK_IDS. Who tells nothing at all came directly.
    """
    kind = find_kind(source or referrer_host)
    if medium is None and click_id is not None:
        if not source and not referrer_host:
            kind = CLICK_IDS[click_id]
        return PAID_CHANNELS.get(kind or "", PAID_OTHER)
    medium_kinds = _find_medium_kinds(medium.lower()) if medium and len(medium) <= MAX_LENGTH else frozenset()
    if "paid" in medium_kinds:
        return PAID_CHANNELS.get(kind or "", PAID_OTHER)
    if kind in FREE_CHANNELS:
        # Every source can be organic: the word tells the kind of source only where nothing else does.
        medium_kinds -= {"search"}
    for free_kind, channel in FREE_CHANNELS.items():
        if kind == free_kind or free_kind in medium_kinds:
            return channel
    return REFERRAL if is_tagged or referrer_host else DIRECT


def find_kind(source: str | None) -> str | None:
    """The kind of a utm_source or of a host, a table of `data/channels.toml`; None for one that is in no list."""
    return _find_kind(source) if source and len(source) <= MAX_LENGTH else None


@lru_cache(maxsize=CACHED_HOSTS)
def _find_kind(source: str) -> str | None:
    lists = _read_lists_once()
    name = " ".join(source.lower().split()).removeprefix("www.")
    kind = lists.names.get(name)
    return kind or (_find_host_kind(name, lists) if "." in name else None)


def _find_host_kind(host: str, lists: _Lists) -> str | None:
    """The kind of the longest host in the lists that is this one or above it."""
    labels = host.rstrip(".").split(".")
    for start in range(max(0, len(labels) - 8), len(labels) - 1):
        kind = lists.hosts.get(".".join(labels[start:])) or lists.families.get(".".join(labels[start:-1]))
        if kind is None and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS:
            kind = lists.families.get(".".join(labels[start:-2]))
        if kind is not None:
            return kind
    return None


@lru_cache(maxsize=1024)
def _find_medium_kinds(medium: str) -> frozenset[str]:
    mediums = _read_lists_once().mediums
    return frozenset(kind for kind, pattern in mediums.items() if pattern.fullmatch(medium))


def load() -> None:
    """Read the lists now; else the first visit with a source does (10 ms)."""
    _read_lists_once()


def _read_lists_once() -> _Lists:
    with _loading:
        return _read_lists()


@cache
def _read_lists() -> _Lists:
    tables = tomllib.loads(LISTS_FILE.read_text(encoding="utf-8"))
    lists = _Lists({}, {}, {}, {})
    for kind, table in tables.items():
        for host in table.get("hosts", ()):
            (lists.families if host.endswith(".*") else lists.hosts)[host.removesuffix(".*")] = kind
        lists.names.update(dict.fromkeys(table.get("names", ()), kind))
        if "mediums" in table:
            lists.mediums[kind] = re.compile("|".join(table["mediums"]))
    return lists
