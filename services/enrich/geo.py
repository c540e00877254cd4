"""The country of an address; with a city database also region and city.

Two sources: the MaxMind file that GEOIP_DB names, read in place, or the countries that geoip2fast carries.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from config import ConfigError
from services.enrich.countries import Countries, read_bundled_countries

if TYPE_CHECKING:
    from config import Config

Place = Mapping[str, str]
"""`country`, `region`, `city`, as far as they are known; shared, not to be changed."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CACHED_ADDRESSES = 16_384
MAX_ADDRESS_LENGTH = 45
"""Characters of the longest address."""

_NOWHERE: Place = {}
_loading = threading.Lock()
_logger = logging.getLogger("apptracker.geo")


class GeoDatabase(Protocol):
    """Where an address is, by one source."""

    def find(self, address: Address) -> Place:
        """What is known of a public address; empty for nothing."""


class GeoReader:
    """Finds where an address is. `database` is None for the bundled countries, which are loaded when first needed."""

    def __init__(self, database: GeoDatabase | None = None) -> None:
        self._database = database
        self._locate = lru_cache(maxsize=CACHED_ADDRESSES)(self._find)

    def locate(self, ip: str) -> Place:
        """The place of the address; empty for private addresses, unknown ones and for what is no address."""
        return self._locate(ip) if len(ip) <= MAX_ADDRESS_LENGTH else _NOWHERE

    def load(self) -> None:
        """Read the data now; else the first public address does (0.4 s)."""
        self._open()

    def _find(self, ip: str) -> Place:
        try:
            address: Address = ipaddress.ip_address(ip.strip())
        except ValueError:
            return _NOWHERE
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return self._open().find(address) if address.is_global else _NOWHERE

    def _open(self) -> GeoDatabase:
        if self._database is None:
            with _loading:
                self._database = BundledDatabase(read_bundled_countries())
        return self._database


def open_geo(config: Config) -> GeoReader:
    """The reader that the settings ask for. Raises ConfigError when GEOIP_DB is not a file of MaxMind's format."""
    return GeoReader(None if config.geoip_db is None else MaxMindDatabase(config.geoip_db))


class BundledDatabase:
    """The countries that geoip2fast carries."""

    def __init__(self, countries: Countries) -> None:
        self._find_code = countries.find_code
        self._places: dict[str | None, Place] = {
            code: {"country": code} if code else _NOWHERE for code in countries.codes
        }

    def find(self, address: Address) -> Place:
        """As the protocol says."""
        return self._places[self._find_code(address)]


class MaxMindDatabase:
    """A file in MaxMind's format: of countries or cities, by MaxMind or by those who name their fields as it does."""

    def __init__(self, path: Path) -> None:
        import maxminddb

        try:
            self._reader = maxminddb.open_database(path)
        except (OSError, maxminddb.InvalidDatabaseError) as exc:
            raise ConfigError(f"GEOIP_DB='{path}': expected a MaxMind database file, {exc}") from exc
        self._broken: type[Exception] = maxminddb.InvalidDatabaseError

    def find(self, address: Address) -> Place:
        """As the protocol says. A place that cannot be read because the file is damaged is unknown, and logged."""
        try:
            record = self._reader.get(address)
        except ValueError:  # an IPv6 address, and a file that has none
            return _NOWHERE
        except self._broken as exc:
            _logger.warning("GEOIP_DB is damaged, the place of an address is not known: %s", exc)
            return _NOWHERE
        return _read_place(record) if isinstance(record, dict) else _NOWHERE


def _read_place(record: Mapping[str, Any]) -> Place:
    """The place in a record; names in English. A subdivision that has no name is told by its code."""
    subdivisions = record.get("subdivisions")
    first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else None
    found = {
        "country": _read_text(record.get("country"), "iso_code"),
        "region": _read_name(first) or _read_text(first, "iso_code"),
        "city": _read_name(record.get("city")),
    }
    return {name: text for name, text in found.items() if text}


def _read_name(part: object) -> str | None:
    return _read_text(part.get("names"), "en") if isinstance(part, dict) else None


def _read_text(part: object, key: str) -> str | None:
    text = part.get(key) if isinstance(part, dict) else None
    return text if isinstance(text, str) and text else None
