"""API keys: made once, listed without themselves, revoked by those who may."""

from __future__ import annotations

import asyncio
import re

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access.api_keys import digest_of
from plugins.auth.access.ending_keys import EndingKeys
from plugins.auth.access.errors import Missing, Taken, TooMany
from plugins.auth.access.key_text import drawn, well_formed
from plugins.auth.access.options import AccessOptions
from plugins.auth.access.tables import api_keys
from plugins.auth.mail.tables import outbox
from plugins.auth.oauth.clients import Clients
from plugins.auth.pruning import Pruning
from tests.plugins.auth.access.desk import Desk


def test_a_key_is_recognised_and_a_mistyped_one_is_not() -> None:
    key = drawn()
    assert re.fullmatch(r"aitk_[0-9A-Za-z]{38}", key)
    assert well_formed(key.encode())
    assert key != drawn()
    for place in (0, 5, 20, 36, 42):
        other = "b" if key[place] == "a" else "a"
        assert not well_formed((key[:place] + other + key[place + 1 :]).encode())
    for text in ("", key[:-1], key + "a", key.lower() if key.lower() != key else key.upper()):
        assert not well_formed(text.encode())


async def test_of_a_key_only_its_digest_is_kept(desk: Desk) -> None:
    ada = await desk.person("ada")
    made, key = await desk.keys.create(ada, "laptop", ["roles"], lifetime=60, actor="command")
    async with desk.sql.read() as connection:
        row = (await connection.execute(sa.select(api_keys))).one()
    assert row.hash == digest_of(key.encode())
    assert (made.hint, len(made.hint)) == (key[:9], 9)
    assert key not in repr(row)
    (listed,) = await desk.keys.page(owner=ada)
    assert listed == made
    assert (listed.scopes, listed.used_at) == (("roles",), None)


async def test_keys_are_revoked_by_their_owner_alone_or_by_an_admin(desk: Desk) -> None:
    ada, bob = await desk.person("ada"), await desk.person("bob")
    made, _ = await desk.keys.create(ada, "laptop")
    assert not await desk.keys.revoke(made.id, owner=bob)
    assert await desk.keys.revoke(made.id, owner=ada)
    assert not await desk.keys.revoke(made.id)
    made, _ = await desk.keys.create(ada, "laptop")
    assert await desk.keys.revoke(made.id)
    assert await desk.keys.page() == []


async def test_what_cannot_be_is_refused(desk: Desk) -> None:
    ada = await desk.person("ada")
    for name, lifetime in (("", 60), ("x", 0), ("x", 400 * 86400), ("a\nb", 60)):
        with pytest.raises(ValueError, match="name"):
            await desk.keys.create(ada, name, lifetime=lifetime)
    with pytest.raises(Missing):
        await desk.keys.create(ada, "x", ["nothing"])
    with pytest.raises(Missing):
        await desk.keys.create("0" * 32, "x")


async def test_nobody_makes_more_than_the_setting_says(sql: Sql) -> None:
    desk = Desk(sql, AccessOptions(keys=2))
    ada = await desk.person("ada")

    async def make(owner: str) -> bool:
        try:
            await desk.keys.create(owner, "x", lifetime=60)
        except TooMany:
            return False
        return True

    assert sorted(await asyncio.gather(*(make(ada) for _ in range(6)))) == [False] * 4 + [True] * 2
    robot = await desk.services.create("robot")
    assert all([await make(robot.id) for _ in range(3)])
    desk.clock.ahead = 61
    assert await make(ada)
    await Pruning(sql, desk.clock).prune()
    assert len(await desk.keys.page()) == 1


async def test_6_4_5_whoever_has_a_key_hears_once_that_it_ends_soon(desk: Desk) -> None:
    ada, robot = await desk.person("ada"), await desk.services.create("robot")
    for owner, days in ((ada, 30), (ada, 30), (ada, 14), (ada, 60), (robot.id, 30)):
        await desk.keys.create(owner, "x", lifetime=days * 86400)
    ending, now = EndingKeys(desk.sql), int(desk.clock())
    for day, letters in ((22, 0), (24, 1), (25, 1), (31, 1), (54, 2)):
        assert not await ending.tell(now + day * 86400)
        async with desk.sql.read() as connection:
            found = await connection.execute(sa.select(outbox.c.letter, outbox.c.email))
            assert found.all() == [("ending", "ada@example.org")] * letters


async def test_service_accounts_have_names_clients_and_an_end(desk: Desk) -> None:
    client, _ = await Clients(desk.sql).create("robot", [])
    robot = await desk.services.create("robot", ["admin"], client_id=client.id)
    for name, client_id in (("robot", None), ("other", client.id)):
        with pytest.raises(Taken):
            await desk.services.create(name, client_id=client_id)
    with pytest.raises(Missing):
        await desk.services.create("other", client_id="0" * 32)
    with pytest.raises(ValueError, match="name"):
        await desk.services.create(" ")
    await desk.services.create("second")
    with pytest.raises(Taken):
        await desk.services.update(robot.id, name="second")
    changed = await desk.services.update(robot.id, name="third", roles=[], disabled=True)
    assert (changed.name, changed.roles, changed.disabled) == ("third", (), True)
    with pytest.raises(Missing):
        await desk.keys.create(robot.id, "x")
    await desk.services.update(robot.id, disabled=False)
    await desk.keys.create(robot.id, "x")
    await desk.grants.give("principal", robot.id, "documents/1:read")
    assert [each.name for each in await desk.services.page()] == ["second", "third"]
    assert await desk.services.delete(robot.id)
    assert not await desk.services.delete(robot.id)
    assert await desk.keys.page() == []
    assert await desk.grants.of("principal", robot.id) == []
    with pytest.raises(Missing):
        await desk.services.update(robot.id, disabled=True)
