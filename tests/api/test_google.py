"""Sign-in through Google, against an OpenID provider in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from werkzeug.test import TestResponse

from routes.google import STATE_COOKIE
from services.google import Identity
from services.sign_in import build_username
from tests.cast import MINUTE_MS, SECRET_TOKEN, Environment, Installation, MakeApp, install
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, SIGNING_KEY, Provider, open_provider
from tests.people import PASSWORD, found_team, invite, log_in, register, register_superuser

pytestmark = pytest.mark.usefixtures("quick_passwords")

START, CALLBACK = "/api/auth/google", "/api/auth/google/callback"
ADA = {"sub": "1001", "email": "Ada@Example.com", "email_verified": True, "name": "Ada Lovelace"}


class Signing:
    """A service that trusts a provider, and browsers that go from one to the other."""

    def __init__(self, installation: Installation, provider: Provider) -> None:
        self.installation = installation
        self.provider = provider

    def browser(self) -> FlaskClient:
        return self.installation.app.test_client()

    def sign_in(self, browser: FlaskClient | None = None, query: str = "", **claims: Any) -> TestResponse:
        """The answer to who signs in with these claims."""
        browser = browser or self.browser()
        location = browser.get(START + query).headers["Location"]
        return self.come_back(browser, self.provider.sign_in(location, **{**ADA, **claims}))

    def come_back(self, browser: FlaskClient, address: str) -> TestResponse:
        parts = urlsplit(address)
        return browser.get(f"{parts.path}?{parts.query}")

    def show_me(self, answer: TestResponse) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        token = answer.json["access_token"]
        shown = self.installation.call("GET", "/api/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert shown.status_code == 200
        return dict(shown.json)


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


@pytest.fixture
def open_signing(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`open_signing("production", ...)`: a service with these settings and its provider."""
    now: list[Installation] = []
    with open_provider(lambda: now[0].clock.now_ms) as provider:

        def open_one(env: Environment, **settings: object) -> Signing:
            given = {
                "google_client_id": CLIENT_ID,
                "google_client_secret": CLIENT_SECRET,
                "google_discovery_url": provider.discovery_url,
                **settings,
            }
            now.append(install(make_app, env, monkeypatch, **given))
            return Signing(now[0], provider)

        yield open_one


@pytest.fixture
def signing(open_signing: Any) -> Signing:
    found: Signing = open_signing("production", registration="open")
    register_superuser(found.installation)
    return found


def test_without_the_setting_there_is_no_such_sign_in(production: Installation) -> None:
    for path in (START, CALLBACK):
        assert code_of(production.call("GET", path)) == (404, "sign_in_not_configured")


def test_who_signs_in_first_is_registered_and_later_recognised(signing: Signing) -> None:
    first = signing.show_me(signing.sign_in())
    assert {name: first[name] for name in ("username", "email", "full_name", "is_superuser")} == {
        "username": "ada",
        "email": "ada@example.com",
        "full_name": "Ada Lovelace",
        "is_superuser": False,
    }
    again = signing.show_me(signing.sign_in(email="ada@new.example", name="Ada King"))
    assert again == first


def test_the_browser_is_sent_with_a_state_that_only_it_holds(signing: Signing) -> None:
    answer = signing.browser().get(START)
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{STATE_COOKIE}=")
    for part in ("HttpOnly", "SameSite=Lax", "Path=/api/auth/google", "Max-Age=600"):
        assert part in cookie
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert asked["redirect_uri"] == ["http://localhost/api/auth/google/callback"]
    assert CLIENT_SECRET not in answer.headers["Location"]
    assert asked["state"][0] not in (asked["nonce"][0], asked["code_challenge"][0])


def test_behind_a_proxy_the_public_address_is_given_and_the_cookie_is_secure(open_signing: Any) -> None:
    signing = open_signing("production", public_url="https://stats.example.com/in/")
    answer = signing.browser().get(START)
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert asked["redirect_uri"] == ["https://stats.example.com/in/api/auth/google/callback"]
    assert "Secure" in answer.headers["Set-Cookie"]


