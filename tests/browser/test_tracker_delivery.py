"""The tracker's events on their way: none is lost, none counts twice, and none is sent that must not be."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Request, Route

from tests.browser.conftest import SECRET_TOKEN, MakePage
from tests.browser.site import Site
from tests.browser.test_tracker_views import show
from tests.browser.tracking import Event, Shop, of
from tests.service import Service

INGEST = "**/v1/events/batch"
KEPT = "Object.keys(localStorage).filter(key => key.includes('.e.')).length"
"""How many events the browser keeps that are not confirmed."""
STORED = "JSON.stringify(Object.entries(localStorage))"


def note_batches(page: Page) -> list[list[Event]]:
    """The batches that the page sends from now on, as they are sent."""
    batches: list[list[Event]] = []

    def note(request: Request) -> None:
        if request.url.endswith("/v1/events/batch") and request.post_data:
            batches.append(json.loads(request.post_data)["events"])

    page.on("request", note)
    return batches


def fail_first(count: int, fail: Callable[[Route], None]) -> tuple[Callable[[Route], None], list[Route]]:
    """A handler that lets the first `count` requests fail, and those that came."""
    seen: list[Route] = []

    def handle(route: Route) -> None:
        seen.append(route)
        fail(route) if len(seen) <= count else route.continue_()

    return handle, seen


def test_events_of_a_moment_are_sent_together(page: Page, shop: Shop) -> None:
    batches = note_batches(page)
    page.goto(shop.put("/", tag=shop.build_tag(auto="false")))
    page.evaluate("apptracker.page(); for (let i = 0; i < 250; i++) apptracker.track('click', {i})")
    events = shop.wait_for_events("page_view", *["click"] * 250)
    assert sorted(event["metadata"]["i"] for event in of(events, "click")) == list(range(250))
    assert [len(batch) for batch in batches] == [100, 100, 51]


def test_a_full_batch_of_a_script_with_long_characters_is_sent(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/"))
    page.evaluate("for (let i = 0; i < 100; i++) apptracker.track('click', {text: '\u8a9e'.repeat(300)})")
    shop.wait_for_events("page_view", *["click"] * 100)


def test_what_cannot_be_sent_is_an_error_of_its_call_and_of_no_other(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/"))
    page.evaluate("window.state = {}; apptracker.track('before', {state}); state.self = state")
    assert page.evaluate("try { apptracker.track('endless', {state}) } catch (error) { error.name }") == "TypeError"
    page.evaluate("apptracker.track('after')")
    events = shop.wait_for_events("page_view", "before", "after")
    assert of(events, "endless") == []


def test_closing_the_tab_sends_what_waits(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/"))
    page.evaluate("apptracker.track('last words')")
    page.close(run_before_unload=True)
    events = shop.wait_for_events("page_view", "last words", "page_leave")
    assert of(events, "page_leave")[0]["metadata"]["visibleSeconds"] > 0


def test_closing_the_tab_sends_what_waits_where_fetch_cannot_outlive_it(page: Page, shop: Shop) -> None:
    page.add_init_script("delete Request.prototype.keepalive")
    page.goto(shop.put("/"))
    page.evaluate("apptracker.track('last words')")
    page.close(run_before_unload=True)
    shop.wait_for_events("page_view", "last words", "page_leave")


def test_hiding_the_tab_sends_what_waits_once(page: Page, shop: Shop) -> None:
    batches = note_batches(page)
    page.goto(shop.put("/"))
    page.evaluate("apptracker.track('before')")
    show(page, False)
    shop.wait_for_events("page_view", "before", "page_leave")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    show(page, True)
    page.evaluate("apptracker.track('after')")
    shop.wait_for_events("page_view", "before", "page_leave", "after")
    assert [event["eventName"] for batch in batches for event in batch] == [
        "page_view", "before", "page_leave", "after",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fail",
    [
        lambda route: route.fulfill(status=503, headers={"Access-Control-Allow-Origin": "*", "Retry-After": "1"}),
        lambda route: route.fulfill(status=429, headers={"Access-Control-Allow-Origin": "*"}),
        lambda route: route.abort(),
    ],
    ids=["unavailable", "too many", "no answer"],
)
def test_what_failed_is_sent_again_under_the_same_ids(page: Page, shop: Shop, fail: Callable[[Route], None]) -> None:
    handle, seen = fail_first(2, fail)
    page.route(INGEST, handle)
    batches = note_batches(page)
    page.goto(shop.put("/", tag=shop.build_tag(auto="false")))
    page.evaluate("apptracker.page(); apptracker.track('once')")
    shop.wait_for_events("page_view", "once")
    assert len(seen) == len(batches) == 3
    assert len({json.dumps([event["eventId"] for event in batch]) for batch in batches}) == 1
    shop.wait(lambda: page.evaluate(KEPT) == 0)


def test_a_lost_answer_does_not_count_an_event_twice(page: Page, shop: Shop) -> None:
    # The service stores it, and the browser does not hear of it.
    handle, seen = fail_first(1, lambda route: (route.fetch(), route.abort())[1])
    page.route(INGEST, handle)
    page.goto(shop.put("/"))
    shop.wait(lambda: len(seen) == 1)
    page.evaluate("apptracker.track('later')")
    assert len(of(shop.wait_for_events("page_view", "later"), "page_view")) == 1
    shop.wait(lambda: page.evaluate(KEPT) == 0)


def test_what_the_service_refuses_is_dropped_and_said(page: Page, shop: Shop) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(shop.put("/", tag=shop.build_tag().replace(shop.project_key, "000000000000")))
    shop.wait(lambda: any("refused with status 403" in text for text in said))
    shop.wait(lambda: page.evaluate(KEPT) == 0)


def test_nothing_is_lost_offline_also_not_by_loading_the_page_anew(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/"))
    shop.wait_for_events("page_view")
    page.route(INGEST, lambda route: route.abort())
    page.context.set_offline(True)
    page.evaluate("for (let i = 0; i < 30; i++) apptracker.track('offline', {i})")
    show(page, False)
    page.context.set_offline(False)
    page.reload()
    page.evaluate("apptracker.track('still cut off')")
    page.unroute(INGEST)
    page.evaluate("dispatchEvent(new Event('online'))")
    events = shop.wait_for_events("page_view", "page_view", "still cut off", *["offline"] * 30)
    assert sorted(event["metadata"]["i"] for event in of(events, "offline")) == list(range(30))
    assert len({event["anonymousId"] for event in events}) == 1


def test_going_online_sends_at_once_what_waited(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/"))
    shop.wait_for_events("page_view")
    page.context.set_offline(True)
    page.evaluate("apptracker.track('offline')")
    page.context.set_offline(False)
    shop.wait_for_events("page_view", "offline")


def test_two_tabs_are_one_visitor_and_send_each_event_once(page: Page, shop: Shop) -> None:
    address = shop.put("/")
    other = page.context.new_page()
    page.goto(address)
    other.goto(address)
    page.evaluate("for (let i = 0; i < 20; i++) apptracker.track('here')")
    other.evaluate("for (let i = 0; i < 20; i++) apptracker.track('there')")
    page.evaluate("apptracker.identify('user-7')")
    shop.wait(lambda: "user-7" in other.evaluate(STORED))  # browsers tell other tabs a moment later
    other.evaluate("apptracker.track('known')")
    events = shop.wait_for_events("page_view", "page_view", *["here", "there"] * 20, "identify", "known")
    assert len({event["anonymousId"] for event in events}) == 1
    assert of(events, "known")[0]["userId"] == "user-7"


def test_events_that_nobody_confirmed_come_again_with_the_next_page_and_count_once(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/"))
    shop.wait_for_events("page_view")
    handle, seen = fail_first(1, lambda route: (route.fetch(), route.abort())[1])
    page.route(INGEST, handle)
    page.evaluate("apptracker.track('before leaving')")
    shop.wait(lambda: len(seen) >= 1)
    page.goto(shop.put("/next"))
    shop.wait(lambda: page.evaluate(KEPT) == 0)
    events = shop.wait_for_events("page_view", "page_view", "before leaving", "page_leave")
    assert len(events) == 4


# --- what must not be sent ---------------------------------------------------------------------------------------


def test_without_consent_nothing_is_sent_or_stored(page: Page, shop: Shop) -> None:
    batches = note_batches(page)
    page.goto(shop.put("/", tag=shop.build_tag(consent="required")))
    page.evaluate("apptracker.track('too early'); apptracker.identify('user-7')")
    show(page, False)
    show(page, True)
    assert (page.evaluate(STORED), page.evaluate("apptracker.anonymousId()")) == ("[]", None)
    page.evaluate("apptracker.consent(true); apptracker.track('welcome')")
    (view,) = of(shop.wait_for_events("page_view", "welcome"), "page_view")
    assert "userId" not in view
    assert {event["eventName"] for batch in batches for event in batch} == {"page_view", "welcome"}
    page.reload()
    shop.wait_for(lambda events: len(of(events, "page_view")) == 2)
    page.evaluate("apptracker.track('unsent'); apptracker.consent(false); apptracker.track('too late')")
    stored = json.loads(page.evaluate(STORED))
    assert [value for _, value in stored] == ["no"]
    page.goto(shop.put("/next"))
    page.evaluate("apptracker.consent(true); apptracker.track('back')")
    events = shop.wait_for_events("back")
    assert {event["eventName"] for event in events} <= {"page_view", "page_leave", "welcome", "back"}
    assert of(events, "back")[0]["anonymousId"] != view["anonymousId"]


def test_consent_that_is_withdrawn_in_one_tab_counts_in_all(page: Page, shop: Shop) -> None:
    address = shop.put("/")
    page.goto(address)
    shop.wait_for_events("page_view")
    page.context.route(INGEST, lambda route: route.abort())
    page.evaluate("apptracker.track('unsent')")
    other = page.context.new_page()
    other.goto(address)
    other.evaluate("apptracker.consent(false)")
    shop.wait(lambda: 'consent","no' in page.evaluate(STORED))  # browsers tell other tabs a moment later
    batches = note_batches(page)
    page.context.unroute(INGEST)
    page.evaluate("dispatchEvent(new Event('online'))")
    show(page, False)
    other.evaluate("apptracker.consent(true); apptracker.track('again')")
    shop.wait(lambda: 'consent","yes' in page.evaluate(STORED))
    page.evaluate("apptracker.track('here too')")
    shop.wait_for_events("again", "here too")
    assert "unsent" not in {event["eventName"] for batch in batches for event in batch}


@pytest.mark.parametrize("wish", ["doNotTrack", "globalPrivacyControl"])
def test_a_browser_that_asks_for_no_tracking_is_left_alone(make_page: MakePage, shop: Shop, wish: str) -> None:
    value = {"doNotTrack": "'1'", "globalPrivacyControl": "true"}[wish]
    page = make_page()
    page.add_init_script(f"Object.defineProperty(Navigator.prototype, '{wish}', {{get: () => {value}}})")
    batches = note_batches(page)
    page.goto(shop.put("/"))
    page.evaluate("apptracker.track('no')")
    show(page, False)
    assert page.evaluate(STORED) == "[]"
    page.goto(shop.put("/agreed", tag=shop.build_tag(dnt="ignore")))
    events = shop.wait_for_events("page_view")
    assert [event["url"] for event in events] == [f"{shop.site.url}/agreed"]
    assert len(batches) == 1


def test_a_browser_whose_storage_is_blocked_sends_all_the_same(page: Page, shop: Shop) -> None:
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
    )
    page.goto(shop.put("/"))
    page.evaluate("apptracker.identify('user-7'); apptracker.track('bought')")
    events = shop.wait_for_events("page_view", "identify", "bought")
    assert len({event["anonymousId"] for event in events}) == 1
    assert of(events, "bought")[0]["userId"] == "user-7"


# --- where it runs -----------------------------------------------------------------------------------------------


@pytest.fixture
def strict(site: Site, production: Service, browser: Browser) -> Shop:
    """A site of a project in production mode, where CORS_ORIGINS is empty."""
    key = production.create_project(secret=SECRET_TOKEN)["projectKey"]
    return Shop(site, production, key, browser, SECRET_TOKEN)


def test_any_site_may_send_in_production_also_with_a_strict_policy(page: Page, strict: Shop) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    origin = strict.service.url
    policy = f"default-src 'none'; script-src {origin}; connect-src {origin}; require-trusted-types-for 'script'"
    page.goto(strict.put("/", content_security_policy=policy))
    page.evaluate("apptracker.track('sent')")
    show(page, False)
    strict.wait_for_events("page_view", "sent", "page_leave")
    assert said == []


def test_without_javascript_the_pixel_counts_the_page(make_page: MakePage, strict: Shop) -> None:
    picture = f"{strict.service.url}/v1/pixel.gif?projectKey={strict.project_key}"
    image = f'<img src="{picture}" alt="" referrerpolicy="no-referrer-when-downgrade">'
    page = make_page(java_script_enabled=False)
    with page.expect_response("**/v1/pixel.gif**") as answer:
        page.goto(strict.put("/plain", f"<noscript>{image}</noscript>") + "?utm_source=news")
    assert answer.value.status == 200
    (view,) = strict.wait_for_events("page_view")
    assert view["url"] == f"{strict.site.url}/plain?utm_source=news"
    assert (view["eventName"], view["utmSource"]) == ("page_view", "news")
    assert "anonymousId" not in view


def test_a_page_that_forgot_its_project_says_so_and_one_that_loads_it_twice_counts_once(page: Page, shop: Shop) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(shop.put("/", tag=f'<script src="{shop.service.url}/t.js"></script>'))
    shop.wait(lambda: any("data-project" in text for text in said))
    page.goto(shop.put("/twice", tag=shop.build_tag() * 2))
    page.evaluate("apptracker.track('done')")
    assert len(shop.wait_for_events("page_view", "done")) == 2
