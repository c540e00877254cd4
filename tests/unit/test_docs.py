"""The documents agree with the program: settings, routes, links, files, and the quick start's answers."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import close_app, create_app
from config import SETTINGS, Config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
by_name = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)

FOREIGN_NAMES = {
    # of hosts and servers, not settings
    "GCP_PROJECT_ID", "GCP_WORKLOAD_IDENTITY_PROVIDER", "GCP_SERVICE_ACCOUNT", "CLOUD_RUN_REGION", "CLOUD_RUN_SERVICE",
    "MONGO_PASSWORD", "MONGO_INITDB_ROOT_PASSWORD", "RAILWAY_RUN_UID", "FLASK_APP", "REQUIRE_SERVERS",
}
IMPORT_NAMES = {
    "argon2-cffi": "argon2", "flask-cors": "flask_cors", "prometheus-client": "prometheus_client", "pyjwt": "jwt",
    "python-dotenv": "dotenv", "pyyaml": "yaml", "ua-parser": "ua_parser", "ua-parser-rs": "ua_parser_rs",
}
NOT_IMPORTED = {"geoip2fast", "gunicorn", "tzdata"}
"""Dependencies that are a program or data."""
EXAMPLE_KEY = "a1b2c3d4e5f6"
PER_RUN = {"projectKey", "createdAt", "apiKey", "generatedAt"}
"""Fields of answers that differ from one run to the next."""
NOT_THE_PROGRAM = {"tests", "bench"}
API_PATHS = ("/track", "/api/", "/v1/", "/health", "/db/", "/metrics", "/swagger", "/apispec")


def build_settings_table() -> str:
    """The README's table of settings, from the table in config.py."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for row in SETTINGS.values():
        names = ", ".join(f"`{name}`" for name in (row.variable, *row.aliases))
        default = f"`{row.default_text}`" if row.default_text else ""
        rows.append(f"| {names} | {default} | {row.description.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def anchor_of(heading: str) -> str:
    """The fragment by which GitHub links to a heading."""
    words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", heading).lower())
    return words.strip().replace(" ", "-")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors_of(path: Path) -> set[str]:
    return {anchor_of(title) for title in re.findall(r"^#+ (.+)$", without_code(path.read_text()), re.MULTILINE)}


def code_blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def app(tmp_path: Path) -> Any:
    settings = {"DATA_DIR": str(tmp_path), "WEB_WORKERS": "1", "REPORT_MEMORY_MB": "200"}
    app = create_app(Config.from_environment(settings))
    yield app
    close_app(app)


def routes_of(app: Flask) -> set[tuple[str, str]]:
    """Every method and path of the service, variable parts as `{}`."""
    return {
        (method, re.sub(r"<[^>]*>", "{}", rule.rule))
        for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


# --- text --------------------------------------------------------------------------------------------------------


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    readme = (ROOT / "README.md").read_text()
    (table,) = re.findall(r"<!-- settings[^>]*-->\n(.*?)<!-- /settings -->", readme, re.DOTALL)
    assert table.strip() == build_settings_table()


@by_name
def test_every_internal_link_leads_to_a_file_and_a_heading_that_exist(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        address = urlsplit(target)
        if not address.scheme:
            file = (path.parent / address.path).resolve() if address.path else path
            assert file.exists(), target
            assert not address.fragment or address.fragment in anchors_of(file), target


@by_name
def test_every_json_example_is_json(path: Path) -> None:
    for block in code_blocks(path, "json"):
        json.loads(block)


@by_name
def test_every_setting_that_is_named_exists(path: Path) -> None:
    known = {name for row in SETTINGS.values() for name in (row.variable, *row.aliases)} | FOREIGN_NAMES
    named = set(re.findall(r"`(?:--env |[\w ]*\$)?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)", path.read_text()))
    assert named <= known


def test_every_part_that_the_readme_and_the_architecture_list_exists() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "docs/architecture.md").read_text()
    listed = re.findall(r"^(?: {4})?([a-z_.]+(?:\.py|/)) {2,}\S", text, re.MULTILINE)
    assert len(listed) > 15
    assert [name for name in listed if not (ROOT / name).exists()] == []


def test_the_architecture_gives_a_reason_for_every_dependency_and_for_no_other() -> None:
    section = (ROOT / "docs/architecture.md").read_text().split("## Why each dependency is there")[1]
    cells = re.findall(r"^\| ([a-z].*?) \|", section, re.MULTILINE)[1:]
    explained = {name for cell in cells for name in cell.split(", ")}
    requirements = (ROOT / "requirements.txt").read_text()
    required = {name.lower() for name in re.findall(r"^([A-Za-z0-9_-]+)(?:\[\w+\])?==", requirements, re.MULTILINE)}
    assert explained == required
    assert [name for name in explained - NOT_IMPORTED if not imported_somewhere(name)] == []


def imported_somewhere(package: str) -> bool:
    statement = re.compile(rf"^\s*(?:import|from) {IMPORT_NAMES.get(package, package)}\b", re.MULTILINE)
    packages = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name not in NOT_THE_PROGRAM]
    sources = [*ROOT.glob("*.py"), *(path for folder in packages for path in folder.rglob("*.py"))]
    return any(statement.search(path.read_text()) for path in sources)


# --- the API -----------------------------------------------------------------------------------------------------


def read_guides() -> str:
    """What users read about the API."""
    return "".join((ROOT / "docs" / name).read_text() for name in ("api.md", "access.md", "clients.md"))


def test_every_route_that_the_guide_mentions_exists(app: Flask) -> None:
    routes = routes_of(app)
    mentioned = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^\s`?]*)[^`]*`", read_guides())
    mentioned = [(method, path.rstrip("/")) for method, path in mentioned]
    assert len(mentioned) > 60
    assert [route for route in mentioned if (route[0], re.sub(r"{\w+}", "{}", route[1])) not in routes] == []


def test_every_route_of_the_api_is_in_the_guide(app: Flask) -> None:
    guide = re.sub(r"{\w+}", "{}", read_guides()).replace("/`", "`")
    paths = {path for _, path in routes_of(app) if path.startswith(API_PATHS)}
    assert sorted(path for path in paths if f"{path}`" not in guide and f"{path}?" not in guide) == []


