"""What cannot be meant is refused by name, on every route and in both environments, and leaves nothing behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import close_app, create_app
from tests.bad_input import (
    BATCH,
    CASES,
    CONVERSION,
    FUNNEL,
    MAX_BODY_BYTES,
    NO_CREDENTIALS,
    OVERVIEW,
    ROOT,
    SERIES,
    SQL,
    Case,
)  # fmt: skip
from tests.cast import SECRET_TOKEN, Cast, Installation, assemble_cast, install
from tests.conftest import build_config
from tests.specification import check_answer


@dataclass(frozen=True)
class Scene:
    """An installation with a cast, and one event of project `own`."""

    env: str
    installation: Installation
    cast: Cast

    def fill(self, text: str) -> str:
        key_id = self.cast.spare_key_ids[0]
        return text.replace("{own}", self.cast.own).replace("{other}", self.cast.other).replace("{key}", key_id)

    def secret_of(self, who: str) -> str | None:
        return None if who == ROOT and self.env == "development" else self.cast.secrets[who]

    def send(self, case: Case) -> TestResponse:
        body = case.body
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            body = body.replace(b"{own}", self.cast.own.encode())
        headers = dict(case.headers or {})
        secret = self.secret_of(case.who)
        if secret is not None and not {"X-API-Key", "Authorization"} & headers.keys():
            headers["X-API-Key"] = secret
        return self.installation.app.test_client().open(
            self.fill(case.path),
            method=case.method,
            data=body,
            content_type=case.content_type if body is not None else None,
            # past the client's own check of headers
            environ_overrides={"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
        )

    def describe_store(self) -> list[object]:
        """Projects, keys and events; when a key was last used does not matter."""
        store = self.installation.context.store
        keys = [{**key, "lastUsedAt": None} for key in store.find_documents("api_keys", order_by="keyId")]
        projects = store.find_documents("projects", order_by="projectKey")
        return [projects, keys, [store.count(project["projectKey"]) for project in projects]]

    def count_rejections(self) -> int:
        return len(self.installation.context.store.find_documents("rejections"))


@pytest.fixture(scope="module", params=["development", "production"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from build_scene(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def production_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from build_scene("production", tmp_path_factory)


def build_scene(env: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    opened: list[Flask] = []

    def make_app(**settings: Any) -> Flask:
        config = build_config(tmp_path_factory.mktemp("data"), max_body_bytes=MAX_BODY_BYTES, **settings)
        opened.append(create_app(config))
        return opened[0]

    with pytest.MonkeyPatch.context() as patch:
        installation = install(make_app, env, patch)  # type: ignore[arg-type]
        cast = assemble_cast(installation)
        stored = installation.send_event(cast.own, SECRET_TOKEN)
        assert stored.json["accepted"] == 1
        yield Scene(env, installation, cast)
    close_app(opened[0])


def by_name(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: re.sub(r"\W+", "-", case.name))


def test_the_names_of_the_cases_tell_them_apart() -> None:
    names = [case.name for case in (*CASES, *NO_CREDENTIALS)]
    assert len(set(names)) == len(names) >= 80


@by_name(CASES)
def test_bad_input_is_refused_by_name_and_stores_nothing(scene: Scene, case: Case) -> None:
    check_refusal(scene, case)


@by_name(NO_CREDENTIALS)
def test_without_credentials_production_refuses_and_stores_nothing(production_scene: Scene, case: Case) -> None:
    check_refusal(production_scene, case)


def check_refusal(scene: Scene, case: Case) -> None:
    stored, rejections = scene.describe_store(), scene.count_rejections()
    answer = scene.send(case)
    found = answer.json
    code, _, code_of_event = case.code.partition(" ")
    assert (answer.status_code, found["code"]) == (case.status, code), answer.text[:500]
    message = found["error"]
    for words in case.words.split(" "):
        assert words in message, message
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers["X-Request-Id"])
    assert found["requestId"] == answer.headers["X-Request-Id"]
    assert "Set-Cookie" not in answer.headers
    check_answer(scene.installation.app, answer)
    if code_of_event:
        assert found["rejected"][0]["code"] == code_of_event
    assert scene.describe_store() == stored
    # what was rejected is kept, for whoever sends it
    assert scene.count_rejections() - rejections == len(found.get("rejected", []))


HOSTILE_TEXTS = [
    '{"$gt": ""}', "$where", "this.sleep(1000)", SQL, "1 OR 1=1", "%", "_", "*", "a\0b", "\\", "\'\"`", "{{7*7}}",
    "../..", "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "\u202e\ufeff", "\U0010ffff", "NaN", "null", "",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_text_of_another_language_is_only_text(scene: Scene, text: str) -> None:
    """As a value, a metadata key and an event's name it finds what is equal to it, and nothing else."""
    installation, cast = scene.installation, scene.cast
    secret = scene.secret_of(ROOT)
    project_key = cast.other
    name = text or "empty"
    event = {"eventName": name, "eventId": f"id {text}", "userId": f"u{text}", "metadata": {text: text}, "url": text}
    other = {"eventName": "other", "eventId": f"other {text}", "userId": "v", "metadata": {"k": "other"}, "url": "x"}
    batch = {"projectKey": project_key, "events": [event, other]}
    assert installation.call("POST", BATCH, batch, secret=secret).json["rejected"] == []

    path = "metadata." + text.replace("\\", "\\\\").replace(".", "\\.")
    these = {"property": "eventId", "operator": "in", "value": [f"id {text}", f"other {text}"]}
    for prop, value in ((path, text), ("url", text), ("eventName", name), ("userId", f"u{text}")):
        # every text contains the empty one
        for operator in ("eq", "in", "contains", "starts_with") if value else ("eq", "in"):
            one = {"property": prop, "operator": operator, "value": [value] if operator == "in" else value}
            question = {"projectKey": project_key, "filters": [one, these]}
            answer = installation.call("POST", OVERVIEW, question, secret=secret)
            assert (answer.status_code, answer.json["totalEvents"]) == (200, 1), (prop, operator, answer.text)
    converted = installation.call("POST", CONVERSION, {"projectKey": project_key, "eventName": name}, secret=secret)
    assert converted.json["convertedUsers"] == 1
    funnel = {"projectKey": project_key, "steps": [name], "breakdown": path}
    answer = installation.call("POST", FUNNEL, funnel, secret=secret)
    assert [(group["value"], group["steps"][0]["users"]) for group in answer.json["breakdown"]] == [(text, 1)]


