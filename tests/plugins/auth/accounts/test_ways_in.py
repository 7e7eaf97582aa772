"""What operators take away of what somebody logs in with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.accounts.tables import sessions
from plugins.auth.accounts.ways_in import WaysIn
from plugins.auth.audit.actor import Actor
from plugins.auth.audit.reading import Wanted, page
from plugins.auth.factors.tables import devices, passkeys, recovery_codes, totp
from plugins.auth.mail.tables import outbox
from plugins.auth.social.identities import Identities
from plugins.auth.social.tables import identities
from tests.plugins.auth.accounts.test_operators import rows, signed_in
from tests.plugins.auth.people import ADDRESS, People

ROOT = Actor("account:root", ADDRESS)
KEYS = ("phone", "laptop")


class Desk:
    """Ada, who has all there is; Bob has the same of his own."""

    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self.people = People(sql)
        known = Sessions(sql, self.people.options, "http://localhost/auth")
        self.ways_in = WaysIn(sql, known)

    async def begin(self) -> None:
        self.ada = await self.people.ada()
        bob = await self.people.directory.register("bob@example.org", "violet-harbour-93", ADDRESS)
        assert bob is not None
        self.bob = bob
        for number, account in enumerate((self.ada, self.bob), 1):
            await signed_in(self.sql, account, number)
            await self._given(account, number)
        async with self.sql.write() as connection:
            await connection.execute(outbox.delete())

    async def _given(self, account: str, number: int) -> None:
        mark = bytes([number]) * 32
        times = {"created_at": 1, "used_at": 0}
        async with self.sql.write() as connection:

            async def add(table: sa.Table, **values: Any) -> None:
                await connection.execute(table.insert().values(account_id=account, **values))

            await add(totp, secret=b"", confirmed=True, last_step=2)
            await add(recovery_codes, hash=mark)
            for name in KEYS:
                await add(
                    passkeys, id=mark + name.encode(), key=b"", sign_count=0, name=name, **times
                )
            await add(
                devices, hash=mark, id=account, expires_at=2**40, address="", agent="", **times
            )
            await add(
                identities, issuer="i", subject=account, provider="p", email="a@b.example", **times
            )

    async def has(self, account: str, table: sa.Table) -> int:
        return len([row for row in await rows(self.sql, table) if row.account_id == account])

    async def left(self, account: str) -> list[int]:
        """Apps, passkeys, recovery codes, remembered devices, identities and sessions."""
        tables = (totp, passkeys, recovery_codes, devices, identities, sessions)
        return [await self.has(account, table) for table in tables]

    async def letters(self) -> list[tuple[str, str]]:
        return [(row.letter, row.email) for row in await rows(self.sql, outbox)]

    async def audited(self) -> list[tuple[str, str | None]]:
        lines = await page(self.sql, Wanted(actor=ROOT.name), None, 20)
        return sorted((line.event, line.account) for line in lines)


@pytest.fixture
async def desk(sql: Sql) -> Desk:
    made = Desk(sql)
    await made.begin()
    return made


async def test_one_factor_goes_and_the_person_is_told_and_logged_out(desk: Desk) -> None:
    factors, codes = await desk.ways_in.factors(desk.ada)
    assert [(each.kind, each.name, each.created_at, each.used_at) for each in factors] == [
        ("totp", "", None, 60),
        ("passkey", "laptop", 1, None),
        ("passkey", "phone", 1, None),
    ]
    assert codes == 1
    assert await desk.ways_in.remove_factors(desk.ada, "nothing", ROOT) == 0
    others, _ = await desk.ways_in.factors(desk.bob)
    assert await desk.ways_in.remove_factors(desk.ada, others[1].id, ROOT) == 0
    assert await desk.left(desk.ada) == [1, 2, 1, 1, 1, 1]
    assert await desk.ways_in.remove_factors(desk.ada, factors[1].id, ROOT) == 1
    assert await desk.left(desk.ada) == [1, 1, 1, 0, 1, 0]
    assert await desk.ways_in.remove_factors(desk.ada, "totp", ROOT) == 1
    assert await desk.ways_in.remove_factors(desk.ada, factors[2].id, ROOT) == 1
    assert await desk.left(desk.ada) == [0, 0, 0, 0, 1, 0]
    assert await desk.left(desk.bob) == [1, 2, 1, 1, 1, 1]
    assert [letter for letter, _ in await desk.letters()] == [
        "passkey_removed",
        "factor",
        "passkey_removed",
    ]
    assert {email for _, email in await desk.letters()} == {"ada@example.org"}
    assert await desk.audited() == [
        ("passkey_removed", desk.ada),
        ("passkey_removed", desk.ada),
        ("totp_off", desk.ada),
    ]


async def test_all_factors_go_once_also_when_many_ask(desk: Desk) -> None:
    removed = await asyncio.gather(
        *(desk.ways_in.remove_factors(desk.ada, None, ROOT) for _ in range(4))
    )
    assert sorted(removed, key=str) == [0, 0, 0, 3]
    assert await desk.left(desk.ada) == [0, 0, 0, 0, 1, 0]
    assert await desk.letters() == [("factor", "ada@example.org")]
    assert [event for event, _ in await desk.audited()] == [
        "passkey_removed",
        "passkey_removed",
        "totp_off",
    ]
    assert await desk.ways_in.remove_factors("nobody", None, ROOT) is None


async def test_an_app_that_was_only_offered_goes_with_all_and_is_no_factor(desk: Desk) -> None:
    async with desk.sql.write() as connection:
        await connection.execute(totp.update().values(confirmed=False))
        await connection.execute(passkeys.delete())
    assert await desk.ways_in.factors(desk.ada) == ([], 1)
    assert await desk.ways_in.remove_factors(desk.ada, "totp", ROOT) == 0
    assert await desk.has(desk.ada, totp) == 1
    assert await desk.ways_in.remove_factors(desk.ada, None, ROOT) == 0
    assert (await desk.has(desk.ada, totp), await desk.has(desk.bob, totp)) == (0, 1)
    assert await desk.letters() == []


async def test_an_identity_goes_and_the_person_is_told_and_logged_out(desk: Desk) -> None:
    known = await Identities(desk.sql, desk.people.options, desk.people.directory).of_account(
        desk.ada
    )
    assert not await desk.ways_in.remove_identity(desk.bob, known[0].id, ROOT)
    removed = await asyncio.gather(
        *(desk.ways_in.remove_identity(desk.ada, known[0].id, ROOT) for _ in range(3))
    )
    assert sorted(removed) == [False, False, True]
    assert await desk.left(desk.ada) == [1, 2, 1, 0, 0, 0]
    assert await desk.left(desk.bob) == [1, 2, 1, 1, 1, 1]
    assert await desk.letters() == [("identity", "ada@example.org")]
    (line,) = await page(desk.sql, Wanted(actor=ROOT.name), None, 20)
    assert (line.event, line.details) == ("identity_disconnected", {"provider": "p"})
