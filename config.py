"""The settings: one table, the fields of `Config`. Nothing else reads the environment.

A field says its variable, default, bounds and meaning once; `.env.example`, the README's table and the start-up
messages are held to it by tests.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, Self, cast

from dotenv import dotenv_values

PROJECT_ROOT = Path(__file__).resolve().parent
SECRET_TOKEN_MIN_LENGTH = 16
MONGO_CLOCK_SKEW_MS = 1000
"""Most that the clocks of two hosts may differ, `stores.mongo.CLOCK_SKEW_MS`."""
MONGO_ADDRESS = "mongodb://... or mongodb+srv://..."

Environment = Literal["development", "production"]
StoreChoice = Literal["auto", "embedded", "mongodb"]
RegistrationChoice = Literal["open", "invite"]


class ConfigError(Exception):
    """A setting that cannot be used; the message is one line naming the variable, its value and what is expected."""


class Kind(NamedTuple):
    """How the text of a variable becomes a value. `parse` raises ValueError; `expected` completes "expected ..."."""

    parse: Callable[[str], Any]
    expected: str
    format: Callable[[Any], str] = str


class Setting(NamedTuple):
    """One row of the table."""

    variable: str
    kind: Kind
    default: Any
    description: str
    secret: bool
    """The value is never printed."""
    aliases: tuple[str, ...]
    """Other variables that are read when `variable` is not set."""

    @property
    def default_text(self) -> str:
        """The default as one would write it; empty where there is none."""
        return "" if self.default is None else self.kind.format(self.default)


def whole_number(low: int, high: int) -> Kind:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return Kind(parse, f"a whole number from {low} to {high}")


def matching(pattern: str, expected: str) -> Kind:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return Kind(parse, expected)


def one_of(*choices: str) -> Kind:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(text)
        return text.lower()

    return Kind(parse, "one of " + ", ".join(choices))


def _parse_switch(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    return words[text.lower()]


def _parse_origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?", origin):
            raise ValueError(origin)
    return origins


SWITCH = Kind(_parse_switch, "true or false", lambda value: "true" if value else "false")
PATH = Kind(lambda text: Path(text).expanduser(), "a path")
TEXT = Kind(str, "a text")
ORIGINS = Kind(_parse_origins, "origins such as https://app.example.com (no path), separated by commas, or *", ",".join)


def setting(
    variable: str, kind: Kind, default: Any, description: str, *, secret: bool = False, aliases: tuple[str, ...] = ()
) -> Any:
    row = Setting(variable, kind, default, description, secret, aliases)
    return field(default=default, metadata={"setting": row}, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a process. Values that are wrong together raise ConfigError."""

    host: str = setting("HOST", matching(r"[A-Za-z0-9.:\[\]-]+", "an address or host name"), "127.0.0.1",
        "Address to listen on; 0.0.0.0 for all. Development mode accepts loopback only.")
    port: int = setting("PORT", whole_number(1, 65535), 5000, "Port to listen on.")
    env: Environment = setting("ENV", one_of("development", "production"), "development",
        "development: keys are optional, CORS allows every origin. production: keys are required.")
    debug: bool = setting("DEBUG", SWITCH, False, "Log at debug level whatever LOG_LEVEL says.")
    log_level: str = setting("LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info",
        "Least severity that is logged.")

    secret_token: str | None = setting("SECRET_TOKEN", TEXT, None, secret=True, description=
        "Administrator's key, sent as X-API-Key. Required in production, 16 characters or more.")
    secret_key: str = setting("SECRET_KEY", TEXT, None, secret=True, description=
        "Signs what the service hands out; 16 characters or more in production. Derived from SECRET_TOKEN if not set.")
    api_key_prefix: str = setting("API_KEY_PREFIX", matching(r"[A-Za-z0-9_-]{1,32}", "1 to 32 letters, digits, _ or -"),
        "ak_live_", "How every API key begins.")
    access_token_expire_minutes: int = setting("ACCESS_TOKEN_EXPIRE_MINUTES", whole_number(1, 525_600), 30,
        "Minutes that a user's token works after logging in.")
    registration: RegistrationChoice | None = setting("REGISTRATION", one_of("open", "invite"), None,
        "open (default in development): whoever reaches the service may register users and apps. invite (default in"
        " production): SECRET_TOKEN, a superuser or an invitation is needed.")
    google_client_id: str | None = setting("GOOGLE_CLIENT_ID", TEXT, None,
        "Client id of Google sign-in; without it there is none.")
    google_client_secret: str | None = setting("GOOGLE_CLIENT_SECRET", TEXT, None, secret=True, description=
        "Client secret of Google sign-in. Required with GOOGLE_CLIENT_ID.")
    google_discovery_url: str = setting("GOOGLE_DISCOVERY_URL", matching(r"https?://\S+", "http(s)://..."),
        "https://accounts.google.com/.well-known/openid-configuration",
        "Where the OpenID provider describes itself; another one than Google's may stand here.")
    public_url: str | None = setting("PUBLIC_URL", matching(r"https?://[^\s/]+(/\S*)?", "http(s)://..."), None,
        "How browsers reach this service, where a proxy hides it: the base of the links that it gives out.")
    cors_origins: tuple[str, ...] = setting("CORS_ORIGINS", ORIGINS, (),
        "Origins, separated by commas, whose pages may call the API in production.")

    data_dir: Path = setting("DATA_DIR", PATH, Path("./var"),
        "Folder for the embedded store, the columnar copy and temporary files.")
    store: StoreChoice | None = setting("STORE", one_of("auto", "embedded", "mongodb"), None,
        "mongodb (default in production): MONGO_URI is required. auto (default in development): MongoDB when MONGO_URI"
        " is set, else the embedded store. embedded: one machine is meant.")
    mongo_uri: str | None = setting("MONGO_URI", matching(r"mongodb(\+srv)?://\S+", MONGO_ADDRESS), None, secret=True,
        description="Where MongoDB is. Required in production unless STORE says otherwise.")
    mongo_db_name: str = setting("MONGO_DB_NAME", matching(r"[A-Za-z0-9_-]{1,38}", "1 to 38 letters, digits, _ or -"),
        "analytics", "Database that holds the collections.")
    mongo_connect_timeout_ms: int = setting("MONGO_CONNECT_TIMEOUT_MS", whole_number(1, 600_000), 5000,
        "Longest wait for a connection to MongoDB.")
    mongo_server_selection_timeout_ms: int = setting("MONGO_SERVER_SELECTION_TIMEOUT_MS", whole_number(1, 600_000),
        5000, "Longest wait for a MongoDB server that can answer.")
    mongo_timeout_ms: int = setting("MONGO_TIMEOUT_MS", whole_number(1, 600_000), 8000,
        "Longest that a whole MongoDB operation may take.")
    mongo_settle_seconds: int = setting("MONGO_SETTLE_SECONDS", whole_number(1, 3600), 10,
        "Age at which an event on MongoDB is final for the columnar copy; must exceed MONGO_TIMEOUT_MS.")
    redis_url: str | None = setting("REDIS_URL", matching(r"(rediss?|unix)://\S+", "redis://... or rediss://..."), None,
        secret=True, description="Where Redis is; without it each process caches finished reports for itself.")

    rate_limit_window_ms: int = setting("RATE_LIMIT_WINDOW", whole_number(1000, 86_400_000), 60_000,
        "Length of the window in which requests are counted, in milliseconds.")
    rate_limit_max: int = setting("RATE_LIMIT_MAX", whole_number(0, 100_000_000), 100,
        "Requests in a window for each API key, and for each address that sends none; 0 sets no limit."
        " SECRET_TOKEN is not limited, and a key may have a limit of its own.")
    user_rate_limit_max: int = setting("USER_RATE_LIMIT_MAX", whole_number(0, 100_000_000), 1000,
        "Requests in a window, other than events, of each user who logged in, and in development of each address that"
        " sends no key; 0 sets no limit.")
    login_rate_limit_max: int = setting("LOGIN_RATE_LIMIT_MAX", whole_number(0, 1_000_000), 10,
        "Attempts in a window, of one address, to log in, to register or with wrong credentials; 0 sets no limit.")
    trusted_proxies: int = setting("TRUSTED_PROXIES", whole_number(0, 10), 0,
        "Proxies in front of the service whose X-Forwarded-For and X-Forwarded-Proto are believed.")
    geoip_db: Path | None = setting("GEOIP_DB", PATH, None,
        "MaxMind database file (.mmdb, countries or cities); without it the one of geoip2fast, countries only.")
    log_payloads: bool | None = setting("LOG_PAYLOADS", SWITCH, None,
        "Log what is posted to /track, raw and parsed. By default only in development.")

    cache_ttl_seconds: int = setting("CACHE_TTL", whole_number(0, 2_592_000), 300,
        "Seconds that a finished report is kept; 0 keeps none.")
    report_memory_mb: int = setting("REPORT_MEMORY_MB", whole_number(64, 1_048_576), 800,
        "Memory of the report engine on this host, in MiB, divided by the workers.")
    report_threads: int = setting("REPORT_THREADS", whole_number(1, 1024), 2,
        "Threads of one worker's report engine: a report may use that many cores.")
    segment_events: int = setting("SEGMENT_EVENTS", whole_number(1, 100_000_000), 1_000_000,
        "Events in a full segment of the columnar copy.")
    seal_events: int = setting("SEAL_EVENTS", whole_number(1, 100_000_000), 50_000,
        "Events in the tail of the columnar copy before it becomes a segment.")

    max_batch_events: int = setting("MAX_BATCH_EVENTS", whole_number(1, 100_000), 2000, "Most events in one request.")
    max_body_bytes: int = setting("MAX_BODY_BYTES", whole_number(1024, 1_073_741_824), 10_485_760,
        "Largest request body, after decompression.")
    max_event_bytes: int = setting("MAX_EVENT_BYTES", whole_number(128, 16_000_000), 65_536, "Largest event, as JSON.")
    max_event_depth: int = setting("MAX_EVENT_DEPTH", whole_number(1, 64), 8,
        "Deepest nesting of an event; the event itself is level 1.")
    ingest_queue_events: int = setting("INGEST_QUEUE_EVENTS", whole_number(1, 10_000_000), 50_000,
        "Events that may wait for a commit in a worker before it answers 503.")
    rejection_days: int = setting("REJECTION_DAYS", whole_number(1, 3650), 30, "Days that rejected events are kept.")
    audit_retention_days: int = setting("AUDIT_RETENTION_DAYS", whole_number(0, 36_500), 400,
        "Days that entries of the audit log are kept; 0: for ever.")

    live_viewers_max: int = setting("LIVE_VIEWERS_MAX", whole_number(0, 100_000), 500,
        "Viewers of the live stream that a worker serves at the same time; beyond it answers 503.")

    workers: int = setting("WEB_WORKERS", whole_number(1, 256), 2, "Worker processes.", aliases=("WEB_CONCURRENCY",))
    threads: int = setting("WEB_THREADS", whole_number(1, 1024), 16, "Threads of each worker.")
    graceful_timeout_seconds: int = setting("GRACEFUL_TIMEOUT", whole_number(0, 3600), 30,
        "Seconds that a stopping worker may finish its requests.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_dir", self.data_dir.absolute())
        if self.store is None:
            object.__setattr__(self, "store", "mongodb" if self.is_production else "auto")
        if self.registration is None:
            object.__setattr__(self, "registration", "invite" if self.is_production else "open")
        if self.log_payloads is None:
            object.__setattr__(self, "log_payloads", not self.is_production)
        _check_together(self)
        if not self.secret_key:
            object.__setattr__(self, "secret_key", derive_secret_key(self.secret_token))

    @property
    def is_production(self) -> bool:
        return self.env == "production"

    @property
    def uses_mongodb(self) -> bool:
        return self.mongo_uri is not None

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Origins whose pages may call the API; `*` is every origin, empty is none."""
        return self.cors_origins if self.is_production else ("*",)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, dotenv_path: Path | None = None) -> Self:
        """The settings of `environ`, with what it lacks from the `.env` file, if there is one, and the defaults.

        A variable that is blank counts as not set, and hides the one in the file. Raises ConfigError.
        """
        has_file = dotenv_path is not None and dotenv_path.is_file()
        saved = dotenv_values(dotenv_path, interpolate=False) if has_file else {}
        values: dict[str, Any] = {}
        for attribute, row in SETTINGS.items():
            names = (row.variable, *row.aliases)
            source = environ if any(name in environ for name in names) else saved
            found = next((name for name in names if (source.get(name) or "").strip()), None)
            if found is not None:
                values[attribute] = _parse_setting(row, found, cast(str, source[found]).strip())
        return cls(**values)

    @classmethod
    def load(cls) -> Self:
        """The settings of this process: its environment, then `.env` beside this file. Raises ConfigError."""
        return cls.from_environment(os.environ, dotenv_path=PROJECT_ROOT / ".env")

    @classmethod
    def load_or_exit(cls) -> Self:
        """As `load`; a bad value ends the process with status 2 and one line on stderr."""
        try:
            return cls.load()
        except ConfigError as error:
            _exit_with(str(error))

    def as_environment(self) -> dict[str, str]:
        """The variables from which `from_environment` makes this configuration again. Holds the secrets."""
        values = {row.variable: (getattr(self, attribute), row) for attribute, row in SETTINGS.items()}
        return {variable: "" if value is None else row.kind.format(value) for variable, (value, row) in values.items()}


def _setting_of(column: Field[Any]) -> Setting:
    return cast(Setting, column.metadata["setting"])


SETTINGS: dict[str, Setting] = {column.name: _setting_of(column) for column in fields(Config)}
"""The table by attribute, in the order of `.env.example`."""


def derive_secret_key(secret_token: str | None) -> str:
    """The signing key that belongs to SECRET_TOKEN, the same on every host; without a token a random one."""
    if secret_token is None:
        return secrets.token_hex(32)
    return hmac.new(secret_token.encode(), b"apptracker SECRET_KEY", hashlib.sha256).hexdigest()


def _parse_setting(row: Setting, variable: str, text: str) -> Any:
    try:
        return row.kind.parse(text)
    except (ValueError, KeyError):
        shown = "(not shown)" if row.secret else repr(text)
        raise ConfigError(f"{variable}={shown}: expected {row.kind.expected}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _check_together(config: Config) -> None:
    """Raise ConfigError for values that are fine alone and wrong together."""
    if config.store == "mongodb" and config.mongo_uri is None:
        why = "ENV=production; or STORE=embedded for one machine" if config.is_production else "STORE=mongodb"
        raise ConfigError(f"MONGO_URI='': expected {MONGO_ADDRESS}, since {why}")
    if config.store == "embedded" and config.mongo_uri is not None:
        raise ConfigError("STORE='embedded': expected auto or mongodb, since MONGO_URI is set")
    if (config.google_client_id is None) != (config.google_client_secret is None):
        missing = "GOOGLE_CLIENT_SECRET" if config.google_client_secret is None else "GOOGLE_CLIENT_ID"
        raise ConfigError(f"{missing}='': expected a text, since the other one of the two is set")
    if config.geoip_db is not None and not config.geoip_db.is_file():
        raise ConfigError(f"GEOIP_DB='{config.geoip_db}': expected a file that exists")
    if config.mongo_settle_seconds * 1000 < config.mongo_timeout_ms + MONGO_CLOCK_SKEW_MS:
        shown = f"MONGO_SETTLE_SECONDS='{config.mongo_settle_seconds}'"
        raise ConfigError(f"{shown}: expected MONGO_TIMEOUT_MS, {config.mongo_timeout_ms} ms, and a second more")
    if config.is_production and len(config.secret_token or "") < SECRET_TOKEN_MIN_LENGTH:
        shown = "SECRET_TOKEN=(not shown)" if config.secret_token else "SECRET_TOKEN=''"
        raise ConfigError(f"{shown}: expected {SECRET_TOKEN_MIN_LENGTH} characters or more, since ENV=production")
    if config.is_production and config.secret_key and len(config.secret_key) < SECRET_TOKEN_MIN_LENGTH:
        # who logged in has something signed with it, to try keys on at leisure
        shown = f"SECRET_KEY=(not shown): expected {SECRET_TOKEN_MIN_LENGTH} characters or more"
        raise ConfigError(f"{shown}, or none, since ENV=production")
    if not config.is_production and not _is_loopback(config.host):
        raise ConfigError(f"HOST='{config.host}': expected a loopback address such as 127.0.0.1, since ENV=development")


def _exit_with(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)
