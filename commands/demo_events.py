"""A made-up shop's events: realistic in shape and rhythm, the same for the same seed, with stories for reports to find.

- **Sale**, 33 to 31 days ago: the newsletter brings more than twice the visitors; few of the additional ones buy.
- **Incident**, 20 to 18 days ago: on iPhones four of five payments fail.
- **New checkout**, for half of the people since 14 days ago (`metadata.checkoutVersion` B): more of them pay.

People browse anonymously, sign up or log in at the checkout, and many come back, some on a second device.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from math import log
from random import Random
from typing import Any, Final, NamedTuple

from services.clock import format_ms

DAY_MS: Final = 86_400_000
SALE_DAYS_AGO: Final = range(31, 34)
INCIDENT_DAYS_AGO: Final = range(18, 21)
NEW_CHECKOUT_DAYS: Final = 14
RETURNING_RATIO: Final = 0.7
SHOP: Final = "https://shop.example"

HOUR_WEIGHTS: Final = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 11, 12, 11, 10, 10, 11, 12, 14, 16, 17, 14, 9, 5)
HOUR_STARTS: Final = tuple(accumulate((weight / sum(HOUR_WEIGHTS) for weight in HOUR_WEIGHTS), initial=0.0))
WEEKDAY_WEIGHTS: Final = (1.0, 0.96, 0.97, 1.02, 1.1, 1.25, 1.2)

DEVICES: Final = {
    "iphone": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.5 Mobile/15E148 Safari/604.1",
    "android": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Mobile Safari/537.36",
    "windows": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Safari/537.36",
    "mac": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.5 Safari/605.1.15",
    "linux": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
}
DEVICE_WEIGHTS: Final = (30, 27, 26, 13, 4)


class Channel(NamedTuple):
    """Where visitors come from: the referrer of their first page and what its address says."""

    name: str
    referrer: str | None
    query: str


CHANNELS: Final = (
    Channel("search", "https://www.google.com/", ""),
    Channel("direct", None, ""),
    Channel("ads", "https://www.google.com/", "?utm_source=google&utm_medium=cpc&utm_campaign=brand"),
    Channel("social", "https://www.instagram.com/", "?utm_source=instagram&utm_medium=social"),
    Channel("newsletter", None, "?utm_source=newsletter&utm_medium=email&utm_campaign=weekly"),
    Channel("partner", "https://reviews.example/best-bikes", "?utm_source=reviews&utm_medium=referral"),
)
CHANNEL_WEIGHTS: Final = (34, 24, 16, 14, 7, 5)
SALE: Final = Channel("newsletter", None, "?utm_source=newsletter&utm_medium=email&utm_campaign=spring-sale")

CATEGORIES: Final = {"bikes": (890.0, 24), "helmets": (79.0, 12), "lights": (34.0, 16), "bags": (59.0, 20)}
"""Name -> (typical price, number of products)."""
CATEGORY_NAMES: Final = tuple(CATEGORIES)
SEARCHES: Final = ("gravel bike", "helmet", "rear light", "pannier", "e-bike", "child seat", "lock", "gloves")
COUNTRIES: Final = ("DE", "FR", "NL", "AT", "US", "GB")
COUNTRY_WEIGHTS: Final = (40, 18, 14, 10, 10, 8)
NETWORKS: Final = ("129.187", "134.157", "130.89", "131.130", "128.30", "129.215")
"""Country by country the first half of the addresses of a university there, whose place every database knows."""
PAYMENTS: Final = ("card", "paypal", "invoice")

Event = dict[str, Any]


class Person:
    """Somebody who comes to the shop, once or often."""

    __slots__ = ("anonymous_id", "channel", "country", "device", "ip", "is_known", "number", "sessions", "traits")

    def __init__(self, random: Random, number: int, channel: Channel) -> None:
        self.number = number
        self.channel = channel
        self.country = random.choices(COUNTRIES, COUNTRY_WEIGHTS)[0]
        self.is_known = False
        """Signed up, with a userId."""
        self.sessions = 0
        self.take_device(random)

    def take_device(self, random: Random) -> None:
        """Browse with another device: a new anonymousId."""
        self.device = random.choices(tuple(DEVICES), DEVICE_WEIGHTS)[0]
        self.anonymous_id = f"anon-{random.getrandbits(64):016x}"
        network = NETWORKS[COUNTRIES.index(self.country)]
        self.ip = f"{network}.{int(random.random() * 256)}.{random.randrange(1, 255)}"
        self.traits = {"device": self.device, "country": self.country, "channel": self.channel.name}
        """In the metadata of every event."""

    @property
    def user_id(self) -> str:
        return f"user-{self.number:06d}"


class Day(NamedTuple):
    """A UTC day of the shop."""

    start_ms: int
    stop_ms: int
    """Its end; today's is the present."""
    days_ago: int
    events: int