ODD_TIMESTAMPS = [
    "yesterday", "10000-01-01T00:00:00Z", "2025-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", True,
    {"$date": 0}, [], "", "\0", 1e300, -1e300, 10**400, -(10**18), "2025-01-06T10:00:00Z\0",
]  # fmt: skip


@pytest.mark.parametrize("timestamp", ODD_TIMESTAMPS, ids=lambda value: repr(value)[:24])
def test_a_time_that_is_none_is_a_warning(scene: Scene, timestamp: Any) -> None:
    body = {"projectKey": scene.cast.other, "events": [{"eventName": "a", "timestamp": timestamp}]}
    answer = scene.installation.call("POST", BATCH, body, secret=scene.secret_of(ROOT))
    assert (answer.status_code, answer.json["accepted"]) == (200, 1), answer.text
    assert [warning["code"] for warning in answer.json["warnings"]] == ["invalid_timestamp"]


@pytest.mark.parametrize(
    ("zone", "start", "stop", "days"),
    [
        ("UTC", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z", 1),
        ("Asia/Tokyo", "0001-01-02", "0001-01-03", 2),
        ("America/New_York", "1500-01-01", "1500-01-02", 2),
        ("America/New_York", "2025-03-08", "2025-03-10", 3),
        ("Pacific/Niue", "2025-01-06", "2025-01-06", 1),
    ],
)
def test_the_ends_of_time_and_of_the_world_have_days(scene: Scene, zone: str, start: str, stop: str, days: int) -> None:
    question = {"projectKey": scene.cast.own, "from": start, "to": stop, "tz": zone}
    answer = scene.installation.call("POST", SERIES, question, secret=scene.secret_of(ROOT))
    assert (answer.status_code, len(answer.json["series"])) == (200, days), answer.text
