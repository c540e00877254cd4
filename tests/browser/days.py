"""Three days of a shop, small enough to count by hand.

On Monday 6 January 2025 Ann comes as nobody in particular, looks at a bike, and buys it, by which she is known; Ben
looks at a light; Cyd looks in. On Tuesday Ann looks in, Ben looks again and puts the light into the cart. On Monday 13
January Ann reads the news, and Dee looks at a bike. Nothing has a sessionId.
"""

from __future__ import annotations

from typing import Any

RANGE = {"from": "2025-01-06", "to": "2025-01-19", "tz": "UTC"}
"""Two whole weeks."""
ANN, BEN, CYD, DEE = {"userId": "ann"}, {"userId": "ben"}, {"anonymousId": "cyd's phone"}, {"userId": "dee"}
ANN_BEFORE = {"anonymousId": "ann's laptop"}
BIKE, LIGHT = {"category": "bikes"}, {"category": "lights"}


def event(day: int, time: str, name: str, page: str, person: dict[str, str], **metadata: object) -> dict[str, Any]:
    """An event of this day of January."""
    timestamp = f"2025-01-{day:02}T{time}Z"
    return {
        "eventName": name,
        "timestamp": timestamp,
        "url": f"https://shop.example{page}",
        "metadata": metadata,
        **person,
    }


EVENTS = [
    event(6, "10:00:00", "page_view", "/", ANN_BEFORE),
    event(6, "10:01:00", "product_view", "/bikes/1", ANN_BEFORE, **BIKE),
    event(6, "10:03:00", "add_to_cart", "/bikes/1", ANN_BEFORE, **BIKE),
    event(6, "10:10:00", "purchase", "/thanks", ANN | ANN_BEFORE, order={"total": 900}),
    event(6, "10:00:00", "page_view", "/", BEN),
    event(6, "10:02:00", "product_view", "/lights/2", BEN, **LIGHT),
    event(6, "11:00:00", "page_view", "/", CYD),
    event(7, "09:00:00", "page_view", "/", ANN),
    event(7, "09:00:00", "product_view", "/lights/2", BEN, **LIGHT),
    event(7, "09:05:00", "add_to_cart", "/lights/2", BEN, **LIGHT),
    event(13, "09:00:00", "page_view", "/news", ANN),
    event(13, "09:00:00", "page_view", "/", DEE),
    event(13, "09:00:30", "product_view", "/bikes/1", DEE, **BIKE),
]
