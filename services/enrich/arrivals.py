"""Where a visitor came from: the hosts of page and referrer, the campaign in the page's address, the channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from services.enrich.channels import CLICK_IDS, name_channel

MAX_CACHED_LENGTH = 1000
"""Characters of the addresses of an arrival that is remembered."""

CACHED_ARRIVALS = 4096

UTM_FIELDS = {
    "utm_source": "utmSource",
    "utm_medium": "utmMedium",
    "utm_campaign": "utmCampaign",
    "utm_term": "utmTerm",
    "utm_content": "utmContent",
}
"""The names in addresses and metadata, and those of the fields."""

_AUTHORITY = r"//(?:[^/?#\\@]*@)?(\[[0-9a-fA-F:.]{2,60}\]|[\w.-]{1,253})(?=[:/?#\\]|$)"
_WEB_ADDRESS = re.compile(rf"\s*(?:https?:)?{_AUTHORITY}", re.IGNORECASE)
_REFERRER_ADDRESS = re.compile(rf"\s*(?:(?:https?|android-app):)?{_AUTHORITY}", re.IGNORECASE)
_TAGGED = re.compile("|".join((*(rf"{name}=" for name in CLICK_IDS), "utm_")))
_BARE_HOST = re.compile(r"\s*((?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24})\.?(?=[:/?#]|\s*$)", re.IGNORECASE)


Campaign = Mapping[str, str]
"""The utm fields of a campaign; at least one of the five."""


def describe(url: str, referrer: str, own_domain: str, campaign: Campaign | None = None) -> Mapping[str, Any]:
    """`hostname`, `referrerHost`, `channel` and the five utm fields; shared, not to be changed.

    Empty texts are unknown. The referrer is of nobody else when its host is the page's, with or without www., or
    belongs to `own_domain`, the domain of the project. `campaign` counts where the url names none.
    """
    if campaign is not None or len(url) + len(referrer) > MAX_CACHED_LENGTH:
        return _describe(url, referrer, own_domain, campaign)
    return _remember(url, referrer, own_domain)


@lru_cache(maxsize=CACHED_ARRIVALS)
def _remember(url: str, referrer: str, own_domain: str) -> Mapping[str, Any]:
    return _describe(url, referrer, own_domain, None)


def _describe(url: str, referrer: str, own_domain: str, campaign: Campaign | None) -> Mapping[str, Any]:
    fields: dict[str, Any] = {}
    hostname = find_host(url, _WEB_ADDRESS)
    if hostname:
        fields["hostname"] = hostname
    referrer_host = find_referrer_host(referrer) if referrer else None
    if referrer_host and not _is_own(referrer_host, hostname, own_domain):
        fields["referrerHost"] = referrer_host
    linked, click_id = _read_link(url)
    named = linked or campaign or {}
    fields.update(named)
    fields["channel"] = name_channel(
        source=named.get("utmSource"),
        medium=named.get("utmMedium"),
        is_tagged=bool(named),
        referrer_host=fields.get("referrerHost"),
        click_id=click_id,
    )
    return fields


def find_host(address: str, pattern: re.Pattern[str] = _WEB_ADDRESS) -> str | None:
    """The host of an absolute address, in lower case, without its port; None where there is none."""
    match = pattern.match(address)
    return (match[1].lower().rstrip(".") or None) if match else None


def find_referrer_host(referrer: str) -> str | None:
    """As `find_host`, without www.; also of a bare host and of an Android app (its id). None for a path."""
    host = find_host(referrer, _REFERRER_ADDRESS) or find_host(referrer, _BARE_HOST)
    return host.removeprefix("www.") if host else None


def _is_own(referrer_host: str, hostname: str | None, own_domain: str) -> bool:
    if hostname and referrer_host == hostname.removeprefix("www."):
        return True
    domain = _parse_domain(own_domain) if own_domain else None
    return domain is not None and (referrer_host == domain or referrer_host.endswith("." + domain))


@lru_cache(maxsize=1024)
def _parse_domain(domain: str) -> str | None:
    """The host of a project's domain, which may be written as a host, with a port or as an address."""
    host = find_host(domain) or find_host("//" + domain)
    return host.removeprefix("www.") if host else None


def _read_link(url: str) -> tuple[Campaign | None, str | None]:
    """The campaign in the query of the url, and the name of its click id."""
    if not _TAGGED.search(url):
        return None, None
    values: dict[str, str] = {}
    query = url.partition("#")[0].partition("?")[2]
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        name = name.removeprefix("amp;")  # of links whose & was escaped once too often
        if value and name not in values and (name in UTM_FIELDS or name in CLICK_IDS):
            values[name] = unquote_plus(value)
    return build_campaign(values), next((name for name in CLICK_IDS if name in values), None)


def build_campaign(values: Mapping[str, object]) -> Campaign | None:
    """The campaign of `utm_source` and the others; None when not one of them is a text that is not blank."""
    campaign = {}
    for name, field in UTM_FIELDS.items():
        value = values.get(name)
        text = value.replace("\0", "").strip() if isinstance(value, str) else ""
        if text:
            campaign[field] = text
    return campaign or None
