"""An OpenID provider in a thread: it signs in whom a test says, and checks what a provider checks."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "client-of-the-tests", "secret-of-the-tests"
SIGNING_KEY = RSAKey.generate_key(2048, {"kid": "first"})
PATHS = {"/.well-known/openid-configuration": "describe", "/jwks": "show_keys", "/token": "exchange"}


@dataclass
class Provider:
    """What it is asked is kept; `alter_claims` and `alter_token` may spoil what it answers."""

    now_ms: Callable[[], int]
    address: str = ""
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    alter_claims: Callable[[dict[str, Any]], object] = field(default=lambda claims: None)
    alter_token: Callable[[str], str] = field(default=lambda token: token)
    refusals: list[str] = field(default_factory=list)
    present: dict[str, Any] = field(default_factory=dict)
    """Claims of who sits before a browser that comes here: it is sent back at once."""

    @property
    def discovery_url(self) -> str:
        return f"{self.address}/.well-known/openid-configuration"

    def sign_in(self, location: str, **claims: Any) -> str:
        """What a browser does that is sent here: the person with these claims signs in, and it is sent back there."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert location.startswith(f"{self.address}/authorize?")
        assert (query["client_id"], query["response_type"]) == (CLIENT_ID, "code")
        assert query["code_challenge_method"] == "S256"
        assert set(query["scope"].split()) == {"openid", "email", "profile"}
        code = secrets.token_urlsafe(16)
        self.codes[code] = {"asked": query, "claims": claims}
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'scope': 'openid'})}"

    def describe(self, _: dict[str, str]) -> tuple[int, Any]:
        return 200, {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/jwks",
        }

    def show_keys(self, _: dict[str, str]) -> tuple[int, Any]:
        return 200, {"keys": [SIGNING_KEY.as_dict(private=False)]}

    def exchange(self, form: dict[str, str]) -> tuple[int, Any]:
        granted = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if granted is None or form.get("redirect_uri") != granted["asked"]["redirect_uri"]:
            return self._refuse("code")
        if challenge.rstrip(b"=").decode() != granted["asked"]["code_challenge"]:
            return self._refuse("verifier")
        if form.get("client") != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return self._refuse("client")
        now = self.now_ms() // 1000
        claims = {"iss": self.address, "aud": CLIENT_ID, "iat": now, "exp": now + 3600}
        claims |= {"nonce": granted["asked"]["nonce"], **granted["claims"]}
        self.alter_claims(claims)
        token = self.alter_token(jwt.encode({"alg": "RS256", "kid": "first"}, claims, SIGNING_KEY))
        return 200, {"access_token": "opaque", "token_type": "Bearer", "expires_in": 3600, "id_token": token}

    def _refuse(self, why: str) -> tuple[int, Any]:
        self.refusals.append(why)
        return 400, {"error": "invalid_grant"}


@contextmanager
def open_provider(now_ms: Callable[[], int]) -> Iterator[Provider]:
    """A provider on a free port of this machine."""
    provider = Provider(now_ms)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/authorize?"):
                self.send_response(302)
                self.send_header("Location", provider.sign_in(provider.address + self.path, **provider.present))
                self.end_headers()
                return
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
            if scheme == "Basic":
                form["client"] = base64.b64decode(rest).decode()
            self._answer(form)

        def _answer(self, form: dict[str, str]) -> None:
            name = PATHS.get(self.path)
            status, document = getattr(provider, name)(form) if name else (404, {})
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
