"""Every route against every kind of caller, and every route of one tenant against another: made from the routes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from argon2 import PasswordHasher
from werkzeug.test import TestResponse

from app import close_app, create_app
from services import clock, passwords
from tests import rights
from tests.cast import SECRET_TOKEN, START_MS, Clock, Installation
from tests.conftest import build_config
from tests.rights import CALLERS, OF_ORGANISATIONS, TESTED_ELSEWHERE, Right, expect_status, find_right
from tests.tenants import (
    Request,
    Rows,
    Tenant,
    build_request,
    dump,
    found_tenant,
    list_callers,
    list_routes,
    list_variables,
    restore,
    restore_event,
)

REFUSALS = (401, 403, 404)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Made once: each request is undone by putting the documents back."""
    with pytest.MonkeyPatch.context() as patch:
        frozen = Clock(START_MS)
        patch.setattr(clock, "fetch_now_ms", lambda: frozen.now_ms)
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        folder = tmp_path_factory.mktemp("permissions")
        app = create_app(build_config(folder, env="production", secret_token=SECRET_TOKEN, store="embedded"))
        installation = Installation(app, frozen)
        red, blue = found_tenant(installation, "red"), found_tenant(installation, "blue")
        callers = list_callers(installation, red, blue)
        for secret in [*callers.values(), *blue.secrets.values()]:
            # their use is noted once a minute, and the clock stands still
            installation.call("GET", "/v1/projects", secret=secret)
        yield World(installation, red, blue, callers, dump(installation))
        close_app(app)


@dataclass
class World:
    """Red, of whose things the requests are, and blue, from which some come."""

    installation: Installation
    red: Tenant
    blue: Tenant
    callers: dict[str, str | None]
    stored: Rows

    @property
    def all_routes(self) -> list[tuple[str, str]]:
        return [route for route in list_routes(self.installation.app) if route[1] not in TESTED_ELSEWHERE]

    @property
    def routes(self) -> list[tuple[str, str, Right]]:
        """Those that are classified: of the others one test tells, by name."""
        found = ((*route, find_right(*route)) for route in self.all_routes)
        return [(method, rule, right) for method, rule, right in found if right is not None]

    def build(self, method: str, rule: str) -> Request:
        return build_request(self.installation.app, method, rule, self.red)

    def send(self, request: Request, secret: str | None) -> TestResponse:
        return request.send(self.installation, secret)

    def undo(self) -> None:
        restore(self.installation, self.stored)
        for tenant in (self.red, self.blue):
            restore_event(self.installation, tenant)


def test_every_route_is_classified_and_nothing_else_is(world: World) -> None:
    assert [route for route in world.all_routes if find_right(*route) is None] == []
    assert {name for _, rule in world.all_routes for name in list_variables(rule)} - set(world.red.ids) == set()
    existing = list_routes(world.installation.app)
    assert set(rights.RIGHTS) - set(existing) == set()
    assert set(TESTED_ELSEWHERE) - {rule for _, rule in existing} == set()
    for beginning in rights.BEGINNINGS:
        assert any(method == beginning[0] and rule.startswith(beginning[1]) for method, rule in existing), beginning


def test_every_right_and_every_caller_is_in_the_matrix(world: World) -> None:
    assert set(world.callers) == set(CALLERS)
    assert set(rights.ALLOWED) == set(Right)


@pytest.mark.parametrize("caller", CALLERS)
def test_each_caller_gets_through_exactly_the_routes_that_are_open_to_it(world: World, caller: str) -> None:
    wrong = {}
    for method, rule, right in world.routes:
        request = world.build(method, rule)
        expected = expect_status(right, caller, names_tenant=request.names_tenant)
        answer = world.send(request, world.callers[caller])
        is_right = answer.status_code == expected if expected else answer.status_code not in (*REFUSALS, 405, 500)
        if not is_right:
            wrong[f"{method} {rule}"] = (expected or "let in", answer.status_code, answer.text[:200])
        world.undo()
    assert wrong == {}


@pytest.mark.parametrize("caller", ["admin key", "owner", "viewer", "public key"])
def test_another_tenant_sees_and_changes_nothing(world: World, caller: str) -> None:
    """With credentials of blue's, requests that name what is red's."""
    secret = world.blue.secrets[caller]
    wrong = {}
    for method, rule, right in world.routes:
        request = world.build(method, rule)
        if right is Right.PUBLIC or world.red.invitation in (request.body or ""):
            # an invitation is meant for those who are not there yet
            continue
        events = world.installation.context.store.count(world.red.project_key)
        answer = world.send(request, secret)
        if request.names_tenant and answer.status_code not in REFUSALS:
            wrong[f"{method} {rule}"] = (answer.status_code, answer.text[:200])
        leaked = [marker for marker in world.red.markers if marker in answer.text]
        assert leaked == [], (method, rule, answer.text[:300])
        assert world.installation.context.store.count(world.red.project_key) == events
        if request.names_tenant:
            assert dump(world.installation) == world.stored, (method, rule)
        else:
            assert documents_of(world.red, dump(world.installation)) == documents_of(world.red, world.stored)
        world.undo()
    assert wrong == {}


def test_ids_of_another_tenant_below_ones_own_are_not_found(world: World) -> None:
    """All of the request is blue's but the id at the end of its path: the key, member, invitation, event of red."""
    tried = set()
    for method, rule, right in world.routes:
        variables = list_variables(rule)
        if not variables or variables[-1] in ("project_key", "organisation_id") or right in (Right.ROOT, Right.PUBLIC):
            continue
        foreign = {variables[-1]: world.red.ids[variables[-1]]}
        request = build_request(world.installation.app, method, rule, world.blue, foreign)
        for caller in ("owner",) if right in OF_ORGANISATIONS else ("admin key", "owner"):
            answer = world.send(request, world.blue.secrets[caller])
            assert answer.status_code == 404, (method, rule, caller, answer.text)
            assert dump(world.installation) == world.stored
            tried.add(variables[-1])
    assert tried >= {"key_id", "user_id", "invitation_id", "event_id"}


def documents_of(tenant: Tenant, rows: Rows) -> Rows:
    """The stored documents in which one of the tenant's ids stands."""
    ids = [tenant.ids[name] for name in ("project_key", "organisation_id", "user_id")]
    return [row for row in rows if any(each in json.dumps(row) for each in ids)]
