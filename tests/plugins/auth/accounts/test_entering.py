"""From the password to the session: what is written together, and what happens in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from backends.sql import Sql
from plugins.auth.accounts.directory import Proved
from plugins.auth.accounts.entering import Entered, Entering
from plugins.auth.accounts.errors import WrongPassword
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.accounts.tables import accounts, attempts, sessions
from plugins.auth.audit.tables import events
from plugins.auth.factors.devices import Devices
from plugins.auth.factors.tables import passkeys, totp
from tests.plugins.auth.people import ADDRESS, PASSWORD, People

EMAIL = "ada@example.org"
ISSUER = "https://id.example.org/auth"


@pytest.fixture
async def people(sql: Sql) -> AsyncIterator[People]:
    people = People(sql)
    await people.ada()
    yield people
    people.hashing.stop()


@pytest.fixture
def entering(people: People) -> Entering:
    kept = Sessions(people.sql, people.options, ISSUER, people.clock)
    devices = Devices(people.sql, people.options, ISSUER, people.clock)
    return Entering(people.sql, people.directory, kept, devices)


def request() -> web.Request:
    found = make_mocked_request("POST", "/login")
    found._state["exchange"] = SimpleNamespace(client_ip=ADDRESS)
    return found


async def enter(entering: Entering, proved: Proved) -> Entered:
    return await entering.enter(request(), proved.account.id, ("pwd",), proved=proved)


async def told(sql: Sql) -> Counter[str]:
    async with sql.read() as connection:
        return Counter((await connection.execute(sa.select(events.c.event))).scalars())


async def count(sql: Sql, table: sa.Table) -> int:
    async with sql.read() as connection:
        found = await connection.execute(sa.select(sa.func.count()).select_from(table))
        return int(found.scalar_one())


@contextmanager
def watched() -> Iterator[Counter[str]]:
    """Counts the statements and transactions of all databases."""
    seen: Counter[str] = Counter()

    def statement(*_: object) -> None:
        seen["statements"] += 1

    def transaction(_: object) -> None:
        seen["transactions"] += 1

    sa.event.listen(sa.Engine, "before_cursor_execute", statement)
    sa.event.listen(sa.Engine, "begin", transaction)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", statement)
        sa.event.remove(sa.Engine, "begin", transaction)


async def test_a_log_in_is_a_transaction_before_the_check_and_one_after(
    people: People, entering: Entering
) -> None:
    with watched() as seen:
        proved = await people.directory.check(EMAIL, PASSWORD, ADDRESS)
        assert seen == {"transactions": 1, "statements": 3}
        await enter(entering, proved)
    assert seen == {"transactions": 2, "statements": 9}
    assert (await told(people.sql))["logged_in"] == 1


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
async def test_a_failure_is_two_as_well_whoever_has_the_address(people: People, email: str) -> None:
    with watched() as seen, pytest.raises(WrongPassword):
        await people.directory.check(email, "wrong", ADDRESS)
    assert seen == {"transactions": 2, "statements": 4}
    assert (await told(people.sql))["login_failed"] == 1


async def test_what_was_counted_is_forgiven_as_the_session_begins(
    people: People, entering: Entering
) -> None:
    proved = await people.directory.check(EMAIL, PASSWORD, ADDRESS)
    async with people.sql.read() as connection:
        before = (await connection.execute(sa.select(attempts.c.count))).scalars().all()
    entered = await enter(entering, proved)
    async with people.sql.read() as connection:
        after = (await connection.execute(sa.select(attempts.c.count))).scalars().all()
    assert sorted(before) == [1, 1, 1, 1]  # a letter to, and from, the address and the account
    assert sorted(after) == [0, 1, 1]
    assert not entered.opened.waiting


@pytest.mark.parametrize(
    "change", [{"password": "another"}, {"password": None}, {"disabled": True}]
)
async def test_no_session_begins_by_a_password_that_was_changed_meanwhile(
    people: People, entering: Entering, change: dict[str, object]
) -> None:
    proved = await people.directory.check(EMAIL, PASSWORD, ADDRESS)
    async with people.sql.write() as connection:
        await connection.execute(accounts.update().values(change))
    with pytest.raises(WrongPassword):
        await enter(entering, proved)
    assert await count(people.sql, sessions) == 0
    assert (await told(people.sql))["login_failed"] == 1
    async with people.sql.read() as connection:
        held = (await connection.execute(sa.select(attempts.c.count))).scalars().all()
    assert held == [1, 1, 1, 1]


async def test_a_second_factor_that_came_meanwhile_is_asked_for(
    people: People, entering: Entering
) -> None:
    proved = await people.directory.check(EMAIL, PASSWORD, ADDRESS)
    row = {
        "account_id": proved.account.id,
        "secret": b"sealed",
        "confirmed": True,
        "last_step": 0,
    }
    async with people.sql.write() as connection:
        await connection.execute(totp.insert().values(row))
    entered = await enter(entering, proved)
    assert entered.second
    assert entered.opened.waiting
    assert "logged_in" not in await told(people.sql)


async def test_a_passkey_that_was_removed_meanwhile_begins_nothing(
    people: People, entering: Entering
) -> None:
    account = (await people.directory.verify(EMAIL, PASSWORD, ADDRESS)).id
    row = {"account_id": account, "key": b"k", "sign_count": 0, "name": "", "created_at": 0}
    async with people.sql.write() as connection:
        await connection.execute(passkeys.insert().values(row | {"id": b"kept", "used_at": 0}))
    with pytest.raises(WrongPassword):
        await entering.by_passkey(request(), account, b"removed")
    with pytest.raises(WrongPassword):
        await entering.by_passkey(request(), "0" * 32, b"kept")
    assert await count(people.sql, sessions) == 0
    assert not (await entering.by_passkey(request(), account, b"kept")).waiting
    assert await count(people.sql, sessions) == 1


async def test_many_at_once_renew_a_hash_and_all_get_in(people: People) -> None:
    people.directory._hashing = dearer = Hashing(memory=128, passes=1)
    verify = people.directory.verify
    found = await asyncio.gather(*(verify(EMAIL, PASSWORD, f"192.0.2.{n}") for n in range(6)))
    assert len({each.id for each in found}) == 1
    async with people.sql.read() as connection:
        row = (await connection.execute(sa.select(accounts.c.password))).one()
    assert "m=128," in row.password
    dearer.stop()
