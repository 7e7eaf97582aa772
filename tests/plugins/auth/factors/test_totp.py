"""Codes under races, on both databases, and what of them is at rest."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pyotp
import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.errors import LockedOut
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.cache.epoch import Epoch
from plugins.auth.factors.held import held, lock
from plugins.auth.factors.tables import recovery_codes, totp
from plugins.auth.factors.totp import Totp
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.mail.tables import outbox
from tests.plugins.auth.people import ADDRESS, People

KEY = "a key of tests that is long enough, is it"


@pytest.fixture
async def people(sql: Sql) -> AsyncIterator[People]:
    people = People(sql)
    yield people
    people.hashing.stop()


@pytest.fixture
def factor(people: People) -> Totp:
    return Totp(people.sql, AtRest(KEY), people.hashing, "Place", people.clock)


async def ada(people: People) -> Account:
    found = await people.directory.get(await people.ada())
    assert found is not None
    return found


async def set_up(factor: Totp, account: Account) -> tuple[pyotp.TOTP, list[str]]:
    app = pyotp.TOTP(await factor.offer(account.id))
    codes = await factor.confirm(account, app.at(int(time.time()) - 30), ADDRESS)
    assert codes is not None
    return app, codes


async def tried(factor: Totp, account: Account, code: str, number: int = 0) -> str:
    try:
        return str(await factor.check(account.id, code, f"192.0.2.{number}"))
    except LockedOut:
        return "locked"


async def test_of_ten_who_use_a_code_at_once_one_is_let_in(people: People, factor: Totp) -> None:
    account = await ada(people)
    app, _ = await set_up(factor, account)
    code = app.now()
    found = Counter(await asyncio.gather(*(tried(factor, account, code, n) for n in range(10))))
    assert found == {"otp": 1, "None": 9}


async def test_of_ten_who_use_a_recovery_code_at_once_one_is_let_in(
    people: People, factor: Totp
) -> None:
    account = await ada(people)
    _, codes = await set_up(factor, account)
    found = Counter(await asyncio.gather(*(tried(factor, account, codes[0], n) for n in range(10))))
    assert found == {"kba": 1, "None": 9}
    assert await factor.left(account.id) == 9


async def test_a_code_older_than_the_last_one_used_is_refused(people: People, factor: Totp) -> None:
    account = await ada(people)
    app, _ = await set_up(factor, account)
    now = int(time.time())
    assert await tried(factor, account, app.at(now + 30)) == "otp"
    assert await tried(factor, account, app.at(now)) == "None"
    people.clock.ahead += 90
    assert await tried(factor, account, app.at(now + 90)) == "otp"


async def test_codes_of_twenty_guessers_are_checked_ten_times(people: People, factor: Totp) -> None:
    account = await ada(people)
    app, _ = await set_up(factor, account)
    wrong = f"{(int(app.now()) + 500_000) % 10**6:06d}"
    found = Counter(await asyncio.gather(*(tried(factor, account, wrong, n) for n in range(20))))
    assert found == {"None": 10, "locked": 10}
    async with people.sql.read() as connection:
        told = (await connection.execute(sa.select(outbox.c.letter))).scalars().all()
    assert [each for each in told if each not in {"verify", "factor"}] == ["halfway"]


async def test_no_secret_and_no_code_is_at_rest(people: People, factor: Totp) -> None:
    """ASVS 5.0 6.5.2."""
    account = await ada(people)
    app, codes = await set_up(factor, account)
    async with people.sql.read() as connection:
        rows = repr(
            [(await connection.execute(sa.select(t))).all() for t in (totp, recovery_codes)]
        )
    for secret in (app.secret, *codes):
        assert secret not in rows
        assert secret.replace("-", "") not in rows


async def test_an_app_is_set_up_when_no_log_in_is_half_done(people: People, factor: Totp) -> None:
    """Else its session would begin without the app, and after the others were ended."""
    account = await ada(people)
    app = pyotp.TOTP(await factor.offer(account.id))
    code = app.at(int(time.time()) - 30)
    async with people.sql.write() as connection:  # as Entering.enter
        await lock(connection, account.id)
        assert not any(await held(connection, account.id))
        setting_up = asyncio.create_task(factor.confirm(account, code, ADDRESS))
        await asyncio.wait([setting_up], timeout=0.3)
        assert not any(await held(connection, account.id))
    assert await setting_up is not None


async def test_6_5_8_a_code_is_of_the_servers_clock(people: People, factor: Totp) -> None:
    account = await ada(people)
    app, _ = await set_up(factor, account)
    people.clock.ahead = 3600
    assert await tried(factor, account, app.at(int(time.time()) + 60)) == "None"
    assert await tried(factor, account, app.at(int(people.clock()))) == "otp"


@pytest.mark.parametrize("code", ["", "12345", "1234567", "١٢٣٤٥٦", "a" * 5000, "'; --"])
async def test_what_is_no_code_is_wrong(people: People, factor: Totp, code: str) -> None:
    account = await ada(people)
    await set_up(factor, account)
    assert await tried(factor, account, code) == "None"


async def test_a_secret_that_was_offered_is_another_after_a_new_password(
    people: People, factor: Totp
) -> None:
    account = await ada(people)
    seen = await factor.offer(account.id)
    assert await factor.offer(account.id) == seen
    known = Sessions(people.sql, people.options, "http://localhost/auth", people.clock)
    changes = Changes(people.sql, Epoch(people.sql), people.directory, known, people.clock)
    async with people.sql.write() as connection:
        await changes.changed_password(connection, account.id, "x", ADDRESS, keep="s1")
    assert await factor.offer(account.id) != seen
