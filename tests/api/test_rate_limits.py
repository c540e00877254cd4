"""Who asks too often is told when to come back, and nobody else notices."""

from __future__ import annotations

import re
from typing import Any

import pytest

from routes.limits import INGEST_RULES
from services.telemetry import render_metrics
from tests.cast import SECRET_TOKEN, Installation, MakeApp, install
from tests.people import PASSWORD, log_in, register
from tests.specification import check_answer, list_operations

LIMIT = 5
USER_LIMIT = 8
LOGIN_LIMIT = 3
WINDOW_AND_SLICE_MS = 63_000
"""After so long what was counted in one moment counts no more."""


@pytest.fixture
def limited(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Production; five requests of keys, eight of users and three attempts a minute, behind one proxy."""
    limits = {"rate_limit_max": LIMIT, "user_rate_limit_max": USER_LIMIT, "login_rate_limit_max": LOGIN_LIMIT}
    limits["trusted_proxies"] = 1
    return install(make_app, "production", monkeypatch, **limits)


@pytest.fixture
def project(limited: Installation) -> dict[str, Any]:
    return limited.create_project()


def ask(installation: Installation, secret: str | None, *, address: str = "203.0.113.1") -> Any:
    """The answer to a question about the caller's projects."""
    return installation.call("GET", "/v1/projects", secret=secret, headers={"X-Forwarded-For": address})


def send(installation: Installation, project_key: str, *, address: str, secret: str | None = None) -> Any:
    """The answer to a batch of one event, as a page sends it."""
    body = {"projectKey": project_key, "events": [{"eventName": "view", "anonymousId": "a"}]}
    headers = {"X-Forwarded-For": address}
    return installation.call("POST", "/v1/events/batch", body, secret=secret, headers=headers)


def use_up(installation: Installation, secret: str | None, limit: int = LIMIT) -> None:
    assert [ask(installation, secret).status_code for _ in range(limit + 1)] == [200] * limit + [429]


def read_limits(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if re.match("RateLimit-|Retry-After", name)}


def test_each_answer_says_how_much_is_left_and_when_there_is_more(
    limited: Installation, project: dict[str, Any]
) -> None:
    left = []
    for _ in range(LIMIT):
        answer = ask(limited, project["apiKey"])
        left.append(int(answer.headers["RateLimit-Remaining"]))
        limited.clock.advance(1_000)
    assert left == [4, 3, 2, 1, 0]
    # the first was in the slice that ends three seconds after 10:00, which is out of the window a minute later
    assert read_limits(answer) == {
        "RateLimit-Limit": "5", "RateLimit-Remaining": "0", "RateLimit-Reset": "59", "RateLimit-Policy": "5;w=60"
    }  # fmt: skip


def test_over_the_limit_is_429_until_the_time_that_the_answer_names(
    limited: Installation, project: dict[str, Any]
) -> None:
    use_up(limited, project["apiKey"])
    refused = ask(limited, project["apiKey"])
    assert refused.status_code == 429
    assert refused.json["code"] == "too_many_requests"
    assert refused.json["error"] == "Too many requests: 5 in 60 s are allowed"
    assert read_limits(refused) == {
        "RateLimit-Limit": "5", "RateLimit-Remaining": "0", "RateLimit-Reset": "63", "RateLimit-Policy": "5;w=60",
        "Retry-After": "63",
    }  # fmt: skip
    check_answer(limited.app, refused)
    limited.clock.advance(62_999)
    assert ask(limited, project["apiKey"]).status_code == 429
    limited.clock.advance(1)
    assert ask(limited, project["apiKey"]).status_code == 200


def test_sending_and_asking_are_counted_apart(limited: Installation, project: dict[str, Any]) -> None:
    use_up(limited, project["apiKey"])
    sent = [limited.send_event(None, project["apiKey"]).status_code for _ in range(LIMIT + 1)]
    assert sent == [200] * LIMIT + [429]


def test_a_refused_batch_stores_nothing(limited: Installation, project: dict[str, Any]) -> None:
    for _ in range(LIMIT + 3):
        limited.send_event(None, project["apiKey"])
    assert limited.context.store.count(project["projectKey"]) == LIMIT


def test_each_key_has_its_own_count(limited: Installation, project: dict[str, Any]) -> None:
    other = limited.create_key(project["projectKey"], ["read"])
    use_up(limited, project["apiKey"])
    assert ask(limited, other["apiKey"]).headers["RateLimit-Remaining"] == "4"


def test_a_key_may_have_a_limit_of_its_own_or_none(limited: Installation, project: dict[str, Any]) -> None:
    two = limited.create_key(project["projectKey"], ["read"], rateLimit=2)["apiKey"]
    many = limited.create_key(project["projectKey"], ["read"], rateLimit=7)["apiKey"]
    unlimited = limited.create_key(project["projectKey"], ["read"], rateLimit=0)["apiKey"]
    assert [ask(limited, two).status_code for _ in range(3)] == [200, 200, 429]
    assert [ask(limited, many).status_code for _ in range(8)] == [200] * 7 + [429]
    answers = [ask(limited, unlimited) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert read_limits(answers[-1]) == {}


def test_the_limit_of_a_key_is_shown_and_passes_to_its_successor(
    limited: Installation, project: dict[str, Any]
) -> None:
    created = limited.create_key(project["projectKey"], ["read"], rateLimit=7)
    path = f"/v1/projects/{project['projectKey']}/keys"
    rotated = limited.as_root("POST", f"{path}/{created['id']}/rotate")
    assert (created["rateLimit"], rotated["rateLimit"]) == (7, 7)
    listed = {key["id"]: key["rateLimit"] for key in limited.as_root("GET", path)["keys"]}
    assert (listed.pop(created["id"]), listed.pop(rotated["id"]), *listed.values()) == (7, 7, None)


@pytest.mark.parametrize("rate_limit", [-1, 1.5, "5", True, 100_000_001])
def test_a_limit_that_is_none_is_refused(limited: Installation, project: dict[str, Any], rate_limit: object) -> None:
    body = {"name": "k", "scopes": ["read"], "rateLimit": rate_limit}
    refused: Any = limited.call("POST", f"/v1/projects/{project['projectKey']}/keys", body, secret=SECRET_TOKEN)
    assert (refused.status_code, refused.json["fields"]) == (400, ["rateLimit"])


def test_who_administers_a_project_cannot_raise_its_limits(limited: Installation, project: dict[str, Any]) -> None:
    path = f"/v1/projects/{project['projectKey']}/keys"

    def create(rate_limit: int) -> Any:
        return limited.call(
            "POST", path, {"name": "k", "scopes": ["read"], "rateLimit": rate_limit}, secret=project["apiKey"]
        )

    assert create(LIMIT).status_code == 201
    for too_much in (LIMIT + 1, 0):
        refused = create(too_much)
        assert (refused.status_code, refused.json["code"]) == (403, "rate_limit_too_high")
        assert refused.json["fields"] == ["rateLimit"]


def test_users_are_counted_each_by_himself_wherever_they_are(limited: Installation) -> None:
    for name in ("ann", "bob"):
        register(limited, name)
    ann, bob = log_in(limited, "ann"), log_in(limited, "bob")
    asked = [ask(limited, ann, address=f"203.0.113.{number}").status_code for number in range(USER_LIMIT + 1)]
    assert asked == [200] * USER_LIMIT + [429]
    assert ask(limited, bob).status_code == 200


def test_pages_are_counted_by_the_address_of_who_looks_at_them(limited: Installation, project: dict[str, Any]) -> None:
    def send_from(address: str) -> Any:
        return send(limited, project["projectKey"], address=address).status_code

    assert [send_from("203.0.113.1") for _ in range(LIMIT + 1)] == [200] * LIMIT + [429]
    assert send_from("203.0.113.2") == 200
    # one client has all addresses of its network
    assert [send_from(f"2001:db8::{number}") for number in range(LIMIT + 1)] == [200] * LIMIT + [429]
    assert send_from("2001:db8:0:1::1") == 200


def test_a_project_key_in_the_header_is_counted_by_address_too(limited: Installation, project: dict[str, Any]) -> None:
    key, address = project["projectKey"], "203.0.113.1"
    sent = [send(limited, key, address=address, secret=secret).status_code for secret in (None, key) * 3]
    assert sent == [200] * LIMIT + [429]


def test_addresses_are_those_that_the_nearest_proxy_tells(limited: Installation, project: dict[str, Any]) -> None:
    key = project["projectKey"]
    sent = [send(limited, key, address=f"198.51.100.{number}, 203.0.113.9").status_code for number in range(LIMIT + 1)]
    assert sent == [200] * LIMIT + [429]


def test_without_trusted_proxies_nobody_chooses_his_address(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = install(make_app, "production", monkeypatch, rate_limit_max=LIMIT)
    key = installation.create_project()["projectKey"]
    sent = [send(installation, key, address=f"203.0.113.{number}").status_code for number in range(LIMIT + 1)]
    assert sent == [200] * LIMIT + [429]


def test_secret_token_is_not_limited(limited: Installation) -> None:
    answers = [ask(limited, SECRET_TOKEN) for _ in range(3 * LIMIT)]
    assert {answer.status_code for answer in answers} == {200}
    assert read_limits(answers[-1]) == {}


def test_probes_and_documents_are_not_counted(limited: Installation) -> None:
    for path in ("/health", "/health/ready", "/metrics", "/apispec.json"):
        answers = [limited.call("GET", path) for _ in range(LIMIT + 1)]
        assert {answer.status_code for answer in answers} == {200}
        assert read_limits(answers[-1]) == {}


def test_what_takes_events_are_routes_that_take_something(limited: Installation) -> None:
    posted = {rule.rule for rule in limited.app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert posted >= INGEST_RULES


def test_what_asks_for_credentials_is_documented_to_be_limited() -> None:
    for name, (_, _, operation) in list_operations().items():
        assert "401" not in operation["responses"] or "429" in operation["responses"], name


def test_a_limit_of_zero_is_none(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    free = install(make_app, "production", monkeypatch, rate_limit_max=0, login_rate_limit_max=0)
    secret = free.create_project()["apiKey"]
    answers = [ask(free, each) for each in [secret, "ak_live_wrong"] * 20]
    assert {answer.status_code for answer in answers} == {200, 401}
    assert read_limits(answers[0]) == {}
    assert not (free.context.config.data_dir / "rate-limits").exists()


def log_in_wrongly(installation: Installation, username: str = "ann", password: str = "wrong wrong") -> Any:
    return installation.call("POST", "/api/auth/login", {"username": username, "password": password})


def test_attempts_to_log_in_are_limited_by_address_whoever_they_are_for(limited: Installation) -> None:
    for name in ("ann", "bob"):
        register(limited, name)
    assert [log_in_wrongly(limited, name).status_code for name in ("ann", "bob", "nobody")] == [401] * 3
    for password in ("wrong wrong", PASSWORD):
        refused = log_in_wrongly(limited, password=password)
        assert (refused.status_code, refused.headers["RateLimit-Limit"]) == (429, "3")
        check_answer(limited.app, refused)
    elsewhere = limited.call(
        "POST", "/api/auth/login", {"username": "ann", "password": PASSWORD}, headers={"X-Forwarded-For": "203.0.113.2"}
    )
    assert elsewhere.status_code == 200
    limited.clock.advance(WINDOW_AND_SLICE_MS)
    assert log_in_wrongly(limited, password=PASSWORD).status_code == 200


def test_a_log_in_counts_as_one_attempt(limited: Installation) -> None:
    register(limited, "ann")
    left = [log_in_wrongly(limited, password=each).headers["RateLimit-Remaining"] for each in ("wrong wrong", PASSWORD)]
    assert left == ["2", "1"]


def test_registering_is_limited_like_logging_in(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    open_house = install(make_app, "production", monkeypatch, registration="open", login_rate_limit_max=LOGIN_LIMIT)
    statuses = [
        open_house.call("POST", "/api/auth/register", {"username": f"u{number}", "password": PASSWORD}).status_code
        for number in range(LOGIN_LIMIT + 1)
    ]
    assert statuses == [201] * LOGIN_LIMIT + [429]


@pytest.mark.parametrize("guess", ["ak_live_" + "A" * 43, "not-the-secret-token", "a.b.c"])
def test_who_guesses_credentials_cannot_tell_right_from_wrong_any_more(limited: Installation, guess: str) -> None:
    assert [ask(limited, guess).status_code for _ in range(LOGIN_LIMIT + 1)] == [401] * LOGIN_LIMIT + [429]
    wrong, right = ask(limited, guess), ask(limited, SECRET_TOKEN)
    assert (wrong.status_code, right.status_code) == (429, 429)
    assert wrong.json | {"requestId": ""} == right.json | {"requestId": ""}
    assert read_limits(wrong) == read_limits(right)
    assert ask(limited, SECRET_TOKEN, address="203.0.113.2").status_code == 200
    limited.clock.advance(WINDOW_AND_SLICE_MS)
    assert ask(limited, SECRET_TOKEN).status_code == 200


def test_a_neighbour_who_guesses_does_not_stop_keys_and_users(limited: Installation, project: dict[str, Any]) -> None:
    register(limited, "ann")
    ann = log_in(limited, "ann")
    for _ in range(LOGIN_LIMIT + 1):
        ask(limited, "ak_live_wrong")
    assert [ask(limited, secret).status_code for secret in (project["apiKey"], ann)] == [200, 200]


def test_a_request_without_permission_is_counted(limited: Installation, project: dict[str, Any]) -> None:
    reader = limited.create_key(project["projectKey"], ["read"])["apiKey"]
    path = f"/v1/projects/{project['projectKey']}/keys"
    statuses = [limited.call("GET", path, secret=reader).status_code for _ in range(LIMIT + 1)]
    assert statuses == [403] * LIMIT + [429]


def test_superusers_are_users_and_limited(limited: Installation) -> None:
    register(limited, "first")
    token = log_in(limited, "first")
    use_up(limited, token, USER_LIMIT)


def test_users_send_events_as_fast_as_keys(limited: Installation) -> None:
    register(limited, "first")
    token = log_in(limited, "first")
    key = limited.create_project()["projectKey"]
    sent = [send(limited, key, address="203.0.113.1", secret=token).status_code for _ in range(LIMIT + 1)]
    assert sent == [200] * LIMIT + [429]
    assert ask(limited, token).status_code == 200


def test_a_page_of_another_origin_may_read_the_headers(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = "https://app.example.com"
    installation = install(make_app, "production", monkeypatch, rate_limit_max=LIMIT, cors_origins=(origin,))
    answer = installation.call("GET", "/v1/projects", headers={"Origin": origin})
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert len(read_limits(answer)) == 4
    assert read_limits(answer).keys() < {*exposed}


def test_in_development_who_sends_no_key_asks_as_much_as_a_user(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"rate_limit_max": LIMIT, "user_rate_limit_max": USER_LIMIT}
    installation = install(make_app, "development", monkeypatch, **limits)
    project = installation.create_project()
    use_up(installation, None, USER_LIMIT)
    use_up(installation, project["apiKey"])
    key = project["projectKey"]
    sent = [send(installation, key, address="203.0.113.1").status_code for _ in range(LIMIT + 1)]
    assert sent == [200] * LIMIT + [429]


def count_refused(kind: str) -> float:
    found = re.search(rf'apptracker_limited_requests_total\{{kind="{kind}"\}} (\S+)', render_metrics().decode())
    return float(found.group(1)) if found else 0.0


def test_refusals_are_counted_by_kind(limited: Installation, project: dict[str, Any]) -> None:
    before = {kind: count_refused(kind) for kind in ("ingest", "other", "login")}
    use_up(limited, project["apiKey"])
    for _ in range(LIMIT + 2):
        limited.send_event(None, project["apiKey"])
    for _ in range(LOGIN_LIMIT + 3):
        log_in_wrongly(limited)
    assert {kind: count_refused(kind) - before[kind] for kind in before} == {"ingest": 2, "other": 1, "login": 3}


def test_the_operator_registers_as_many_users_as_there_are(limited: Installation) -> None:
    for number in range(2 * LOGIN_LIMIT):
        register(limited, f"user-{number}")