class Visit:
    """One session, written down event by event; pauses between them pass on its clock, which starts at 0."""

    def __init__(self, random: Random, person: Person, *, is_logged_in: bool) -> None:
        self.random = random
        self.person = person
        self.is_logged_in = is_logged_in
        self.clock_ms = 0
        self.path = "/"
        self.referrer: str | None = None
        self.events: list[Event] = []

    def open(self, path: str, referrer: str | None = None) -> None:
        """Go to a page."""
        self.referrer = referrer if referrer is not None else SHOP + self.path if self.events else None
        self.path = path
        self.add("page_view", 2_000, {})

    def add(self, event_name: str, typical_pause_ms: int, metadata: dict[str, Any]) -> None:
        """Note an event after a pause."""
        person = self.person
        if self.events:
            self.clock_ms += 400 - int(log(1.0 - self.random.random()) * typical_pause_ms)
        event: Event = {
            "eventName": event_name,
            "timestamp": self.clock_ms,
            "anonymousId": person.anonymous_id,
            "url": SHOP + self.path,
            "userAgent": DEVICES[person.device],
            "ip": person.ip,
            "metadata": metadata | person.traits,
        }
        if self.referrer is not None:
            event["referrer"] = self.referrer
        if self.is_logged_in:
            event["userId"] = person.user_id
        self.events.append(event)


def generate_events(seed: int, count: int, days: int, now_ms: int) -> Iterator[Event]:
    """`count` events as the API takes them, of the `days` days up to `now_ms`, about in order of time.

    Equal arguments give equal events, ids included. There is about one person for 20 events.
    """
    random = Random(f"apptracker demo {seed}")  # a text, so that neighbouring seeds have nothing in common
    people: list[Person] = []
    number = 0
    for day in plan_days(count, days, now_ms):
        produced = 0
        while produced < day.events:
            visit = take_visit(random, people, day, produced / day.events)
            start_ms = place_visit(random, day, produced / day.events, visit.clock_ms)
            session_id = f"session-{random.getrandbits(48):012x}"
            for event in visit.events[: day.events - produced]:
                number += 1
                event["eventId"] = f"demo-{seed}-{number:09d}"
                event["timestamp"] = format_ms(start_ms + event["timestamp"])
                event["sessionId"] = session_id
                yield event
            produced += len(visit.events)


