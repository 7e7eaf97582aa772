"""The last who holds the role admin keeps it, and the account."""

from __future__ import annotations

import asyncio

import pytest

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.access.groups import Groups
from plugins.auth.accounts.admins import is_admin
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.errors import LastAdmin
from plugins.auth.accounts.operators import Operators
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.audit.actor import COMMAND
from plugins.auth.cache.epoch import Epoch
from tests.plugins.auth.people import ADDRESS, PASSWORD, People


class Staff:
    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self.people = People(sql)
        epoch = Epoch(sql, Subscribers())
        self.groups = Groups(sql, epoch)
        sessions = Sessions(sql, self.people.options, "http://localhost/auth")
        self.changes = Changes(sql, epoch, self.people.directory, sessions)
        self.operators = Operators(sql, epoch, self.people.directory, sessions, self.changes)

    async def person(self, name: str, *roles: str) -> str:
        made = await self.people.directory.register(
            f"{name}@example.org", PASSWORD, ADDRESS, roles=roles, letter=False
        )
        assert made is not None
        return made

    async def there(self, account_id: str) -> bool:
        return await self.people.directory.get(account_id) is not None


@pytest.fixture
def staff(sql: Sql) -> Staff:
    return Staff(sql)


async def test_anybody_but_the_last_admin_closes_the_own_account(staff: Staff) -> None:
    root, ada = await staff.person("root", "admin"), await staff.person("ada")
    with pytest.raises(LastAdmin):
        await staff.changes.close(root, ADDRESS)
    assert await staff.there(root)
    await staff.changes.close(ada, ADDRESS)
    assert not await staff.there(ada)
    await staff.person("other", "admin")
    await staff.changes.close(root, ADDRESS)
    assert not await staff.there(root)


async def test_where_nobody_is_admin_anybody_leaves(staff: Staff) -> None:
    ada = await staff.person("ada")
    await staff.changes.close(ada, ADDRESS)
    assert not await staff.there(ada)


async def test_admins_who_close_their_accounts_at_once_leave_one(staff: Staff) -> None:
    admins = [await staff.person(f"root{n}", "admin") for n in range(4)]
    ended = await asyncio.gather(
        *(staff.changes.close(each, ADDRESS) for each in admins), return_exceptions=True
    )
    assert [type(each) for each in ended].count(LastAdmin) == 1
    assert [await staff.there(each) for each in admins].count(True) == 1


async def test_an_admin_by_a_group_is_one(staff: Staff) -> None:
    root, ada = await staff.person("root", "admin"), await staff.person("ada")
    await staff.groups.create("staff", ["admin"])
    await staff.groups.add("staff", ada)
    assert await is_admin(staff.sql, ada)
    await staff.changes.close(root, ADDRESS)
    with pytest.raises(LastAdmin):
        await staff.changes.close(ada, ADDRESS)
    with pytest.raises(LastAdmin):
        await staff.operators.update(ada, {"disabled": True}, COMMAND)


async def test_a_group_does_not_take_the_role_from_the_last_admin(staff: Staff) -> None:
    ada, bob = await staff.person("ada"), await staff.person("bob")
    for name in ("staff", "others"):
        await staff.groups.create(name, ["admin"])
    await staff.groups.add("staff", ada)
    with pytest.raises(LastAdmin):
        await staff.groups.remove("staff", ada)
    with pytest.raises(LastAdmin):
        await staff.groups.update("staff", roles=[])
    with pytest.raises(LastAdmin):
        await staff.groups.delete("staff")
    await staff.groups.add("others", bob)
    assert await staff.groups.remove("staff", ada)
    assert not await is_admin(staff.sql, ada)
    assert await staff.groups.delete("staff")
    await staff.operators.update(ada, {"disabled": True}, COMMAND)
