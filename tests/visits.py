"""Visits of a shop, small enough to count by hand, and how tests post and ask."""

from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient

Row = dict[str, Any]
SHOP = "https://shop.example"
SEARCH = "https://www.google.com/"


def event(time: str, name: str, **fields: Any) -> Row:
    """An event of 6 January 2025, at a time such as `10:00:00`; `page` is its path in the shop."""
    page = fields.pop("page", None)
    url = {} if page is None else {"url": SHOP + page}
    return {"eventName": name, "timestamp": f"2025-01-06T{time}Z", **url, **fields}


EVENTS = [
    # Ann comes from a search, reads, pauses for exactly 30 minutes, and buys; 31 minutes later she looks in again
    event("10:00:00", "page_view", userId="ann", page="/?q=bikes", referrer=SEARCH),
    event("10:00:20", "page_view", userId="ann", page="/bikes#top"),
    event("10:00:30", "scroll", userId="ann", page="/bikes"),
    event("10:30:30", "purchase", userId="ann", page="/thanks"),
    event("11:01:31", "page_view", userId="ann", page="/"),
    # the client says that these are one session, though an hour passes and Bob logs in on the way
    event("12:00:00", "page_view", anonymousId="phone", sessionId="s1", page="/"),
    event("13:00:00", "page_view", userId="bob", anonymousId="phone", sessionId="s1", page="/bikes"),
    # nobody's, but of a session; and nobody's, of none
    event("09:00:00", "ping", sessionId="s2"),
    event("09:30:00", "page_view", page="/"),
]


def post(client: FlaskClient, events: list[Row]) -> str:
    key: str = client.post("/v1/projects", json={"name": "Shop"}).json["projectKey"]  # type: ignore[index]
    answer = client.post("/v1/events/batch", json={"projectKey": key, "events": events})
    assert answer.json is not None
    assert (answer.json["accepted"], answer.json["rejected"]) == (len(events), [])
    return key


def ask(client: FlaskClient, project_key: str, report: str, **params: Any) -> Row:
    answer = client.post(f"/v1/reports/{report}", json={"projectKey": project_key, **params})
    assert answer.status_code == 200, answer.text
    found: Row = json.loads(answer.data)
    return found


def only(event_name: str) -> list[Row]:
    return [{"property": "eventName", "operator": "eq", "value": event_name}]


def numbers(answer: Row, *names: str) -> tuple[Any, ...]:
    return tuple(answer[name] for name in names)
