"""Dockerfile, compose file, Procfile and workflow agree with the program and with each other."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from config import SETTINGS, Config, ConfigError

ROOT = Path(__file__).resolve().parents[2]
TOKEN = {"SECRET_TOKEN": "t" * 32}
NOT_IN_THE_IMAGE = {"tests", "bench", "docs", "var"}


class Instruction(NamedTuple):
    name: str
    arguments: str


def read_dockerfile() -> list[list[Instruction]]:
    """The instructions of each stage, comments dropped and continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    stages: list[list[Instruction]] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, arguments = line.split(maxsplit=1)
            if name == "FROM":
                stages.append([])
            stages[-1].append(Instruction(name, arguments))
    return stages


def final_stage(name: str) -> list[str]:
    return [arguments for instruction, arguments in read_dockerfile()[-1] if instruction == name]


def image_environment() -> dict[str, str]:
    pairs = (word.split("=", 1) for arguments in final_stage("ENV") for word in shlex.split(arguments))
    return dict(pairs)


def copied_sources() -> list[str]:
    """What COPY takes from the build context, in all stages."""
    copies = [
        shlex.split(arguments)
        for stage in read_dockerfile() for name, arguments in stage if name == "COPY" and "--from" not in arguments
    ]
    return [source.rstrip("/") for words in copies for source in words[:-1]]


def read_yaml(path: str) -> dict[Any, Any]:
    return yaml.safe_load((ROOT / path).read_text())


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read_yaml("docker-compose.yml")


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    return read_yaml(".github/workflows/ci.yml")


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on the loopback that answers /health with `status`; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


# --- the image ---------------------------------------------------------------------------------------------------


def test_everything_that_is_copied_into_the_image_exists_and_is_not_empty() -> None:
    for source in copied_sources():
        path = ROOT / source
        assert path.is_file() or any(path.rglob("*.py" if source != "web" else "*.js")), source


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied_sources())


