"""The page of a url, and the columns that events share."""

from __future__ import annotations

import msgspec
import pytest

from columns.derived import DERIVED_COLUMNS, build_derived_arrays, find_page
from columns.properties import COLUMNS, parse_property


@pytest.mark.parametrize(
    ("url", "page"),
    [
        (None, None),
        ("", None),
        ("https://shop.example.com", "/"),
        ("https://shop.example.com/", "/"),
        ("https://shop.example.com?a=/b", "/"),
        ("https://shop.example.com#/b", "/"),
        ("https://shop.example.com/a/b?c=https://d.example/e#f?g", "/a/b"),
        ("https://user:secret@shop.example.com:8443/a", "/a"),
        ("https://[::1]:8080/a", "/a"),
        ("HTTP://SHOP.EXAMPLE.COM/A", "/A"),
        ("https://münchen.example/straße", "/straße"),
        ("https://shop.example.com/a b\n", "/a b\n"),
        ("app://screen/Home", "/Home"),
        ("/pricing", "/pricing"),
        ("/pricing?plan=pro", "/pricing"),
        ("/login#/https://x", "/login"),
        ("/go?to=https://shop.example.com/a", "/go"),
        ("/go/https://shop.example.com/a", "/go/https://shop.example.com/a"),
        ("pricing", "pricing"),
        ("//shop.example.com/a", "//shop.example.com/a"),
        ("mailto:someone@example.com", "mailto:someone@example.com"),
        ("?a=1", ""),
        ("#a", ""),
    ],
)
def test_a_page_is_the_path_of_a_url(url: str | None, page: str | None) -> None:
    assert find_page(url) == page


def test_no_events_have_all_columns_too() -> None:
    assert [len(array) for array in build_derived_arrays([], [])] == [0] * len(DERIVED_COLUMNS)


def test_events_of_equal_texts_have_equal_columns() -> None:
    text = '{"browser":"Firefox","isBot":true,"unheard":["of"]}'
    arrays = dict(zip(DERIVED_COLUMNS, build_derived_arrays([text, None, text], ["/a", "/a", None]), strict=True))
    assert arrays["browser"].to_pylist() == ["Firefox", None, "Firefox"]
    assert arrays["is_bot"].to_pylist() == [True, False, True]
    assert arrays["page"].to_pylist() == ["/a", "/a", None]
    assert arrays["city"].to_pylist() == [None] * 3


def test_a_value_of_another_type_is_not_taken_for_nothing() -> None:
    with pytest.raises(msgspec.ValidationError):
        build_derived_arrays(['{"browser":7}'], [None])


def test_every_text_that_events_are_enriched_with_can_be_filtered_by() -> None:
    names = {name for name, column in COLUMNS.items() if column in DERIVED_COLUMNS}
    assert names == {
        "browser", "browserVersion", "os", "osVersion", "deviceType", "botName", "screen", "hostname", "country",
        "region", "city", "referrerHost", "channel", "utmSource", "utmMedium", "utmCampaign", "utmTerm", "utmContent",
        "page",
    }  # fmt: skip
    assert parse_property("utmSource").column == "utm_source"
