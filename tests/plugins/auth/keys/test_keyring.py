"""Signing keys: published before they sign, and after; one schedule for many processes."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
import pytest
import sqlalchemy as sa

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.audit.actor import COMMAND
from plugins.auth.keys.at_rest import AtRest, SealedOtherwise
from plugins.auth.keys.keyring import Keyring
from plugins.auth.keys.options import DAY, Algorithm, KeyOptions
from plugins.auth.keys.tables import keys
from tests.plugins.auth.patience import until

OPTIONS = KeyOptions(rotate=10 * DAY, ahead=DAY)
SECRET = AtRest("s" * 40)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def begun(sql: Sql, clock: Clock, options: KeyOptions = OPTIONS) -> Keyring:
    ring = Keyring(sql, SECRET, options, clock)
    await ring.start()
    return ring


async def published(ring: Keyring) -> list[str]:
    return [key["kid"] for key in (await ring.jwks())["keys"]]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
async def test_what_a_key_signs_is_verified_with_what_is_published(
    sql: Sql, algorithm: Algorithm
) -> None:
    ring = await begun(sql, Clock(), KeyOptions(algorithm=algorithm))
    token = ring.signing().sign({"sub": "anna"}, "at+jwt")
    found: Any = (await ring.jwks())["keys"][0]
    assert jwt.decode(token, jwt.PyJWK(found), algorithms=[algorithm]) == {"sub": "anna"}
    expected = {"alg": algorithm, "kid": found["kid"], "typ": "at+jwt"}
    assert jwt.get_unverified_header(token) == expected


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
async def test_nothing_private_is_published_and_no_private_key_lies_open(
    sql: Sql, algorithm: Algorithm
) -> None:
    ring = await begun(sql, Clock(), KeyOptions(algorithm=algorithm))
    (found,) = (await ring.jwks())["keys"]
    assert not set(found) & {"d", "p", "q", "dp", "dq", "qi", "k"}
    async with sql.read() as connection:
        sealed = (await connection.execute(sa.select(keys.c.sealed))).scalar_one()
    assert b"\x2a\x86\x48" not in sealed[:40]  # the object identifier of a clear key
    with pytest.raises(SealedOtherwise):
        await Keyring(sql, AtRest("t" * 40), OPTIONS).start()


async def test_a_new_key_is_published_before_it_signs_and_the_old_one_after(sql: Sql) -> None:
    clock = Clock()
    ring = await begun(sql, clock)
    (first,) = await published(ring)
    second = (await ring.rotate(COMMAND)).kid
    assert await published(ring) == [first, second]
    clock.now += DAY - 1
    assert ring.signing().kid == first
    clock.now += 1
    assert ring.signing().kid == second
    clock.now += DAY
    await ring.keep()
    assert await published(ring) == [first, second]
    clock.now += 1
    await ring.keep()
    assert await published(ring) == [second]
    async with sql.read() as connection:
        assert (await connection.execute(sa.select(keys.c.kid))).scalars().all() == [second]


async def test_the_schedule_adds_a_key_in_time_and_only_then(sql: Sql) -> None:
    clock = Clock()
    ring = await begun(sql, clock)
    first = ring.signing().kid
    clock.now += 9 * DAY - 1
    await ring.keep()
    assert await published(ring) == [first]
    clock.now += 1
    await ring.keep()
    await ring.keep()
    assert len(await published(ring)) == 2
    assert ring.signing().kid == first
    clock.now += DAY
    assert ring.signing().kid != first


async def test_after_a_long_pause_a_key_is_still_published_first(sql: Sql) -> None:
    clock = Clock()
    ring = await begun(sql, clock)
    first = ring.signing().kid
    clock.now += 100 * DAY
    await ring.keep()
    assert ring.signing().kid == first
    assert len(await published(ring)) == 2


async def test_of_twenty_who_start_at_once_all_have_the_same_key(sql: Sql) -> None:
    rings = [Keyring(sql, SECRET, OPTIONS, Clock()) for _ in range(20)]
    await asyncio.gather(*(ring.start() for ring in rings))
    assert len({ring.signing().kid for ring in rings}) == 1


async def test_another_process_has_a_key_before_it_signs(sql: Sql) -> None:
    clock = Clock()
    here, there = await begun(sql, clock), await begun(sql, clock)
    added = (await here.rotate(COMMAND)).kid
    await there.read()
    assert added in await published(there)


async def test_who_asks_for_rs256_has_a_line_of_keys_beside_the_others(sql: Sql) -> None:
    clock, host = Clock(), Subscribers()
    here = Keyring(sql, SECRET, OPTIONS, clock, host)
    await here.start()
    first = here.signing()
    assert here.signing("RS256") == first
    assert [await here.offered(each) for each in ("ES256", "HS256", "EdDSA")] == [
        True,
        False,
        False,
    ]
    assert await published(here) == [first.kid]
    rings = [await begun(sql, clock) for _ in range(2)]
    assert all(await asyncio.gather(*(each.offered("RS256") for each in (here, *rings))))
    other = here.signing("RS256")
    assert other.algorithm == "RS256"
    assert (here.signing(), here.signing("ES256")) == (first, first)
    assert await published(here) == [first.kid, other.kid]
    clock.now += 9 * DAY
    await asyncio.gather(*(each.keep() for each in rings))
    clock.now += DAY
    await here.keep()
    assert [key.algorithm for key in here.published()] == ["ES256", "RS256", "ES256", "RS256"]
    assert here.signing().number > other.number
    assert here.signing("RS256").number > other.number
    clock.now += DAY + 1
    await here.keep()
    assert [key.algorithm for key in here.published()] == ["ES256", "RS256"]


async def test_another_algorithm_of_the_setting_is_published_first_and_then_signs(sql: Sql) -> None:
    clock = Clock()
    old = await begun(sql, clock, KeyOptions(algorithm="RS256"))
    assert await old.offered("RS256")
    ring = await begun(sql, clock)
    assert [key.algorithm for key in ring.published()] == ["RS256", "ES256"]
    assert ring.signing().algorithm == "RS256"
    clock.now += DAY
    assert ring.signing().algorithm == "ES256"
    assert ring.signing("RS256").algorithm == "RS256"


async def test_workers_of_a_host_have_a_new_key_at_once(sql: Sql) -> None:
    host = Subscribers()
    rings = [Keyring(sql, SECRET, OPTIONS, Clock(), host) for _ in range(2)]
    for each in rings:
        await each.start()
    task = asyncio.create_task(rings[1].run(lambda: False))
    await asyncio.sleep(0)
    added = await rings[0].rotate(COMMAND)

    async def there() -> bool:
        return added.kid in await published(rings[1])

    await until(there)
    task.cancel()


async def test_another_host_signs_by_the_first_key_of_rs256_at_once(sql: Sql) -> None:
    clock, late = Clock(), Clock()
    here, there, beside = [await begun(sql, each) for each in (clock, late, clock)]
    clock.now += 60
    late.now += 55
    assert await here.offered("RS256")
    made = here.signing("RS256")
    found = await asyncio.gather(*(there.signing_for("RS256") for _ in range(20)))
    assert {key.kid for key in found} == {made.kid}
    assert (await there.signing_for("")).algorithm == "ES256"
    assert made.kid in await published(beside)


async def test_a_key_that_nobody_has_heard_of_is_looked_for_at_once_and_not_for_ever(
    sql: Sql,
) -> None:
    clock = Clock()
    here, there = await begun(sql, clock), await begun(sql, clock)
    added = await here.rotate(COMMAND)
    assert there.named(added.kid) is None
    found = await asyncio.gather(*(there.find(added.kid) for _ in range(5)))
    assert [key and key.kid for key in found] == [added.kid] * 5
    later = await here.rotate(COMMAND)
    assert await there.find(later.kid) is None
    assert await there.find("made up") is None
