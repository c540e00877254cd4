"""Who sent a batch, as far as its events are about the sender."""

from __future__ import annotations

from typing import Final, NamedTuple

BROWSER_STARTS: Final = ("Mozilla/", "Opera/")
"""How the user agent of every browser begins. Those of servers' HTTP libraries and of curl do not."""
MAX_USER_AGENT_LENGTH: Final = 1024
"""Every event of a batch may take it over; browsers' are a fifth of this."""


class Origin(NamedTuple):
    """What an event takes over where it says nothing of its own."""

    user_agent: str | None = None
    ip: str | None = None


NO_ORIGIN: Final = Origin()


def find_origin(user_agent: str | None, address: str | None) -> Origin:
    """Header and address of a request that a browser made; nothing of a server, which sends the events of others."""
    if not user_agent or not user_agent.startswith(BROWSER_STARTS) or len(user_agent) > MAX_USER_AGENT_LENGTH:
        return NO_ORIGIN
    return Origin(user_agent, address or None)