def test_another_browser_cannot_finish_what_one_began(signing: Signing) -> None:
    victim, attacker = signing.browser(), signing.browser()
    victim.get(START)
    address = signing.provider.sign_in(attacker.get(START).headers["Location"], **ADA)
    assert code_of(signing.come_back(victim, address)) == (401, "sign_in_failed")
    assert code_of(signing.come_back(signing.browser(), address)) == (401, "sign_in_failed")
    assert signing.come_back(attacker, address).status_code == 200


def test_a_callback_works_once(signing: Signing) -> None:
    browser = signing.browser()
    address = signing.provider.sign_in(browser.get(START).headers["Location"], **ADA)
    cookie = browser.get_cookie(STATE_COOKIE, path=START)
    assert cookie is not None
    assert signing.come_back(browser, address).status_code == 200
    assert browser.get_cookie(STATE_COOKIE, path=START) is None
    browser.set_cookie(STATE_COOKIE, cookie.value, path=START)
    assert code_of(signing.come_back(browser, address)) == (401, "sign_in_failed")
    assert signing.provider.refusals == ["code"]


def test_a_state_ends_after_ten_minutes(signing: Signing) -> None:
    browser = signing.browser()
    location = browser.get(START).headers["Location"]
    signing.installation.clock.advance(10 * MINUTE_MS)
    assert code_of(signing.come_back(browser, signing.provider.sign_in(location, **ADA))) == (401, "expired_token")


@pytest.mark.parametrize(
    "query", ["", "?error=access_denied&state={state}", "?code=x", "?code=x&state=y", "?code=&state={state}"]
)
def test_a_callback_without_what_belongs_to_it_is_refused(signing: Signing, query: str) -> None:
    browser = signing.browser()
    state = parse_qs(urlsplit(browser.get(START).headers["Location"]).query)["state"][0]
    assert code_of(browser.get(CALLBACK + query.format(state=state))) == (401, "sign_in_failed")
    assert signing.provider.refusals == []


def test_an_access_token_is_no_state_and_a_state_no_access_token(signing: Signing) -> None:
    browser = signing.browser()
    browser.get(START)
    cookie = browser.get_cookie(STATE_COOKIE, path=START)
    assert cookie is not None
    shown = signing.installation.call("GET", "/api/auth/me", headers={"Authorization": f"Bearer {cookie.value}"})
    assert code_of(shown) == (401, "invalid_token")
    browser.set_cookie(STATE_COOKIE, log_in(signing.installation, "superuser"), path=START)
    assert code_of(browser.get(f"{CALLBACK}?code=x&state=y")) == (401, "invalid_token")


STRANGER = RSAKey.generate_key(2048, {"kid": "first"})


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://somebody.example"},
        {"aud": "another-client"},
        {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"iat": 99_999_999_999},
        {"sub": ""},
        {"sub": 5},
        {"sub": None},
    ],
    ids=str,
)
def test_an_identity_that_is_not_meant_for_here_and_now_is_refused(signing: Signing, change: dict[str, Any]) -> None:
    def alter(claims: dict[str, Any]) -> None:
        claims.update(change)
        for name in [name for name, value in change.items() if value is None]:
            del claims[name]

    signing.provider.alter_claims = alter
    assert code_of(signing.sign_in()) == (401, "sign_in_failed")
    assert len(signing.installation.as_root("GET", "/api/auth/users")["users"]) == 1


def test_an_identity_that_the_provider_did_not_sign_is_refused(signing: Signing) -> None:
    def claims_of(token: str) -> dict[str, Any]:
        return dict(jwt.decode(token, SIGNING_KEY).claims)

    alterations = {
        "another key": lambda token: jwt.encode({"alg": "RS256", "kid": "first"}, claims_of(token), STRANGER),
        "a shared secret": lambda token: jwt.encode(
            {"alg": "HS256", "kid": "first"}, claims_of(token), OctKey.import_key(CLIENT_SECRET * 2)
        ),
        "alg none": lambda token: "eyJhbGciOiJub25lIn0." + token.split(".")[1] + ".",
        "no signature": lambda token: token.rpartition(".")[0] + ".",
        "no token": lambda token: "",
    }
    for alter in alterations.values():
        signing.provider.alter_token = alter
        assert code_of(signing.sign_in()) == (401, "sign_in_failed")


