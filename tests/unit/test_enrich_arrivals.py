"""Hosts of pages and referrers, and the utm fields of links."""

from __future__ import annotations

from typing import Any

import pytest

from services.enrich import arrivals


def describe(url: str = "", referrer: str = "", own_domain: str = "") -> dict[str, Any]:
    return dict(arrivals.describe(url, referrer, own_domain))


@pytest.mark.parametrize(
    ("url", "hostname"),
    [
        ("https://shop.example/pricing", "shop.example"),
        ("HTTPS://WWW.Shop.Example:8443/", "www.shop.example"),
        ("http://shop.example?x=1", "shop.example"),
        ("http://shop.example#top", "shop.example"),
        ("https://user:secret@shop.example/", "shop.example"),
        ("//cdn.example/x.js", "cdn.example"),
        ("https://shop.example./", "shop.example"),
        ("https://münchen.example/", "münchen.example"),
        ("http://127.0.0.1:5000/", "127.0.0.1"),
        ("http://[::1]:5000/", "[::1]"),
        ("http://localhost/", "localhost"),
        ("/pricing", None),
        ("shop.example/pricing", None),
        ("myapp://home/start", None),
        ("https:///pricing", None),
        ("https://", None),
        ("https://bad host/", None),
        ("https://" + "a" * 300 + ".example/", None),
        ("", None),
    ],
)
def test_the_hostname_is_that_of_an_address_of_the_web(url: str, hostname: str | None) -> None:
    assert describe(url).get("hostname") == hostname


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://www.google.com/search?q=x", "google.com"),
        ("https://News.Example/post", "news.example"),
        ("news.example", "news.example"),
        ("news.example/post", "news.example"),
        ("android-app://com.slack/", "com.slack"),
        ("https://wwwide.example/", "wwwide.example"),
        ("/login", None),
        ("login", None),
        ("(direct)", None),
        ("about:blank", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_the_referrer_has_a_host_unless_it_is_a_path(referrer: str, host: str | None) -> None:
    assert describe("https://shop.example/", referrer).get("referrerHost") == host


@pytest.mark.parametrize(
    ("url", "referrer", "own_domain"),
    [
        ("https://shop.example/a", "https://shop.example/b", ""),
        ("https://www.shop.example/a", "https://shop.example/b", ""),
        ("https://shop.example/a", "https://www.shop.example/b", ""),
        ("/a", "https://shop.example/b", "shop.example"),
        ("", "https://shop.example/b", "https://www.shop.example:8080/start"),
        ("https://shop.example/a", "https://blog.shop.example/b", "shop.example"),
        ("https://blog.shop.example/a", "https://shop.example/b", "shop.example"),
    ],
)
def test_the_own_site_refers_nobody(url: str, referrer: str, own_domain: str) -> None:
    fields = describe(url, referrer, own_domain)
    assert "referrerHost" not in fields
    assert fields["channel"] == "Direct"


@pytest.mark.parametrize("referrer", ["https://notshop.example/", "https://shop.example.org/", "https://blog.shop.example/"])
def test_another_host_is_not_the_own_site(referrer: str) -> None:
    assert "referrerHost" in describe("https://shop.example/", referrer)
    assert "referrerHost" in describe("https://blog.example/", referrer, "other.example")


def test_the_five_utm_fields_are_read_from_the_query() -> None:
    fields = describe(
        "https://shop.example/a?x=1&utm_source=Spring+News&utm_medium=E-Mail&utm_campaign=50%25%20off"
        "&utm_term=%C3%BC&utm_content=a%26b#utm_source=no"
    )
    assert fields == {
        "hostname": "shop.example",
        "utmSource": "Spring News",
        "utmMedium": "E-Mail",
        "utmCampaign": "50% off",
        "utmTerm": "ü",
        "utmContent": "a&b",
        "channel": "Email",
    }


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("utm_source=a&utm_source=b", "a"),
        ("utm_source=&utm_source=b", "b"),
        ("x=1&amp;utm_source=a", "a"),
        ("utm_source=%20a%20", "a"),
        ("utm_source=a%00b", "ab"),
        ("utm_source=%FF", "\N{REPLACEMENT CHARACTER}"),
        ("my_utm_source=a", None),
        ("utm_source", None),
        ("x=utm_source=a", None),
        ("#?utm_source=a", None),
    ],
)
def test_the_first_value_that_is_not_blank_counts(query: str, source: str | None) -> None:
    assert describe(f"/landing?{query}").get("utmSource") == source


def test_addresses_too_long_to_be_remembered_are_described_the_same_way() -> None:
    short = describe("https://shop.example/?utm_source=google&utm_medium=cpc", "https://blog.example/")
    padded = f"https://shop.example/?utm_source=google&utm_medium=cpc&x={'y' * arrivals.MAX_CACHED_LENGTH}"
    assert describe(padded, "https://blog.example/") == short


def test_a_source_or_medium_of_any_length_has_a_channel() -> None:
    assert describe(f"/?utm_source={'google' * 1000}&utm_medium={'cpc' * 1000}")["channel"] == "Referral"