def plan_days(count: int, days: int, now_ms: int) -> list[Day]:
    """The days with their numbers of events, which add up to `count`: the shop grows, and weekends are busy."""
    today_ms = now_ms - now_ms % DAY_MS
    starts = [today_ms - days_ago * DAY_MS for days_ago in reversed(range(days))]
    weights = []
    for index, start_ms in enumerate(starts):
        days_ago = days - 1 - index
        weekday = (start_ms // DAY_MS + 3) % 7  # 1970-01-01 was a Thursday
        weight = WEEKDAY_WEIGHTS[weekday] * (0.6 + 0.4 * index / days) * (2.2 if days_ago in SALE_DAYS_AGO else 1.0)
        weights.append(weight * (measure_day((now_ms - today_ms) / DAY_MS) if days_ago == 0 else 1.0))
    total = sum(weights) or 1.0
    ends = [round(count * end / total) for end in accumulate(weights)]
    ends[-1] = count
    return [
        Day(start_ms, min(start_ms + DAY_MS, now_ms), days - 1 - index, ends[index] - (ends[index - 1] if index else 0))
        for index, start_ms in enumerate(starts)
    ]


def measure_day(time_ratio: float) -> float:
    """Which part of a day's traffic falls before a time of day (0..1)."""
    hour = min(int(time_ratio * 24), 23)
    return HOUR_STARTS[hour] + (HOUR_STARTS[hour + 1] - HOUR_STARTS[hour]) * (time_ratio * 24 - hour)


def find_time_ratio(traffic_ratio: float) -> float:
    """The time of day (0..1) before which a part of a day's traffic falls; the inverse of `measure_day`."""
    hour = min(bisect_right(HOUR_STARTS, traffic_ratio) - 1, 23)
    return (hour + (traffic_ratio - HOUR_STARTS[hour]) / (HOUR_STARTS[hour + 1] - HOUR_STARTS[hour])) / 24


def place_visit(random: Random, day: Day, progress_ratio: float, duration_ms: int) -> int:
    """When a visit begins; one that would last beyond the present has begun earlier."""
    traffic = progress_ratio * measure_day((day.stop_ms - day.start_ms) / DAY_MS)
    start_ms = day.start_ms + int(find_time_ratio(traffic) * DAY_MS) + random.randrange(60_000)
    return min(start_ms, day.stop_ms - duration_ms) if day.days_ago == 0 else start_ms


def take_visit(random: Random, people: list[Person], day: Day, progress_ratio: float) -> Visit:
    """A visit of somebody new or of somebody who comes back."""
    is_sale = day.days_ago in SALE_DAYS_AGO and random.random() < 0.55
    if people and not is_sale and random.random() < RETURNING_RATIO:
        # Those who came first the longest ago come back the least.
        person = people[int(len(people) * random.random() ** 0.5)]
        if random.random() < 0.04:
            person.take_device(random)
    else:
        channel = SALE if is_sale else random.choices(CHANNELS, CHANNEL_WEIGHTS)[0]
        person = Person(random, len(people) + 1, channel)
        people.append(person)
    person.sessions += 1
    visit = Visit(random, person, is_logged_in=person.is_known and random.random() < 0.6)
    walk(visit, day, eagerness=0.35 if is_sale else 1.0)
    return visit


def walk(visit: Visit, day: Day, *, eagerness: float) -> None:
    """What happens in a visit: look around, perhaps put something into the cart, perhaps buy it."""
    random, person = visit.random, visit.person
    channel = person.channel if person.sessions == 1 else CHANNELS[1]
    visit.open(("/sale" if channel is SALE else "/") + channel.query, channel.referrer)
    cart_value = 0.0
    while random.random() < 0.72:
        product = look_at_product(visit)
        if random.random() < 0.15 * eagerness:
            cart_value += product["price"]
            visit.add("add_to_cart", 12_000, product)
    if cart_value and random.random() < 0.6:
        check_out(visit, day, round(cart_value, 2))
    elif random.random() < 0.03:
        visit.open("/newsletter")
        visit.add("newsletter_subscribed", 8_000, {})


def look_at_product(visit: Visit) -> dict[str, Any]:
    """Find a product and look at it; what is known about it."""
    random = visit.random
    category = CATEGORY_NAMES[int(random.random() ** 1.4 * len(CATEGORY_NAMES))]
    typical_price, products = CATEGORIES[category]
    if random.random() < 0.25:
        visit.add("search", 6_000, {"query": random.choice(SEARCHES), "results": random.randrange(30)})
    else:
        visit.open(f"/{category}")
    number = random.randrange(products)
    price = round(typical_price * (0.6 + 0.05 * number), 2)
    visit.path = f"/{category}/{number}"
    product = {"productId": f"{category}-{number}", "category": category, "price": price}
    visit.add("product_view", 9_000, product)
    return product


def check_out(visit: Visit, day: Day, value: float) -> None:
    """From the cart to the purchase, as far as it gets."""
    random, person = visit.random, visit.person
    is_new = day.days_ago < NEW_CHECKOUT_DAYS and person.number % 2 == 1
    order = {"value": value, "currency": "EUR", "checkoutVersion": "B" if is_new else "A"}
    visit.open("/cart")
    visit.add("checkout_started", 10_000, order)
    if not visit.is_logged_in:
        if not person.is_known and random.random() > 0.75:
            return
        visit.is_logged_in = True
        visit.add("login" if person.is_known else "sign_up", 25_000, {"method": random.choice(("email", "google"))})
        person.is_known = True
    visit.add("shipping_submitted", 30_000, order)
    if random.random() > (0.9 if is_new else 0.68):
        return
    payment = {**order, "payment": random.choice(PAYMENTS)}
    visit.add("payment_submitted", 35_000, payment)
    if person.device == "iphone" and day.days_ago in INCIDENT_DAYS_AGO and random.random() < 0.8:
        visit.add("payment_failed", 3_000, {**payment, "reason": "3ds_timeout"})
        return
    visit.path = "/thanks"
    visit.add("purchase", 4_000, {**payment, "orderId": f"order-{random.getrandbits(40):010x}"})
