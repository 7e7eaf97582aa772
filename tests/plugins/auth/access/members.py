"""Somebody in two organisations, and how she chooses one at log-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import sqlalchemy as sa

from gateway.seat import Subscribers
from plugins.auth.accounts.tables import accounts
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.revoked import Revoked
from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.browser import Browser, Page
from tests.plugins.auth.oauth.relying import App, Place, send

SCOPES = ["openid", "email", "organisation"]
ASKED = {"scope": "openid organisation"}
CHOICE = "/auth/authorize/consent"
on_sqlite = pytest.mark.parametrize("sql_url", ["sqlite"], indirect=True)
"""What no engine does otherwise; what is a race runs on both."""


@dataclass
class Members:
    """Ada, in two organisations of hers; bob owns them as well, so she may leave."""

    ada: str
    acme: str
    zeta: str


async def joined(here: Place, desk: Desk) -> tuple[Browser, Members]:
    browser = await here.ada()
    async with here.sql.read() as connection:
        ada = (await connection.execute(sa.select(accounts.c.id))).scalar_one()
    ending = Ending(Revoked(here.sql, Subscribers(), 900))
    desk.organisations.on_leave(ending.memberships)
    bob = await desk.person("bob")
    acme, zeta = [(await desk.organisations.create(name, bob)).id for name in ("Acme", "Zeta")]
    for each in (acme, zeta):
        await desk.organisations.add(each, ada)
    return browser, Members(ada, acme, zeta)


def said(told: dict[str, Any], token: str = "access_token") -> dict[str, Any]:
    options: Any = {"verify_signature": False, "verify_aud": False}
    found: dict[str, Any] = jwt.decode(told[token], options=options)
    return found


async def choose(browser: Browser, shown: Page, chosen: str, do: str = "choose") -> dict[str, str]:
    answer = await send(browser, CHOICE, {**shown.hidden(), "organisation": chosen, "do": do})
    assert isinstance(answer, dict), answer.text
    return answer


async def for_one(app: App, browser: Browser, chosen: str, **more: str) -> dict[str, Any]:
    shown = await app.shown(browser, **{**ASKED, **more})
    status, told = await app.redeem((await choose(browser, shown, chosen))["code"])
    assert status == 200, told
    found: dict[str, Any] = told
    return found
