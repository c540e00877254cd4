"""Places of addresses: the countries that are bundled, and files in MaxMind's format."""

from __future__ import annotations

import logging
import random
import struct
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Any

import pytest

from config import Config, ConfigError
from services.enrich.countries import BUNDLED_FILE, merge_networks, read_bundled_countries
from services.enrich.geo import GeoReader, open_geo

BERLIN = {
    "country": {"iso_code": "DE", "names": {"en": "Germany", "de": "Deutschland"}},
    "subdivisions": [{"iso_code": "BE", "names": {"en": "State of Berlin"}}, {"names": {"en": "Mitte"}}],
    "city": {"names": {"de": "Berlin (de)", "en": "Berlin"}},
}


@pytest.fixture(scope="module")
def bundled() -> GeoReader:
    return GeoReader()


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        ("8.8.8.8", "US"),
        ("5.9.0.1", "DE"),
        ("133.11.0.1", "JP"),  # the University of Tokyo
        ("200.160.0.8", "BR"),  # registro.br
        ("129.132.1.1", "CH"),  # ETH Zürich
        ("2001:4860:4860::8888", "US"),
        ("2001:638:1::1", "DE"),  # the German research network
        ("::ffff:5.9.0.1", "DE"),
        (" 5.9.0.1 ", "DE"),
    ],
)
def test_a_public_address_has_the_country_of_its_network(bundled: GeoReader, ip: str, country: str) -> None:
    assert bundled.locate(ip) == {"country": country}


@pytest.mark.parametrize(
    "ip",
    [
        "10.0.0.1", "192.168.1.7", "172.16.0.1", "127.0.0.1", "100.64.0.1", "169.254.0.1", "0.0.0.0", "255.255.255.255",
        "203.0.113.9", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1",
        "", "x", "8.8", "8.8.8.8:80", "8.8.8.256", "8.8.8.8, 1.1.1.1", "8" * 100, "\0", "٨.8.8.8",
    ],
)
def test_a_private_address_or_what_is_none_is_nowhere(bundled: GeoReader, ip: str) -> None:
    assert bundled.locate(ip) == {}


def test_the_bundled_countries_are_those_that_their_own_library_finds() -> None:
    geoip2fast = pytest.importorskip("geoip2fast")
    library = geoip2fast.GeoIP2Fast(geoip2fast_data_file=str(Path(geoip2fast.__file__).with_name(BUNDLED_FILE)))
    countries = read_bundled_countries()
    seeded = random.Random(20240618)
    addresses: list[IPv4Address | IPv6Address] = [IPv4Address(seeded.getrandbits(32)) for _ in range(5000)]
    # IPv6 around known networks: anywhere in 2000::/3 nearly all would be unknown
    starts = [start for start in countries.ipv6.starts if start]
    addresses += [IPv6Address((seeded.choice(starts) + seeded.randint(-3, 3)) << 64) for _ in range(5000)]
    found = [countries.find_code(address) for address in addresses]
    expected = [library.lookup(str(address)).country_code for address in addresses]
    assert found == [code if code.isalpha() and code != "EU" else None for code in expected]
    assert len(set(found)) > 100


def test_ranges_merge_neighbours_of_one_country_and_keep_gaps() -> None:
    ranges = merge_networks([(0, 6, 1), (4, 6, 1), (8, 7, 2), (12, 6, 2), (200, 8, 3)], bits=8)
    assert list(ranges.starts) == [0, 0, 8, 10, 12, 16, 200, 201]
    assert [ranges.find(number) for number in (0, 7, 8, 9, 10, 11, 12, 15, 16, 199, 200, 201, 255)] == [
        1, 1, 2, 2, 0, 0, 2, 2, 0, 0, 3, 0, 0,
    ]


def test_nothing_is_read_before_a_public_address_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("read too early")

    monkeypatch.setattr("services.enrich.geo.read_bundled_countries", refuse)
    assert open_geo(Config()).locate("127.0.0.1") == {}


# --- files in MaxMind's format --------------------------------------------------------------------------------------
# Written by the format's description: https://maxmind.github.io/MaxMind-DB/

Networks = dict[str, Any]
UINT16, UINT32, UINT64 = 5, 6, 9


def encode(value: Any) -> bytes:
    """The value in the data section: texts, lists, objects, and whole numbers as (type of the format, number)."""
    if isinstance(value, str):
        text = value.encode()
        return control(2, len(text)) + text
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(encode, value))
    kind, number = value
    packed = struct.pack({UINT16: ">H", UINT32: ">I", UINT64: ">Q"}[kind], number)
    return control(kind, len(packed)) + packed


