"""What a project's and a key's fields may be."""

from __future__ import annotations

from typing import Any

import pytest

from services.errors import InvalidInput
from services.fields import parse_boolean, parse_fields, parse_moment_ms, parse_text, parse_whole_number
from services.keys import Scope, parse_expiry_ms, parse_scopes
from services.project_fields import is_project_key, parse_domain, parse_retention_days, parse_timezone


@pytest.mark.parametrize(
    "domain",
    [
        "example.com",
        "www.example.com:8080",
        "https://example.com",
        "http://example.com/shop?x=1",
        "localhost",
        "127.0.0.1",
        "[::1]:5000",
        "münchen.example",
        "xn--mnchen-3ya.example",
        "my_host.internal",
        "example.com.",
    ],
)
def test_a_domain_is_a_host_name_or_url_and_is_kept_as_written(domain: str) -> None:
    assert parse_domain(domain) == domain


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "   ",
        "two words",
        "a..b",
        "-a.example",
        "a-.example",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://",
        "https://user:secret@example.com",
        "someone@example.com",
        "example.com:99999",
        "[::1",
        "<script>",
        "example\u200b.com",
        "a" * 64 + ".example",
        "a." * 128,
        7,
        True,
        ["example.com"],
        {"$ne": None},
    ],
)
def test_anything_else_is_no_domain(domain: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_domain(domain)


def test_blanks_around_a_domain_are_dropped() -> None:
    assert parse_domain(" example.com\n") == "example.com"


def test_null_means_no_domain_and_events_kept_for_ever() -> None:
    assert parse_domain(None) is None
    assert parse_retention_days(None) is None


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kathmandu"])
def test_iana_names_are_time_zones(name: str) -> None:
    assert parse_timezone(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "europe/berlin", "America", "+02:00", "../etc/passwd", "localtime", "\0", None, 1],
)
def test_nothing_else_is_a_time_zone(name: object) -> None:
    with pytest.raises(ValueError, match="IANA"):
        parse_timezone(name)


@pytest.mark.parametrize("days", [1, 30, 36_500])
def test_retention_is_one_to_36500_days(days: int) -> None:
    assert parse_retention_days(days) == days


@pytest.mark.parametrize("days", [0, -1, 36_501, 10**30, 1.0, "30", True])
def test_other_retentions_are_refused(days: object) -> None:
    with pytest.raises(ValueError, match="whole number from 1 to 36500"):
        parse_retention_days(days)


def test_text_loses_the_blanks_around_it_and_its_length_counts_characters() -> None:
    assert parse_text("  Demo App\n", max_length=8) == "Demo App"
    assert parse_text("ü" * 200, max_length=200) == "ü" * 200


@pytest.mark.parametrize("text", ["", " \t", "x" * 201, "a\0b", "lone \ud800", None, 5, ["x"]])
def test_other_texts_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be text"):
        parse_text(text, max_length=200)


@pytest.mark.parametrize("value", [0, 1, "true", None, []])
def test_only_true_and_false_are_booleans(value: object) -> None:
    with pytest.raises(ValueError, match="true or false"):
        parse_boolean(value)


def test_both_ends_of_a_whole_number_are_included() -> None:
    assert [parse_whole_number(value, least=0, most=3) for value in (0, 3)] == [0, 3]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T00:00:01.2345", 1234),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-02", 86_400_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_a_moment_without_a_zone_is_utc(text: str, ms: int) -> None:
    assert parse_moment_ms(text) == ms


@pytest.mark.parametrize(
    "value",
    ["", "tomorrow", "2025-13-01", 1735689600, None, True, "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"],
)
def test_other_values_are_no_moment(value: object) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_moment_ms(value)


def test_a_key_ends_after_now_or_never() -> None:
    assert parse_expiry_ms("1970-01-01T00:00:01.001Z", 1000) == 1001
    assert parse_expiry_ms(None, 1000) is None
    with pytest.raises(ValueError, match="future"):
        parse_expiry_ms("1970-01-01T00:00:01Z", 1000)


def test_scopes_are_kept_once_each_in_one_order() -> None:
    assert parse_scopes(["read", "ingest", "read"]) == [Scope.INGEST, Scope.READ]


@pytest.mark.parametrize("scopes", [[], "read", None, ["write"], ["READ"], [["read"]], [None], {"read": True}])
def test_other_scopes_are_refused(scopes: object) -> None:
    with pytest.raises(ValueError, match="ingest, read, admin"):
        parse_scopes(scopes)


@pytest.mark.parametrize("text", ["", "abc123", "A1B2C3D4E5F6", "a1b2c3d4e5f6\n", "a1b2c3d4e5f67", "١" * 12, "g" * 12])
def test_a_project_key_is_twelve_lower_case_hexadecimal_digits(text: str) -> None:
    assert is_project_key("a1b2c3d4e5f6")
    assert not is_project_key(text)


def test_every_wrong_field_is_named_at_once() -> None:
    body: dict[str, Any] = {"colour": "red", "isActive": 1}
    with pytest.raises(InvalidInput) as raised:
        parse_fields(body, {"isActive": parse_boolean, "name": parse_boolean}, required=("name",))
    assert sorted(raised.value.fields) == ["colour", "isActive", "name"]
    assert "colour is not a known field" in raised.value.message


def test_absent_fields_stay_absent() -> None:
    assert parse_fields({}, {"isActive": parse_boolean}) == {}
