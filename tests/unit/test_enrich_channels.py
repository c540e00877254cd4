"""The channel of a visit: a table of links and referrers, and what the lists must keep."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import Any

import pytest

from services.enrich import arrivals
from services.enrich.channels import CHANNELS, CLICK_IDS, FREE_CHANNELS, LISTS_FILE

OWN_DOMAIN = "shop.example"

VISITS = [
    # (query of the page, referrer, channel)
    # Paid: the medium, or a click id without one, and the kind of source
    ("utm_source=google&utm_medium=cpc", "", "Paid Search"),
    ("utm_source=bing&utm_medium=PPC", "", "Paid Search"),
    ("utm_source=facebook&utm_medium=paid-social", "", "Paid Social"),
    ("utm_source=instagram&utm_medium=paidsocial", "", "Paid Social"),
    ("utm_source=linkedin&utm_medium=cpm", "", "Paid Social"),
    ("utm_source=youtube&utm_medium=cpv", "https://www.youtube.com/", "Paid Video"),
    ("utm_source=youtube&utm_medium=cpc", "", "Paid Video"),
    ("utm_source=amazon&utm_medium=paid", "", "Paid Shopping"),
    ("utm_source=idealo&utm_medium=cpc", "", "Paid Shopping"),
    ("utm_source=partner&utm_medium=cpc", "", "Paid Other"),
    ("utm_source=criteo&utm_medium=retargeting", "", "Paid Other"),
    ("utm_medium=cpc", "https://www.google.de/", "Paid Search"),
    ("utm_medium=cpc", "", "Paid Other"),
    ("utm_source=newsletter&utm_medium=cpm", "", "Paid Other"),
    ("gclid=Cj0K", "", "Paid Search"),
    ("gclid=Cj0K", "https://www.google.com/", "Paid Search"),
    ("gclid=Cj0K", "https://www.youtube.com/", "Paid Video"),
    ("gclid=Cj0K", "https://blog.example/", "Paid Other"),
    ("msclkid=9f", "https://www.bing.com/", "Paid Search"),
    ("msclkid=9f", "", "Paid Search"),
    ("fbclid=IwAR", "https://l.facebook.com/", "Paid Social"),
    ("fbclid=IwAR", "", "Paid Social"),
    ("fbclid=IwAR&utm_source=facebook&utm_medium=social", "", "Organic Social"),
    ("gclid=Cj0K&utm_source=google&utm_medium=organic", "", "Organic Search"),
    ("gclid=", "", "Direct"),
    # Email, SMS, affiliates, display, audio, push
    ("utm_source=newsletter&utm_medium=email", "", "Email"),
    ("utm_source=spring&utm_medium=e-mail", "", "Email"),
    ("utm_source=newsletter", "", "Email"),
    ("", "https://mail.google.com/mail/u/0/", "Email"),
    ("", "https://outlook.live.com/", "Email"),
    ("", "android-app://com.google.android.gm/", "Email"),
    ("utm_source=google&utm_medium=email", "", "Email"),
    ("utm_source=shop&utm_medium=sms", "", "SMS"),
    ("utm_source=SMS&utm_medium=text-message", "", "SMS"),
    ("utm_source=blogger&utm_medium=affiliate", "", "Affiliates"),
    ("", "https://www.awin1.com/cread.php?id=1", "Affiliates"),
    ("utm_source=magazine&utm_medium=banner", "", "Display"),
    ("utm_source=dv360&utm_medium=display", "", "Display"),
    ("", "https://googleads.g.doubleclick.net/pagead", "Display"),
    ("utm_source=spotify&utm_medium=audio", "", "Audio"),
    ("utm_source=firebase", "", "Push"),
    ("utm_source=shop&utm_medium=web_push", "", "Push"),
    ("utm_source=shop&utm_medium=push-notification", "", "Push"),
    # AI assistants
    ("utm_source=chatgpt.com", "", "AI Assistants"),
    ("", "https://chatgpt.com/", "AI Assistants"),
    ("", "https://www.perplexity.ai/search/x", "AI Assistants"),
    ("", "https://gemini.google.com/app", "AI Assistants"),
    ("", "https://claude.ai/chat/1", "AI Assistants"),
    ("", "https://copilot.microsoft.com/", "AI Assistants"),
    ("utm_source=perplexity&utm_medium=referral", "", "AI Assistants"),
    # Organic
    ("", "https://www.google.com/", "Organic Search"),
    ("", "https://www.google.co.uk/", "Organic Search"),
    ("", "https://GOOGLE.com.br", "Organic Search"),
    ("", "google.com", "Organic Search"),
    ("", "android-app://com.google.android.googlequicksearchbox/", "Organic Search"),
    ("", "https://duckduckgo.com/", "Organic Search"),
    ("", "https://yandex.ru/search/", "Organic Search"),
    ("", "https://search.brave.com/", "Organic Search"),
    ("", "https://search.yahoo.co.jp/search", "Organic Search"),
    ("utm_source=magazine&utm_medium=organic", "", "Organic Search"),
    ("utm_source=facebook&utm_medium=organic", "", "Organic Social"),
    ("", "https://l.facebook.com/l.php?u=x", "Organic Social"),
    ("", "https://t.co/abc", "Organic Social"),
    ("", "https://out.reddit.com/", "Organic Social"),
    ("", "https://news.ycombinator.com/item?id=1", "Organic Social"),
    ("utm_source=linkedin&utm_medium=social", "", "Organic Social"),
    ("utm_source=intranet&utm_medium=social-media", "", "Organic Social"),
    ("", "https://www.youtube.com/watch?v=1", "Organic Video"),
    ("", "https://youtu.be/1", "Organic Video"),
    ("utm_source=magazine&utm_medium=video", "", "Organic Video"),
    ("", "https://www.amazon.de/dp/1", "Organic Shopping"),
    ("", "https://www.ebay.com.au/", "Organic Shopping"),
    ("utm_source=etsy", "", "Organic Shopping"),
    # Referral
    ("", "https://blog.example/post", "Referral"),
    ("", "https://docs.google.com/document", "Referral"),
    ("", "https://notgoogle.com/", "Referral"),
    ("", "https://google.com.evil.example/", "Referral"),
    ("", "https://microsoft.com/", "Referral"),
    ("utm_source=partner", "", "Referral"),
    ("utm_campaign=spring", "", "Referral"),
    ("utm_source=partner", "https://www.google.com/", "Referral"),
    ("utm_source=partner&utm_medium=referral", "", "Referral"),
    # Direct
    ("", "", "Direct"),
    ("q=utm_source", "", "Direct"),
    ("utm_source=", "", "Direct"),
    ("utm_source=%20", "", "Direct"),
    ("", "/login", "Direct"),
    ("", "https://shop.example/cart", "Direct"),
    ("", "https://www.shop.example/", "Direct"),
    ("", "https://blog.shop.example/", "Direct"),
    ("", "about:blank", "Direct"),
]


def channel_of(query: str, referrer: str) -> str:
    url = f"https://shop.example/landing?{query}" if query else "https://shop.example/landing"
    return str(arrivals.describe(url, referrer, OWN_DOMAIN)["channel"])


@pytest.mark.parametrize(("query", "referrer", "channel"), VISITS)
def test_the_first_rule_that_fits_names_the_channel(query: str, referrer: str, channel: str) -> None:
    assert channel_of(query, referrer) == channel


def test_the_table_has_every_channel_and_more_than_sixty_visits() -> None:
    assert len(VISITS) >= 60
    assert {channel for _, _, channel in VISITS} == set(CHANNELS)


@pytest.fixture(scope="module")
def lists() -> dict[str, Any]:
    return tomllib.loads(LISTS_FILE.read_text())


def test_every_list_belongs_to_a_rule(lists: dict[str, Any]) -> None:
    assert set(lists) == {"paid", "referral", *FREE_CHANNELS}
    assert set(CLICK_IDS.values()) <= set(FREE_CHANNELS)
    assert all(set(table) <= {"hosts", "names", "mediums"} for table in lists.values())


@pytest.mark.parametrize("key", ["hosts", "names"])
def test_no_entry_is_listed_twice(lists: dict[str, Any], key: str) -> None:
    entries = Counter(entry for table in lists.values() for entry in table.get(key, ()))
    assert [entry for entry, times in entries.items() if times > 1] == []


def test_hosts_are_written_as_they_are_compared(lists: dict[str, Any]) -> None:
    hosts = [host for table in lists.values() for host in table.get("hosts", ())]
    assert len(hosts) > 500
    assert [host for host in hosts if not re.fullmatch(r"([a-z0-9_-]+\.)+([a-z]{2,24}|\*|[a-z0-9_]+)", host)] == []
    assert [host for host in hosts if host.startswith("www.")] == []


def test_names_are_written_as_they_are_compared(lists: dict[str, Any]) -> None:
    names = [name for table in lists.values() for name in table.get("names", ())]
    assert [name for name in names if name != " ".join(name.lower().split())] == []


def test_media_are_regular_expressions(lists: dict[str, Any]) -> None:
    for table in lists.values():
        for pattern in table.get("mediums", ()):
            re.compile(pattern)
