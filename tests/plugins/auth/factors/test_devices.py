"""Devices that are not asked for a code: for how long, and when they are forgotten."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from backends.sql import Sql
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.factors.devices import Devices, forget_all
from tests.plugins.auth.people import ADDRESS, People

ISSUER = "https://id.example.org/auth"


@pytest.fixture
def people(sql: Sql) -> People:
    people = People(sql)
    people.hashing.stop()
    return people


@pytest.fixture
def sessions(people: People) -> Sessions:
    return Sessions(people.sql, people.options, ISSUER, people.clock)


@pytest.fixture
def devices(people: People) -> Devices:
    return Devices(people.sql, people.options, ISSUER, people.clock)


def request(**cookies: str) -> web.Request:
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    found = make_mocked_request("GET", "/", headers=headers)
    found._state["exchange"] = SimpleNamespace(client_ip=ADDRESS)
    return found


async def remember(devices: Devices, session: str, **cookies: str) -> dict[str, str]:
    """The cookie that it sets, if it does."""
    response = web.Response()
    await devices.remember(request(**cookies), response, "ada", session)
    return {name: morsel.value for name, morsel in response.cookies.items()}


async def knows(devices: Devices, cookies: dict[str, str], account_id: str) -> bool:
    async with devices._sql.write() as connection:
        return await devices.knows(connection, request(**cookies), account_id)


async def session(sessions: Sessions) -> str:
    return await sessions.begin(request(), web.Response(), "ada", amr=("pwd", "otp"))


async def test_it_is_known_for_thirty_days_and_by_its_account_alone(
    people: People, sessions: Sessions, devices: Devices
) -> None:
    cookie = await remember(devices, await session(sessions))
    assert list(cookie) == [devices.cookie("ada")]
    assert next(iter(cookie)).startswith("__Host-")
    stolen = {devices.cookie("bob"): cookie[devices.cookie("ada")]}
    assert not await knows(devices, stolen, "bob")
    people.clock.ahead = 30 * 86400 - 60
    assert await knows(devices, cookie, "ada")
    assert len(await devices.of_account("ada")) == 1
    people.clock.ahead = 30 * 86400 + 1
    assert not await knows(devices, cookie, "ada")
    assert await devices.of_account("ada") == []


async def test_a_shorter_time_holds_for_those_remembered_before(
    people: People, sessions: Sessions, devices: Devices
) -> None:
    cookie = await remember(devices, await session(sessions))
    shorter = Devices(people.sql, AccountOptions(remember_device=3600), ISSUER, people.clock)
    people.clock.ahead = 3700
    assert not await knows(shorter, cookie, "ada")
    assert await knows(devices, cookie, "ada")


async def test_one_remembered_again_has_a_new_cookie_and_the_old_one_is_good_no_more(
    sessions: Sessions, devices: Devices
) -> None:
    number = await session(sessions)
    before = await remember(devices, number)
    after = await remember(devices, number, **before)
    assert not await knows(devices, before, "ada")
    assert await knows(devices, after, "ada")


async def test_none_is_remembered_by_a_session_that_is_over(
    sessions: Sessions, devices: Devices
) -> None:
    number = await session(sessions)
    await sessions.end("ada", number)
    assert await remember(devices, number) == {}
    assert await devices.of_account("ada") == []


async def test_none_outlives_a_new_password_that_comes_at_the_same_time(
    people: People, sessions: Sessions, devices: Devices
) -> None:
    async def new_password() -> None:
        async with people.sql.write() as connection:
            await sessions.end_all(connection, "ada")
            await forget_all(connection, "ada")

    for _ in range(10):
        number = await session(sessions)
        await asyncio.gather(remember(devices, number), new_password())
        assert await devices.of_account("ada") == []
