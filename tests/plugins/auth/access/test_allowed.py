"""Who may do what: no, unless something says yes; and it ends when that does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway import Identity
from gateway.seat import Subscribers
from plugins.auth.access.allowed import Allowed
from plugins.auth.access.grants import Grants
from plugins.auth.access.principals import Principals
from plugins.auth.cache.epoch import Epochs
from plugins.auth.oauth.clients import Clients
from tests.plugins.auth.access.desk import Desk

ISSUER = "http://localhost/auth"
Ask = Callable[..., Any]


def token(subject: str, *scopes: str, **claims: Any) -> Identity:
    return Identity(subject, "jwt", {"iss": ISSUER, **claims}, frozenset(scopes))


@pytest.fixture
def allowed(desk: Desk) -> Allowed:
    principals = Principals(desk.sql, desk.epoch, desk.clock)
    return Allowed(desk.sql, desk.epoch, ISSUER, principals, desk.clock)


@pytest.mark.parametrize(
    ("permission", "yes", "no"),
    [
        ("documents/1:read", ["documents/1:read"], ["documents/1:write", "documents/10:read"]),
        ("documents/1:read", [], ["documents/1/a:read", "documents:read"]),
        (
            "documents/**:read",
            ["documents:read", "documents/1:read", "documents/1/a:read"],
            ["documentsx:read", "other:read", "documents/1:write"],
        ),
        ("documents/1:*", ["documents/1:read", "documents/1:drop"], ["documents/2:read"]),
        ("**:read", ["a:read", "a/b:read"], ["a:write"]),
        ("**:*", ["a:write"], ["a//b:read", "a/../b:read", "a b:read", ":read", "a:Read", "**:*"]),
    ],
)
async def test_a_role_allows_what_its_permissions_cover(
    desk: Desk, allowed: Allowed, permission: str, yes: list[str], no: list[str]
) -> None:
    ada = await desk.person("ada")
    await desk.roles.create("some", [permission])
    await desk.set_roles(ada, "some")
    for answer, asked in ((True, yes), (False, no)):
        for each in asked:
            resource, _, action = each.rpartition(":")
            assert await allowed.ask(ada, action, resource) is answer, each
            assert allowed.known(ada, action, resource) is answer, each


async def test_nobody_and_the_unknown_may_nothing(desk: Desk, allowed: Allowed) -> None:
    """ASVS 5.0 10.3.3."""
    ada = await desk.person("ada")
    await desk.set_roles(ada, "admin")
    strangers = (
        None,
        "0" * 32,
        Identity(ada, "jwt", {"iss": "https://other.example"}, frozenset({"roles"})),
        Identity(ada, "jwt", {}, frozenset({"roles"})),
        Identity(ada, "api_key"),
        Identity(ada, "basic", {"iss": ISSUER}, frozenset({"roles"})),
        token(ada, "roles", org=["x"]),
    )
    for who in strangers:
        assert not await allowed.ask(who, "read", "documents/1")
    assert await allowed.ask(token(ada, "roles"), "read", "documents/1")


async def test_a_token_may_no_more_than_its_scopes_and_its_owner(
    desk: Desk, allowed: Allowed
) -> None:
    ada = await desk.person("ada")
    await desk.roles.create("editor", ["documents/**:read", "documents/**:write"])
    await desk.set_roles(ada, "editor")
    await desk.scopes.create("documents.read", ["documents/**:read"])
    await desk.scopes.create("all", ["**:*"])
    for scopes, read, write, other in (
        ((), False, False, False),
        (("openid", "profile"), False, False, False),
        (("documents.read",), True, False, False),
        (("all",), True, True, False),
        (("roles",), True, True, False),
    ):
        who = token(ada, *scopes, client_id="app")
        assert await allowed.ask(who, "read", "documents/1") is read
        assert await allowed.ask(who, "write", "documents/1") is write
        assert await allowed.ask(who, "read", "other") is other


async def test_a_grant_is_on_one_resource_or_on_what_lies_below(
    desk: Desk, allowed: Allowed
) -> None:
    ada, bob = await desk.person("ada"), await desk.person("bob")
    await desk.groups.create("staff")
    await desk.groups.add("staff", bob)
    assert not await allowed.ask(ada, "read", "documents/1")
    await desk.grants.give("principal", ada, "documents/1:read")
    await desk.grants.give("group", "staff", "folders/7/**:*")
    assert await allowed.ask(ada, "read", "documents/1")
    assert not await allowed.ask(ada, "write", "documents/1")
    assert not await allowed.ask(ada, "read", "documents/2")
    assert await allowed.ask(bob, "write", "folders/7/a/b")
    assert not await allowed.ask(ada, "write", "folders/7/a/b")
    await desk.grants.take("principal", ada, "documents/1:read")
    await desk.groups.remove("staff", bob)
    assert not await allowed.ask(ada, "read", "documents/1")
    assert not await allowed.ask(bob, "write", "folders/7/a/b")
    assert allowed.known(bob, "write", "folders/7/a/b") is False
    assert allowed.known(bob, "write", "folders/8") is None


async def test_a_role_of_a_group_is_its_members(desk: Desk, allowed: Allowed) -> None:
    ada = await desk.person("ada")
    robot = await desk.services.create("robot")
    await desk.roles.create("reader", ["documents/**:read"])
    await desk.groups.create("staff", ["reader"])
    for member in (ada, robot.id):
        assert not await allowed.ask(member, "read", "documents/1")
        await desk.groups.add("staff", member)
        assert await allowed.ask(member, "read", "documents/1")
    await desk.services.update(robot.id, disabled=True)
    assert not await allowed.ask(robot.id, "read", "documents/1")
    await desk.groups.update("staff", roles=[])
    assert not await allowed.ask(ada, "read", "documents/1")


async def test_a_role_in_an_organisation_ends_at_its_borders(desk: Desk, allowed: Allowed) -> None:
    ada, bob = await desk.person("ada"), await desk.person("bob")
    await desk.roles.create("editor", ["documents/**:write"])
    acme = (await desk.organisations.create("Acme", ada)).id
    zeta = (await desk.organisations.create("Zeta", ada)).id
    await desk.organisations.add(acme, bob, roles=["editor"])
    for who, place, action, answer in (
        (bob, f"organisations/{acme}/documents/1", "write", True),
        (bob, f"organisations/{acme}/documents/1", "read", False),
        (bob, f"organisations/{acme}/settings", "write", False),
        (bob, f"organisations/{zeta}/documents/1", "write", False),
        (bob, "documents/1", "write", False),
        (ada, f"organisations/{acme}/settings", "write", True),
        (ada, f"organisations/{zeta}", "write", True),
        (token(ada, "roles", org=acme), f"organisations/{acme}/settings", "write", True),
        (token(ada, "roles", org=acme), f"organisations/{zeta}/settings", "write", False),
    ):
        assert await allowed.ask(who, action, place) is answer, place
    await desk.organisations.remove(acme, bob)
    assert not await allowed.ask(bob, "write", f"organisations/{acme}/documents/1")


async def test_a_client_of_its_own_may_what_its_scopes_and_its_service_account_say(
    desk: Desk, allowed: Allowed
) -> None:
    client, _ = await Clients(desk.sql).create("robot", ["documents.read", "roles"])
    await desk.scopes.create("documents.read", ["documents/**:read"])
    by_scope = token(client.id, "documents.read", client_id=client.id)
    by_role = token(client.id, "roles", client_id=client.id)
    assert await allowed.ask(by_scope, "read", "documents/1")
    assert not await allowed.ask(by_scope, "write", "documents/1")
    assert not await allowed.ask(by_role, "read", "documents/1")
    await desk.roles.create("writer", ["documents/**:write"])
    robot = await desk.services.create("robot", ["writer"], client_id=client.id)
    for who in (by_scope, by_role):
        assert await allowed.ask(who, "write", "documents/1")
    await desk.services.update(robot.id, disabled=True)
    for who in (by_scope, by_role):
        for action in ("read", "write"):
            assert not await allowed.ask(who, action, "documents/1")


async def test_other_workers_and_hosts_hear_of_a_change(desk: Desk) -> None:
    ada = await desk.person("ada")
    host = Subscribers()
    epochs = [Epochs(desk.sql, host), Epochs(desk.sql, host), Epochs(desk.sql, Subscribers())]
    asked = [
        Allowed(desk.sql, epoch, ISSUER, Principals(desk.sql, epoch, desk.clock), desk.clock)
        for epoch in (each.access for each in epochs)
    ]
    for each in epochs:
        await each.start()
    for decisions in asked:
        assert not await decisions.ask(ada, "read", "documents/1")
    await Grants(desk.sql, epochs[0].access).give("principal", ada, "documents/1:read")
    assert await asked[0].ask(ada, "read", "documents/1")
    await asyncio.sleep(0)
    assert await asked[1].ask(ada, "read", "documents/1")
    assert not await asked[2].ask(ada, "read", "documents/1")
    task = asyncio.create_task(epochs[2].run())
    async with asyncio.timeout(20):
        while not await asked[2].ask(ada, "read", "documents/1"):  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.02)
    task.cancel()