def test_every_module_and_package_of_the_program_is_in_the_image() -> None:
    modules = {path.name for path in ROOT.glob("*.py")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_IN_THE_IMAGE
    assert modules | packages <= set(copied_sources())


def test_the_image_runs_as_a_user_without_rights() -> None:
    user = final_stage("USER")[-1].split(":")[0]
    assert user.isdigit(), "a number, so that Kubernetes can verify that it is not root"
    assert int(user) >= 1000


def test_the_image_listens_on_the_port_it_exposes_on_all_addresses() -> None:
    environment = image_environment()
    assert final_stage("EXPOSE") == [environment["PORT"]] == ["8080"]
    assert environment["HOST"] == "0.0.0.0"


def test_the_image_declares_no_volume_because_railway_refuses_to_build_one_that_does() -> None:
    assert final_stage("VOLUME") == []


def test_the_image_and_the_procfile_start_the_same_command() -> None:
    command = json.loads(final_stage("CMD")[-1])
    processes = dict(line.split(":", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert shlex.split(processes["web"]) == command == ["gunicorn", "-c", "gunicorn.conf.py", "app:app"]


def test_no_build_tool_of_the_first_stage_reaches_the_image() -> None:
    assert len(read_dockerfile()) == 2
    assert final_stage("COPY")[0].startswith("--from=build ")


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (500, False), (503, False)])
def test_the_health_check_of_the_image_tells_a_healthy_service_from_others(status: int, healthy: bool) -> None:
    with answering(status) as port:
        assert (run_health_check(port) == 0) is healthy


def test_the_health_check_of_the_image_fails_when_nothing_listens() -> None:
    with answering(200) as port:
        pass
    assert run_health_check(port) != 0


def run_health_check(port: int) -> int:
    (arguments,) = final_stage("HEALTHCHECK")
    program, *rest = json.loads(arguments[arguments.index("["):])
    assert program == "python", "the image has neither curl nor wget"
    environment = {**os.environ, "PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run([sys.executable, *rest], env=environment, capture_output=True, timeout=30).returncode


def test_the_image_runs_on_the_embedded_store_with_a_token_alone() -> None:
    config = Config.from_environment({**image_environment(), **TOKEN})
    assert config.is_production
    assert not config.uses_mongodb
    assert str(config.data_dir) == "/data"


def test_the_image_switches_to_mongodb_when_it_is_given_an_address() -> None:
    assert Config.from_environment({**image_environment(), **TOKEN, "MONGO_URI": "mongodb://db"}).uses_mongodb


def test_the_image_refuses_to_start_without_a_token() -> None:
    with pytest.raises(ConfigError, match="SECRET_TOKEN"):
        Config.from_environment(image_environment())


def test_the_image_can_be_told_to_accept_nothing_but_mongodb() -> None:
    with pytest.raises(ConfigError, match="MONGO_URI"):
        Config.from_environment({**image_environment(), **TOKEN, "STORE": "mongodb"})


# --- the compose file --------------------------------------------------------------------------------------------


def test_every_service_of_the_compose_file_has_a_health_check_and_is_restarted(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"app", "mongo", "redis"}
    for service in compose["services"].values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


def test_the_application_waits_for_healthy_servers(compose: dict[str, Any]) -> None:
    assert compose["services"]["app"]["depends_on"] == {
        "mongo": {"condition": "service_healthy"}, "redis": {"condition": "service_healthy"},
    }


def test_only_the_application_can_be_reached_from_outside(compose: dict[str, Any]) -> None:
    for name in ("mongo", "redis"):
        service = compose["services"][name]
        assert "ports" not in service
        assert [compose["networks"][network]["internal"] for network in service["networks"]] == [True]
    assert compose["services"]["app"]["ports"] == ["${PUBLISH:-127.0.0.1:8080}:8080"]


def test_data_is_kept_in_named_volumes(compose: dict[str, Any]) -> None:
    mounts = [volume.split(":") for service in compose["services"].values() for volume in service.get("volumes", [])]
    assert {volume for volume, _ in mounts} == set(compose["volumes"])
    assert {"/data", "/data/db"} <= {target for _, target in mounts}


def test_the_compose_file_holds_no_secret_and_insists_on_each(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("SECRET_TOKEN", "MONGO_PASSWORD"):
        uses = re.findall(rf"\$\{{{name}[^}}]*\}}", text)
        assert uses
        assert all(use.startswith(f"${{{name}:?") for use in uses)


def test_the_compose_file_configures_the_application_with_real_settings(compose: dict[str, Any]) -> None:
    values = {"SECRET_TOKEN": "t" * 32, "MONGO_PASSWORD": "0123abcd"}

    def fill(text: str) -> str:
        return re.sub(r"\$\{(\w+):[-?]([^}]*)\}", lambda use: values.get(use[1], use[2]), text)

    given = {name: fill(value) for name, value in compose["services"]["app"]["environment"].items()}
    assert set(given) <= {row.variable for row in SETTINGS.values()}
    config = Config.from_environment({**image_environment(), **given})
    assert config.mongo_uri == "mongodb://apptracker:0123abcd@mongo:27017/?authSource=admin"
    assert config.redis_url == "redis://redis:6379/0"


def test_a_stop_waits_longer_than_the_service_needs_to_finish(compose: dict[str, Any]) -> None:
    seconds = int(compose["services"]["app"]["stop_grace_period"].removesuffix("s"))
    assert seconds > SETTINGS["graceful_timeout_seconds"].default


# --- the workflow ------------------------------------------------------------------------------------------------


def steps_of(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_workflow_checks_tests_builds_and_only_then_deploys(workflow: dict[Any, Any]) -> None:
    assert set(workflow["jobs"]) == {"check", "test", "image", "deploy"}
    assert set(workflow["jobs"]["deploy"]["needs"]) == {"check", "test", "image"}
    assert "refs/heads/main" in workflow["jobs"]["deploy"]["if"]


def test_the_workflow_calls_targets_that_the_makefile_has(workflow: dict[Any, Any]) -> None:
    commands = [words for step in steps_of(workflow) if (words := shlex.split(step.get("run", "")))[:1] == ["make"]]
    called = {word for words in commands for word in words[1:] if "=" not in word}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"lint", "types", "test"} <= called <= targets


def test_the_tests_of_the_workflow_fail_when_a_server_is_missing(workflow: dict[Any, Any]) -> None:
    (step,) = (step for step in workflow["jobs"]["test"]["steps"] if step.get("run", "").startswith("make test"))
    assert step["env"]["REQUIRE_SERVERS"] == "1"


def test_every_action_of_the_workflow_has_a_version(workflow: dict[Any, Any]) -> None:
    actions = [step["uses"] for step in steps_of(workflow) if "uses" in step]
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", action) for action in actions)


def test_every_job_of_the_workflow_ends_by_itself_and_has_no_rights_it_does_not_need(workflow: dict[Any, Any]) -> None:
    assert all(job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())
    assert workflow["permissions"] == {"contents": "read"}


def test_what_is_deployed_cannot_run_on_a_disk_that_is_forgotten(workflow: dict[Any, Any]) -> None:
    (deploy,) = (step["with"] for step in steps_of(workflow) if "deploy-cloudrun" in step.get("uses", ""))
    given = dict(line.split("=", 1) for line in deploy["env_vars"].split())
    secrets = dict(line.split("=", 1) for line in deploy["secrets"].split())
    assert given["STORE"] == "mongodb"
    assert set(given) | set(secrets) <= {row.variable for row in SETTINGS.values()}
    with pytest.raises(ConfigError, match="MONGO_URI"):
        Config.from_environment({**image_environment(), **given, **TOKEN})
