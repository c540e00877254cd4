"""What the service finds out about events when they arrive, what of addresses it stores, and reports about it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stores.base import ArrivalRow
from tests.cast import Installation, MakeApp, install
from tests.contract.events import build_event

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
OPERA = "Opera/9.80 (Windows NT 6.1; U; en) Presto/2.10.289 Version/12.02"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
AMERICAN_IP = "8.8.8.8"
AMERICAN_IPV6 = "2001:4860:4860::8888"


@pytest.fixture
def service(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return install(make_app, "development", monkeypatch)


def send(
    service: Installation, project_key: str, *events: dict[str, Any], agent: str = "curl/8.5.0",
    address: str = "127.0.0.1", **members: Any,
) -> Any:  # fmt: skip
    """The verdict on a batch that came from this address with this header."""
    response = service.app.test_client().post(
        "/v1/events/batch",
        json={"projectKey": project_key, "events": list(events), **members},
        headers={"User-Agent": agent},
        environ_base={"REMOTE_ADDR": address},
    )
    return response.json


def fetch_rows(service: Installation, project_key: str) -> list[ArrivalRow]:
    return [row for rows in service.context.store.scan(project_key, 0) for row in rows]


def fetch_enriched(service: Installation, project_key: str) -> list[dict[str, Any]]:
    return [json.loads(row.enriched or "{}") for row in fetch_rows(service, project_key)]


def ask(service: Installation, project_key: str, report: str, **fields: Any) -> Any:
    response = service.call("POST", f"/v1/reports/{report}", {"projectKey": project_key, **fields})
    assert response.status_code == 200, response.text
    return response.json


@pytest.fixture
def project_key(service: Installation) -> str:
    return str(service.create_project(domain="shop.example")["projectKey"])


def test_an_event_is_stored_with_what_was_found_out(service: Installation, project_key: str) -> None:
    send(service, project_key, {
        "eventName": "page_view", "url": "https://www.shop.example/a?utm_source=news&utm_medium=email",
        "referrer": "https://www.google.com/", "userAgent": FIREFOX, "ip": AMERICAN_IP,
        "metadata": {"screen": "1920x1080"},
    })  # fmt: skip
    (enriched,) = fetch_enriched(service, project_key)
    expected = {
        "browser": "Firefox", "browserVersion": "128.0", "os": "Linux", "deviceType": "desktop", "screen": "1920x1080",
        "hostname": "www.shop.example", "country": "US", "referrerHost": "google.com", "channel": "Email",
        "utmSource": "news", "utmMedium": "email",
    }  # fmt: skip
    assert {name: enriched.get(name) for name in expected} == expected
    assert "isBot" not in enriched


def test_the_domain_of_the_project_is_no_referrer(service: Installation, project_key: str) -> None:
    send(service, project_key, {"eventName": "a", "referrer": "https://blog.shop.example/post"})
    assert "referrerHost" not in fetch_enriched(service, project_key)[0]


@pytest.mark.parametrize("agent", [FIREFOX, OPERA])
def test_events_that_a_browser_sends_have_its_user_agent_and_address(
    service: Installation, project_key: str, agent: str
) -> None:
    send(service, project_key, {"eventName": "a"}, agent=agent, address=AMERICAN_IP)
    (row,) = fetch_rows(service, project_key)
    assert (row.user_agent, row.ip) == (agent, AMERICAN_IP)
    assert fetch_enriched(service, project_key)[0]["country"] == "US"


@pytest.mark.parametrize("agent", ["curl/8.5.0", "python-requests/2.32", "", "mozilla/5.0", FIREFOX + "x" * 1024])
def test_events_that_a_server_sends_have_neither(service: Installation, project_key: str, agent: str) -> None:
    send(service, project_key, {"eventName": "a"}, agent=agent, address=AMERICAN_IP)
    (row,) = fetch_rows(service, project_key)
    assert (row.user_agent, row.ip) == (None, None)
    assert fetch_enriched(service, project_key)[0].keys().isdisjoint({"browser", "country"})


def test_what_an_event_or_its_batch_says_stands_before_the_request(service: Installation, project_key: str) -> None:
    own = {"eventName": "a", "userAgent": "", "ip": "10.0.0.1"}
    send(service, project_key, own, {"eventName": "b"}, agent=FIREFOX, context={"userAgent": "Tester/1"})
    rows = fetch_rows(service, project_key)
    assert [(row.user_agent, row.ip) for row in rows] == [("", "10.0.0.1"), ("Tester/1", "127.0.0.1")]


@pytest.mark.parametrize(
    ("policy", "stored"),
    [
        ("store", [AMERICAN_IP, AMERICAN_IPV6, "no address"]),
        ("anonymize", ["8.8.8.0", "2001:4860:4860::", None]),
        ("drop", [None, None, None]),
    ],
)
def test_addresses_are_stored_as_the_project_wants_and_countries_found_before(
    service: Installation, policy: str, stored: list[str | None]
) -> None:
    project_key = service.create_project(ipPolicy=policy)["projectKey"]
    for ip in (AMERICAN_IP, AMERICAN_IPV6, "no address"):
        send(service, project_key, {"eventName": "a", "ip": ip})
    send(service, project_key, {"eventName": "a"}, agent=FIREFOX, address=AMERICAN_IP)
    assert [row.ip for row in fetch_rows(service, project_key)] == [*stored, stored[0]]
    countries = [enriched.get("country") for enriched in fetch_enriched(service, project_key)]
    assert countries == ["US", "US", None, "US"]


@pytest.mark.parametrize(
    ("policy", "kept"), [("store", '"ip": "1.2.3.4"'), ("anonymize", '"ip": null'), ("drop", '"ip": null')]
)
def test_kept_rejections_follow_the_policy_too(service: Installation, policy: str, kept: str) -> None:
    project_key = service.create_project(ipPolicy=policy)["projectKey"]
    send(service, project_key, {"ip": "1.2.3.4", "metadata": {"zip": "12345"}})
    answer = service.call("GET", f"/v1/rejections?projectKey={project_key}").json
    assert json.loads(answer["rejections"][0]["event"]) == json.loads(f'{{{kept}, "metadata": {{"zip": "12345"}}}}')


def test_the_policy_is_shown_and_can_be_changed(service: Installation, project_key: str) -> None:
    path = f"/v1/projects/{project_key}"
    assert service.call("GET", path).json["ipPolicy"] == "store"
    assert service.call("PATCH", path, {"ipPolicy": "drop"}).json["ipPolicy"] == "drop"
    assert service.call("GET", path).json["ipPolicy"] == "drop"
    send(service, project_key, {"eventName": "a", "ip": AMERICAN_IP})
    assert fetch_rows(service, project_key)[0].ip is None


@pytest.mark.parametrize("value", ["keep", "", None, 5, ["drop"], {"$ne": "drop"}])
def test_a_policy_that_is_none_is_named(service: Installation, project_key: str, value: object) -> None:
    response = service.call("PATCH", f"/v1/projects/{project_key}", {"ipPolicy": value})
    assert (response.status_code, response.json["code"]) == (400, "invalid_field")
    assert response.json["fields"] == ["ipPolicy"]


def visit(event_id: str, minute: int, person: str, agent: str) -> dict[str, Any]:
    return {
        "eventName": "page_view", "eventId": event_id, "timestamp": f"2025-01-05T10:{minute:02}:00Z",
        "anonymousId": person, "userAgent": agent, "url": "https://shop.example/",
    }  # fmt: skip


@pytest.fixture
def visited(service: Installation, project_key: str) -> str:
    """Two people and a crawler, which also borrows the id of one of them between the two visits of that person."""
    send(
        service, project_key, visit("e1", 0, "ann", FIREFOX), visit("e2", 20, "ann", GOOGLEBOT),
        visit("e3", 40, "ann", FIREFOX), visit("e4", 5, "bob", FIREFOX), visit("e5", 6, "bot", GOOGLEBOT),
    )  # fmt: skip
    return project_key


@pytest.mark.parametrize("is_sealed", [False, True])
def test_bots_are_in_no_report_unless_they_are_asked_for(service: Installation, visited: str, is_sealed: bool) -> None:
    if is_sealed:
        service.context.copy.seal(visited, force=True)
    people, everybody = (ask(service, visited, "overview", includeBots=bots) for bots in (False, True))
    assert (people["totalEvents"], people["uniqueUsers"], people["sessions"]) == (3, 2, 3)
    assert (everybody["totalEvents"], everybody["uniqueUsers"], everybody["sessions"]) == (5, 3, 3)
    for bots, count, users in ((False, 3, 2), (True, 5, 3)):
        (event,) = ask(service, visited, "top-events", includeBots=bots)["events"]
        assert (event["count"], event["uniqueUsers"]) == (count, users)
        (bucket,) = ask(service, visited, "events-timeseries", includeBots=bots)["series"]
        assert (bucket["count"], bucket["uniqueUsers"]) == (count, users)
        assert ask(service, visited, "conversion", includeBots=bots, eventName="page_view")["totalUsers"] == users
        steps = [{"eventName": "page_view"}, {"eventName": "page_view"}]
        assert ask(service, visited, "funnel", includeBots=bots, steps=steps)["steps"][0]["users"] == users


def test_bots_are_found_by_their_name_only_where_they_are_counted(service: Installation, visited: str) -> None:
    filters = [{"property": "botName", "operator": "exists"}]
    assert ask(service, visited, "overview", filters=filters)["totalEvents"] == 0
    assert ask(service, visited, "overview", filters=filters, includeBots=True)["totalEvents"] == 2


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [("browser", "Firefox", 3), ("browser", "firefox", 0), ("page", "/", 3), ("hostname", "shop.example", 3)],
)
def test_reports_filter_by_what_was_found_out(
    service: Installation, visited: str, name: str, value: str, count: int
) -> None:
    filters = [{"property": name, "operator": "eq", "value": value}]
    assert ask(service, visited, "overview", filters=filters)["totalEvents"] == count


def test_events_from_before_are_no_bots_and_known_by_nothing(service: Installation, visited: str) -> None:
    old = build_event("old", project_key=visited, user_agent=GOOGLEBOT, anonymous_id="cy")
    assert service.context.store.append([old]) == [True]
    assert ask(service, visited, "overview")["totalEvents"] == 4
    filters = [{"property": "browser", "operator": "not_exists"}]
    assert ask(service, visited, "overview", filters=filters)["totalEvents"] == 1
