"""What was granted for an organisation ends with the membership."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.access.organisation_scope import scope_of
from plugins.auth.access.tables import memberships
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.grants import Granted, Grants
from plugins.auth.oauth.options import TokenOptions
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.tables import grants
from tests.plugins.auth.access.conftest import desk
from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.access.members import (
    ASKED,
    SCOPES,
    for_one,
    joined,
    on_sqlite,
    said,
)
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import Place
from tests.plugins.auth.patience import until

__all__ = ["desk", "here"]


@pytest.mark.parametrize("how", ["left", "deleted"])
async def test_who_leaves_has_no_tokens_for_the_organisation_and_keeps_the_others(
    here: Place, desk: Desk, how: str
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    left = await for_one(app, browser, members.acme)
    other = await app.tokens(browser, scope=f"openid {scope_of(members.zeta)}")
    code = await app.code(browser, scope=scope_of(members.acme))
    if how == "left":
        await browser.submit(f"/auth/account/organisations/{members.acme}", do="leave")
    else:
        await desk.organisations.delete(members.acme)
    assert (await app.refresh(left["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await app.redeem(code))[1]["error"] == "invalid_grant"

    async def ended() -> bool:
        return (await app.get("/auth/userinfo", left["access_token"]))[0] == 401

    await until(ended)
    assert (await app.get("/auth/userinfo", other["access_token"]))[0] == 200
    assert said((await app.refresh(other["refresh_token"]))[1])["org"] == members.zeta


@on_sqlite
async def test_a_membership_that_is_gone_without_a_word_refreshes_nothing_and_spends_nothing(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    told = await for_one(app, browser, members.acme)
    async with here.sql.write() as connection:
        await connection.execute(memberships.delete())
    for _ in range(2):
        assert (await app.refresh(told["refresh_token"]))[1]["error"] == "invalid_grant"
    await desk.organisations.add(members.acme, members.ada)
    assert (await app.refresh(told["refresh_token"]))[0] == 200


async def test_who_leaves_while_codes_are_redeemed_has_nothing_that_lives(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    first = await for_one(app, browser, members.acme)
    codes = [await app.code(browser, **ASKED) for _ in range(8)]
    races = [app.redeem(code) for code in codes]
    leaving = desk.organisations.remove(members.acme, members.ada)
    results: Any = await asyncio.gather(
        *races[:4], leaving, *races[4:], app.refresh(first["refresh_token"])
    )
    answers = [each for each in results if isinstance(each, tuple)]
    assert len(answers) == 9
    for status, told in answers:
        if status == 200:
            assert said(told)["org"] == members.acme
            assert (await app.refresh(told["refresh_token"]))[1]["error"] == "invalid_grant"
        else:
            assert told["error"] == "invalid_grant"
    async with here.sql.read() as connection:
        assert (await connection.execute(sa.select(grants))).all() == []


@pytest.mark.parametrize("sql_url", ["postgres"], indirect=True)
async def test_who_leaves_waits_for_a_grant_that_is_being_made_and_ends_it(
    desk: Desk, sql: Sql
) -> None:
    """With SQLite there is one writer at a time."""
    ada, bob = await desk.person("ada"), await desk.person("bob")
    acme = (await desk.organisations.create("Acme", bob)).id
    await desk.organisations.add(acme, ada)
    ending = Ending(Revoked(sql, Subscribers(), 900))
    desk.organisations.on_leave(ending.memberships)
    made = Granted("a" * 32, "b" * 32, ada, "", True, (scope_of(acme),), 1, ("pwd",), "aal1")
    begun = Grants(sql, AtRest("s" * 32), ending, TokenOptions())
    locked = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    async def waits() -> bool:
        async with sql.read() as other:
            return leaving.done() or (await other.execute(locked)).scalar_one() > 0

    async with sql.write() as connection:
        await begun.begin(connection, made, refresh=True)
        leaving = asyncio.create_task(desk.organisations.remove(acme, ada))
        await until(waits)
    assert await leaving
    async with sql.read() as connection:
        assert (await connection.execute(sa.select(grants))).all() == []
    with pytest.raises(OAuthError, match="no member"):
        async with sql.write() as connection:
            await begun.begin(connection, made, refresh=True)
