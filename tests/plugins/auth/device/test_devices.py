"""Devices wait for their person, ask in time, and are redeemed once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.sql import Sql
from plugins.auth.accounts.sessions import Session
from plugins.auth.device.devices import LETTERS, Devices
from plugins.auth.device.options import DeviceOptions
from plugins.auth.oauth.errors import OAuthError
from tests.plugins.auth.people import Clock

CLIENT = "c" * 32
ADA = Session("s" * 32, "a" * 32, 1, 1, 1, ("pwd",), False, "192.0.2.1", "")


class Waiting:
    def __init__(self, sql: Sql) -> None:
        self.clock = Clock()
        self.known = Devices(sql, DeviceOptions(), self.clock)

    async def error(self, code: str, client: str = CLIENT) -> str:
        with pytest.raises(OAuthError) as raised:
            await self.known.redeem(code, client)
        return raised.value.code


@pytest.fixture
def waiting(sql: Sql) -> Waiting:
    return Waiting(sql)


async def test_a_device_that_was_allowed_is_redeemed_once_in_a_race(waiting: Waiting) -> None:
    begun = await waiting.known.begin(CLIENT, ["openid"])
    assert set(begun.user_code) <= {*LETTERS, "-"}
    typed = f" {begun.user_code.lower().replace('-', ' ')} "
    asked = await waiting.known.waiting(typed)
    assert asked is not None
    assert (asked.client_id, asked.scopes) == (CLIENT, ("openid",))
    assert await waiting.known.decide(typed, ADA, allowed=True)
    assert not await waiting.known.decide(typed, ADA, allowed=False)
    assert await waiting.known.waiting(typed) is None
    assert await waiting.error(begun.device_code, "d" * 32) == "invalid_grant"
    calls = [waiting.known.redeem(begun.device_code, CLIENT) for _ in range(20)]
    found: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
    rows = [each for each in found if not isinstance(each, OAuthError)]
    assert [row.account_id for row in rows] == [ADA.account_id]
    assert {each.code for each in found if isinstance(each, OAuthError)} == {"invalid_grant"}


async def test_6_6_2_what_a_person_allows_is_the_device_whose_code_it_is(waiting: Waiting) -> None:
    before, asked, after = [await waiting.known.begin(CLIENT, []) for _ in range(3)]
    assert await waiting.known.decide(asked.user_code, ADA, allowed=True)
    for other in (before, after):
        assert await waiting.error(other.device_code) == "authorization_pending"
    assert await waiting.known.redeem(asked.device_code, CLIENT)


async def test_who_asks_too_often_is_slowed_down(waiting: Waiting) -> None:
    code = (await waiting.known.begin(CLIENT, [])).device_code
    assert await waiting.error(code) == "authorization_pending"
    assert await waiting.error(code) == "slow_down"
    waiting.clock.ahead = 6
    assert await waiting.error(code) == "slow_down"
    waiting.clock.ahead = 22
    assert await waiting.error(code) == "authorization_pending"


async def test_codes_expire_and_say_so(waiting: Waiting) -> None:
    begun = await waiting.known.begin(CLIENT, [])
    other = await waiting.known.begin(CLIENT, [])
    assert await waiting.known.decide(other.user_code, ADA, allowed=True)
    waiting.clock.ahead = 601
    assert await waiting.known.waiting(begun.user_code) is None
    assert not await waiting.known.decide(begun.user_code, ADA, allowed=True)
    for each in (begun, other):
        assert await waiting.error(each.device_code) == "expired_token"
    assert await waiting.error("unknown") == "invalid_grant"


async def test_a_device_that_was_refused_hears_it(waiting: Waiting) -> None:
    begun = await waiting.known.begin(CLIENT, [])
    assert await waiting.known.decide(begun.user_code, ADA, allowed=False)
    assert await waiting.error(begun.device_code) == "access_denied"
    assert await waiting.error(begun.device_code) == "invalid_grant"


async def test_what_a_person_decided_is_exported_and_forgotten(sql: Sql, waiting: Waiting) -> None:
    for allowed in (True, False):
        begun = await waiting.known.begin(CLIENT, ["openid"])
        await waiting.known.decide(begun.user_code, ADA, allowed=allowed)
    await waiting.known.begin(CLIENT, ["openid"])
    told = await waiting.known.exported(ADA.account_id)
    assert {(each["client_id"], each["scopes"]) for each in told} == {(CLIENT, "openid")}
    assert sorted(each["state"] for each in told) == ["allowed", "denied"]
    async with sql.write() as connection:
        await waiting.known.forget(connection, ADA.account_id)
    assert await waiting.known.exported(ADA.account_id) == []
