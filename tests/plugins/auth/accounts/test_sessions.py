"""Sessions: what the browser holds, how long it lasts, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.sessions import Session, Sessions
from plugins.auth.accounts.tables import accounts, sessions
from tests.plugins.auth.people import ADDRESS, People


class Browser:
    """Holds cookies between requests to `rooms`."""

    def __init__(self, rooms: Sessions) -> None:
        self.rooms = rooms
        self.cookie = ""

    def request(self) -> web.Request:
        headers = {"Cookie": f"{self.rooms.cookie}={self.cookie}"} if self.cookie else {}
        request = make_mocked_request("GET", "/", headers=headers)
        request._state["exchange"] = SimpleNamespace(client_ip=ADDRESS)
        return request

    async def log_in(self, account: str, *amr: str, waiting: bool = False) -> str:
        response = web.Response()
        async with self.rooms._sql.write() as connection:
            opened = await self.rooms.open(
                connection, self.request(), account, amr=amr or ("pwd",), waiting=waiting
            )
        assert opened is not None
        self.rooms.hand(response, opened)
        self.cookie = response.cookies[self.rooms.cookie].value
        return opened.id

    async def current(self) -> Session | None:
        return await self.rooms.current(self.request())


@pytest.fixture
async def people(sql: Sql) -> People:
    people = People(sql)
    people.hashing.stop()
    async with sql.write() as connection:
        await connection.execute(
            accounts.insert().values(
                id="ada",
                email="ada@example.org",
                email_key="ada@example.org",
                email_verified=True,
                name="",
                locale="en",
                roles="",
                disabled=False,
                created_at=0,
                updated_at=0,
            )
        )
    return people


@pytest.fixture
def rooms(people: People) -> Sessions:
    return Sessions(people.sql, people.options, "https://id.example.org/auth", people.clock)


async def test_the_cookie_is_for_this_host_alone_and_not_for_scripts(rooms: Sessions) -> None:
    response = web.Response()
    await rooms.begin(Browser(rooms).request(), response, "ada", amr=("pwd",))
    morsel = response.cookies["__Host-auth"]
    assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "Lax")
    assert morsel["secure"]
    assert morsel["httponly"]
    assert len(morsel.value) >= 43  # 256 bits


async def test_the_cookie_is_not_in_the_database(people: People, rooms: Sessions) -> None:
    browser = Browser(rooms)
    await browser.log_in("ada")
    async with people.sql.read() as connection:
        rows = (await connection.execute(sa.select(sessions))).all()
    assert browser.cookie.encode() not in repr(rows).encode()


async def test_each_log_in_has_a_new_cookie_and_the_one_before_is_good_no_more(
    rooms: Sessions,
) -> None:
    browser = Browser(rooms)
    await browser.log_in("ada")
    old = browser.cookie
    second = await browser.log_in("ada")
    assert browser.cookie != old
    found = await browser.current()
    assert found is not None
    assert found.id == second
    browser.cookie = old
    assert await browser.current() is None


async def test_who_logs_in_again_goes_on_and_somebody_else_does_not(rooms: Sessions) -> None:
    ended: list[str] = []

    async def note(connection: AsyncConnection, ids: Sequence[str]) -> None:
        ended.extend(ids)

    rooms.on_end(note)
    browser = Browser(rooms)
    first = await browser.log_in("ada")
    assert await browser.log_in("ada", waiting=True) == first
    assert await browser.log_in("ada", "pwd", "otp") == first
    assert ended == []
    assert len(await rooms.of_account("ada")) == 1
    assert await browser.log_in("bob") != first
    assert ended == [first]


async def test_it_ends_when_unused_and_in_any_case_later(people: People, rooms: Sessions) -> None:
    """ASVS 5.0 7.3.1, 7.3.2."""
    browser = Browser(rooms)
    await browser.log_in("ada")
    people.clock.ahead += people.options.session_idle - 5
    assert await browser.current() is not None
    people.clock.ahead += people.options.session_idle - 5
    assert await browser.current() is not None
    people.clock.ahead += people.options.session_idle + 1
    assert await browser.current() is None
    await browser.log_in("ada")
    for _ in range(5):
        people.clock.ahead += people.options.session_absolute / 5 + 1
        last = await browser.current()
    assert last is None


async def test_it_is_no_session_until_the_second_factor_has_come(rooms: Sessions) -> None:
    browser = Browser(rooms)
    await browser.log_in("ada", waiting=True)
    assert await browser.current() is None
    begun = await rooms.begun(browser.request())
    assert begun is not None
    assert begun.waiting
    assert await rooms.of_account("ada") == []
    await browser.log_in("ada", "pwd", "otp")
    found = await browser.current()
    assert found is not None
    assert (found.amr, found.acr) == (("pwd", "otp"), "aal2")
    assert not found.waiting


async def test_they_are_listed_and_ended_one_by_one_or_all_but_this(
    people: People, rooms: Sessions
) -> None:
    ended: list[str] = []

    async def note(connection: AsyncConnection, ids: Sequence[str]) -> None:
        assert connection.in_transaction()
        ended.extend(ids)

    rooms.on_end(note)
    browsers = [Browser(rooms) for _ in range(4)]
    made = [await browser.log_in("ada") for browser in browsers]
    assert {each.id for each in await rooms.of_account("ada")} == set(made)
    assert not await rooms.end("bob", made[0])
    assert await rooms.end("ada", made[0])
    assert await browsers[0].current() is None
    async with people.sql.write() as connection:
        await rooms.end_all(connection, "ada", keep=made[1])
    assert [each.id for each in await rooms.of_account("ada")] == [made[1]]
    assert set(ended) == {made[0], made[2], made[3]}


async def test_it_is_none_while_the_account_is_disabled(people: People, rooms: Sessions) -> None:
    browser = Browser(rooms)
    await browser.log_in("ada")
    async with people.sql.write() as connection:
        await connection.execute(accounts.update().values(disabled=True))
    assert await browser.current() is None


@pytest.mark.parametrize("cookie", ["x", "x" * 5000, "é"])
async def test_a_cookie_nobody_was_given_is_nobody(rooms: Sessions, cookie: str) -> None:
    browser = Browser(rooms)
    browser.cookie = cookie
    assert await browser.current() is None
