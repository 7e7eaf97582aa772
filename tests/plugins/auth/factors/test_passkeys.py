"""Passkeys by real signatures, on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import LockedOut
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.tables import events
from plugins.auth.factors.passkeys import MOST, Passkeys
from plugins.auth.mail.tables import outbox
from tests.plugins.auth.authenticator import Authenticator
from tests.plugins.auth.people import ADDRESS, People

ISSUER, BROWSER = "https://id.example.org/auth", "a cookie of one browser"


@pytest.fixture
async def people(sql: Sql) -> AsyncIterator[People]:
    people = People(sql)
    yield people
    people.hashing.stop()


@pytest.fixture
def factor(people: People) -> Passkeys:
    return Passkeys(people.sql, people.options, ISSUER, "Place", people.clock)


@pytest.fixture
async def ada(people: People) -> Account:
    found = await people.directory.get(await people.ada())
    assert found is not None
    return found


@pytest.fixture
def key() -> Authenticator:
    return Authenticator("id.example.org", "https://id.example.org")


async def add(factor: Passkeys, ada: Account, key: Authenticator) -> bool:
    answer = key.create(await factor.offer(ada, BROWSER))
    return await factor.add(ada, BROWSER, answer, "Phone", ADDRESS)


async def use(factor: Passkeys, key: Authenticator) -> str | None:
    return await factor.check(BROWSER, key.get(await factor.ask(BROWSER)), ADDRESS)


async def happened(people: People) -> list[str]:
    async with people.sql.read() as connection:
        rows = await connection.execute(sa.select(events.c.event).order_by(events.c.id))
        return [str(event) for event in rows.scalars()]


async def test_a_passkey_alone_says_who_somebody_is(
    people: People, factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    assert await use(factor, key) == ada.id
    (listed,) = await factor.of_account(ada.id)
    assert (listed.name, listed.id) == ("Phone", key.id)
    assert listed.used_at >= listed.created_at > 0
    assert (await happened(people))[-2:] == ["passkey_added", "passkey_used"]
    async with people.sql.read() as connection:
        letters = (await connection.execute(sa.select(outbox.c.letter))).scalars().all()
    assert "passkey_added" in letters


async def test_of_ten_answers_to_one_challenge_at_once_one_is_taken(
    factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    asked = await factor.ask(BROWSER)
    answers = [key.get(asked) for _ in range(10)]
    tries = [factor.check(BROWSER, each, f"192.0.2.{n}") for n, each in enumerate(answers)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert found.count(ada.id) == 1
    assert all(each in {ada.id, None} or isinstance(each, LockedOut) for each in found)


async def test_of_ten_registrations_by_one_challenge_at_once_one_is_taken(
    factor: Passkeys, ada: Account
) -> None:
    asked = await factor.offer(ada, BROWSER)
    keys = [Authenticator("id.example.org", "https://id.example.org") for _ in range(10)]
    tries = [factor.add(ada, BROWSER, each.create(asked), "", ADDRESS) for each in keys]
    assert sorted(await asyncio.gather(*tries)) == [False] * 9 + [True]
    assert len(await factor.of_account(ada.id)) == 1


@pytest.mark.parametrize("wrong", ["origin", "rp_id", "verifies", "signature", "handle"])
async def test_what_is_not_signed_as_asked_is_refused(
    factor: Passkeys, ada: Account, key: Authenticator, wrong: str
) -> None:
    """ASVS 5.0 6.5.7."""
    assert await add(factor, ada, key)
    if wrong in {"origin", "rp_id"}:
        setattr(key, wrong, "https://evil.example.org" if wrong == "origin" else "example.org")
    key.verifies = wrong != "verifies"
    if wrong == "handle":
        key.user = "c29tZWJvZHk"
    answer = json.loads(key.get(await factor.ask(BROWSER)))
    if wrong == "signature":
        other = Authenticator(key.rp_id, key.origin)
        other_answer = json.loads(other.get(await factor.ask(BROWSER)))
        answer["response"]["signature"] = other_answer["response"]["signature"]
    assert await factor.check(BROWSER, json.dumps(answer), ADDRESS) is None


@pytest.mark.parametrize("wrong", ["origin", "rp_id", "verifies"])
async def test_a_passkey_of_another_place_or_without_verification_is_not_added(
    factor: Passkeys, ada: Account, key: Authenticator, wrong: str
) -> None:
    if wrong != "verifies":
        setattr(key, wrong, "https://evil.example.org" if wrong == "origin" else "example.org")
    key.verifies = wrong != "verifies"
    assert not await add(factor, ada, key)


async def test_an_answer_of_another_browser_or_a_late_one_is_refused(
    people: People, factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    stolen = key.get(await factor.ask("a cookie of another browser"))
    assert await factor.check(BROWSER, stolen, ADDRESS) is None
    late = key.get(await factor.ask(BROWSER))
    people.clock.ahead = 301
    assert await factor.check(BROWSER, late, ADDRESS) is None
    assert await use(factor, key) == ada.id


async def test_6_7_1_nobody_puts_another_key_in_the_place_of_one(
    people: People, factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    other = Authenticator("id.example.org", "https://id.example.org")
    other.id = key.id
    assert not await add(factor, ada, other)
    assert await use(factor, other) is None
    assert await use(factor, key) == ada.id


async def test_6_7_2_each_challenge_has_256_bits_of_its_own(factor: Passkeys, ada: Account) -> None:
    asked = [await factor.ask(BROWSER) for _ in range(2)] + [await factor.offer(ada, BROWSER)]
    challenges = {json.loads(each)["challenge"] for each in asked}
    assert len(challenges) == 3
    assert {len(each) for each in challenges} == {43}


async def test_a_copy_is_found_by_its_count(
    people: People, factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    assert await use(factor, key) == ada.id
    key.count -= 1
    assert await use(factor, key) is None
    assert (await happened(people))[-1] == "passkey_cloned"


async def test_a_removed_passkey_and_one_of_somebody_else_prove_nothing(
    factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    answer = key.get(await factor.ask(BROWSER, ada.id))
    assert await factor.check(BROWSER, answer, ADDRESS, "another account") is None
    assert await factor.remove(ada, key.id, ADDRESS)
    assert not await factor.remove(ada, key.id, ADDRESS)
    assert await use(factor, key) is None


async def test_failures_are_counted_before_the_check(
    people: People, factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    answer = key.get(await factor.ask("another browser"))
    for n in range(people.options.account_failures):
        assert await factor.check(BROWSER, answer, f"192.0.2.{n}") is None
    with pytest.raises(LockedOut):
        await use(factor, key)


@pytest.mark.parametrize("answer", ["", "[]", "{}", "null", '{"rawId": 3}', "\udcff", "[" * 9999])
async def test_what_is_no_answer_is_refused(factor: Passkeys, ada: Account, answer: str) -> None:
    assert await factor.check(BROWSER, answer, ADDRESS) is None
    assert not await factor.add(ada, BROWSER, answer, "", ADDRESS)


async def test_beside_a_password_a_passkey_need_not_verify_its_person(
    factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    key.verifies = False
    answer = key.get(await factor.ask(BROWSER, ada.id))
    assert await factor.check(BROWSER, answer, ADDRESS, ada.id) == ada.id
    assert await use(factor, key) is None


@pytest.mark.parametrize("issuer", ["https://id.example.org:443/auth", "https://ID.example.org/x"])
async def test_an_issuer_may_be_written_as_no_browser_says_it(
    people: People, ada: Account, key: Authenticator, issuer: str
) -> None:
    factor = Passkeys(people.sql, people.options, issuer, "Place", people.clock)
    assert await add(factor, ada, key)
    assert await use(factor, key) == ada.id


async def test_one_is_renamed_by_its_owner_alone(
    factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    assert await add(factor, ada, key)
    assert not await factor.rename("another account", key.id, "Mine")
    assert await factor.rename(ada.id, key.id, "  Laptop ")
    assert [each.name for each in await factor.of_account(ada.id)] == ["Laptop"]


async def test_of_two_last_passkeys_removed_at_once_one_stays_where_there_is_no_password(
    people: People, factor: Passkeys, ada: Account, key: Authenticator
) -> None:
    other = Authenticator(key.rp_id, key.origin)
    assert await add(factor, ada, key)
    assert await add(factor, ada, other)
    async with people.sql.write() as connection:
        await connection.execute(accounts.update().values(password=None))
    found = await asyncio.gather(
        *(factor.remove(ada, each.id, ADDRESS) for each in (key, other)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in found) == ["LastWayIn", "bool"]
    assert len(await factor.of_account(ada.id)) == 1


async def test_an_account_has_twenty_at_most_however_many_are_added_at_once(
    factor: Passkeys, ada: Account
) -> None:
    keys = [Authenticator("id.example.org", "https://id.example.org") for _ in range(MOST + 5)]
    found = await asyncio.gather(*(add(factor, ada, each) for each in keys))
    assert sum(found) == MOST
