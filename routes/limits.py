"""How often a caller may ask. `services.rate_limits` counts; here it is decided whose requests are counted where.

While Redis is away requests are admitted uncounted: counting must not stop the service.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from ipaddress import IPv6Address

from flask import Request, Response, after_this_request, g, request

from config import Config
from routes.requests import context
from services import clock, telemetry
from services.auth import Caller
from services.context import Context
from services.errors import TooManyRequests
from services.rate_window import Claim, Grant
from services.telemetry import LimitKind

INGEST_RULES = frozenset({"/v1/events/batch", "/track", "/api/analytics/collect", "/api/events"})
"""What takes events by POST. It is counted apart, so that sending never uses up what asking may, nor asking what
sending may."""
PIXEL_RULE = "/v1/pixel.gif"
"""What takes an event by GET."""
NETWORK_BITS = 64
ADDRESS_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")


def limit_caller(caller: Caller) -> None:
    """Count this request, once, for its API key, else its user, else the client's address.

    TooManyRequests over the limit of the API key, or RATE_LIMIT_MAX, of users USER_RATE_LIMIT_MAX: people look at pages
    that ask a dozen questions at a time. In development so do those who send nothing. SECRET_TOKEN is not limited, but
    is refused from an address that used up LOGIN_RATE_LIMIT_MAX: right and wrong guesses of it then look the same.
    """
    if "caller" in g:
        return
    g.caller = caller
    running = context()
    if caller.is_root and caller.user is None:
        _count_attempt(running, want=0)
        return
    asked = request._get_current_object()  # type: ignore[attr-defined]  # each look through the proxy costs
    kind = _find_kind(asked)
    limit = _find_limit(running.config, caller, kind)
    if limit:
        _count(running, kind, _name_holder(caller, asked), limit, want=1)


def limit_login() -> None:
    """Count this request, once, as an attempt of the client's address to come in. TooManyRequests over
    LOGIN_RATE_LIMIT_MAX."""
    if "is_attempt" not in g:
        g.is_attempt = True
        _count_attempt(context(), want=1)


def note_bad_credentials() -> None:
    """Count this request as an attempt that failed, unless it is counted as an attempt already."""
    limit_login()


@lru_cache(maxsize=4096)
def find_network(address: str) -> str:
    """Whom an address belongs to: IPv4 as it is, the first 64 bits of IPv6, which one client has all of.

    Some proxies send the client's port too, which is another one for each connection.
    """
    with_port = ADDRESS_WITH_PORT.fullmatch(address)
    if with_port is not None:
        address = with_port[1] or with_port[2]
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> NETWORK_BITS << NETWORK_BITS))


def _name_address(asked: Request) -> str:
    return f"address:{find_network(asked.remote_addr or '')}"


def _name_holder(caller: Caller, asked: Request) -> str:
    if caller.key is not None:
        return f"key:{caller.key.count_id}"
    return _name_address(asked) if caller.user is None else f"user:{caller.user.user_id}"


def _find_kind(asked: Request) -> LimitKind:
    rule = asked.url_rule.rule if asked.url_rule else None
    is_ingest = rule == PIXEL_RULE or (asked.method == "POST" and rule in INGEST_RULES)
    return LimitKind.INGEST if is_ingest else LimitKind.OTHER


def _find_limit(config: Config, caller: Caller, kind: LimitKind) -> int:
    """How many requests of the kind the caller may send in a window; 0: any number."""
    if caller.key is not None and caller.key.rate_limit is not None:
        return caller.key.rate_limit
    looks = caller.user is not None or (caller.is_nobody and not config.is_production)
    return config.user_rate_limit_max if looks and kind is LimitKind.OTHER else config.rate_limit_max


def _count_attempt(running: Context, *, want: int) -> None:
    limit = running.config.login_rate_limit_max
    if limit:
        _count(running, LimitKind.LOGIN, _name_address(request), limit, want=want)


def _count(running: Context, kind: LimitKind, holder: str, limit: int, *, want: int) -> None:
    """Count `want` requests, 0 or 1, and tell the client how it stands. TooManyRequests where there is no room."""
    now_ms, window_ms = clock.fetch_now_ms(), running.config.rate_limit_window_ms
    grant = running.ledger.take(f"{kind}:{holder}", Claim(limit, want, window_ms, now_ms))
    if grant is None:
        return
    is_refused = grant.granted < want or (want == 0 and grant.remaining == 0)
    wait_seconds = math.ceil((grant.reset_at_ms - now_ms) / 1000)
    if want or is_refused:
        _announce(grant, limit, wait_seconds, math.ceil(window_ms / 1000))
    if is_refused:
        telemetry.record_limited(kind)
        raise TooManyRequests(
            f"Too many requests: {limit} in {window_ms / 1000:g} s are allowed", retry_after_seconds=wait_seconds
        )


def _announce(grant: Grant, limit: int, wait_seconds: int, window_seconds: int) -> None:
    """Have the answer say so, in the headers of draft-ietf-httpapi-ratelimit-headers-06; the last count is told."""
    if "limit_headers" not in g:
        after_this_request(_add_headers)
    g.limit_headers = (
        ("RateLimit-Limit", str(limit)),
        ("RateLimit-Remaining", str(grant.remaining)),
        ("RateLimit-Reset", str(wait_seconds)),
        ("RateLimit-Policy", f"{limit};w={window_seconds}"),
    )


def _add_headers(response: Response) -> Response:
    for name, value in g.limit_headers:
        response.headers.add(name, value)
    return response
