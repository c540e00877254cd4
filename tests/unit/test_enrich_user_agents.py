"""Browser, system, device and crawlers, by published lists of user agents and by examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.enrich import user_agents
from services.enrich.bots import LEFT_OUT, PATTERNS_FILE
from services.enrich.devices import DEVICE_TYPES

DATA = Path(__file__).parents[1] / "data"
CRAWLERS: list[dict[str, Any]] = json.loads(PATTERNS_FILE.read_text())
DESKTOP: list[str] = json.loads((DATA / "top-user-agents-desktop.json").read_text())
MOBILE: list[str] = json.loads((DATA / "top-user-agents-mobile.json").read_text())

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IOS_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


def is_bot(user_agent: str) -> bool:
    return bool(user_agents.describe(user_agent).get("isBot", False))


def test_99_percent_of_the_published_crawlers_are_bots() -> None:
    examples = [example for crawler in CRAWLERS for example in crawler["instances"]]
    assert len(examples) > 2000
    found = sum(is_bot(example) for example in examples)
    assert found / len(examples) >= 0.99


def test_only_the_patterns_that_are_left_out_on_purpose_miss_an_example() -> None:
    missed = {crawler["pattern"] for crawler in CRAWLERS for example in crawler["instances"] if not is_bot(example)}
    assert missed == LEFT_OUT


def test_no_common_browser_is_a_bot() -> None:
    assert len(DESKTOP) + len(MOBILE) == 100
    assert [user_agent for user_agent in DESKTOP + MOBILE if is_bot(user_agent)] == []


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/124.0.0.0 Safari/537.36", "HeadlessChrome"),
        ("AdsBot-Google (+http://www.google.com/adsbot.html)", "AdsBot-Google"),
        ("Mediapartners (Googlebot)", "Mediapartners (Googlebot)"),
        ("python-requests/2.32.3", "python-requests"),
        ("curl/8.4.0", "curl"),
        ("Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ClaudeBot"),
        ("Riddler (http://riddler.io/about.html)", "Riddler"),
    ],
)
def test_a_bot_has_the_name_of_its_pattern(user_agent: str, name: str) -> None:
    assert user_agents.describe(user_agent)["botName"] == name


def test_a_crawler_that_no_list_knows_yet_is_a_bot_by_what_it_calls_itself() -> None:
    fields = user_agents.describe("Mozilla/5.0 (compatible; AcmeShopCrawler/1.0; +https://acme.example/crawler)")
    assert fields["isBot"] is True
    assert fields["botName"] == "AcmeShopCrawler"


@pytest.mark.parametrize(
    "user_agent",
    [
        # Telephones by Cubot, in-app browsers, an app, and what the two patterns left out would match
        f"Mozilla/5.0 (Linux; Android 9; CUBOT_X19) {WEBKIT} Chrome/85.0.4183.81 Mobile Safari/537.36",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {IOS_WEBKIT} Mobile/15E148 [FBAN/FBIOS;FBAV/470.0]",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) {IOS_WEBKIT} Mobile/15E148 MicroMessenger/8.0.42",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Slack/4.36.140 Chrome/120.0 Electron/28.2.9 Safari/537.36",
        "MyApp/42 CFNetwork/1410.0.3 Darwin/22.6.0",
        "Dalvik/2.1.0 (Linux; U; Android 11; SM-G973F Build/RP1A.200720.012)",
        f"Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) {WEBKIT} Chrome/142 Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 16; Pixel 10; wv) {WEBKIT} Chrome/146.0 Mobile Safari/537.36 MetaIAB Facebook",
    ],
)
def test_people_with_unusual_browsers_are_no_bots(user_agent: str) -> None:
    assert not is_bot(user_agent)
    assert "botName" not in user_agents.describe(user_agent)


@pytest.mark.parametrize(
    ("user_agent", "fields"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/153.0.0.0 Safari/537.36 Edg/153.0.0.0",
            {"browser": "Edge", "browserVersion": "153.0", "os": "Windows", "osVersion": "10", "deviceType": "desktop"},
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) {IOS_WEBKIT} Version/26.6.1 Mobile/1 Safari/604",
            {
                "browser": "Mobile Safari", "browserVersion": "26.6", "os": "iOS", "osVersion": "18.7",
                "deviceType": "mobile",
            },
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:154.0) Gecko/20100101 Firefox/154.0",
            {"browser": "Firefox", "browserVersion": "154.0", "os": "Linux", "deviceType": "desktop"},
        ),
        ("Mozilla/5.0", {}),
        ("", {}),
        ("something else", {}),
    ],
)
def test_browser_and_system_have_a_name_and_a_version_of_two_parts(user_agent: str, fields: dict[str, str]) -> None:
    assert user_agents.describe(user_agent) == fields


def test_what_is_called_desktop_or_mobile_in_the_published_list_is_so_here() -> None:
    assert {user_agents.describe(user_agent)["deviceType"] for user_agent in DESKTOP} == {"desktop"}
    types = [user_agents.describe(user_agent)["deviceType"] for user_agent in MOBILE]
    assert set(types) <= {"mobile", "tablet"}
    # The only one that is neither an iPhone nor says Mobile is a tablet with Android.
    assert types.count("tablet") == sum("Mobile" not in user_agent for user_agent in MOBILE) == 1


@pytest.mark.parametrize(
    ("device_type", "user_agent"),
    [
        ("desktop", f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {IOS_WEBKIT} Version/26.6 Safari/605.1.15"),
        ("desktop", f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/124.0.0.0 Safari/537.36"),
        ("desktop", "Mozilla/5.0 (X11; FreeBSD amd64; rv:109.0) Gecko/20100101 Firefox/118.0"),
        ("desktop", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)"),
        ("desktop", "Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; Touch; rv:11.0) like Gecko"),
        ("mobile", f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/153.0.0.0 Mobile Safari/537.36"),
        ("mobile", "Mozilla/5.0 (Android 16; Mobile; rv:156.0) Gecko/156.0 Firefox/156.0"),
        ("mobile", "Dalvik/2.1.0 (Linux; U; Android 11; SM-G973F Build/RP1A.200720.012)"),
        ("mobile", "MyApp/42 CFNetwork/1410.0.3 Darwin/22.6.0"),
        ("mobile", "Opera/9.80 (Android; Opera Mini/36.2/119.132; U; id) Presto/2.12.423 Version/12.16"),
        ("mobile", "Mozilla/5.0 (Mobile; Nokia 8110 4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5"),
        ("mobile", f"Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1) {WEBKIT} Chrome/52.0 Mobile Safari/537 Edge/15.1"),
        ("tablet", f"Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) {IOS_WEBKIT} Version/17.4 Mobile/15E148 Safari/604"),
        ("tablet", f"Mozilla/5.0 (Linux; Android 13; Pixel Tablet) {WEBKIT} Chrome/112.0.0.0 Safari/537.36"),
        ("tablet", f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/154.0.0.0 Safari/537.36"),
        ("tablet", "Mozilla/5.0 (Android 14; Tablet; rv:124.0) Gecko/124.0 Firefox/124.0"),
        ("tablet", f"Mozilla/5.0 (Linux; Android 13; SM-X906C) {WEBKIT} Version/4.0 Chrome/80.0 Mobile Safari/537.36"),
        ("tablet", f"Mozilla/5.0 (Linux; U; Android 4.4.3; KFTHWI) {WEBKIT} Silk/47.1 like Chrome/47.0 Safari/537.36"),
        ("tv", f"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) {WEBKIT} Version/6.0 TV Safari/538.1"),
        ("tv", f"Mozilla/5.0 (Web0S; Linux/SmartTV) {WEBKIT} Chrome/87.0.4280.88 Safari/537.36 WebAppManager"),
        ("tv", f"Mozilla/5.0 (Linux; Android 9; AFTMM) {WEBKIT} Silk/86.3.20 like Chrome/86.0 Safari/537.36"),
        ("tv", f"Mozilla/5.0 (Linux; Android 10; BRAVIA 4K UR2) {WEBKIT} Chrome/100.0.4896.127 Safari/537.36"),
        ("tv", "AppleTV11,1/11.1"),
        ("tv", "Roku/DVP-12.0 (12.0.0.4182-88)"),
        ("console", f"Mozilla/5.0 (PlayStation; PlayStation 5/2.26) {IOS_WEBKIT} Version/13.0 Safari/605.1.15"),
        ("console", f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) {WEBKIT} Chrome/58.0 Safari/537.36"),
        ("console", "Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/606.4 NintendoBrowser/5.1.0.20393"),
        ("wearable", "Mozilla/5.0 (Apple Watch; CPU Watch OS 10_1 like Mac OS X) AppleWebKit/605.1.15"),
        ("wearable", f"Mozilla/5.0 (Linux; Android 10; Quest 2) {WEBKIT} OculusBrowser/24.4.0.22 VR Safari/537.36"),
        ("other", f"Mozilla/5.0 (X11; GNU/Linux) {WEBKIT} Chromium/79.0 Chrome/79.0 Safari/537.36 Tesla/2021.44.25"),
    ],
)
def test_a_user_agent_tells_its_type_of_device(device_type: str, user_agent: str) -> None:
    assert device_type in DEVICE_TYPES
    assert user_agents.describe(user_agent).get("deviceType") == device_type


def test_only_the_beginning_of_a_very_long_user_agent_is_looked_at() -> None:
    user_agent = DESKTOP[0] + " x" * 100_000
    assert user_agents.describe(user_agent + " Googlebot/2.1") == user_agents.describe(DESKTOP[0])


@pytest.mark.parametrize("user_agent", ["\ud800", "a\0b", "Mozilla/5.0 (\U0001f600) Googlebot/2.1 \udfff", "\n\t"])
def test_texts_that_are_no_unicode_are_user_agents_like_others(user_agent: str) -> None:
    assert is_bot(user_agent) == ("Googlebot" in user_agent)
