"""The password grant: for marked clients alone, with the second factor, locked like the page."""

from __future__ import annotations

import logging
import time
from typing import Any

import jwt
import pyotp
import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts.tables import accounts
from plugins.auth.factors.tables import passkeys
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import PASSWORD, REFRESH, Clients
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import App, Place
from tests.plugins.auth.people import PASSWORD as SECRET

__all__ = ["here"]

ADA = {"username": "ada@example.org", "password": SECRET}


async def old_program(here: Place) -> App:
    values: Any = {"redirect_uris": [], "grants": [PASSWORD, REFRESH]}
    return await here.app(**values)


async def ask(app: App, **sent: str) -> tuple[int, Any]:
    return await app.post("token", {"grant_type": PASSWORD, "scope": "email", **sent})


async def test_a_marked_client_gets_tokens_and_it_is_logged(
    here: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await here.ada()
    app = await old_program(here)
    with caplog.at_level(logging.WARNING, "gateway.auth.password"):
        status, told = await ask(app, **ADA)
    assert (status, told["scope"]) == (200, "email")
    assert any(app.client.id in each.getMessage() for each in caplog.records)
    assert SECRET not in caplog.text
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert (claims["amr"], claims["acr"]) == (["pwd"], "aal1")
    assert (await app.refresh(told["refresh_token"]))[0] == 200


async def test_other_clients_may_not_use_it(here: Place, sql: Sql) -> None:
    await here.ada()
    assert (await ask(await here.app(), **ADA))[1]["error"] == "unauthorized_client"
    with pytest.raises(ValueError, match="public"):
        await Clients(sql).create("app", method=NONE, grants=[PASSWORD])


async def test_a_wrong_password_and_nobody_are_told_the_same_and_locked(here: Place) -> None:
    await here.ada()
    app = await old_program(here)
    wrong = await ask(app, **{**ADA, "password": "wrong"})
    assert wrong[1]["error"] == "invalid_grant"
    assert wrong == await ask(app, username="bob@example.org", password=SECRET)
    assert (await ask(app, username="ada@example.org"))[1]["error"] == "invalid_request"
    for _ in range(9):
        await ask(app, **{**ADA, "password": "wrong"})
    status, told = await ask(app, **ADA)
    assert (status, told["error_description"]) == (400, "too many failures")
    page = await here.browser().log_in()
    assert page.status == 429


async def test_who_has_a_second_factor_needs_it_here_too(here: Place) -> None:
    ada, app = await here.ada(), await old_program(here)
    form = await ada.get("/auth/account/totp")
    secret = form.text.split('id="secret">')[1].split("<")[0]
    totp = pyotp.TOTP(secret)
    now = int(time.time()) // 30
    await ada.post("/auth/account/totp", {**form.hidden(), "code": totp.generate_otp(now)})
    status, told = await ask(app, **ADA)
    assert (status, told["error"]) == (400, "invalid_grant")
    assert told["error_description"].startswith("mfa_required")
    assert (await ask(app, **ADA, otp="000000"))[1]["error"] == "invalid_grant"
    status, told = await ask(app, **ADA, otp=totp.generate_otp(now + 1))
    assert status == 200
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp"], "aal2")


async def test_who_has_passkeys_alone_is_not_let_in_by_the_password(here: Place) -> None:
    await here.ada()
    app = await old_program(here)
    async with here.sql.write() as connection:
        ada = (await connection.execute(sa.select(accounts.c.id))).scalar_one()
        row = {"id": b"1", "account_id": ada, "key": b"", "sign_count": 0, "name": "phone"}
        await connection.execute(passkeys.insert().values(row | {"created_at": 1, "used_at": 1}))
    for otp in ({}, {"otp": "000000"}):
        status, told = await ask(app, **ADA, **otp)
        assert (status, told["error"]) == (400, "invalid_grant")
