"""API keys as a guard asks for them."""

from __future__ import annotations

import asyncio

import pytest

from gateway import Identity
from gateway.api_keys import ApiKeySource
from plugins.auth.access.api_keys import digest_of
from plugins.auth.access.key_text import drawn
from plugins.auth.access.known_keys import KnownKeys
from plugins.auth.access.principals import Principals
from plugins.auth.accounts.tables import accounts
from tests.plugins.auth.access.desk import Desk

ISSUER = "http://localhost/auth"


@pytest.fixture
def known(desk: Desk) -> KnownKeys:
    principals = Principals(desk.sql, desk.epoch, desk.clock)
    return KnownKeys(desk.sql, desk.epoch, ISSUER, principals, desk.clock)


async def seen(known: KnownKeys, key: str) -> Identity | None:
    """As the middleware asks."""
    digest = digest_of(key.encode())
    found = known.known_key(key.encode(), digest)
    if found is True:
        return await known.find_key(digest)
    return found or None


async def test_a_key_is_its_owner_with_its_scopes(desk: Desk, known: KnownKeys) -> None:
    ada = await desk.person("ada")
    await desk.scopes.create("read", ["documents/**:read"])
    await desk.set_roles(ada, "admin")
    assert isinstance(known, ApiKeySource)
    for scopes, roles in ((["read"], frozenset[str]()), (["roles"], frozenset({"admin"}))):
        made, key = await desk.keys.create(ada, "laptop", scopes)
        found = await seen(known, key)
        assert found is not None
        assert (found.subject, found.kind, found.scopes) == (ada, "api_key", frozenset(scopes))
        assert found.roles == roles
        assert found.claims == {"iss": ISSUER, "key_id": made.id, "key_name": "laptop"}
        assert known.known_key(key.encode(), digest_of(key.encode())) is found


async def test_a_key_made_up_is_refused_and_remembered(desk: Desk, known: KnownKeys) -> None:
    for key in ("", "aitk_" + "0" * 38, "x" * 43):
        assert known.known_key(key.encode(), digest_of(key.encode())) is False
    key = drawn()
    assert known.known_key(key.encode(), digest_of(key.encode())) is True
    assert await seen(known, key) is None
    assert known.known_key(key.encode(), digest_of(key.encode())) is False


async def test_a_key_ends_when_it_expires_is_revoked_or_its_owner_is_no_more(
    desk: Desk, known: KnownKeys
) -> None:
    ada, robot = await desk.person("ada"), await desk.services.create("robot")
    _, short = await desk.keys.create(ada, "short", lifetime=10)
    made, revoked = await desk.keys.create(ada, "revoked")
    _, of_robot = await desk.keys.create(robot.id, "key")
    _, kept = await desk.keys.create(ada, "kept")
    assert None not in [await seen(known, each) for each in (short, revoked, of_robot, kept)]
    desk.clock.ahead = 11
    assert await seen(known, short) is None
    await desk.keys.revoke(made.id)
    assert await seen(known, revoked) is None
    await desk.services.update(robot.id, disabled=True)
    assert await seen(known, of_robot) is None
    await desk.services.update(robot.id, disabled=False)
    assert await seen(known, of_robot) is not None
    await desk.services.delete(robot.id)
    assert await seen(known, of_robot) is None
    assert await seen(known, kept) is not None
    async with desk.epoch.write() as connection:
        disabling = accounts.update().where(accounts.c.id == ada).values(disabled=True)
        await connection.execute(disabling)
    assert await seen(known, kept) is None


async def test_a_key_revoked_while_it_is_looked_up_is_not_kept(
    desk: Desk, known: KnownKeys
) -> None:
    ada = await desk.person("ada")
    for _ in range(10):
        made, key = await desk.keys.create(ada, "laptop")
        await asyncio.gather(
            *(seen(known, key) for _ in range(5)), desk.keys.revoke(made.id), seen(known, key)
        )
        assert await seen(known, key) is None


async def test_when_a_key_was_used_is_noted_once_a_minute(desk: Desk) -> None:
    ada = await desk.person("ada")
    _, key = await desk.keys.create(ada, "laptop")
    principals = Principals(desk.sql, desk.epoch)
    noted, now = [], [0]
    known = KnownKeys(desk.sql, desk.epoch, ISSUER, principals, lambda: now[0])
    for now[0] in (1000, 1030, 1059, 1090):
        await seen(known, key)
        await known.write_down()
        (found,) = await desk.keys.page(owner=ada)
        noted.append(found.used_at)
    assert noted == [1000, 1000, 1000, 1090]
