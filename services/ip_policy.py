"""What a project stores of the addresses its events come from."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from functools import lru_cache

from services.fields import parse_choice

_IP_MEMBER = re.compile(
    rb"""("(?:i|\\u0069)(?:p|\\u0070)"\s*:\s*)             # the name, also written with escapes
    (?:"(?:[^"\\]|\\.)*+(?:"|\\?$)|[\[{].*|[^\s",\]}]++)  # its value, perhaps cut off""",
    re.VERBOSE | re.DOTALL,
)


class IpPolicy(StrEnum):
    """The country of an event is found before, so none of them costs it."""

    STORE = "store"
    ANONYMIZE = "anonymize"
    """Without the part that tells one connection from others: the last octet (IPv6: the last 80 bits) is zero."""
    DROP = "drop"


def parse_ip_policy(value: object) -> str:
    """The value of an `IpPolicy`."""
    return parse_choice(value, choices=IpPolicy).value


def apply_ip_policy(policy: IpPolicy, ip: str | None) -> str | None:
    """What is stored of an address."""
    if ip is None or policy is IpPolicy.STORE:
        return ip
    return anonymize_ip(ip) if policy is IpPolicy.ANONYMIZE else None


@lru_cache(maxsize=10_000)
def anonymize_ip(text: str) -> str | None:
    """The network of an address: /24 of IPv4, also where it is written as IPv6, /48 of IPv6. None: it is no address,
    and what it tells is not known."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.IPv6Address(int(address) >> 80 << 80))
        address = address.ipv4_mapped
    return str(ipaddress.IPv4Address(int(address) >> 8 << 8))


def redact_ip(policy: IpPolicy, text: bytes) -> bytes:
    """The text of an event that could not be stored, null in place of its address unless the policy is to store it.

    The event may be malformed or cut off, so this looks for the name `ip` wherever it stands. All else is kept as it
    is, but for what follows a list or an object in the address's place: where that ends is not known.
    """
    return text if policy is IpPolicy.STORE else _IP_MEMBER.sub(rb"\1null", text)
