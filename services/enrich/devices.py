"""What kind of device a user agent is of."""

from __future__ import annotations

from typing import Literal, get_args

from services.enrich.matcher import Matcher

DeviceType = Literal["desktop", "mobile", "tablet", "tv", "console", "wearable", "other"]
DEVICE_TYPES: frozenset[str] = frozenset(get_args(DeviceType))

_RULES: tuple[tuple[DeviceType, str], ...] = (
    ("other", r"\btesla/|qtcarbrowser|family ?hub"),
    ("tv", r"smart-?tv|hbbtv|netcast|web0s|webos\.tv|\btv\b|apple ?tv|google ?tv|bravia|crkey|chromecast|\broku\b"),
    ("tv", r"vidaa|viera|mitv|mibox|\bstb\b|tvos|(?-i:\bAFT[A-Z]{1,5}\b)"),  # AFT...: Amazon's Fire TV
    ("console", r"playstation|xbox|nintendo|\bwii\b"),
    ("wearable", r"\bwatch\b|watch ?os|wear ?os|\bsm-r[0-9]{3}|oculusbrowser|\bquest [0-9]"),  # SM-R: Galaxy Watch
    ("desktop", r"\btablet pc\b"),  # notebooks with Windows 7 and older
    ("tablet", r"\bipad|playbook|tablet|mediapad|nexus (?:7|9|10)\b|\btb-?x?[0-9]{3}|\bxoom\b|\bpad\b"),
    ("tablet", r"\bsm-[tpx][0-9]{3}|\bgt-p[0-9]{4}"),  # Galaxy Tab
    ("tablet", r"\bkindle|(?-i:\bKF[A-Z]{2,5}\b)"),
    ("mobile", r"mobile|iphone|ipod|windows phone|blackberry|\bbb10\b|symbian|\bseries ?[46]0\b|\bmidp\b|kaios"),
    # Android's browsers say Mobile on telephones and leave it out on tablets; apps say it on neither.
    ("tablet", r"^mozilla/.*android.*applewebkit/"),
    ("mobile", r"android"),
    ("desktop", r"windows|macintosh|mac ?os|darwin|\bx11\b|\bcros\b|linux|bsd\b|sunos"),
)


class DeviceMatcher:
    """Tells the type of device of a user agent; the first of the rules above that matches decides."""

    def __init__(self) -> None:
        self._matcher = Matcher((f"(?i:{pattern})", device_type) for device_type, pattern in _RULES)

    def find_type(self, user_agent: str, *, os: str | None, is_known_device: bool) -> str | None:
        """One of DEVICE_TYPES: `other` for what is recognised and none of the types, None for what is not recognised.

        A tablet whose browser pretends to be one of a desktop (an iPad's does, unless asked not to) counts as desktop.
        """
        device_type = self._matcher.find(user_agent)
        if os == "iOS" and device_type in (None, "desktop"):
            return "mobile"  # apps, which only say CFNetwork and Darwin
        return device_type or ("other" if os or is_known_device else None)
