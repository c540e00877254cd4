"""The tracker on somebody's website: what people look at there, and where they go, arrives as the right events."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import MakePage
from tests.browser.tracking import Event, Shop, of


def paths_of(shop: Shop, views: list[Event]) -> list[str]:
    return [view["url"].removeprefix(shop.site.url) for view in views]


def test_loading_a_page_is_a_page_view(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/pricing", title="Prices") + "?utm_source=news&utm_medium=email#plans")
    (view,) = of(shop.wait_for_events("page_view"), "page_view")
    assert view["url"] == f"{shop.site.url}/pricing?utm_source=news&utm_medium=email"
    assert view["metadata"]["title"] == "Prices"
    assert (view["utmSource"], view["channel"]) == ("news", "Email")
    assert len(view["anonymousId"]) == len(view["eventId"]) == 32
    assert view["screen"] == page.evaluate("screen.width + 'x' + screen.height")
    assert view["metadata"]["language"] == page.evaluate("navigator.language")
    assert "userId" not in view
    assert "Chrome" in view["userAgent"]


def test_a_visit_of_several_pages_has_one_visitor_and_says_where_it_came_from(make_page: MakePage, shop: Shop) -> None:
    shop.put("/", '<a id=next href="/next">next</a>')
    shop.put("/next")
    page = make_page()
    page.goto(shop.site.put("/elsewhere", f'<a href="{shop.site.url}/">shop</a>'))
    page.click("a")
    page.wait_for_url("**/")
    # Each request corrects the clock by what it was under way: two in a row may change their order by that much.
    shop.wait_for_events("page_view")
    page.click("#next")
    first, second = of(shop.wait_for_events("page_view", "page_view"), "page_view")
    assert paths_of(shop, [first, second]) == ["/", "/next"]
    assert (first["referrer"], second["referrer"]) == (f"{shop.site.url}/elsewhere", f"{shop.site.url}/")
    assert first["anonymousId"] == second["anonymousId"]


def test_a_single_page_application_has_a_view_for_each_address(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/", title="Start"))
    page.evaluate("history.pushState({}, '', '/a'); document.title = 'A'")
    page.evaluate("history.pushState({}, '', '/a#part')")
    page.evaluate("history.replaceState({}, '', '/a?sort=price')")
    page.evaluate("history.replaceState({}, '', '/b')")
    page.evaluate("history.pushState({}, '', '/b?page=2')")
    page.evaluate("location.hash = 'bottom'")
    page.go_back()
    page.go_back()
    shop.wait(lambda: page.evaluate("location.href").endswith("/b"))
    events = shop.wait_for_events(*["page_view"] * 5)
    views = of(events, "page_view")
    assert paths_of(shop, views) == ["/", "/a", "/b", "/b?page=2", "/b"]
    assert [view.get("referrer", "").removeprefix(shop.site.url) for view in views] == [
        "", "/", "/a?sort=price", "/b", "/b?page=2",
    ]  # fmt: skip
    assert len({view["anonymousId"] for view in views}) == 1


def test_the_title_that_an_application_sets_after_the_address_is_the_views(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/", title="Start"))
    shop.wait_for_events("page_view")
    page.evaluate("history.pushState({}, '', '/a'); setTimeout(() => { document.title = 'Late' }, 50)")
    views = of(shop.wait_for_events("page_view", "page_view"), "page_view")
    assert [view["metadata"]["title"] for view in views] == ["Start", "Late"]


def test_an_application_that_navigates_by_the_hash_has_a_view_for_each(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/app/", tag=shop.build_tag(hash="true")) + "?v=2#/inbox")
    page.evaluate("location.hash = '#/inbox/7'")
    page.evaluate("location.hash = '#!/sent'")
    page.go_back()
    views = of(shop.wait_for_events(*["page_view"] * 4), "page_view")
    assert paths_of(shop, views) == ["/app/inbox?v=2", "/app/inbox/7?v=2", "/app/sent?v=2", "/app/inbox/7?v=2"]


def test_views_by_hand_are_the_only_ones_where_the_page_says_so(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/", tag=shop.build_tag(auto="false")))
    page.evaluate("history.pushState({}, '', '/step-2')")
    page.evaluate("apptracker.page({title: 'Step 2', step: 2})")
    page.evaluate("apptracker.track('done')")
    events = shop.wait_for_events("page_view", "done")
    (view,) = of(events, "page_view")
    assert paths_of(shop, [view]) == ["/step-2"]
    assert (view["metadata"]["title"], view["metadata"]["step"]) == ("Step 2", 2)


def test_leaving_says_for_how_long_the_page_was_visible(page: Page, shop: Shop) -> None:
    page.clock.install()
    page.goto(shop.put("/long"))
    page.clock.run_for(600_000)
    show(page, False)
    page.clock.run_for(10_000_000)
    show(page, True)
    page.clock.run_for(200_000)
    page.evaluate("history.pushState({}, '', '/short')")
    page.clock.run_for(60_000)
    show(page, False)
    leaves = of(shop.wait_for(lambda events: len(of(events, "page_leave")) == 3), "page_leave")
    seconds = {leave["metadata"]["visibleSeconds"]: paths_of(shop, [leave])[0] for leave in leaves}
    # the clock of the page goes on by itself, too
    assert [(most // 60 * 60, seconds[most]) for most in sorted(seconds)] == [
        (60, "/short"), (180, "/long"), (600, "/long"),
    ]  # fmt: skip


def test_leaving_a_page_that_lay_open_for_hours_begins_no_new_session(page: Page, shop: Shop) -> None:
    page.clock.install()
    page.goto(shop.put("/", tag=shop.build_tag(auto="false")))
    # Nothing is sent before the end: the service would take the clock, moved here, for a wrong one.
    page.context.set_offline(True)
    page.evaluate("apptracker.page()")
    page.clock.run_for(2 * 3_600_000)
    page.context.set_offline(False)
    show(page, False)
    leave = of(shop.wait_for_events("page_view", "page_leave"), "page_leave")[0]
    assert leave["metadata"]["visibleSeconds"] == 1740
    sessions = shop.service.ask(shop.project_key, "sessions", includeBots="true")
    # the clock is corrected for each request anew, and each is under way for a time of its own
    assert (sessions["sessions"], sessions["averageDurationSeconds"]) == (1, pytest.approx(1740, abs=30))


def show(page: Page, is_visible: bool) -> None:
    """Have the page be shown or hidden, as switching between tabs does."""
    state = "visible" if is_visible else "hidden"
    page.evaluate(
        f"Object.defineProperty(document, 'visibilityState', {{value: '{state}', configurable: true}});"
        " document.dispatchEvent(new Event('visibilitychange'))"
    )


def test_links_to_other_hosts_and_files_are_noted_with_whatever_button(page: Page, shop: Shop) -> None:
    there = f"{shop.service.url}/health"
    page.goto(shop.put("/", f"""
        <a id=out href="{there}"><b>out</b></a> <a id=file href="/files/Prices.PDF?v=1">file</a>
        <a id=named href="/report" download>report</a> <a id=inside href="#x">inside</a>
        <a id=mail href="mailto:a@b.example">mail</a> <svg><a id=drawn href="/x"><text y=20>x</text></a></svg>
        <script>addEventListener("click", click => click.preventDefault())</script>"""))
    for name in ("#out b", "#file", "#named", "#inside", "#mail"):
        page.click(name)
    page.click("#out", button="middle")
    page.click("#out", button="right")
    names = ["outbound_link"] * 2 + ["file_download"] * 2
    events = shop.wait_for_events(*names)
    assert [event["metadata"]["href"] for event in of(events, "outbound_link")] == [there, there]
    files = [event["metadata"]["href"].removeprefix(shop.site.url) for event in of(events, "file_download")]
    assert files == ["/files/Prices.PDF?v=1", "/report"]


def test_a_link_that_leaves_the_site_is_noted_although_the_page_is_gone(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/", f'<a href="{shop.service.url}/health">out</a>'))
    page.click("a")
    page.wait_for_url("**/health")
    shop.wait_for_events("page_view", "outbound_link", "page_leave")


def test_links_are_left_alone_where_the_page_says_so(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/", '<a href="/a.pdf" onclick="return false">a</a>', tag=shop.build_tag(links="false")))
    page.click("a")
    page.evaluate("apptracker.track('after')")
    assert of(shop.wait_for_events("page_view", "after"), "file_download") == []


def test_custom_events_carry_what_they_are_given(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/", """<script>
        window.apptracker = window.apptracker || [];
        apptracker.push(["track", "early", {n: 1}]);</script>""", tag=shop.build_tag()))
    page.evaluate("apptracker.track('late', {list: [1, {two: null}], text: 'ü'})")
    page.evaluate("apptracker.push(['track', 'pushed'])")
    names = ("early", "late", "pushed")
    events = shop.wait_for_events(*names)
    early, late, pushed = (of(events, name)[0] for name in names)
    assert early["metadata"]["n"] == 1
    assert (late["metadata"]["list"], late["metadata"]["text"]) == ([1, {"two": None}], "ü")
    assert pushed["url"] == f"{shop.site.url}/"


def test_who_logs_in_is_the_person_of_what_came_before_and_after_until_reset(page: Page, shop: Shop) -> None:
    page.goto(shop.put("/"))
    shop.wait_for_events("page_view")
    page.evaluate("apptracker.identify('user-7', {plan: 'pro'}); apptracker.track('bought')")
    page.goto(shop.put("/again"))
    shop.wait_for_events("page_view", "page_view", "identify", "bought")
    page.evaluate("apptracker.reset(); apptracker.track('somebody else')")
    events = shop.wait_for_events("page_view", "page_view", "identify", "bought", "somebody else")
    first, second = of(events, "page_view")
    (identify,), (bought,), (other,) = (of(events, name) for name in ("identify", "bought", "somebody else"))
    assert identify["metadata"]["plan"] == "pro"
    assert [event.get("userId") for event in (first, identify, bought, second, other)] == [
        None, "user-7", "user-7", "user-7", None,
    ]  # fmt: skip
    assert {event["personId"] for event in (first, identify, bought, second)} == {"user-7"}
    assert other["anonymousId"] not in {first["anonymousId"], "", None}


@pytest.mark.parametrize("user", ["null", "undefined", "''"])
def test_nobody_is_not_a_user(page: Page, shop: Shop, user: str) -> None:
    page.goto(shop.put("/"))
    page.evaluate(f"apptracker.identify({user}); apptracker.track('after')")
    events = shop.wait_for_events("page_view", "after")
    assert of(events, "identify") == []
    assert all("userId" not in event for event in events)