class Curl(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: str | None


def parse_curl(command: str) -> Curl:
    """A curl command of the documents as a request."""
    words = iter(shlex.split(command.replace("\\\n", " "))[1:])
    method, address, headers, body, query = "GET", "", {}, None, []
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, value = next(words).split(": ", 1)
            headers[name] = value
        elif word == "-d":
            body = next(words)
        elif word == "--data-urlencode":
            name, value = next(words).split("=", 1)
            query.append((name, value))
        elif word != "-G":
            address = word
    parts = urlsplit(address)
    return Curl(method, f"{parts.path}?{parts.query}{urlencode(query)}", headers, body)


def send(client: FlaskClient, curl: Curl, project_key: str) -> TestResponse:
    """The answer to an example's request about one's own project."""
    path, body = (text and text.replace(EXAMPLE_KEY, project_key) for text in (curl.path, curl.body))
    return client.open(path, method=curl.method, headers=curl.headers, data=body)


def quick_start() -> list[tuple[Curl, Any]]:
    """The commands of the README's quick start, each with the answer that is shown below it."""
    section = (ROOT / "README.md").read_text().split("## Quick start")[1].split("\n## ")[0]
    blocks = re.findall(r"^```bash\n(curl .*?)^```\n+^```json\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    return [(parse_curl(command), json.loads(answer)) for command, answer in blocks]


def lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs from one run to the next."""
    return {name: value for name, value in answer.items() if name not in PER_RUN}


def test_the_quick_start_gives_the_answers_that_it_shows(app: Flask) -> None:
    client = app.test_client()
    steps = quick_start()
    assert len(steps) == 7
    project_key = EXAMPLE_KEY
    for curl, shown in steps:
        response = send(client, curl, project_key)
        answer = response.get_json()
        assert response.status_code in {200, 201}, answer
        assert set(answer) == set(shown), curl.path
        assert lasting(answer) == lasting(shown), curl.path
        project_key = answer.get("projectKey", project_key)


def test_the_examples_of_the_guide_work(app: Flask) -> None:
    client = app.test_client()
    project_key = client.post("/v1/projects", json={"name": "Demo App"}).get_json()["projectKey"]
    commands = [command for block in code_blocks(ROOT / "docs/api.md", "bash") for command in split_commands(block)]
    examples = [parse_curl(command) for command in commands if "@" not in command and "127.0.0.1" in command]
    assert len(examples) > 8
    for curl in examples:
        response = send(client, curl, project_key)
        assert response.status_code in {200, 201}, (curl, response.get_data(as_text=True))


def split_commands(block: str) -> list[str]:
    """The curl commands of a block, each with the lines that belong to it."""
    return re.findall(r"^curl .*?(?=^curl |\Z)", block, flags=re.MULTILINE | re.DOTALL)
