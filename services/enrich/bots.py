"""Known crawlers, by the published list crawler-user-agents (MIT) in `data/`."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from services.enrich.matcher import Matcher

PATTERNS_FILE = Path(__file__).parent / "data" / "crawler-user-agents.json"

LEFT_OUT = frozenset({
    r"MetaIAB Facebook",  # people in Facebook's in-app browser
    r"AP3A\.240617\.008",  # a build of Android 15 that many telephones run
})
"""Patterns of the list that ordinary visitors match."""

MAX_NAME_LENGTH = 100

_ESCAPED = re.compile(r"\\([^A-Za-z0-9])")
_SPECIAL = re.compile(r"[\[\](){}|?*+\\]")


class _Entry(msgspec.Struct):
    """What is read of an entry of the list."""

    pattern: str


def _read_patterns() -> list[str]:
    """The patterns that are used, in the order of the list."""
    entries = msgspec.json.decode(PATTERNS_FILE.read_bytes(), type=list[_Entry])
    return [entry.pattern for entry in entries if entry.pattern not in LEFT_OUT]


class BotMatcher:
    """Tells which crawler a user agent belongs to; the first pattern of the list that matches decides."""

    def __init__(self) -> None:
        self._matcher = Matcher((pattern, _name_of(pattern)) for pattern in _read_patterns())

    def find_name(self, user_agent: str) -> str | None:
        """The name of the crawler; None for everyone else. The text must not hold lone surrogates."""
        name = self._matcher.find(user_agent)
        return None if name is None else _tidy(name)


def _name_of(pattern: str) -> str | None:
    """The text that the pattern stands for; None when it stands for several: then the one that was matched is it."""
    if _SPECIAL.search(_ESCAPED.sub("", pattern)):
        return None
    return _ESCAPED.sub(r"\1", pattern.removeprefix("^").removesuffix("$"))


def _tidy(name: str) -> str:
    if name.count("(") != name.count(")"):
        name = name.partition(" (")[0].strip("()")
    name = name.strip(" ;/.")
    return name[:MAX_NAME_LENGTH]
