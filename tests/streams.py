"""Hypothesis strategies: streams of hostile events. The questions to ask of them are in tests/questions.py.

Small alphabets everywhere, so that ids, names, times and values collide. A stream plays around one anchor, mostly a
clock change of the zone it is asked in. Every event has an explicit eventId.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

Json = Any
Row = dict[str, Any]

# Zone -> instants at which its clocks change (Kathmandu: an ordinary day of a zone with an odd offset).
ANCHORS = {
    "UTC": ["2024-02-29T00:00:00", "2023-01-01T00:00:00"],
    "Europe/Berlin": ["2024-03-31T01:00:00", "2024-10-27T01:00:00"],
    "America/New_York": ["2024-03-10T07:00:00", "2024-11-03T06:00:00"],
    "Australia/Lord_Howe": ["2024-04-06T15:00:00", "2024-10-05T15:30:00"],
    "Asia/Kathmandu": ["2024-03-02T18:15:00"],
    "America/Sao_Paulo": ["2017-10-15T03:00:00", "2017-02-19T02:00:00"],
    "Africa/Casablanca": ["2024-03-10T02:00:00", "2024-04-14T02:00:00"],
}
OFFSETS = [timedelta(0), timedelta(hours=2), timedelta(hours=-3, minutes=-30), timedelta(hours=5, minutes=45)]

NAMES = ["a", "b", "c", "A", "ä"]
PERSONS = ["x", "y", "u", "v", "\uff5e", "\U0001f600"]
SESSIONS = ["s", "t", "x"]
PATHS = ["/", "/a", "/A?q=1", "/ä"]
URLS = [
    *PATHS,
    "https://shop.example/a?utm_source=news&utm_medium=email#x",
    "https://shop.example",
    "https://shop.example?q=/b",
    "http://shop.example/a#top",
    "a",
    "?q=1",
    "",
]
REFERRERS = [
    "/",
    "https://www.google.com/search?q=a",
    "https://shop.example/",
    "https://t.co/x",
    "http://other.example",
]
DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1"
)
BROWSERS = [DESKTOP, PHONE]
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
ADDRESSES = ["10.0.0.1", "::1", "8.8.8.8", "81.2.69.142"]
PAGE_VIEWS = ["page_view", "screen_view"]
PAGE_LEAVES = ["page_leave", "$pageleave"]
KEYS = ["k", "K", "a", "a.b", "$k", "", "nul\0key", 'it\'s "quoted"', "back\\slash", "ключ", "k k", "timestamp"]
NUMBERS = [0, -0.0, 1, 1.0, -1, 0.5, 10, 9, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**25, 1e300, 1e-7, 1234.56]
TEXTS = ["", "a", "A", "ab", "b", "1", "10", "9", "true", "null", "nul\0value", "%_", "it's", "\uff5e", "\U0001f600"]
INVALID_TIMESTAMPS = ["", "soon", "2024-02-30T00:00:00Z", "2024-03-31T25:00:00Z", "0001-01-01T00:00:00+05:00", True, []]

scalars = st.one_of(st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.booleans())
leaves = st.one_of(scalars, st.none())
shallow = st.one_of(leaves, st.lists(leaves, max_size=3), st.dictionaries(st.sampled_from(KEYS), leaves, max_size=2))
values = st.one_of(
    scalars, shallow, st.lists(shallow, max_size=2), st.dictionaries(st.sampled_from(KEYS), shallow, max_size=3)
)
metadata = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(KEYS[:4]), scalars),
    st.dictionaries(st.sampled_from(KEYS), values, max_size=4),
)


def moments(anchor: datetime) -> st.SearchStrategy[datetime]:
    """Instants within three days of the anchor, many of them equal or exactly a session's gap apart."""
    days = st.sampled_from([0, 0, 0, 0, -1, 1, -3, 2])
    minutes = st.sampled_from([0, 0, -1, 1, 30, -30, 60, -60, 45, 90, 300, -300])
    milliseconds = st.sampled_from([0, 0, 0, 1, -1, 500])
    return st.builds(
        lambda day, minute, ms: anchor + timedelta(days=day, minutes=minute, milliseconds=ms),
        days,
        minutes,
        milliseconds,
    )


def format_moment(moment: datetime, offset: timedelta, style: str) -> str:
    if style == "Z":
        return moment.replace(tzinfo=None).isoformat() + "Z"
    if style == "naive":
        return moment.replace(tzinfo=None).isoformat(sep=" ")
    if style == "microseconds":
        return (moment + timedelta(microseconds=999)).isoformat(timespec="microseconds")
    return moment.astimezone(timezone(offset)).isoformat()


def timestamps(anchor: datetime) -> st.SearchStrategy[Json]:
    styles = st.sampled_from(["Z", "Z", "naive", "microseconds", "offset"])
    valid = st.builds(format_moment, moments(anchor), st.sampled_from(OFFSETS), styles)
    return st.integers(0, 15).flatmap(lambda draw: st.sampled_from(INVALID_TIMESTAMPS) if draw == 15 else valid)


def optional(alphabet: list[Json], *, absent: int = 1) -> st.SearchStrategy[Json]:
    return st.sampled_from([*alphabet, *([None] * absent)])


actors = st.fixed_dictionaries(
    {
        "anonymousId": optional(["x", "y", "x", "y", "u", "", 7]),
        "userId": optional([*PERSONS[2:], "", "7"], absent=4),
    },
    optional={"sessionId": optional([*SESSIONS, ""], absent=2)},
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "url": optional(URLS),
        "referrer": optional(REFERRERS),
        "userAgent": optional(["UA", "", *BROWSERS * 2, BOT]),
        "ip": optional(ADDRESSES),
        "amount": optional([0, 1, 2.5, -3, 10, "7"]),
        "metadata": metadata,
        "k": scalars,
        "plan": shallow,
    },
)


@dataclass(frozen=True)
class World:
    """What the events of one stream are put together from, and the zone they are mostly asked in."""

    zone: str
    anchor: datetime
    timestamps: list[Json]
    actors: list[Row]
    contents: list[Row]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    zone = draw(st.sampled_from(sorted(ANCHORS)))
    anchor = draw(st.sampled_from(ANCHORS[zone]).map(lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC)))
    return World(
        zone,
        anchor,
        draw(st.lists(timestamps(anchor), min_size=5, max_size=12)),
        draw(st.lists(actors, min_size=3, max_size=6)),
        draw(st.lists(contents, min_size=2, max_size=4)),
    )


def client_events(world: World) -> st.SearchStrategy[Row]:
    """Events as a client posts them; now and then one that is refused."""
    return st.builds(
        lambda number, name, timestamp, actor, content: {
            "eventId": f"e{number}",
            "eventName": name,
            "timestamp": timestamp,
            **actor,
            **content,
        },
        st.integers(0, 150),
        st.sampled_from([*NAMES[:3] * 6, *PAGE_VIEWS * 5, *PAGE_LEAVES * 2, *NAMES, ""]),
        st.sampled_from(world.timestamps),
        st.sampled_from(world.actors),
        st.sampled_from(world.contents),
    )


def batches(world: World) -> st.SearchStrategy[list[Row]]:
    """From one event to 40, often many."""
    return st.sampled_from([15, 25, 40, 6, 1]).flatmap(
        lambda size: st.lists(client_events(world), min_size=size, max_size=size)
    )
