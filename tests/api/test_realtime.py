"""Reference 4's live dashboard: its page, its figures, and its WebSocket."""

from __future__ import annotations

import base64
import socket
from typing import Any

import pytest

from routes.handover import SOCKET
from services.live import hub, viewer
from tests.cast import SECRET_TOKEN, Installation
from tests.handing_over import hand_over, watch_socket
from tests.people import found_team
from tests.servers import wait_until
from tests.watching import SocketWatcher

pytestmark = pytest.mark.usefixtures("quick_passwords")

PATH = "/api/realtime/ws"
SOON_SECONDS = 0.02
UPGRADE = {
    "Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


def propose(secret: str) -> list[str]:
    """What a page proposes to speak, which is how it shows its secret."""
    return ["apptracker", "bearer." + base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")]


def send(installation: Installation, *events: dict[str, Any], project_key: str | None = None) -> None:
    named = {"projectKey": project_key} if project_key else {}
    for event in events:
        answer = installation.call("POST", "/api/events/?" + "&".join(f"{k}={v}" for k, v in named.items()), event)
        assert answer.status_code == 200, answer.text


def is_greeted(watcher: SocketWatcher) -> bool:
    return bool(watcher.list_frames("events"))


def test_the_page_is_there_for_everybody(production: Installation) -> None:
    answer = production.call("GET", "/api/realtime/")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    for address in ("/web/realtime/realtime.js", "/web/realtime/connection.js", "/web/realtime/realtime.css"):
        assert production.call("GET", address).status_code == 200


def test_the_figures_are_those_of_the_default_project(development: Installation) -> None:
    zeros = {
        "total_events": 0, "active_sessions": 0, "page_views_per_minute": 0, "events_per_minute": 0,
        "current_visitors": 0,
    }  # fmt: skip
    now = {"as_of": "2025-01-06T10:00:00Z", "generated_at": "2025-01-06T10:00:00Z"}
    first = development.call("GET", "/api/realtime/stats").json
    assert first == {"project_key": first["project_key"], **zeros, **now}
    send(development, {"page": "/", "session_id": "s"}, {"page": "/b", "session_id": "s"})
    send(development, {"page": "/c", "user_id": "u", "event_name": "click"})
    assert development.call("GET", "/api/realtime/stats").json == {
        "project_key": first["project_key"], "total_events": 3, "active_sessions": 2, "page_views_per_minute": 2,
        "events_per_minute": 3, "current_visitors": 2, **now,
    }  # fmt: skip


def test_events_come_over_the_websocket_in_the_names_of_the_reference(development: Installation) -> None:
    with watch_socket(development.app, PATH) as watcher:
        watcher.wait(is_greeted)
        send(development, {"page": "/pricing", "session_id": "abc", "duration": 45, "user_id": "u"})
        watcher.wait(lambda each: len(each.list_events()) == 1)
        (event,) = watcher.list_events()
        watcher.wait(lambda each: [stats.content["total_events"] for stats in each.list_frames("stats")][-1:] == [1])
    assert {name: event[name] for name in ("page", "session_id", "duration", "user_id", "event_name", "is_bot")} == {
        "page": "/pricing", "session_id": "abc", "duration": 45, "user_id": "u", "event_name": "page_view",
        "is_bot": False,
    }  # fmt: skip
    assert event["received_at"] == "2025-01-06T10:00:00Z"


@pytest.mark.parametrize("kind", ["read key", "viewer", "root"])
def test_a_page_shows_its_secret_as_a_protocol(production: Installation, kind: str) -> None:
    team = found_team(production, "red")
    key = team.project_key
    secrets = {
        "read key": production.create_key(key, ["read"])["apiKey"], "viewer": team.tokens["viewer"],
        "root": SECRET_TOKEN,
    }  # fmt: skip
    with watch_socket(production.app, f"{PATH}?projectKey={key}", protocols=propose(secrets[kind])) as watcher:
        watcher.wait(is_greeted)
        assert watcher.protocol == "apptracker"


def test_a_secret_in_a_header_works_as_everywhere(production: Installation) -> None:
    key = production.create_project()["projectKey"]
    secret = production.create_key(key, ["read"])["apiKey"]
    with watch_socket(production.app, PATH, headers={"X-API-Key": secret}) as watcher:
        watcher.wait(is_greeted)
        assert watcher.protocol is None


@pytest.mark.parametrize(
    ("protocols", "status", "code"),
    [
        ([], 401, "missing_credentials"),
        (propose("ak_live_" + "A" * 43), 401, "invalid_api_key"),
        (["apptracker", "bearer.ä".encode().decode("latin-1")], 400, "invalid_subprotocol"),
        (["apptracker", "bearer.%%%"], 400, "invalid_subprotocol"),
        (["apptracker", "bearer."], 401, "missing_credentials"),
    ],
)
def test_who_may_not_read_gets_no_websocket(
    production: Installation, protocols: list[str], status: int, code: str
) -> None:
    production.create_project()
    headers = UPGRADE | ({"Sec-WebSocket-Protocol": ", ".join(protocols)} if protocols else {})
    answer = production.call("GET", PATH, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_keys_of_others_and_keys_that_only_send_get_no_websocket(production: Installation) -> None:
    key, other = (production.create_project()["projectKey"] for _ in range(2))
    ingest = production.create_key(key, ["ingest"])["apiKey"]
    foreign = production.create_key(other, ["read"])["apiKey"]
    found = {secret: production.call("GET", f"{PATH}?projectKey={key}", secret=secret) for secret in (ingest, foreign)}
    assert [each.status_code for each in found.values()] == [403, 403]


def test_a_plain_request_is_told_what_is_spoken_there(development: Installation) -> None:
    answer = development.call("GET", PATH)
    assert (answer.status_code, answer.json["code"]) == (426, "upgrade_required")
    assert answer.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(("method", "version"), [("HEAD", "HTTP/1.1"), ("GET", "HTTP/1.0")])
def test_what_cannot_ask_for_a_websocket_is_answered_as_a_plain_request(
    development: Installation, method: str, version: str
) -> None:
    served, kept = socket.socketpair()
    with served, kept:
        environ = {SOCKET: served, "SERVER_PROTOCOL": version}
        answer = development.app.test_client().open(PATH, method=method, headers=UPGRADE, environ_overrides=environ)
    assert answer.status_code == 426


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"Sec-WebSocket-Version": "8"}, "Sec-WebSocket-Version"),
        ({"Sec-WebSocket-Key": "short"}, "Sec-WebSocket-Key"),
        ({"Sec-WebSocket-Key": ""}, "Sec-WebSocket-Key"),
    ],
)
def test_a_handshake_that_is_none_is_refused(development: Installation, changes: dict[str, str], field: str) -> None:
    answer = development.call("GET", PATH, headers=UPGRADE | changes)
    assert (answer.status_code, answer.json["fields"]) == (400, [field])