def control(kind: int, size: int) -> bytes:
    first, extra = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | first]) + extra if kind < 8 else bytes([first, kind - 7]) + extra


def build_database(networks: Networks, ip_version: int) -> bytes:
    """A file with the networks; `None` as a record points behind the end of the file."""
    bits = 32 if ip_version == 4 else 128
    nodes: list[list[Any]] = [[None, None]]
    data, offsets = b"", {}
    for text, record in networks.items():
        network = ip_network(text)
        offsets[text] = len(data) if record is not None else 1_000_000
        data += encode(record) if record is not None else b""
        length = network.prefixlen + bits - network.max_prefixlen
        path = f"{int(network.network_address):0{bits}b}"[:length]
        node = nodes[0]
        for bit in map(int, path[:-1]):
            if node[bit] is None:
                nodes.append([None, None])
                node[bit] = len(nodes) - 1
            node = nodes[node[bit]]
        node[int(path[-1])] = text

    def pointer(value: int | str | None) -> int:
        if isinstance(value, str):
            return len(nodes) + 16 + offsets[value]
        return len(nodes) if value is None else value

    tree = b"".join(struct.pack(">II", *map(pointer, node)) for node in nodes)
    metadata = {
        "node_count": (UINT32, len(nodes)),
        "record_size": (UINT16, 32),
        "ip_version": (UINT16, ip_version),
        "database_type": "Test",
        "languages": ["en"],
        "binary_format_major_version": (UINT16, 2),
        "binary_format_minor_version": (UINT16, 0),
        "build_epoch": (UINT64, 1),
        "description": {"en": "test"},
    }
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(metadata)


def open_database(path: Path, networks: Networks, *, ip_version: int = 6) -> GeoReader:
    path.write_bytes(build_database(networks, ip_version))
    return open_geo(Config(geoip_db=path))


def test_a_city_database_tells_country_region_and_city_in_english(tmp_path: Path) -> None:
    geo = open_database(tmp_path / "city.mmdb", {"5.9.0.0/16": BERLIN, "2a01:4f8::/32": BERLIN})
    place = {"country": "DE", "region": "State of Berlin", "city": "Berlin"}
    assert geo.locate("5.9.200.1") == place
    assert geo.locate("2a01:4f8::1") == place
    assert geo.locate("5.10.0.1") == {}


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ({"country": {"iso_code": "DE"}}, {"country": "DE"}),
        ({"country": {"iso_code": "DE"}, "subdivisions": [{"iso_code": "BE"}]}, {"country": "DE", "region": "BE"}),
        ({"country": {"names": {"en": "Germany"}}, "subdivisions": [], "city": {}}, {}),
        ({"country": "Germany", "subdivisions": "BE", "city": ["Berlin"]}, {}),
        ({"registered_country": {"iso_code": "DE"}}, {}),
        ({}, {}),
        (["DE"], {}),
        ("DE", {}),
    ],
)
def test_what_a_record_does_not_tell_is_absent(tmp_path: Path, record: object, place: dict[str, str]) -> None:
    geo = open_database(tmp_path / "some.mmdb", {"5.9.0.0/16": record})
    assert geo.locate("5.9.0.1") == place


def test_a_private_address_is_not_looked_up_even_where_the_file_has_it(tmp_path: Path) -> None:
    assert open_database(tmp_path / "office.mmdb", {"10.0.0.0/8": BERLIN}).locate("10.0.0.1") == {}


def test_a_file_without_ipv6_knows_the_addresses_that_it_has(tmp_path: Path) -> None:
    geo = open_database(tmp_path / "old.mmdb", {"5.9.0.0/16": BERLIN}, ip_version=4)
    assert geo.locate("5.9.0.1")["country"] == "DE"
    assert geo.locate("::ffff:5.9.0.1")["country"] == "DE"
    assert geo.locate("2a01:4f8::1") == {}


def test_a_damaged_place_is_unknown_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    geo = open_database(tmp_path / "damaged.mmdb", {"5.9.0.0/16": None, "8.8.8.0/24": BERLIN})
    with caplog.at_level(logging.WARNING, logger="apptracker.geo"):
        assert geo.locate("5.9.0.1") == {}
    assert "GEOIP_DB is damaged" in caplog.text
    assert geo.locate("8.8.8.8")["city"] == "Berlin"


def test_a_file_of_another_format_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "not.mmdb"
    path.write_text("no database")
    with pytest.raises(ConfigError, match=r"GEOIP_DB='.*not\.mmdb': expected a MaxMind database file"):
        open_geo(Config(geoip_db=path))
