"""Browser, operating system and device by ua-parser, crawlers by `bots`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from services.enrich.bots import BotMatcher
from services.enrich.devices import DeviceMatcher

if TYPE_CHECKING:
    from ua_parser import PartialResult, Resolver

MAX_LENGTH = 1024
"""Characters of a user agent that are looked at; it keeps the cache small whatever is sent."""

CACHED_AGENTS = 8192

_BOT_DEVICE = "Spider"
"""ua-parser's device of everything that calls itself a bot, crawler or spider."""

_loading = threading.Lock()


class _Parsers(NamedTuple):
    parse: Resolver
    devices: DeviceMatcher
    bots: BotMatcher


def load() -> None:
    """Build the matchers now; else the first user agent does (0.2 s)."""
    _build_parsers_once()


def describe(user_agent: str) -> Mapping[str, Any]:
    """The fields that the user agent tells; shared, not to be changed."""
    return _describe(user_agent if len(user_agent) <= MAX_LENGTH else user_agent[:MAX_LENGTH])


@lru_cache(maxsize=CACHED_AGENTS)
def _describe(user_agent: str) -> Mapping[str, Any]:
    from ua_parser import Domain

    text = user_agent.encode("utf-8", "replace").decode()
    parsers = _build_parsers_once()
    parsed = parsers.parse(text, Domain.ALL)
    return {
        **_name_software(parsed),
        **_name_device(parsers.devices, text, parsed),
        **_name_bot(parsers.bots.find_name(text), parsed),
    }


def _name_software(parsed: PartialResult) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, found in (("browser", parsed.user_agent), ("os", parsed.os)):
        if found is not None and found.family:
            fields[name] = found.family
            if found.major:
                fields[f"{name}Version"] = f"{found.major}.{found.minor}" if found.minor else found.major
    return fields


def _name_device(devices: DeviceMatcher, user_agent: str, parsed: PartialResult) -> dict[str, Any]:
    is_known_device = parsed.device is not None and parsed.device.family != _BOT_DEVICE
    os = parsed.os.family if parsed.os else None
    device_type = devices.find_type(user_agent, os=os, is_known_device=is_known_device)
    return {"deviceType": device_type} if device_type else {}


def _name_bot(crawler: str | None, parsed: PartialResult) -> dict[str, Any]:
    """A crawler of the list, or what ua-parser takes for one: that also finds those which no list has yet."""
    if crawler is not None:
        return {"isBot": True, "botName": crawler}
    if parsed.device is None or parsed.device.family != _BOT_DEVICE:
        return {}
    return {"isBot": True, "botName": parsed.user_agent.family} if parsed.user_agent else {"isBot": True}


def _build_parsers_once() -> _Parsers:
    with _loading:
        return _build_parsers()


@cache
def _build_parsers() -> _Parsers:
    from ua_parser import BestAvailableResolver, load_lazy_builtins

    return _Parsers(BestAvailableResolver(load_lazy_builtins()), DeviceMatcher(), BotMatcher())