def test_a_server_that_keeps_its_connections_says_so(development: Installation) -> None:
    answer = development.call("GET", PATH, headers=UPGRADE)
    assert (answer.status_code, answer.json["code"]) == (400, "websocket_unavailable")


def test_a_parameter_that_is_not_known_is_refused(development: Installation) -> None:
    answer = development.call("GET", f"{PATH}?token=secret", headers=UPGRADE)
    assert (answer.status_code, answer.json["fields"]) == (400, ["token"])


def test_pings_are_answered_and_words_are_not(development: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "ALIVE_SECONDS", SOON_SECONDS)
    with watch_socket(development.app, PATH) as watcher:
        watcher.wait(is_greeted)
        watcher.say("hello")
        watcher.ping()
        watcher.wait(lambda each: each.signs_of_life > 2)
        assert not watcher.is_closed


def test_a_viewer_says_goodbye(development: Installation) -> None:
    with watch_socket(development.app, PATH) as watcher:
        watcher.wait(is_greeted)
        watcher.say_goodbye()
        watcher.wait_for_end()
        assert watcher.close_code == 1000
    live_hub = development.app.extensions["apptracker_live"]
    wait_until(lambda: live_hub.count == 0)


def test_who_says_too_much_is_cut_off(development: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "MAX_RECEIVED_BYTES", 1_000)
    with watch_socket(development.app, PATH) as watcher:
        watcher.wait(is_greeted)
        watcher.say("x" * 2_000)
        assert watcher.wait_for_end() is None


def test_who_says_little_at_a_time_is_not(development: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "MAX_RECEIVED_BYTES", 1_000)
    monkeypatch.setattr(hub, "ALIVE_SECONDS", SOON_SECONDS)
    heard: list[int] = []
    check_life = viewer.Viewer.check_life

    def check_and_note(self: viewer.Viewer, now: float) -> None:
        heard.append(self._received_bytes)
        check_life(self, now)

    monkeypatch.setattr(viewer.Viewer, "check_life", check_and_note)
    with watch_socket(development.app, PATH) as watcher:
        watcher.wait(is_greeted)
        for times in range(1, 5):
            watcher.say("x" * 500)
            wait_until(lambda times=times: sum(heard) >= times * 500)
        assert not watcher.is_closed


def test_what_is_no_websocket_frame_ends_it(development: Installation) -> None:
    with watch_socket(development.app, PATH) as watcher:
        watcher.wait(is_greeted)
        watcher._connection.sendall(b"\xff\xff\xff\xff nonsense")
        watcher.wait_for_end()


def test_a_stopping_service_goes_away_and_an_ended_access_is_a_matter_of_policy(
    production: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ACCESS_SECONDS", SOON_SECONDS)
    key = production.create_project()["projectKey"]
    made = production.create_key(key, ["read"])
    with watch_socket(production.app, PATH, protocols=propose(made["apiKey"])) as watcher:
        watcher.wait(is_greeted)
        production.as_root("DELETE", f"/v1/projects/{key}/keys/{made['id']}")
        assert watcher.wait_for_end() == "revoked_api_key"
        assert watcher.close_code == 1008
    path = f"{PATH}?projectKey={key}"
    with watch_socket(production.app, path, protocols=propose(SECRET_TOKEN)) as other:
        other.wait(is_greeted)
        production.app.extensions["apptracker_live"].close()
        assert other.wait_for_end() == "service_stopping"
        assert other.close_code == 1001


def test_a_refused_request_leaves_the_connection_to_the_server(production: Installation) -> None:
    theirs, ours = socket.socketpair()
    with ours:
        answer = hand_over(production.app, PATH, theirs, UPGRADE)
    assert answer is not None
    assert answer.status_code == 401
