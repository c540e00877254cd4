"""/v1/live/stream: what its viewers are sent, who may be one, and until when."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from services import clock
from services.context import Context
from services.live import channel, hub, viewer
from services.live.feed import SHOWN_EVENTS
from stores.base import StoreUnavailable
from tests.cast import MINUTE_MS, START_MS, Installation, MakeApp, install
from tests.handing_over import watch_socket, watch_stream
from tests.people import found_team
from tests.servers import wait_until
from tests.watching import StreamWatcher

pytestmark = pytest.mark.usefixtures("quick_passwords")

SOON_SECONDS = 0.02
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture
def project_key(development: Installation) -> str:
    return str(development.create_project()["projectKey"])


def send(installation: Installation, project_key: str, *events: dict[str, Any]) -> None:
    body = {"projectKey": project_key, "events": [{"eventName": "page_view", **event} for event in events]}
    answer = installation.call("POST", "/v1/events/batch", body)
    assert (answer.status_code, answer.json["rejected"]) == (200, []), answer.text


def build_path(project_key: str, **query: object) -> str:
    return f"/v1/live/stream?projectKey={project_key}" + "".join(f"&{name}={value}" for name, value in query.items())


def read_figures(watcher: StreamWatcher) -> dict[str, Any]:
    """The first figures, without the times."""
    watcher.wait(lambda each: bool(each.list_frames("figures")))
    first = watcher.list_frames("figures")[0].content
    return {name: value for name, value in first.items() if name not in ("asOf", "generatedAt")}


def at(ms: int) -> str:
    return clock.format_ms(START_MS + ms)


def send_long(installation: Installation, project_key: str, numbers: Iterator[int]) -> None:
    """50 events that fill what a connection holds unread."""
    metadata = {"text": "x" * 2_000}
    send(installation, project_key, *({"eventId": f"e-{next(numbers)}", "metadata": metadata} for _ in range(50)))


def test_a_viewer_gets_the_latest_events_and_then_each_new_one_once(
    development: Installation, project_key: str
) -> None:
    send(development, project_key, *({"eventId": f"old-{number}"} for number in range(5)))
    with watch_stream(development.app, build_path(project_key, limit=3)) as watcher:
        watcher.wait_for_events("old-2", "old-3", "old-4")
        send(development, project_key, {"eventId": "new-1"})
        watcher.wait_for_events("old-2", "old-3", "old-4", "new-1")
        send(development, project_key, {"eventId": "new-1"}, {"eventId": "new-2"})
        watcher.wait_for_events("old-2", "old-3", "old-4", "new-1", "new-2")
        assert watcher.list_ids() == ["old-2", "old-3", "old-4", "new-1", "new-2"]
    assert watcher.head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: text/event-stream; charset=utf-8\r\n" in watcher.head
    assert b"Cache-Control: no-store\r\n" in watcher.head
    assert b"X-Request-Id: " in watcher.head
    assert b"Content-Length" not in watcher.head
    assert watcher.retry_ms == 2_000


def test_an_event_is_shown_as_it_was_sent_with_what_was_found_out(development: Installation, project_key: str) -> None:
    event = {
        "eventId": "e", "eventName": "click", "timestamp": at(-1_000), "userId": "ü", "anonymousId": "a",
        "sessionId": "s", "url": "https://shop.example/x?utm_source=news", "referrer": "https://www.google.com/",
        "metadata": {"a": [1, None]},
    }  # fmt: skip
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    with watch_stream(development.app, build_path(project_key)) as watcher:
        send(development, project_key, {**event, "userAgent": agent})
        watcher.wait_for_events("e")
        (shown,) = watcher.list_events()
    assert {name: shown[name] for name in event} == event
    assert shown["receivedAt"] == at(0)
    assert (shown["browser"], shown["utmSource"], shown["hostname"]) == ("Firefox", "news", "shop.example")
    assert "ip" not in shown


def test_long_metadata_are_left_out(development: Installation, project_key: str) -> None:
    send(development, project_key, {"eventId": "e", "metadata": {"text": "x" * 5_000}})
    with watch_stream(development.app, build_path(project_key)) as watcher:
        watcher.wait_for_events("e")
        assert (watcher.list_events()[0]["metadata"], watcher.list_events()[0]["metadataOmitted"]) == ({}, True)


def test_long_texts_are_cut_for_every_kind_of_viewer(development: Installation, project_key: str) -> None:
    url = "https://shop.example/" + "x" * 30_000
    send(development, project_key, {"eventId": "e", "url": url, "metadata": {"description": "y" * 30_000}})
    cut = url[:2_047] + "…"
    with watch_stream(development.app, build_path(project_key)) as watcher:
        watcher.wait_for_events("e")
        assert watcher.list_events()[0]["url"] == cut
    with watch_socket(development.app, f"/api/realtime/ws?projectKey={project_key}") as other:
        other.wait_for_events("e")
        assert other.list_events()[0]["page"] == cut
        assert len(str(other.list_events()[0])) < 6_000


def test_figures_are_those_of_the_minutes_that_end_now(development: Installation, project_key: str) -> None:
    send(
        development, project_key,
        {"userId": "a", "timestamp": at(0)},
        {"userId": "a", "timestamp": at(-59_999), "eventName": "click"},
        {"userId": "b", "timestamp": at(-60_000)},
        {"userId": "c", "timestamp": at(-5 * MINUTE_MS + 1), "sessionId": "s1"},
        {"userId": "d", "timestamp": at(-5 * MINUTE_MS), "sessionId": "s1"},
        {"userId": "e", "timestamp": at(-30 * MINUTE_MS + 1)},
        {"userId": "f", "timestamp": at(-30 * MINUTE_MS)},
        {"userId": "g", "timestamp": at(MINUTE_MS)},
        {"timestamp": at(-1)},
        {"userId": "crawler", "timestamp": at(0), "userAgent": CRAWLER},
        {"userId": "h", "timestamp": "never"},
    )  # fmt: skip
    with watch_stream(development.app, build_path(project_key)) as watcher:
        assert read_figures(watcher) == {
            "currentVisitors": 3,  # a, b, c: d is five minutes ago, g is to come
            "pageViewsLastMinute": 2,  # of a and of nobody
            "eventsLastMinute": 3,
            "activeSessions": 4,  # s1 and those of a, b and e
            "totalEvents": 9,  # without the crawler and what has no time
        }
        assert watcher.list_frames("figures")[0].content["asOf"] == at(0)
    overview = development.call("GET", f"/v1/reports/overview?projectKey={project_key}").json
    assert overview["totalEvents"] == 9


def test_figures_move_with_what_arrives(development: Installation, project_key: str) -> None:
    with watch_stream(development.app, build_path(project_key)) as watcher:
        assert set(read_figures(watcher).values()) == {0}
        send(development, project_key, {"userId": "a"})
        watcher.wait(lambda each: each.list_frames("figures")[-1].content["totalEvents"] == 1)
        assert watcher.list_frames("figures")[-1].content["currentVisitors"] == 1


def test_who_comes_again_gets_what_it_missed(development: Installation, project_key: str) -> None:
    send(development, project_key, {"eventId": "seen"})
    with watch_stream(development.app, build_path(project_key)) as watcher:
        watcher.wait_for_events("seen")
    send(development, project_key, {"eventId": "missed-1"}, {"eventId": "missed-2"})
    with watch_stream(development.app, build_path(project_key), cursor=watcher.last_cursor) as again:
        again.wait_for_events("missed-1", "missed-2")
        first = again.list_frames("events")[0].content
        assert (first["replace"], first["skipped"]) == (False, False)


def test_of_a_flood_the_viewer_gets_some_and_is_told(development: Installation, project_key: str) -> None:
    with watch_stream(development.app, build_path(project_key)) as watcher:
        watcher.wait(lambda each: bool(each.list_frames("events")))
        send(development, project_key, *({"eventId": f"e-{number}"} for number in range(1_000)))
        watcher.wait(lambda each: each.list_frames("events")[-1].content["skipped"])
        assert len(watcher.list_ids()) < SHOWN_EVENTS
        assert "e-999" in watcher.list_ids()


def test_erased_persons_vanish_from_the_screen_and_do_not_come_again(
    development: Installation, project_key: str
) -> None:
    send(development, project_key, {"eventId": "hers", "userId": "u"}, {"eventId": "other", "userId": "v"})
    with watch_stream(development.app, build_path(project_key)) as watcher:
        watcher.wait_for_events("hers", "other")
        assert development.call("DELETE", f"/v1/users/u/data?projectKey={project_key}").status_code == 200
        watcher.wait_for_events("other")
    with watch_stream(development.app, build_path(project_key), cursor=watcher.last_cursor) as again:
        again.wait(lambda each: bool(each.list_frames("events")))
        assert "hers" not in again.list_ids()
    with watch_stream(development.app, build_path(project_key), cursor=watcher.list_frames("events")[0].cursor) as old:
        old.wait_for_events("other")
        assert old.list_frames("events")[0].content["replace"] is True


def test_viewers_stay_while_the_store_is_away_and_get_what_they_missed(
    development: Installation, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context: Context = development.context
    with watch_stream(development.app, build_path(project_key)) as watcher:
        watcher.wait(lambda each: bool(each.list_frames("events")))
        asked: list[str] = []
        fetch_latest = context.store.fetch_latest

        def fail(*arguments: Any) -> Any:
            asked.append("once")
            raise StoreUnavailable("gone for a walk")

        monkeypatch.setattr(context.store, "fetch_latest", fail)
        wait_until(lambda: bool(asked))
        send(development, project_key, {"eventId": "meanwhile"})
        monkeypatch.setattr(context.store, "fetch_latest", fetch_latest)
        watcher.wait_for_events("meanwhile")
        assert not watcher.is_closed


@pytest.mark.parametrize("way", ["revoke", "deactivate", "erase"])
def test_a_stream_ends_with_what_let_its_viewer_in(
    production: Installation, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(hub, "ACCESS_SECONDS", SOON_SECONDS)
    key = production.create_project()["projectKey"]
    made = production.create_key(key, ["read"])
    kept = production.create_key(key, ["read"])["apiKey"]
    paths = {
        "revoke": f"/v1/projects/{key}/keys/{made['id']}", "deactivate": f"/v1/projects/{key}",
        "erase": f"/v1/projects/{key}?erase=true",
    }  # fmt: skip
    with (
        watch_stream(production.app, "/v1/live/stream", secret=made["apiKey"]) as watcher,
        watch_stream(production.app, "/v1/live/stream", secret=kept) as other,
    ):
        for each in (watcher, other):
            each.wait(lambda seen: bool(seen.list_frames("events")))
        production.as_root("DELETE", paths[way])
        codes = {"revoke": "revoked_api_key", "deactivate": "inactive_project", "erase": "unknown_project"}
        assert watcher.wait_for_end() in (codes[way], "revoked_api_key", "invalid_api_key")
        assert other.is_closed is False or way != "revoke"


def test_a_stream_ends_when_its_user_logs_out_everywhere(
    production: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ACCESS_SECONDS", SOON_SECONDS)
    team = found_team(production, "red")
    token = team.tokens["viewer"]
    with watch_stream(production.app, build_path(team.project_key), secret=token) as watcher:
        watcher.wait(lambda each: bool(each.list_frames("events")))
        assert production.call("POST", "/api/auth/logout-everywhere", secret=token).status_code in (200, 204)
        assert watcher.wait_for_end() is not None


def test_signs_of_life_are_sent(
    development: Installation, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ALIVE_SECONDS", SOON_SECONDS)
    with watch_stream(development.app, build_path(project_key)) as watcher:
        watcher.wait(lambda each: each.signs_of_life > 2)


def test_who_does_not_read_is_dropped_and_disturbs_nobody(
    development: Installation, project_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ALIVE_SECONDS", SOON_SECONDS)
    monkeypatch.setattr(viewer, "PATIENCE_SECONDS", 0.2)
    live_hub = development.app.extensions["apptracker_live"]
    path, numbers = build_path(project_key), itertools.count()

    def is_dropped() -> bool:
        send_long(development, project_key, numbers)
        marker = f"after-{next(numbers)}"
        send(development, project_key, {"eventId": marker})
        good.wait(lambda each: marker in each.list_ids())  # so that it is never behind, however busy the machine is
        return bool(live_hub.count == 1)

    with watch_stream(development.app, path) as good, watch_stream(development.app, path, reads=False):
        wait_until(lambda: live_hub.count == 2)
        wait_until(is_dropped)
        send(development, project_key, {"eventId": "last"})
        good.wait(lambda each: "last" in each.list_ids())
        assert good.list_frames("missed") == []


def test_who_reads_slowly_is_told_what_it_missed(development: Installation, project_key: str) -> None:
    live_hub = development.app.extensions["apptracker_live"]
    path, numbers = build_path(project_key), itertools.count()
    with watch_stream(development.app, path, reads=False) as slow:
        wait_until(lambda: live_hub.count == 1)
        (behind,) = live_hub._room.viewers

        def has_missed_some() -> bool:
            send_long(development, project_key, numbers)
            return bool(behind._missed_frames)

        wait_until(has_missed_some)
        slow.reads = True
        slow._thread.start()

        def is_told() -> bool:
            send(development, project_key, {"eventId": f"e-{next(numbers)}"})
            return bool(slow.list_frames("missed"))

        wait_until(is_told)
        assert slow.list_frames("missed")[0].content["frames"] >= 1


def test_more_viewers_than_a_process_takes_are_refused(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = install(make_app, "development", monkeypatch, live_viewers_max=1)
    path = build_path(installation.create_project()["projectKey"])
    with watch_stream(installation.app, path) as watcher:
        watcher.wait(lambda each: bool(each.list_frames("events")))
        refused = installation.call("GET", path)
        assert (refused.status_code, refused.json["code"]) == (503, "too_many_viewers")
        assert refused.headers["Retry-After"] == "10"
    live_hub = installation.app.extensions["apptracker_live"]
    wait_until(lambda: live_hub.count == 0)
    assert installation.call("GET", path).status_code == 200


def test_viewers_are_told_that_the_service_stops_and_none_is_let_in_after(
    development: Installation, project_key: str
) -> None:
    with watch_stream(development.app, build_path(project_key)) as watcher:
        watcher.wait(lambda each: bool(each.list_frames("events")))
        development.app.extensions["apptracker_live"].close()
        assert watcher.wait_for_end() == "service_stopping"
    assert development.call("GET", build_path(project_key)).status_code == 503


def test_a_server_that_keeps_its_connections_answers_what_there_is_now(
    development: Installation, project_key: str
) -> None:
    send(development, project_key, {"eventId": "e-1", "userId": "u"})
    answer = development.call("GET", build_path(project_key))
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    retry, events, figures = answer.text.strip().split("\n\n")
    assert retry == "retry: 2000"
    assert '"eventId":"e-1"' in events
    assert '"totalEvents":1' in figures
    cursor = events.splitlines()[1].removeprefix("id: ")
    send(development, project_key, {"eventId": "e-2"})
    again = development.call("GET", build_path(project_key), headers={"Last-Event-ID": cursor}).text
    assert ("e-1" in again, '"eventId":"e-2"' in again) == (False, True)


def test_through_redis_viewers_are_told_without_looking(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setattr(channel, "READ_SECONDS", 3_600)
    installation = install(make_app, "development", monkeypatch, redis_url=redis_url)
    project_key = installation.create_project()["projectKey"]
    numbers = itertools.count()
    with watch_stream(installation.app, build_path(project_key)) as watcher:
        watcher.wait(lambda each: bool(each.list_frames("events")))

        def is_told() -> bool:
            # until both sides have heard of each other
            send(installation, project_key, {"eventId": f"e-{next(numbers)}"})
            return bool(watcher.list_ids())

        wait_until(is_told)


def test_head_opens_no_stream(development: Installation, project_key: str) -> None:
    answer = development.call("HEAD", build_path(project_key))
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "text/event-stream", b"")


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("after=1", "after"), ("", "projectKey")],
)
def test_a_request_that_cannot_be_meant_is_refused(
    development: Installation, project_key: str, query: str, field: str
) -> None:
    named = "" if field == "projectKey" else f"projectKey={project_key}&"
    answer = development.call("GET", f"/v1/live/stream?{named}{query}")
    assert (answer.status_code, answer.json["fields"]) == (400, [field])


def test_projects_are_watched_apart(development: Installation, project_key: str) -> None:
    other = development.create_project()["projectKey"]
    with (
        watch_stream(development.app, build_path(project_key)) as watcher,
        watch_stream(development.app, build_path(other)) as elsewhere,
    ):
        send(development, other, {"eventId": "there"})
        send(development, project_key, {"eventId": "here"})
        watcher.wait_for_events("here")
        elsewhere.wait_for_events("there")


def test_the_service_says_how_many_watch(development: Installation, project_key: str) -> None:
    def count(app: Flask) -> float:
        lines = app.test_client().get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith('apptracker_live_viewers{kind="sse"}'))

    before = count(development.app)
    with watch_stream(development.app, build_path(project_key)):
        wait_until(lambda: count(development.app) == before + 1)
    wait_until(lambda: count(development.app) == before)
