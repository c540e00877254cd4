"""What browsers load: the tracker, pages and their files, as they are sent; and who may load them from where."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import brotli
import pytest
from flask.testing import FlaskClient

from services import web_files
from tests.conftest import MakeApp

PAGE = "<!doctype html><title>A page</title><script type=module src=/web/dashboard/app.js></script>" + "<p>text" * 50
SCRIPT = "export const answer = 42; // what was asked, nobody knows\n" * 20


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a page, a script, and a tracker, in place of `web/`."""
    folder = tmp_path / "web"
    for name, text in {
        "dashboard/index.html": PAGE, "dashboard/app.js": SCRIPT, "tracker/t.js": f"/* what it does */\n{SCRIPT}",
        "vendor/LICENSE": "MIT", "dashboard/.secret.js": "x", "dashboard/note.md": "x",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (tmp_path / "outside.js").write_text("secret")
    monkeypatch.setattr(web_files, "WEB_FOLDER", folder)
    return folder


def test_a_page_comes_with_a_policy_that_allows_only_what_is_ours(client: FlaskClient, web: Path) -> None:
    answer = client.get("/dashboard")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.content_type == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert client.get("/dashboard/").text == PAGE


def test_the_files_of_pages_are_sent_as_they_are_written(client: FlaskClient, web: Path) -> None:
    answer = client.get("/web/dashboard/app.js")
    assert (answer.text, answer.content_type) == (SCRIPT, "text/javascript; charset=utf-8")
    assert answer.headers["Cache-Control"] == "public, no-cache"


@pytest.mark.parametrize(
    "path",
    ["/web/nothing.js", "/web/dashboard", "/web/dashboard/", "/web/vendor/LICENSE", "/web/dashboard/note.md",
     "/web/dashboard/.secret.js", "/web/../outside.js", "/web/%2e%2e/outside.js", "/web/dashboard/..%2f..%2foutside.js",
     "/web//dashboard/app.js", "/web/./dashboard/app.js", "/web/dashboard/app.js%00", "/web/dashboard%5capp.js"],
)  # fmt: skip
def test_nothing_else_is_sent(client: FlaskClient, web: Path, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_address")


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("gzip, br;q=0", "gzip"), ("identity", None), ("", None)],
)
def test_a_file_is_compressed_as_the_browser_takes_it(
    client: FlaskClient, web: Path, accepted: str, sent: str | None
) -> None:
    answer = client.get("/web/dashboard/app.js", headers={"Accept-Encoding": accepted})
    inflate = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[sent]
    assert answer.headers.get("Content-Encoding") == sent
    assert inflate(answer.data) == SCRIPT.encode()
    assert "Accept-Encoding" in ", ".join(answer.headers.getlist("Vary"))


def test_what_the_browser_has_already_is_not_sent_again(client: FlaskClient, web: Path) -> None:
    tags = {name: client.get("/web/dashboard/app.js", headers={"Accept-Encoding": name}).headers["ETag"]
            for name in ("br", "gzip", "identity")}  # fmt: skip
    assert len(set(tags.values())) == 3
    for name, tag in tags.items():
        answer = client.get("/web/dashboard/app.js", headers={"Accept-Encoding": name, "If-None-Match": tag})
        assert (answer.status_code, answer.data) == (304, b"")
    (web / "dashboard/app.js").write_text("export const answer = 43;\n")
    answer = client.get("/web/dashboard/app.js", headers={"If-None-Match": tags["identity"]})
    assert (answer.status_code, answer.text) == (200, "export const answer = 43;\n")


def test_the_tracker_is_sent_without_its_comments_and_kept_for_an_hour(client: FlaskClient, web: Path) -> None:
    answer = client.get("/t.js")
    assert answer.status_code == 200
    assert "what" not in answer.text
    assert answer.text.startswith("export const answer=42;")
    assert answer.headers["Cache-Control"].startswith("public, max-age=3600")


def test_the_tracker_weighs_less_than_three_kilobytes() -> None:
    tracker = web_files.load_web_file("tracker/t.js")
    assert tracker.gzip is not None
    assert tracker.brotli is not None
    assert len(tracker.gzip) < 3_000
    assert len(tracker.brotli) < len(tracker.gzip)


def test_any_site_may_load_the_tracker_and_send_events_in_production(make_app: MakeApp) -> None:
    client = make_app(env="production").test_client()
    site = {"Origin": "https://shop.example"}
    loaded = client.get("/t.js", headers=site)
    assert loaded.headers["Access-Control-Allow-Origin"] == "*"
    assert loaded.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    preflight = client.options(
        "/v1/events/batch/",
        headers={**site, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"},
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert re.search(r"\bContent-Type\b", preflight.headers["Access-Control-Allow-Headers"])
    refused = client.post("/v1/events/batch", json={"projectKey": "000000000000", "events": [{}]}, headers=site)
    assert refused.status_code == 403
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in refused.headers


@pytest.mark.parametrize("path", ["/v1/projects", "/v1/rejections", "/dashboard", "/v1/reports/overview"])
def test_no_site_may_ask_for_anything_else_in_production(make_app: MakeApp, path: str) -> None:
    client = make_app(env="production").test_client()
    answer = client.get(path, headers={"Origin": "https://shop.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_origin_that_may_ask_for_all_may_also_send_with_its_key(make_app: MakeApp) -> None:
    client = make_app(env="production", cors_origins=("https://app.example.com",)).test_client()
    answer = client.options(
        "/v1/events/batch",
        headers={"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "content-type,x-api-key"},
    )  # fmt: skip
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "x-api-key" in answer.headers["Access-Control-Allow-Headers"].lower()
