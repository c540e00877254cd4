"""The enriched fields of one event, put together from what is remembered about its parts.

Most events repeat the user agent, the address and the page of an earlier one, so each of the three is looked up in
a cache of its own, and only what is new is worked out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.enrich import arrivals, channels, hints, user_agents
from services.enrich.geo import GeoReader

Enriched = dict[str, Any]

_NOTHING: Mapping[str, Any] = {}


def enrich(
    *,
    url: str | None,
    referrer: str | None,
    user_agent: str | None,
    ip: str | None,
    metadata: Mapping[str, Any],
    own_domain: str | None,
    geo: GeoReader,
) -> Enriched:
    """The fields that could be found out, a new dictionary; what is unknown is absent.

    `browser`, `browserVersion`, `os`, `osVersion`, `deviceType`, `isBot` (only ever true), `botName`, `screen`,
    `hostname`, `country` (ISO 3166-1 alpha-2), `region`, `city`, `referrerHost`, `channel`, `utmSource`, `utmMedium`,
    `utmCampaign`, `utmTerm`, `utmContent`. All are texts but `isBot`. The channel is always there. `own_domain` is that
    of the project. Never raises, whatever the event says.
    """
    agent = user_agents.describe(user_agent) if user_agent else _NOTHING
    place = geo.locate(ip) if ip else _NOTHING
    if metadata and not hints.NAMES.isdisjoint(metadata):
        found = hints.find_hints(metadata, has_device_type="deviceType" in agent)
        arrival = arrivals.describe(url or "", referrer or "", own_domain or "", found.campaign)
        return {**found.device, **agent, **arrival, **place}
    return {**agent, **arrivals.describe(url or "", referrer or "", own_domain or ""), **place}


def prepare(geo: GeoReader) -> None:
    """Load all data now, half a second of work, so that the first event of a process does not wait for it."""
    geo.load()  # first: it leaves much memory free for the next
    user_agents.load()
    channels.load()
