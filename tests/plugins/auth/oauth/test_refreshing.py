"""Refresh tokens: rotated, and who sends a spent one ends them, unless it is a race."""

from __future__ import annotations

import asyncio
import hashlib
import re

import jwt
import pytest
import sqlalchemy as sa

from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.tables import events
from plugins.auth.oauth.grants import GRACE
from plugins.auth.oauth.tables import clients, grants
from tests.plugins.auth.browser import EMAIL
from tests.plugins.auth.oauth.relying import Place
from tests.plugins.auth.people import PASSWORD


async def aged(here: Place, seconds: int) -> None:
    """The last rotation was so long ago."""
    async with here.sql.write() as connection:
        await connection.execute(grants.update().values(rotated_at=grants.c.rotated_at - seconds))


async def reuses(here: Place) -> int:
    counted = sa.select(sa.func.count()).where(events.c.event == "refresh_token_reused")
    async with here.sql.read() as connection:
        return int((await connection.execute(counted)).scalar_one())


async def test_each_refresh_gives_the_next_token_and_is_of_the_same_log_in(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    first = await app.tokens(ada)
    status, second = await app.refresh(first["refresh_token"])
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    before, after = (
        jwt.decode(each["id_token"], options={"verify_signature": False})
        for each in (first, second)
    )
    assert after.items() >= {name: before[name] for name in ("sub", "auth_time", "sid")}.items()
    assert "nonce" not in after
    async with here.sql.read() as connection:
        row = (await connection.execute(sa.select(grants))).one()
    assert row.current == hashlib.sha256(second["refresh_token"].encode()).digest()


async def test_a_refresh_may_ask_for_less_and_never_for_more(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    token = (await app.tokens(ada, scope="openid email"))["refresh_token"]
    status, told = await app.refresh(token, scope="openid profile")
    assert (status, told["error"]) == (400, "invalid_scope")
    _, told = await app.refresh(token, scope="email")
    assert told["scope"] == "email"
    assert "id_token" not in told
    _, told = await app.refresh(told["refresh_token"])
    assert told["scope"] == "openid email"


async def test_of_twenty_refreshes_at_once_one_wins_and_the_session_lives(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    token = (await app.tokens(ada))["refresh_token"]
    answers = await asyncio.gather(*(app.refresh(token) for _ in range(20)))
    assert sorted(status for status, _ in answers) == [200] + [400] * 19
    assert {told["error"] for status, told in answers if status == 400} == {"invalid_grant"}
    won = next(told for status, told in answers if status == 200)
    assert (await app.refresh(won["refresh_token"]))[0] == 200
    assert await reuses(here) == 0


async def test_a_spent_token_ends_all_once_its_child_was_used(here: Place) -> None:
    """ASVS 5.0 10.4.5."""
    ada, app = await here.ada(), await here.app()
    first = (await app.tokens(ada))["refresh_token"]
    _, second = await app.refresh(first)
    _, third = await app.refresh(second["refresh_token"])
    assert (await app.refresh(first))[1]["error"] == "invalid_grant"
    assert (await app.refresh(third["refresh_token"]))[1]["error"] == "invalid_grant"
    assert await reuses(here) == 1
    async with asyncio.timeout(5):
        while True:
            if (await app.get("/api", third["access_token"]))[0] == 401:
                break
            await asyncio.sleep(0.05)


async def test_a_spent_token_ends_all_after_the_grace(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    first = (await app.tokens(ada))["refresh_token"]
    _, second = await app.refresh(first)
    await aged(here, GRACE - 2)
    assert (await app.refresh(first))[1]["error"] == "invalid_grant"
    _, third = await app.refresh(second["refresh_token"])
    await aged(here, GRACE + 1)
    assert (await app.refresh(second["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await app.refresh(third["refresh_token"]))[1]["error"] == "invalid_grant"
    assert await reuses(here) == 1


async def test_a_token_nobody_was_given_ends_nothing(here: Place) -> None:
    ada, app, other = await here.ada(), await here.app(), await here.app()
    token = (await app.tokens(ada))["refresh_token"]
    forged = token[:32] + "A" * 65
    for wrong in (forged, token[:-1] + ("A" if token[-1] != "A" else "B"), "x", "ñ", "x" * 9000):
        assert (await app.refresh(wrong))[1]["error"] == "invalid_grant"
    assert (await other.refresh(token))[1]["error"] == "invalid_grant"
    assert (await app.post("token", {"grant_type": "refresh_token"}))[1]["error"] == (
        "invalid_request"
    )
    assert (await app.refresh(token))[0] == 200


async def test_it_ends_unused_and_in_any_case(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    for column in (grants.c.expires_at, grants.c.ends_at):
        token = (await app.tokens(ada))["refresh_token"]
        async with here.sql.write() as connection:
            ends = grants.update().values({column.name: grants.c.created_at - 1})
            await connection.execute(ends)
        status, told = await app.refresh(token)
        if column is grants.c.ends_at:
            assert status == 200
            status, told = await app.refresh(told["refresh_token"])
        assert (status, told["error"]) == (400, "invalid_grant")


async def test_it_ends_with_its_session_unless_it_is_for_when_people_are_away(
    here: Place,
) -> None:
    ada, app = await here.ada(), await here.app()
    bound = (await app.tokens(ada))["refresh_token"]
    told = await app.tokens(ada, scope="openid offline_access")
    await ada.submit("/auth/logout")
    assert (await app.refresh(bound))[1]["error"] == "invalid_grant"
    status, told = await app.refresh(told["refresh_token"])
    assert status == 200
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert "sid" not in claims
    assert (await app.get("/api", told["access_token"]))[0] == 204


async def test_it_ends_with_the_account(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    token = (await app.tokens(ada, scope="openid offline_access"))["refresh_token"]
    async with here.sql.write() as connection:
        await connection.execute(accounts.update().values(disabled=True))
    assert (await app.refresh(token))[1]["error"] == "invalid_grant"


async def test_it_is_introspected_and_revoked_with_all_that_came_from_it(here: Place) -> None:
    ada, app, other = await here.ada(), await here.app(), await here.app()
    told = await app.tokens(ada)
    sent = {"token": told["refresh_token"]}
    _, found = await app.post("introspect", sent)
    assert found["active"]
    assert found["scope"] == "openid profile email"
    assert "token_type" not in found
    assert (await other.post("introspect", sent))[1] == {"active": False}
    assert await other.post("revoke", sent) == (200, None)
    assert (await app.post("introspect", sent))[1]["active"]
    assert await app.post("revoke", sent) == (200, None)
    assert (await app.post("introspect", sent))[1] == {"active": False}
    assert (await app.refresh(told["refresh_token"]))[1]["error"] == "invalid_grant"
    async with asyncio.timeout(5):
        while True:
            access = {"token": told["access_token"]}
            if not (await app.post("introspect", access))[1]["active"]:
                break
            await asyncio.sleep(0.05)


async def test_a_closed_account_leaves_nothing_behind(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    token = (await app.tokens(ada, scope="openid offline_access"))["refresh_token"]
    await ada.submit("/auth/account/close", current=PASSWORD)
    assert (await app.refresh(token))[1]["error"] == "invalid_grant"
    async with here.sql.read() as connection:
        assert (await connection.execute(sa.select(grants))).all() == []


async def test_a_password_that_was_forgotten_ends_it_too(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    ada, app = await here.ada(), await here.app()
    token = (await app.tokens(ada, scope="openid offline_access"))["refresh_token"]
    await ada.submit("/auth/forgot", email=EMAIL)
    printed, link = "", None
    async with asyncio.timeout(20):
        while link is None:
            printed += capsys.readouterr().out
            link = re.search(r"http://localhost(/auth/reset\S+)", printed)
            await asyncio.sleep(0.05)
    done = await ada.submit(link[1], "/auth/reset", password="copper-meadow-51-saddle")
    assert done.status == 200
    assert (await app.refresh(token))[1]["error"] == "invalid_grant"


async def test_what_a_client_may_no_longer_have_is_not_refreshed(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    told = await app.tokens(ada)
    async with here.clients.epoch.write() as connection:
        await connection.execute(clients.update().values(scopes="openid email"))
    for _ in range(2000):  # what another host wrote is heard of within a second
        status, told = await app.refresh(told["refresh_token"])
        assert status == 200
        if told["scope"] == "openid email":
            return
    raise AssertionError(told["scope"])
