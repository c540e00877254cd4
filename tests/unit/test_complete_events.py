"""What events are completed with before they are stored."""

from __future__ import annotations

from typing import Any

import bson
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from columns.derived import DERIVED_COLUMNS, build_derived_arrays
from services.enrich import GeoReader
from services.ingest.complete import complete_events
from services.ingest.origin import NO_ORIGIN, Origin
from services.ip_policy import IpPolicy, anonymize_ip, redact_ip
from services.projects import Project
from stores.base import Event
from tests.contract.events import PROJECT, build_event

GEO = GeoReader()
TEXTS = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.sampled_from(["https://a.example/?utm_source=%00%ff%ed%a0%80", "https://", "//", "8.8.8.8", "::1%eth0", "\0"]),
    st.builds("https://{}/{}?utm_source={}".format, st.text(max_size=8), st.text(max_size=8), st.text(max_size=8)),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
NAMES = ["utm_source", "campaign", "screen", "screenSize", "$screen_width", "$screen_height", "device", "deviceType"]


def complete(event: Event, origin: Origin = NO_ORIGIN, policy: IpPolicy = IpPolicy.STORE) -> Event:
    project = Project(PROJECT, "Shop", "2025-01-06T10:00:00.000Z", ip_policy=policy)
    (completed,) = complete_events([event], project, origin, GEO, {})
    return completed


@settings(deadline=None)  # the first example loads the data
@given(
    url=TEXTS, referrer=TEXTS, user_agent=TEXTS, ip=TEXTS,
    metadata=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3), policy=st.sampled_from(IpPolicy),
)  # fmt: skip
def test_whatever_an_event_says_it_can_be_stored_and_copied(policy: IpPolicy, **fields: Any) -> None:
    completed = complete(build_event("e1", **fields), policy=policy)
    text = msgspec.json.encode(completed.enriched).decode()
    bson.encode({"enriched": completed.enriched})
    arrays = build_derived_arrays([text], [completed.url])
    assert [len(array) for array in arrays] == [1] * len(DERIVED_COLUMNS)
    assert completed.metadata == fields["metadata"]


def test_all_else_of_an_event_stays_as_it_is() -> None:
    event = build_event(
        "e1", occurred_at_ms=5, anonymous_id="a", user_id="u", session_id="s", url="/a", referrer="/", user_agent="UA",
        ip="1.2.3.4", metadata={"k": 1},
    )  # fmt: skip
    completed = complete(event, Origin("Mozilla/5.0", "5.6.7.8"))
    assert msgspec.structs.replace(completed, enriched={}) == event


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("1.2.3.4", "1.2.3.0"),
        (" 1.2.3.255 ", "1.2.3.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:1.2.3.4", "1.2.3.0"),
        ("fe80::1%eth0", "fe80::"),
        ("1.2.3.4:80", None),
        ("1.2.3.4, 5.6.7.8", None),
        ("1.2.3", None),
        ("", None),
    ],
)
def test_an_anonymous_address_is_its_network(ip: str, network: str | None) -> None:
    assert anonymize_ip(ip) == network


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"ip":"1.2.3.4","a":1}', '{"ip":null,"a":1}'),
        ('{"a":1, "ip" :\n"1.2.3.4"}', '{"a":1, "ip" :\nnull}'),
        (r'{"\u0069p":"1.2\".3.4","a":1}', r'{"\u0069p":null,"a":1}'),
        ('{"ip":16909060}', '{"ip":null}'),
        ('{"ip":["1.2.3.4",{"v6":"::1"}],"other":"1.2.3.4"}', '{"ip":null'),
        ('{"ip":{"v4":{},"v6":"::1"}}', '{"ip":null'),
        ('{"ip":"1.2.3', '{"ip":null'),
        ('{"ip":"1.2.3\\', '{"ip":null'),
        ('{"ip":1.2.3.4 "a":1', '{"ip":null "a":1'),
        ('{"metadata":{"ip":"1.2.3.4"}}', '{"metadata":{"ip":null}}'),
        ('{"zip":"12345","ipad":"2"}', '{"zip":"12345","ipad":"2"}'),
        ("", ""),
    ],
)
def test_no_address_is_left_of_a_refused_event_whatever_is_wrong_with_it(text: str, redacted: str) -> None:
    for policy in (IpPolicy.ANONYMIZE, IpPolicy.DROP):
        assert redact_ip(policy, text.encode()).decode() == redacted
    assert redact_ip(IpPolicy.STORE, text.encode()).decode() == text
