"""Whose an identity is, also when many ask at once."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import LastWayIn
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.accounts.tables import accounts
from plugins.auth.factors.passkeys import Passkeys
from plugins.auth.factors.tables import passkeys
from plugins.auth.social.identities import Identities, Kept
from plugins.auth.social.person import Person
from tests.plugins.auth.people import ADDRESS, People

ADA = Person("https://there.example", "1", "ada@example.org", email_verified=True)
HOLDER = "h" * 43


@pytest.fixture
def people(sql: Sql) -> People:
    return People(sql)


def identities_of(people: People, options: AccountOptions | None = None) -> Identities:
    return Identities(people.sql, options or people.options, people.directory, people.clock)


async def entered(identities: Identities, person: Person = ADA) -> Account:
    account = await identities.enter(person, "there", ADDRESS, "en")
    assert isinstance(account, Account)
    return account


async def test_a_person_who_comes_many_times_at_once_gets_one_account(people: People) -> None:
    identities = identities_of(people)
    found = await asyncio.gather(*(entered(identities) for _ in range(10)))
    assert len({each.id for each in found}) == 1
    assert not found[0].has_password
    assert (found[0].email, found[0].email_verified) == (ADA.email, True)


async def test_issuer_and_subject_make_an_identity_and_nothing_else_does(people: People) -> None:
    """ASVS 5.0 6.8.1, 10.5.2."""
    identities = identities_of(people)
    ada = await entered(identities)
    assert (await entered(identities, ADA._replace(email="new@example.org"))).id == ada.id
    for other in (ADA._replace(issuer="https://other.example"), ADA._replace(subject="2")):
        assert await identities.enter(other, "there", ADDRESS, "en") is Kept.KNOWN


async def test_of_accounts_that_connect_it_at_once_one_has_it(people: People) -> None:
    identities = identities_of(people)
    two = [
        await entered(identities, Person("i", str(n), f"{n}@example.org", True)) for n in range(2)
    ]
    done = await asyncio.gather(
        *(identities.connect(each, ADA, "there", ADDRESS) for each in two * 5)
    )
    assert sum(done) == 5
    assert await identities.connect(two[done.index(True)], ADA, "there", ADDRESS)


async def test_of_the_last_two_that_go_at_once_one_stays(people: People) -> None:
    identities = identities_of(people)
    ada = await entered(identities)
    assert await identities.connect(ada, ADA._replace(subject="2"), "there", ADDRESS)
    ids = [each.id for each in await identities.of_account(ada.id)]
    done = await asyncio.gather(*(identities.disconnect(ada, each, ADDRESS) for each in ids))
    assert sorted(done) == [False, True]
    assert len(await identities.of_account(ada.id)) == 1


async def test_a_passkey_and_an_identity_are_each_others_other_way_in(people: People) -> None:
    identities = identities_of(people)
    ada = await entered(identities)
    keys = Passkeys(people.sql, people.options, "https://id.example.org/auth", "Place")
    async with people.sql.write() as connection:
        for key in (b"one", b"two"):
            await connection.execute(
                passkeys.insert().values(
                    id=key,
                    account_id=ada.id,
                    key=b"",
                    sign_count=0,
                    name="",
                    created_at=0,
                    used_at=0,
                )
            )
    assert await keys.remove(ada, b"one", ADDRESS)
    (only,) = await identities.of_account(ada.id)
    assert await identities.disconnect(ada, only.id, ADDRESS)
    with pytest.raises(LastWayIn):
        await keys.remove(ada, b"two", ADDRESS)
    assert await identities.connect(ada, ADA, "there", ADDRESS)
    assert await keys.remove(ada, b"two", ADDRESS)
    assert not await identities.disconnect(ada, only.id, ADDRESS)


async def test_an_identity_of_somebody_else_is_not_disconnected(people: People) -> None:
    identities = identities_of(people)
    ada = await entered(identities)
    bob = await entered(identities, Person("i", "b", "bob@example.org", True))
    assert await identities.connect(bob, ADA._replace(subject="3"), "there", ADDRESS)
    (theirs,) = await identities.of_account(ada.id)
    assert not await identities.disconnect(bob, theirs.id, ADDRESS)


async def test_nobody_joins_where_registration_is_closed(people: People) -> None:
    identities = identities_of(people, AccountOptions(registration=False))
    assert await identities.enter(ADA, "there", ADDRESS, "en") is Kept.NOBODY
    async with people.sql.read() as connection:
        assert (await connection.execute(sa.select(accounts.c.id))).first() is None


async def test_a_disabled_account_is_not_entered(people: People) -> None:
    identities = identities_of(people)
    await entered(identities)
    async with people.sql.write() as connection:
        await connection.execute(accounts.update().values(disabled=True))
    assert await identities.enter(ADA, "there", ADDRESS, "en") is Kept.DISABLED


async def test_a_confirmed_address_is_asked_for_where_it_must_be(people: People) -> None:
    """Of an account with a password, which connected an identity before its address answered."""
    account = await people.directory.get(await people.ada())
    assert account is not None
    strict = identities_of(people, AccountOptions(verified_email=True))
    assert await strict.connect(account, ADA, "there", ADDRESS)
    assert await strict.enter(ADA, "there", ADDRESS, "en") is Kept.UNVERIFIED
    assert (await entered(identities_of(people))).id == account.id


async def test_what_waits_is_taken_once_and_in_time(people: People) -> None:
    identities = identities_of(people)
    await identities.keep(HOLDER, ADA, "there")
    second = ADA._replace(subject="2")
    await identities.keep(HOLDER, second, "other")  # the last one counts
    assert await identities.kept("x" * 43) is None
    taken = await asyncio.gather(*(identities.take(HOLDER) for _ in range(10)))
    (found,) = [each for each in taken if each is not None]
    assert (found[0].subject, found[1]) == ("2", "other")
    await identities.keep(HOLDER, ADA, "there")
    people.clock.ahead = 601
    assert await identities.kept(HOLDER) is None
    assert await identities.take(HOLDER) is None
