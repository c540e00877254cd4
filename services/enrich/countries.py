"""The countries of addresses that geoip2fast carries, as arrays.

Only the data of that package is used. Its library makes lists of integers of it, 59 MB in each process, where arrays of
merged ranges need 5 MB; and it takes the addresses of IPv6 that stand for one of IPv4 for reserved.
"""

from __future__ import annotations

import gzip
import pickle
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NamedTuple

BUNDLED_FILE = "geoip2fast-ipv6.dat.gz"
IPV6_BITS = 64
"""The first bits of an IPv6 address decide; the few networks that are finer are left out."""

_NO_COUNTRIES = frozenset({"EU"})
"""Codes in the data that are no country's."""

Network = tuple[int, int, int]
"""First address as a number, length of the prefix, position of the country."""


class Ranges(NamedTuple):
    """Consecutive ranges of numbers; each ends where the next one starts, the first starts at 0."""

    starts: array[int]
    countries: array[int]
    """Positions in the list of countries."""

    def find(self, number: int) -> int:
        return self.countries[bisect_right(self.starts, number) - 1]


class Countries(NamedTuple):
    """Which country an address belongs to."""

    codes: list[str | None]
    """ISO 3166-1 alpha-2; None at position 0 is unknown."""
    ipv4: Ranges
    ipv6: Ranges

    def find_code(self, address: IPv4Address | IPv6Address) -> str | None:
        """The code of the country; None when nobody knows."""
        if isinstance(address, IPv4Address):
            return self.codes[self.ipv4.find(int(address))]
        return self.codes[self.ipv6.find(int(address) >> (128 - IPV6_BITS))]


@cache
def read_bundled_countries() -> Countries:
    """The data of geoip2fast; reading takes 0.4 s, once a process."""
    names, first_addresses, positions, lengths = _unpickle_bundled_file()
    codes = [_parse_code(name) for name in names]
    known = [position if code else 0 for position, code in enumerate(codes, start=1)]

    def read_networks() -> Iterator[Network]:
        # The data is cut into chunks, all in order of the address: IPv4 first.
        for chunk in zip(first_addresses, lengths, positions, strict=True):
            for first, length, position in zip(*chunk, strict=True):
                yield first, length, known[position]

    ipv4 = merge_networks((network for network in read_networks() if network[0] < 1 << 32), bits=32)
    ipv6 = merge_networks(_cut_networks(read_networks()), bits=IPV6_BITS)
    return Countries([None, *codes], ipv4, ipv6)


def merge_networks(networks: Iterable[Network], *, bits: int) -> Ranges:
    """The ranges of networks in order, of numbers of so many bits; neighbours of one country become one range.

    What lies between networks belongs to the country at position 0.
    """
    starts, countries = array("Q", [0]), array("H", [0])
    last, end = 0, 0
    for first, length, country in networks:
        if first > end and last:
            starts.append(end)
            countries.append(0)
            last = 0
        if country != last:
            starts.append(first)
            countries.append(country)
            last = country
        end = first + (1 << (bits - length))
    if last and end < 1 << bits:
        starts.append(end)
        countries.append(0)
    return Ranges(starts, countries)


def _cut_networks(networks: Iterable[Network]) -> Iterator[Network]:
    """Those of IPv6, by the first bits of their addresses."""
    for first, length, country in networks:
        if first >= 1 << 32 and length <= IPV6_BITS:
            yield first >> (128 - IPV6_BITS), length, country


def _parse_code(name: str) -> str | None:
    """The code in a text like `DE:Germany`; None for the numbered entries, which are reserved networks."""
    code = name.partition(":")[0]
    return code if code.isalpha() and code not in _NO_COUNTRIES else None


def _unpickle_bundled_file() -> tuple[list[str], list[list[int]], list[list[int]], list[list[int]]]:
    """Names of the countries; then, in chunks, first addresses, positions in the names, lengths of the prefixes.

    The package is found without being imported: importing it needs 12 MB.
    """
    package = find_spec("geoip2fast")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("geoip2fast")
    path = Path(package.submodule_search_locations[0]) / BUNDLED_FILE
    with gzip.open(path) as file:
        content: Any = pickle.load(file)  # noqa: S301 - of an installed package, as trusted as its code
    _index, names, first_addresses, positions, lengths = content[3]
    return names, first_addresses, positions, lengths
