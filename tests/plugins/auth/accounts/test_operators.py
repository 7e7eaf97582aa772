"""Operators and the accounts of others; the last admin always remains."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from backends.errors import Conflict
from backends.sql import Sql
from plugins.auth.access.errors import Missing
from plugins.auth.access.tables import roles
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.errors import BadEmail, LastAdmin, WrongPassword
from plugins.auth.accounts.listing import listed
from plugins.auth.accounts.operators import Operators
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.accounts.tables import accounts, sessions
from plugins.auth.audit.actor import COMMAND, Actor
from plugins.auth.audit.reading import Wanted, page
from plugins.auth.cache.epoch import Epoch
from plugins.auth.factors.tables import totp
from plugins.auth.mail.tables import outbox
from tests.plugins.auth.people import ADDRESS, PASSWORD, People

ROOT = Actor("account:root", ADDRESS)


@pytest.fixture
def people(sql: Sql) -> People:
    return People(sql)


@pytest.fixture
async def operators(sql: Sql, people: People) -> Operators:
    row = {"description": "", "permissions": "", "created_at": 0, "updated_at": 0}
    async with sql.write() as connection:
        for name in ("editor", "r0", "r1"):
            await connection.execute(roles.insert().values(name=name, **row))
    known = Sessions(sql, people.options, "http://localhost/auth", people.clock)
    epoch = Epoch(sql)
    changes = Changes(sql, epoch, people.directory, known, people.clock)
    return Operators(sql, epoch, people.directory, known, changes, clock=people.clock)


async def admin(people: People, name: str) -> str:
    made = await people.directory.register(
        f"{name}@example.org", PASSWORD, ADDRESS, roles=["admin"], letter=False
    )
    assert made is not None
    return made


async def signed_in(sql: Sql, account: str, number: int = 1) -> None:
    row: dict[str, Any] = dict.fromkeys(("auth_time", "created_at", "seen_at"), 0)
    row |= {"amr": "pwd", "waiting": False, "address": ADDRESS, "agent": "", "expires_at": 2**40}
    row |= {"hash": bytes([number]) * 32, "id": f"s{number}", "account_id": account}
    async with sql.write() as connection:
        await connection.execute(sessions.insert().values(row))


async def rows(sql: Sql, table: sa.Table) -> list[Any]:
    async with sql.read() as connection:
        return list(await connection.execute(sa.select(table)))


async def events(sql: Sql) -> list[tuple[str, str | None]]:
    return [(line.event, line.actor) for line in await page(sql, Wanted(), None, 100)]


async def test_who_is_invited_has_no_password_and_a_letter(
    sql: Sql, people: People, operators: Operators
) -> None:
    made = await operators.invite("eve@example.org", "Eve", "es", ["editor"], ROOT)
    assert made is not None
    assert (made.roles, made.email_verified) == ({"editor"}, False)
    assert [(row.letter, row.locale) for row in await rows(sql, outbox)] == [("welcome", "es")]
    for password in ("", PASSWORD):
        with pytest.raises(WrongPassword):
            await people.directory.verify("eve@example.org", password, ADDRESS)
    assert await operators.invite("EVE@example.org", "", "en", [], ROOT) is None
    assert ("user_invited", ROOT.name) in await events(sql)


async def test_who_is_disabled_is_signed_in_no_more(
    sql: Sql, people: People, operators: Operators
) -> None:
    ada = await people.ada()
    await signed_in(sql, ada)
    assert (await operators.update(ada, {"disabled": True}, ROOT)).disabled  # type: ignore[union-attr]  # there is one
    assert await rows(sql, sessions) == []
    with pytest.raises(WrongPassword):
        await people.directory.verify("ada@example.org", PASSWORD, ADDRESS)
    await operators.update(ada, {"disabled": False}, ROOT)
    assert (await people.directory.verify("ada@example.org", PASSWORD, ADDRESS)).id == ada
    told = [event for event, actor in await events(sql) if actor == ROOT.name]
    assert told == ["user_enabled", "user_disabled"]


async def test_a_required_reset_takes_the_password_and_the_sessions(
    sql: Sql, people: People, operators: Operators
) -> None:
    ada, bob = await people.ada(), await admin(people, "bob")
    await signed_in(sql, ada)
    async with sql.write() as connection:
        for account, confirmed in ((ada, False), (bob, True)):
            app = {"account_id": account, "secret": b"", "last_step": 0}
            await connection.execute(totp.insert().values(**app, confirmed=confirmed))
    assert await operators.require_reset(ada, ROOT)
    assert await operators.require_reset(bob, ROOT)
    assert await rows(sql, sessions) == []
    assert [row.account_id for row in await rows(sql, totp)] == [bob]
    with pytest.raises(WrongPassword):
        await people.directory.verify("ada@example.org", PASSWORD, ADDRESS)
    assert "reset" in [row.letter for row in await rows(sql, outbox)]
    assert not await operators.require_reset("nobody", ROOT)


async def test_one_session_or_all_end(sql: Sql, people: People, operators: Operators) -> None:
    ada, bob = await people.ada(), await admin(people, "bob")
    for number in (1, 2, 3):
        await signed_in(sql, ada, number)
    await signed_in(sql, bob, 4)
    assert await operators.end_sessions(ada, "s4", ROOT) == 0
    assert await operators.end_sessions(ada, "s1", ROOT) == 1
    assert await operators.end_sessions(ada, None, ROOT) == 2
    assert [row.id for row in await rows(sql, sessions)] == ["s4"]


async def test_another_address_has_to_be_confirmed(
    sql: Sql, people: People, operators: Operators
) -> None:
    ada = await people.ada()
    await admin(people, "bob")
    changed = await operators.update(ada, {"email": "ada@example.com"}, ROOT)
    assert changed is not None
    assert (changed.email, changed.email_verified) == ("ada@example.com", False)
    told = {(row.letter, row.email) for row in await rows(sql, outbox)}
    assert {("verify", "ada@example.com"), ("changed", "ada@example.org")} <= told
    with pytest.raises(Conflict):
        await operators.update(ada, {"email": "BOB@example.org"}, ROOT)
    with pytest.raises(BadEmail):
        await operators.update(ada, {"email": "nothing"}, ROOT)
    with pytest.raises(Missing):
        await operators.update(ada, {"roles": ["nothing"]}, ROOT)


@pytest.mark.parametrize("changed", [{"disabled": True}, {"roles": ["editor"]}, None])
async def test_the_last_admin_remains(
    people: People, operators: Operators, changed: dict[str, Any] | None
) -> None:
    root = await admin(people, "root")
    with pytest.raises(LastAdmin):
        await (
            operators.update(root, changed, COMMAND) if changed else operators.delete(root, ROOT)
        )
    other = await admin(people, "other")
    await operators.update(other, {"disabled": True}, ROOT)
    with pytest.raises(LastAdmin):
        await operators.delete(root, ROOT)
    await operators.update(other, {"disabled": False}, ROOT)
    assert await operators.delete(root, ROOT)
    assert await people.directory.get(root) is None


async def test_admins_who_disable_each_other_at_once_leave_one(
    sql: Sql, people: People, operators: Operators
) -> None:
    admins = [await admin(people, f"root{n}") for n in range(5)]
    ended = await asyncio.gather(
        *(operators.update(each, {"disabled": True}, ROOT) for each in admins),
        return_exceptions=True,
    )
    assert [type(each) for each in ended].count(LastAdmin) == 1
    assert [row.disabled for row in await rows(sql, accounts)].count(False) == 1


async def test_roles_given_and_taken_at_once_are_all_as_they_were_last(
    sql: Sql, people: People, operators: Operators
) -> None:
    ada, bob = await people.ada(), await admin(people, "bob")
    await operators.update(ada, {"roles": ["editor"]}, ROOT)
    await asyncio.gather(
        *(operators.give_role(ada, name, ROOT) for name in ("r0", "r1", "admin", "r0")),
        operators.take_role(ada, "editor", ROOT),
        operators.update(ada, {"name": "Ada"}, ROOT),
    )
    found = await people.directory.get(ada)
    assert found is not None
    assert (found.roles, found.name) == ({"admin", "r0", "r1"}, "Ada")
    ended = await asyncio.gather(
        *(operators.take_role(each, "admin", ROOT) for each in (ada, bob)), return_exceptions=True
    )
    assert [type(each) for each in ended].count(LastAdmin) == 1
    assert await operators.give_role("nobody", "r0", ROOT) is None
    with pytest.raises(Missing):
        await operators.give_role(ada, "nothing", ROOT)


async def test_accounts_are_listed_by_pages_and_found_by_parts(
    sql: Sql, people: People, operators: Operators
) -> None:
    for n in range(5):
        await operators.invite(f"u{n}@example.org", f"Name_{n}", "en", [f"r{n % 2}"], ROOT)
    await admin(people, "root")
    seen: list[str] = []
    after = None
    while some := await listed(sql, after=after, limit=2):
        seen += [account.email for account in some]
        after = (some[-1].created_at, some[-1].id)
    assert len(seen) == len(set(seen)) == 6
    for text, count in (("U3@", 1), ("name_", 5), ("name%", 0), ("example.org", 6)):
        assert len(await listed(sql, text=text)) == count
    assert len(await listed(sql, role="r1")) == 2
    assert len(await listed(sql, role="r")) == 0
    assert len(await listed(sql, disabled=True)) == 0
