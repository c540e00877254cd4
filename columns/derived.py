"""The columns of the copy that come from an event's `enriched` fields and from its url."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

ADDRESS_START: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
"""Scheme and host of an absolute URL (RFC 3986)."""


class EnrichedColumns(msgspec.Struct, frozen=True, rename="camel"):
    """What the copy has of an event's `enriched` fields; the struct's names are those of its columns."""

    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    device_type: str | None = None
    is_bot: bool = False
    bot_name: str | None = None
    screen: str | None = None
    hostname: str | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None
    referrer_host: str | None = None
    channel: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None


ENRICHED_COLUMNS: Final = EnrichedColumns.__struct_fields__
FLAG_COLUMNS: Final = ("is_bot",)
"""Those that are true or false, never null; the others are texts."""
ENRICHED_PROPERTIES: Final[dict[str, str]] = {
    name: column
    for name, column in zip(EnrichedColumns.__struct_encode_fields__, ENRICHED_COLUMNS, strict=True)
    if column not in FLAG_COLUMNS
}
"""What a filter or breakdown may name -> column."""
DERIVED_COLUMNS: Final = (*ENRICHED_COLUMNS, "page")

_decode_enriched = msgspec.json.Decoder(EnrichedColumns).decode
_NOT_ENRICHED: Final = EnrichedColumns()


def parse_enriched(text: str | None) -> EnrichedColumns:
    """The columns of one event's `enriched`, JSON object text."""
    return _NOT_ENRICHED if text is None else _decode_enriched(text)


def build_derived_arrays(enriched: Sequence[str | None], urls: Sequence[str | None]) -> list[pa.Array]:
    """Arrow arrays of `DERIVED_COLUMNS` for the JSON texts and urls of some events.

    Events share most of these values, so each is taken apart once, however many events have it.
    """
    import pyarrow as pa

    texts, text_numbers = number_values(enriched)
    fields = [parse_enriched(text) for text in texts]
    columns: Sequence[Sequence[Any]] = list(zip(*map(msgspec.structs.astuple, fields), strict=True))
    types = [pa.bool_() if name in FLAG_COLUMNS else pa.string() for name in ENRICHED_COLUMNS]
    arrays = [pa.array(values, type_).take(text_numbers) for values, type_ in zip(columns, types, strict=True)]
    distinct_urls, url_numbers = number_values(urls)
    return [*arrays, pa.array(map(find_page, distinct_urls), pa.string()).take(url_numbers)]


def number_values(values: Sequence[str | None]) -> tuple[list[str | None], pa.Array]:
    """The distinct values, and for each place the number of the one it has; at least one value, even of none."""
    import pyarrow as pa

    numbers: dict[str | None, int] = {None: 0}
    places = [numbers.setdefault(value, len(numbers)) for value in values]
    return list(numbers), pa.array(places, pa.int32())


def find_page(url: str | None) -> str | None:
    """The path of a url, `/` for a host alone; a url without a host counts by its path as well. None: no url."""
    if not url:
        return None
    start = ADDRESS_START.match(url)
    path = url[start.end() :] if start else url
    return path.partition("#")[0].partition("?")[0] or ("/" if start else "")
