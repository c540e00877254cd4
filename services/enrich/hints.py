"""What trackers put into metadata about the campaign, the screen and the device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from services.enrich.arrivals import UTM_FIELDS, Campaign, build_campaign
from services.enrich.devices import DEVICE_TYPES

MAX_PIXELS = 99_999

_SCREEN_NAMES = ("screen", "screenSize", "screenResolution", "screen_size", "screen_resolution")
_SCREEN_PAIRS = (
    ("$screen_width", "$screen_height"),
    ("screenWidth", "screenHeight"),
    ("screen_width", "screen_height"),
)
_DEVICE_NAMES = ("deviceType", "device_type", "$device_type", "device")
_CAMPAIGN_NAME = "campaign"
_CAMPAIGN_NAMES = frozenset({*UTM_FIELDS, _CAMPAIGN_NAME})
_SCREEN = re.compile(r"\s*([1-9][0-9]{0,4})\s*[xX×*,]\s*([1-9][0-9]{0,4})\s*", re.ASCII)

_ALL_SCREEN_NAMES = frozenset({*_SCREEN_NAMES, *(width for width, _ in _SCREEN_PAIRS)})

NAMES: frozenset[str] = frozenset({*_ALL_SCREEN_NAMES, *_DEVICE_NAMES, *_CAMPAIGN_NAMES})
"""Metadata without one of these keys holds no hint."""


class Hints(NamedTuple):
    """What was found; empty or None where nothing was."""

    device: dict[str, str]
    """`screen` and `deviceType`."""
    campaign: Campaign | None


def find_hints(metadata: Mapping[str, Any], *, has_device_type: bool) -> Hints:
    """The hints in metadata; values of another kind than expected are none. `has_device_type`: it is known already."""
    device: dict[str, str] = {}
    if not _ALL_SCREEN_NAMES.isdisjoint(metadata) and (screen := _find_screen(metadata)):
        device["screen"] = screen
    if not has_device_type and (device_type := _find_device_type(metadata)):
        device["deviceType"] = device_type
    return Hints(device, None if _CAMPAIGN_NAMES.isdisjoint(metadata) else _find_campaign(metadata))


def _find_screen(metadata: Mapping[str, Any]) -> str | None:
    """Width and height in pixels like `1920x1080`."""
    for name in _SCREEN_NAMES:
        value = metadata.get(name)
        if isinstance(value, str) and (match := _SCREEN.fullmatch(value[:40])):
            return f"{match[1]}x{match[2]}"
        if isinstance(value, dict) and (size := _format_size(value.get("width"), value.get("height"))):
            return size
    sizes = (_format_size(metadata.get(width), metadata.get(height)) for width, height in _SCREEN_PAIRS)
    return next(filter(None, sizes), None)


def _format_size(width: object, height: object) -> str | None:
    if _is_pixels(width) and _is_pixels(height):
        return f"{width:.0f}x{height:.0f}"
    return None


def _is_pixels(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= MAX_PIXELS


def _find_device_type(metadata: Mapping[str, Any]) -> str | None:
    for name in _DEVICE_NAMES:
        value = metadata.get(name)
        if isinstance(value, str) and value.lower() in DEVICE_TYPES:
            return value.lower()
    return None


def _find_campaign(metadata: Mapping[str, Any]) -> Campaign | None:
    """`utm_source` and the others, else the object `campaign` with `source`, `medium`, `name`, `term`, `content`."""
    campaign = build_campaign({name: metadata.get(name) for name in UTM_FIELDS})
    nested = metadata.get(_CAMPAIGN_NAME)
    if campaign is not None or not isinstance(nested, dict):
        return campaign
    of_object = {name: nested.get(name.removeprefix("utm_")) for name in UTM_FIELDS}
    return build_campaign({**of_object, "utm_campaign": nested.get("name")})
