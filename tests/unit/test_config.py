"""Settings: what is read from where, what is refused and with which words."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from config import ORIGINS, PROJECT_ROOT, SETTINGS, Config, ConfigError, derive_secret_key

PRODUCTION = {"ENV": "production", "SECRET_TOKEN": "0123456789abcdef", "MONGO_URI": "mongodb://db:27017"}


def read(environ: Mapping[str, str] | None = None, **variables: str) -> Config:
    return Config.from_environment({**(environ or {}), **variables})


def message_of(environ: Mapping[str, str]) -> str:
    with pytest.raises(ConfigError) as failure:
        Config.from_environment(environ)
    message = str(failure.value)
    assert "\n" not in message
    return message


def build_example() -> str:
    """.env.example as the table says it: every variable commented out, with its meaning and default."""
    lines = [
        "# The settings of AppTracker. Copy to .env and take the # away from what you change.",
        "# The environment wins over this file. A blank value counts as not set.",
    ]
    for row in SETTINGS.values():
        names = " or ".join((row.variable, *row.aliases))
        meaning = f"{row.description} Expected: {row.kind.expected}."
        lines += ["", *(f"# {line}" for line in textwrap.wrap(meaning, 110))]
        if row.aliases:
            lines.append(f"# Also read: {names.partition(' or ')[2]}.")
        lines.append(f"#{row.variable}={row.default_text}")
    return "\n".join(lines) + "\n"


def test_the_example_file_says_what_the_table_says() -> None:
    assert (PROJECT_ROOT / ".env.example").read_text() == build_example()


def test_every_field_is_a_row_of_the_table() -> None:
    assert [column.name for column in fields(Config)] == list(SETTINGS)
    variables = [name for row in SETTINGS.values() for name in (row.variable, *row.aliases)]
    assert len(set(variables)) == len(variables)


def test_defaults_are_those_of_the_reference() -> None:
    config = read()
    assert (config.host, config.port, config.env) == ("127.0.0.1", 5000, "development")
    assert (config.mongo_uri, config.mongo_db_name) == (None, "analytics")
    assert (config.mongo_connect_timeout_ms, config.mongo_server_selection_timeout_ms) == (5000, 5000)
    assert (config.cache_ttl_seconds, config.api_key_prefix, config.store) == (300, "ak_live_", "auto")


def test_every_default_passes_its_own_bounds() -> None:
    for attribute, row in SETTINGS.items():
        if row.default_text:
            assert row.kind.parse(row.default_text) == row.default, attribute


def test_the_environment_wins_over_the_file_and_blank_hides_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('PORT=6000\nLOG_LEVEL="debug"\nMONGO_DB_NAME=other\n')
    config = Config.from_environment({"PORT": "7000", "MONGO_DB_NAME": ""}, dotenv_path=file)
    assert (config.port, config.log_level, config.mongo_db_name) == (7000, "debug", "analytics")


def test_a_file_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert Config.from_environment({}, dotenv_path=tmp_path / ".env").port == 5000


def test_the_settings_of_the_references_env_file_start_the_service() -> None:
    config = read(
        HOST="127.0.0.1", PORT="5000", ENV="development", DEBUG="True", MONGO_URI="mongodb://localhost:27017",
        MONGO_DB_NAME="analytics", MONGO_CONNECT_TIMEOUT_MS="5000", MONGO_SERVER_SELECTION_TIMEOUT_MS="5000",
    )
    assert config.debug
    assert config.uses_mongodb


def test_the_number_of_workers_follows_the_host_unless_it_is_set() -> None:
    assert read(WEB_CONCURRENCY="5").workers == 5
    assert read(WEB_CONCURRENCY="5", WEB_WORKERS="3").workers == 3


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PORT", "0", "a whole number from 1 to 65535"),
        ("PORT", "65536", "a whole number from 1 to 65535"),
        ("PORT", "5_000", "a whole number from 1 to 65535"),
        ("PORT", "٥٠٠٠", "a whole number from 1 to 65535"),
        ("PORT", "80.0", "a whole number from 1 to 65535"),
        ("PORT", "1" * 5000, "a whole number from 1 to 65535"),
        ("DEBUG", "maybe", "true or false"),
        ("ENV", "staging", "one of development, production"),
        ("STORE", "sqlite", "one of auto, embedded, mongodb"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("MONGO_DB_NAME", "a.b", "1 to 38 letters, digits, _ or -"),
        ("API_KEY_PREFIX", "ak live", "1 to 32 letters, digits, _ or -"),
        ("CACHE_TTL", "-1", "a whole number from 0 to 2592000"),
        ("MAX_EVENT_DEPTH", "65", "a whole number from 1 to 64"),
        ("WEB_WORKERS", "many", "a whole number from 1 to 256"),
        ("WEB_CONCURRENCY", "many", "a whole number from 1 to 256"),
        ("CORS_ORIGINS", "https://a.example/", ORIGINS.expected),
        ("CORS_ORIGINS", "a.example", ORIGINS.expected),
    ],
)
def test_a_bad_value_is_named_with_what_is_expected(variable: str, value: str, expected: str) -> None:
    assert message_of({variable: value}) == f"{variable}={value!r}: expected {expected}"


@pytest.mark.parametrize("variable", ["MONGO_URI", "REDIS_URL"])
def test_a_bad_address_is_refused_without_showing_its_password(variable: str) -> None:
    message = message_of({variable: "http://user:hunter2@db"})
    assert message.startswith(f"{variable}=(not shown): expected ")
    assert "hunter2" not in message


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "::", "example.com", "[::]"])
def test_development_refuses_addresses_that_others_can_reach(host: str) -> None:
    assert message_of({"HOST": host}).startswith(f"HOST='{host}': expected a loopback address")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_development_accepts_every_loopback_address(host: str) -> None:
    assert read(HOST=host).host == host


def test_production_accepts_every_address() -> None:
    assert read(PRODUCTION, HOST="0.0.0.0").host == "0.0.0.0"


@pytest.mark.parametrize("token", ["", "123456789012345"])
def test_production_needs_a_token_of_16_characters(token: str) -> None:
    message = message_of({**PRODUCTION, "SECRET_TOKEN": token})
    assert message.startswith("SECRET_TOKEN=")
    assert "16 characters or more" in message
    assert not token or token not in message


def test_production_needs_a_decision_about_the_store() -> None:
    without = {**PRODUCTION, "MONGO_URI": ""}
    assert message_of(without).startswith("MONGO_URI='': expected mongodb://")
    assert not read(without, STORE="embedded").uses_mongodb
    assert not read(without, STORE="auto").uses_mongodb
    assert read(PRODUCTION, STORE="auto").uses_mongodb


def test_a_store_that_contradicts_the_address_is_refused() -> None:
    assert message_of({"STORE": "mongodb"}).startswith("MONGO_URI=''")
    assert message_of({"STORE": "embedded", "MONGO_URI": "mongodb://db"}).startswith("STORE='embedded'")


def test_the_settle_window_must_exceed_the_write_timeout() -> None:
    message = message_of({"MONGO_SETTLE_SECONDS": "8"})
    assert message == "MONGO_SETTLE_SECONDS='8': expected MONGO_TIMEOUT_MS, 8000 ms, and a second more"
    assert read(MONGO_SETTLE_SECONDS="9").mongo_settle_seconds == 9


def test_origins_count_in_production_only() -> None:
    origins = "https://a.example, http://localhost:5173"
    assert read(CORS_ORIGINS=origins).allowed_origins == ("*",)
    assert read(PRODUCTION, CORS_ORIGINS=origins).allowed_origins == ("https://a.example", "http://localhost:5173")
    assert read(PRODUCTION).allowed_origins == ()


def test_the_signing_key_is_the_same_on_every_host_with_the_same_token() -> None:
    assert read(PRODUCTION).secret_key == read(PRODUCTION).secret_key == derive_secret_key("0123456789abcdef")
    assert read(PRODUCTION, SECRET_TOKEN="fedcba9876543210").secret_key != read(PRODUCTION).secret_key
    assert read(PRODUCTION, SECRET_KEY="a key of our own").secret_key == "a key of our own"
    assert read().secret_key != read().secret_key


@pytest.mark.parametrize(
    "environ", [{}, PRODUCTION, {"CORS_ORIGINS": "https://a.example", "DEBUG": "yes", "DATA_DIR": "x"}]
)
def test_a_configuration_survives_the_way_through_the_environment(environ: dict[str, str]) -> None:
    config = read(environ)
    assert Config.from_environment(config.as_environment()) == config


def test_secrets_do_not_show_when_the_settings_are_printed() -> None:
    addresses = {"MONGO_URI": "mongodb://u:hunter2@db", "REDIS_URL": "redis://:hunter3@cache"}
    config = read(PRODUCTION, **addresses, SECRET_KEY="hunter4-hunter4-hunter4")
    for secret in ("hunter2", "hunter3", "hunter4", PRODUCTION["SECRET_TOKEN"]):
        assert secret not in repr(config)


def test_a_signing_key_that_can_be_guessed_is_refused_in_production() -> None:
    message = message_of({**PRODUCTION, "SECRET_KEY": "0123456789abcde"})
    assert message == "SECRET_KEY=(not shown): expected 16 characters or more, or none, since ENV=production"
    assert read(SECRET_KEY="short").secret_key == "short"


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        read().port = 1  # type: ignore[misc]


def test_the_start_stops_with_one_line_and_status_2() -> None:
    started = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app"],
        cwd=PROJECT_ROOT, env={"PORT": "eighty", "PATH": ""}, capture_output=True, text=True, timeout=60, check=False,
    )
    assert started.returncode == 2
    assert started.stderr == "PORT='eighty': expected a whole number from 1 to 65535\n"
