"""Accounts, log-in by password and the lock, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts.errors import LockedOut, Unverified, WrongPassword
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.tables import events
from plugins.auth.mail.postman import Postman
from plugins.auth.mail.tables import outbox
from tests.plugins.auth.people import ADDRESS, PASSWORD, People


@pytest.fixture
async def people(sql: Sql) -> AsyncIterator[People]:
    people = People(sql)
    yield people
    people.hashing.stop()


async def rows(sql: Sql, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
    async with sql.read() as connection:
        return list(await connection.execute(sa.select(table)))


async def outcome(people: People, password: str, email: str = "ada@example.org") -> str:
    try:
        await people.directory.verify(email, password, ADDRESS)
    except (WrongPassword, LockedOut) as error:
        return type(error).__name__
    return "in"


class TestRegistration:
    async def test_twenty_at_once_make_one_account(self, people: People) -> None:
        async def one(number: int) -> str | None:
            email = "Ada@Example.org" if number % 2 else "ada@example.org"
            return await people.directory.register(email, PASSWORD, f"192.0.2.{number}")

        made = await asyncio.gather(*map(one, range(20)))
        assert len([each for each in made if each]) == 1
        assert len(await rows(people.sql, accounts)) == 1

    async def test_a_letter_says_whether_the_address_had_an_account(self, people: People) -> None:
        await people.ada()
        assert await people.directory.register("ADA@example.org", PASSWORD, ADDRESS) is None
        assert [row.letter for row in await rows(people.sql, outbox)] == ["verify", "known"]

    async def test_an_address_is_not_flooded_with_letters(self, people: People) -> None:
        for _ in range(12):
            await people.directory.register("ada@example.org", PASSWORD, ADDRESS)
        letters = [row.letter for row in await rows(people.sql, outbox)]
        assert letters == ["verify"] + ["known"] * 4

    async def test_no_password_is_kept(self, people: People) -> None:
        await people.ada()
        for table in (accounts, outbox, events):
            assert PASSWORD not in repr(await rows(people.sql, table))


class TestLogIn:
    async def test_takes_the_right_password_for_any_case_of_the_address(
        self, people: People
    ) -> None:
        made = await people.ada()
        found = await people.directory.verify("ADA@example.org ", PASSWORD, ADDRESS)
        assert (found.id, found.email_verified) == (made, False)

    async def test_refuses_all_others_with_the_same_words(self, people: People) -> None:
        made = await people.ada()
        said = set()
        for email, password in [("ada@example.org", "x"), ("bob@example.org", PASSWORD)]:
            with pytest.raises(WrongPassword) as caught:
                await people.directory.verify(email, password, ADDRESS)
            said.add(str(caught.value))
        async with people.sql.write() as connection:
            await connection.execute(
                accounts.update().where(accounts.c.id == made).values(disabled=True)
            )
        with pytest.raises(WrongPassword) as caught:
            await people.directory.verify("ada@example.org", PASSWORD, ADDRESS)
        assert said == {str(caught.value)}

    async def test_waits_for_the_address_to_be_confirmed_where_that_is_asked(
        self, sql: Sql
    ) -> None:
        people = People(sql, AccountOptions(verified_email=True))
        await people.ada()
        with pytest.raises(WrongPassword):
            await people.directory.verify("ada@example.org", "wrong", ADDRESS)
        with pytest.raises(Unverified):
            await people.directory.verify("ada@example.org", PASSWORD, ADDRESS)
        people.hashing.stop()

    async def test_renews_a_hash_of_other_parameters(self, people: People) -> None:
        await people.ada()
        old = (await rows(people.sql, accounts))[0].password
        people.directory._hashing = dearer = Hashing(memory=128, passes=1)
        await people.directory.verify("ada@example.org", PASSWORD, ADDRESS)
        new = (await rows(people.sql, accounts))[0].password
        assert "m=64," in old
        assert "m=128," in new
        assert await outcome(people, PASSWORD) == "in"
        dearer.stop()


class TestTheLock:
    @pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org"])
    async def test_lets_ten_guesses_through_however_many_come_at_once(
        self, people: People, email: str
    ) -> None:
        await people.ada()

        async def guess(number: int) -> str:
            try:
                await people.directory.verify(email, f"guess {number}", f"192.0.2.{number}")
            except (WrongPassword, LockedOut) as error:
                return type(error).__name__
            return "in"

        found = Counter(await asyncio.gather(*map(guess, range(20))))
        assert found == {"WrongPassword": 10, "LockedOut": 10}

    async def test_is_told_of_once_by_a_letter_to_whoever_has_the_account(
        self, people: People
    ) -> None:
        """ASVS 5.0 6.3.5."""
        await people.ada()
        for email in ("ADA@example.org", "nobody@example.org"):
            await asyncio.gather(*(outcome(people, "no", email) for _ in range(20)))
        sent: list[tuple[str, str]] = []

        async def send(message: EmailMessage) -> None:
            sent.append((message["To"], message["Subject"]))

        postman = Postman(people.sql, "https://id.example.org", "id@example.org", send, place="P")
        while await postman.deliver():
            pass
        assert sent[1:] == [("ada@example.org", "Somebody tries to log in to your account")]

    async def test_keeps_the_right_password_out_for_a_minute_and_then_longer(
        self, people: People
    ) -> None:
        await people.ada()
        assert [await outcome(people, "no") for _ in range(11)][-1] == "LockedOut"
        with pytest.raises(LockedOut) as caught:
            await people.directory.verify("ada@example.org", PASSWORD, ADDRESS)
        assert 1 <= caught.value.retry_after <= 60
        people.clock.ahead += 61
        assert await outcome(people, "no") == "WrongPassword"
        people.clock.ahead += 61
        assert await outcome(people, PASSWORD) == "LockedOut"
        people.clock.ahead += 60
        assert await outcome(people, PASSWORD) == "in"
        assert await outcome(people, "no") == "WrongPassword"

    async def test_never_lasts_longer_than_an_hour(self, people: People) -> None:
        await people.ada()
        for _ in range(25):
            await outcome(people, "no")
            people.clock.ahead += 3600
        assert await outcome(people, PASSWORD) == "in"

    async def test_holds_an_address_that_tries_many_accounts(self, sql: Sql) -> None:
        people = People(sql, AccountOptions(address_failures=5))
        await people.ada()
        for number in range(5):
            assert await outcome(people, "no", f"{number}@example.org") == "WrongPassword"
        assert await outcome(people, PASSWORD) == "LockedOut"
        found = await people.directory.verify("ada@example.org", PASSWORD, "198.51.100.1")
        assert found.email == "ada@example.org"
        people.hashing.stop()

    async def test_does_not_hold_what_was_right_against_an_address(self, sql: Sql) -> None:
        people = People(sql, AccountOptions(address_failures=3))
        await people.ada()
        assert [await outcome(people, PASSWORD) for _ in range(8)] == ["in"] * 8
        people.hashing.stop()
