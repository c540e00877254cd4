"""Enrichment of a whole event: what goes in where, and that nothing can break it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import PROJECT_ROOT
from services.enrich import GeoReader, enrich
from services.enrich.channels import CHANNELS
from services.enrich.devices import DEVICE_TYPES
from services.enrich.geo import Address, Place

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6.1"
    " Mobile/15E148 Safari/604.1"
)
FIELDS = {
    "browser", "browserVersion", "os", "osVersion", "deviceType", "isBot", "botName", "screen", "hostname", "country",
    "region", "city", "referrerHost", "channel", "utmSource", "utmMedium", "utmCampaign", "utmTerm", "utmContent",
}


class Atlantis:
    """A database in which every public address is on the same island."""

    def find(self, address: Address) -> Place:
        return {"country": "XX", "region": "West", "city": "Poseidonis"}


def describe(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "url": None, "referrer": None, "user_agent": None, "ip": None, "metadata": {}, "own_domain": None,
        "geo": GeoReader(Atlantis()),
    }
    return enrich(**(event | changes))


def test_everything_that_can_be_known_is_in_one_flat_dictionary() -> None:
    assert describe(
        url="https://shop.example/?utm_source=google&utm_medium=cpc&utm_campaign=spring&utm_term=shoes&utm_content=a",
        referrer="https://www.google.com/",
        user_agent=IPHONE,
        ip="198.41.0.4",
        metadata={"screen": "390x844", "plan": "pro"},
        own_domain="shop.example",
    ) == {
        "browser": "Mobile Safari", "browserVersion": "26.6", "os": "iOS", "osVersion": "18.7", "deviceType": "mobile",
        "screen": "390x844", "hostname": "shop.example", "country": "XX", "region": "West", "city": "Poseidonis",
        "referrerHost": "google.com", "channel": "Paid Search", "utmSource": "google", "utmMedium": "cpc",
        "utmCampaign": "spring", "utmTerm": "shoes", "utmContent": "a",
    }


def test_an_event_that_says_nothing_came_directly_and_nothing_else_is_known() -> None:
    assert describe() == {"channel": "Direct"}
    assert describe(url="", referrer="", user_agent="", ip="") == {"channel": "Direct"}


def test_a_bot_is_marked_and_others_carry_no_mark() -> None:
    bot = describe(user_agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
    assert (bot["isBot"], bot["botName"]) == (True, "Googlebot")
    assert "isBot" not in describe(user_agent=IPHONE)


def test_changing_the_answer_changes_no_later_answer() -> None:
    event = {"url": "https://shop.example/?utm_source=a", "user_agent": IPHONE, "ip": "198.41.0.4"}
    first = describe(**event)
    expected = dict(first)
    first.clear()
    assert describe(**event) == expected


def test_metadata_is_not_changed() -> None:
    metadata = {"screen": {"width": 100, "height": 200}, "campaign": {"source": "a"}, "device": "Tablet"}
    before = json.dumps(metadata)
    describe(metadata=metadata)
    assert json.dumps(metadata) == before


@pytest.mark.parametrize(
    ("metadata", "screen"),
    [
        ({"screen": "1920x1080"}, "1920x1080"),
        ({"screenSize": "1920 X 1080"}, "1920x1080"),
        ({"screenResolution": "1920×1080"}, "1920x1080"),
        ({"screen_resolution": " 1920 * 1080 "}, "1920x1080"),
        ({"screen": {"width": 1920, "height": 1080.0}}, "1920x1080"),
        ({"$screen_width": 1920, "$screen_height": 1080}, "1920x1080"),
        ({"screenWidth": 1920, "screenHeight": 1080}, "1920x1080"),
        ({"screen": "Home", "screenSize": "390x844"}, "390x844"),
        ({"screen": "Home"}, None),
        ({"screen": "0x1080"}, None),
        ({"screen": "1920x1080x24"}, None),
        ({"screen": "999999x1"}, None),
        ({"screen": {"width": True, "height": 1080}}, None),
        ({"screen": {"width": "1920", "height": None}}, None),
        ({"screen": {"width": -1, "height": 1080}}, None),
        ({"screen": {"width": 10**400, "height": 1080}}, None),
        ({"screen": [1920, 1080]}, None),
        ({"$screen_width": 1920}, None),
    ],
)
def test_the_screen_is_width_by_height_however_it_is_told(metadata: dict[str, Any], screen: str | None) -> None:
    assert describe(metadata=metadata).get("screen") == screen


@pytest.mark.parametrize(
    ("metadata", "user_agent", "device_type"),
    [
        ({"device": "tablet"}, None, "tablet"),
        ({"deviceType": "Desktop"}, None, "desktop"),
        ({"device_type": "tv"}, "something else", "tv"),
        ({"device": "iPhone 15"}, None, None),
        ({"device": {"type": "mobile"}}, None, None),
        ({"device": "iPhone 15", "device_type": "mobile"}, None, "mobile"),
        ({"device": "desktop"}, IPHONE, "mobile"),
    ],
)
def test_metadata_tells_the_device_where_the_user_agent_does_not(
    metadata: dict[str, Any], user_agent: str | None, device_type: str | None
) -> None:
    assert describe(metadata=metadata, user_agent=user_agent).get("deviceType") == device_type


@pytest.mark.parametrize(
    "metadata",
    [
        {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "spring"},
        {"campaign": {"source": "google", "medium": "cpc", "name": "spring"}},
        {"campaign": {"source": "google", "medium": "cpc", "name": "spring", "campaign": "no"}, "utm_term": " "},
    ],
)
def test_metadata_tells_the_campaign_where_the_url_names_none(metadata: dict[str, Any]) -> None:
    fields = describe(metadata=metadata, url="https://shop.example/")
    assert (fields["utmSource"], fields["utmMedium"], fields["utmCampaign"]) == ("google", "cpc", "spring")
    assert fields["channel"] == "Paid Search"


def test_two_campaigns_are_never_mixed() -> None:
    metadata = {"utm_source": "google", "utm_medium": "cpc", "campaign": {"source": "bing", "term": "shoes"}}
    assert "utmTerm" not in describe(metadata=metadata)
    linked = describe(metadata=metadata, url="/?utm_source=newsletter")
    assert (linked["utmSource"], linked.get("utmMedium"), linked["channel"]) == ("newsletter", None, "Email")


@pytest.mark.parametrize("campaign", ["spring", None, 7, ["a"], {}, {"source": 7}, {"source": {"a": 1}}, {"name": " "}])
def test_a_campaign_of_another_shape_is_none(campaign: object) -> None:
    assert describe(metadata={"campaign": campaign}) == {"channel": "Direct"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)
hint_names = st.sampled_from([
    "screen", "screenSize", "$screen_width", "$screen_height", "device", "deviceType", "utm_source", "campaign",
])
any_text = st.text(st.characters())
addresses = any_text | st.builds(
    "{}{}{}?utm_source={}&gclid={}".format, st.sampled_from(["", "//", "https://", "android-app://"]), any_text,
    st.sampled_from(["", "/", ":1", "@"]), any_text, any_text,
)


@given(
    url=st.none() | addresses,
    referrer=st.none() | addresses,
    user_agent=st.none() | any_text,
    ip=st.none() | any_text | st.ip_addresses().map(str),
    metadata=st.dictionaries(hint_names | any_text, json_values, max_size=4),
    own_domain=st.none() | any_text,
)
def test_whatever_an_event_says_the_fields_are_known_ones_and_texts(**event: Any) -> None:
    fields = describe(**event)
    assert set(fields) <= FIELDS
    assert fields["channel"] in CHANNELS
    assert fields.pop("isBot", True) is True
    assert fields.get("deviceType", "other") in DEVICE_TYPES
    assert all(isinstance(value, str) and value for value in fields.values())


def test_importing_loads_none_of_the_data() -> None:
    program = (
        "import sys, services.enrich\n"
        "loaded = {'ua_parser', 'ua_parser_rs', 'ua_parser_builtins', 'maxminddb', 'geoip2fast'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "from services.enrich import GeoReader, enrich\n"
        "geo = GeoReader()\n"
        "enrich(url='/', referrer=None, user_agent=None, ip='10.0.0.1', metadata={}, own_domain=None, geo=geo)\n"
        "assert geo._database is None\n"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
