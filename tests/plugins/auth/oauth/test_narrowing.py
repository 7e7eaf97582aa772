"""Less is given when less is asked for, but for the organisation that bounds it."""

from __future__ import annotations

import asyncio
from typing import Any

from plugins.auth.access.organisation_scope import scope_of
from plugins.auth.exchange.exchange import ACCESS_TOKEN
from plugins.auth.oauth.clients import CREDENTIALS, EXCHANGE
from plugins.auth.oauth.tables import clients
from tests.plugins.auth.access.conftest import desk
from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.access.members import (
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


@on_sqlite
async def test_narrowing_at_refresh_never_takes_the_bound_away(here: Place, desk: Desk) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    told = await for_one(app, browser, members.acme)
    for scope in ("openid", "organisation", scope_of(members.acme)):
        _, told = await app.refresh(told["refresh_token"], scope=scope)
        assert said(told)["org"] == members.acme
        assert scope_of(members.acme) in told["scope"].split()
    status, error = await app.refresh(told["refresh_token"], scope=scope_of(members.zeta))
    assert (status, error["error"]) == (400, "invalid_scope")
    async with here.clients.epoch.write() as connection:
        await connection.execute(clients.update().values(scopes="openid"))
    async with asyncio.timeout(20):
        while "organisations" in said(told):
            _, told = await app.refresh(told["refresh_token"])
            assert said(told)["org"] == members.acme


@on_sqlite
async def test_an_exchange_never_takes_the_bound_away(here: Place, desk: Desk) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    values: Any = {"redirect_uris": [], "grants": [CREDENTIALS, EXCHANGE]}
    api = await here.app(scopes=["openid"], **values)
    told = await for_one(app, browser, members.acme)
    sent = {
        "grant_type": EXCHANGE,
        "subject_token": told["access_token"],
        "subject_token_type": ACCESS_TOKEN,
    }
    status, exchanged = await api.post("token", {**sent, "scope": "openid"})
    assert (status, said(exchanged)["org"]) == (200, members.acme)
    assert exchanged["scope"] == f"openid {scope_of(members.acme)}"
    status, error = await api.post("token", {**sent, "scope": scope_of(members.zeta)})
    assert (status, error["error"]) == (400, "invalid_scope")
    status, error = await api.post(
        "token", {"grant_type": CREDENTIALS, "scope": scope_of(members.acme)}
    )
    assert (status, error["error"]) == (400, "invalid_scope")
    await desk.organisations.remove(members.acme, members.ada)

    async def refused() -> bool:
        answer = await api.post("token", {**sent, "subject_token": exchanged["access_token"]})
        return bool(answer[0] == 400)

    await until(refused)