def test_a_provider_that_is_away_is_said_so(open_signing: Any) -> None:
    signing = open_signing("production", google_discovery_url="http://127.0.0.1:9/nothing")
    answer = signing.browser().get(START)
    assert code_of(answer) == (503, "sign_in_provider_unavailable")
    assert "Retry-After" in answer.headers


def test_a_verified_address_leads_to_its_user_and_voids_what_was_set_before_it_was_proved(signing: Signing) -> None:
    known = register(signing.installation, "ada")
    waiting = log_in(signing.installation, "ada")
    answer = signing.sign_in()
    assert signing.show_me(answer)["id"] == known["id"]
    refused = signing.installation.call("GET", "/api/auth/me", headers={"Authorization": f"Bearer {waiting}"})
    assert code_of(refused) == (401, "revoked_token")
    body = {"username": "ada", "password": PASSWORD}
    assert signing.installation.call("POST", "/api/auth/login", body).status_code == 401
    token = answer.json["access_token"]
    changed = signing.installation.call("POST", "/api/auth/password", {"new_password": "my own now"}, secret=token)
    assert changed.status_code == 200
    # a password that was set since stays
    assert signing.show_me(signing.sign_in())["id"] == known["id"]
    assert log_in(signing.installation, "ada", "my own now")


@pytest.mark.parametrize("verified", [False, None, "yes", 0])
def test_an_address_that_is_not_verified_leads_to_nobody(signing: Signing, verified: object) -> None:
    known = register(signing.installation, "ada")
    shown = signing.show_me(signing.sign_in(email_verified=verified))
    assert shown["id"] != known["id"]
    assert shown["email"] is None
    assert log_in(signing.installation, "ada")


def test_an_address_that_was_given_to_another_account_does_not_open_the_first(signing: Signing) -> None:
    signing.sign_in()
    assert code_of(signing.sign_in(sub="2002")) == (403, "linked_to_another")


def test_a_taken_username_gets_an_ending(signing: Signing) -> None:
    register(signing.installation, "ada", email="someone@else.example")
    shown = signing.show_me(signing.sign_in())
    assert shown["username"].startswith("ada-")
    assert shown["email"] == "ada@example.com"


def test_a_deactivated_user_stays_out(signing: Signing) -> None:
    user_id = signing.show_me(signing.sign_in())["id"]
    signing.installation.as_root("PATCH", f"/api/auth/users/{user_id}", {"is_active": False})
    assert code_of(signing.sign_in()) == (403, "inactive_user")


def test_by_invitation_only_strangers_stay_out_and_invited_ones_come_in(open_signing: Any) -> None:
    signing = open_signing("production")
    team = found_team(signing.installation, "red")
    assert code_of(signing.sign_in()) == (401, "missing_credentials")
    token = invite(signing.installation, team.organisation_id, team.tokens["owner"], "analyst", email="ada@example.com")
    assert code_of(signing.sign_in(query=f"?invitation={token}", sub="9", email="eve@example.com")) == (
        403, "invitation_for_another"
    )  # fmt: skip
    answer = signing.sign_in(query=f"?invitation={token}")
    listed = signing.installation.call("GET", "/v1/organisations", secret=answer.json["access_token"])
    assert [(each["id"], each["role"]) for each in listed.json["organisations"]] == [(team.organisation_id, "analyst")]
    assert code_of(signing.sign_in(query=f"?invitation={token}")) == (403, "invalid_invitation")
    second = invite(signing.installation, team.organisation_id, team.tokens["owner"], "owner")
    assert signing.sign_in(query=f"?invitation={second}").status_code == 200
    members = signing.installation.as_root("GET", f"/v1/organisations/{team.organisation_id}/members")["members"]
    assert {member["email"]: member["role"] for member in members}["ada@example.com"] == "analyst"


@pytest.mark.parametrize(
    ("email", "username"),
    [("ada@x.example", "ada"), ("a(b)c d@x", "abcd"), ("()@x", "user"), (None, "user"), ("x" * 200 + "@y", "x" * 93)],
)
def test_a_username_is_made_of_the_address(email: str | None, username: str) -> None:
    assert build_username(Identity("1", email, None, None)) == username


def test_nothing_of_the_exchange_is_in_the_logs(signing: Signing, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    answer = signing.sign_in()
    for secret in (answer.json["access_token"], CLIENT_SECRET, SECRET_TOKEN):
        assert secret not in caplog.text


def test_what_a_sign_in_changes_is_in_the_audit_log(signing: Signing) -> None:
    team = found_team(signing.installation, "red")
    token = invite(signing.installation, team.organisation_id, team.tokens["owner"], "viewer")
    known = register(signing.installation, "ada")
    signing.installation.clock.advance(1)
    assert signing.sign_in(query=f"?invitation={token}").status_code == 200
    shown = signing.installation.as_root("GET", "/v1/audit-log?limit=3")["entries"]
    about = {entry["action"]: (entry["organisationId"], entry["targets"], entry["outcome"]) for entry in shown}
    who = [{"kind": "user", "id": known["id"]}]
    assert about["user.link"] == (None, who, "done")
    assert about["invitation.accept"] == (team.organisation_id, who, "done")
    # who comes back changes nothing
    signing.installation.clock.advance(1)
    assert signing.sign_in(query=f"?invitation={token}").status_code == 403
    assert signing.sign_in().status_code == 200
    assert signing.installation.as_root("GET", "/v1/audit-log?limit=3")["entries"] == shown


def test_the_ways_to_log_in_name_google_where_it_is_set_up(signing: Signing) -> None:
    assert signing.installation.call("GET", "/api/auth/methods").json == {"methods": ["password", "google"]}


def test_the_ways_to_log_in_are_the_password_alone_without_it(production: Installation) -> None:
    assert production.call("GET", "/api/auth/methods").json == {"methods": ["password"]}


def read_fragment(answer: TestResponse, page: str) -> dict[str, str]:
    """What the browser is led to the page with."""
    assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "no-store")
    address, _, fragment = answer.headers["Location"].partition("#")
    assert address == page
    return {name: values[0] for name, values in parse_qs(fragment).items()}


def test_a_sign_in_for_the_dashboard_leads_there_with_a_token_that_no_server_is_sent(signing: Signing) -> None:
    browser = signing.browser()
    answer = signing.sign_in(browser, query="?page=dashboard")
    brought = read_fragment(answer, "http://localhost/dashboard")
    assert brought.keys() == {"access_token"}
    shown = signing.installation.call("GET", "/api/auth/me", secret=brought["access_token"])
    assert shown.json["email"] == "ada@example.com"
    assert browser.get_cookie(STATE_COOKIE, path=START) is None


def test_behind_a_proxy_the_dashboard_is_at_the_public_address(open_signing: Any) -> None:
    signing = open_signing("production", registration="open", public_url="http://localhost/in")
    register_superuser(signing.installation)
    browser = signing.browser()
    address = signing.provider.sign_in(browser.get(f"{START}?page=dashboard").headers["Location"], **ADA)
    answer = signing.come_back(browser, address.replace("/in/", "/"))
    assert "access_token" in read_fragment(answer, "http://localhost/in/dashboard")


def test_who_may_not_come_in_is_led_to_the_dashboard_with_the_reason(open_signing: Any) -> None:
    signing = open_signing("production")
    register_superuser(signing.installation)
    answer = signing.sign_in(query="?page=dashboard")
    reason = "Registering needs SECRET_TOKEN, a superuser or an invitation"
    assert read_fragment(answer, "http://localhost/dashboard") == {"sign_in_error": reason}
    browser = signing.browser()
    location = browser.get(f"{START}?page=dashboard").headers["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    cancelled = browser.get(f"{CALLBACK}?error=access_denied&state={state}")
    reason = "The provider did not sign you in"
    assert read_fragment(cancelled, "http://localhost/dashboard") == {"sign_in_error": reason}


@pytest.mark.parametrize("page", ["https://evil.example", "//evil.example", "Dashboard", ""])
def test_a_sign_in_leads_to_no_other_page(signing: Signing, page: str) -> None:
    assert code_of(signing.browser().get(f"{START}?page={page}")) == (400, "invalid_field")
